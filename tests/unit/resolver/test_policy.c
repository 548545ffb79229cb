/* Policies, verdicts, and which unknown facts matter. */
#include "fixture.h"

#include <errno.h>
#include <string.h>

static struct rule_set *set;
static struct resolution result = RESOLUTION_INIT;

static const struct rule_def rules[] = {
    {RULE("mask", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("affinity_mask", "invalid")))},
    {RULE("bad", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("verbose", "invalid"))),
     ACTIONS({.kind = ACTION_UNSET, .name = "ITEX_VERBOSE"})},
    {RULE("slow", SEVERITY_WARNING, OUTCOME_SLOW), ANY(CLAUSE(WHEN("keras", "0"), WHEN("disable_native", "false"))),
     ACTIONS({.kind = ACTION_SET, .name = "ITEX_DISABLE_XLA", .value = "1"})},
    {RULE("shrug", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("late_jit", "true")))},
    {.id = "contradiction", .service = true, .severity = SEVERITY_WARNING, .message = "{detail}", .source = "test"},
};

static int setup(void **state)
{
    (void)state;
    set = set_of(rules, N(rules));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolution_free(&result);
    rule_set_free(set);
    return 0;
}

static const char known[] = "itex=newest jit=off custom_ops=false ";

static void check(struct resolve_input policy, const char *words, enum verdict verdict, enum mode mode, const char *env,
                  const char *names)
{
    char all[256];

    strcpy(all, known);
    strcat(all, words);
    resolve_words_with(set, all, &policy, &result);
    if (result.verdict != verdict)
        fail_msg("%s: %s", words, verdict_name(result.verdict));
    assert_int_equal(result.mode, mode);
    assert_string_equal(env_line(&result), env);
    assert_string_equal(rules_line(&result), names);
}

static void enforce(void **state)
{
    const struct resolve_input policy = {.policy = POLICY_ENFORCE};

    (void)state;
    check(policy, "keras=3", VERDICT_OK, MODE_NPD_XLA, "", "");
    check(policy, "keras=0", VERDICT_FIXED, MODE_NPD, "ITEX_DISABLE_XLA=1", "slow");
    check(policy, "keras=3 late_jit=true", VERDICT_OK, MODE_NPD_XLA, "", "shrug");
    check(policy, "keras=3 ZE_AFFINITY_MASK=x", VERDICT_REJECTED, MODE_NPD_XLA, "", "mask");
}

static void advise(void **state)
{
    const struct resolve_input policy = {.policy = POLICY_ADVISE};

    (void)state;
    check(policy, "keras=3", VERDICT_OK, MODE_NPD_XLA, "", "");
    check(policy, "keras=0", VERDICT_ADVISED, MODE_NPD_XLA, "", "slow");
    assert_false(diagnostic_of(&result, "slow")->applied);
    assert_int_equal(result.n_obligations, 0);
    check(policy, "keras=3 late_jit=true", VERDICT_OK, MODE_NPD_XLA, "", "shrug");
    check(policy, "keras=3 ZE_AFFINITY_MASK=x", VERDICT_ADVISED, MODE_NPD_XLA, "", "mask");
}

static void errors_only(void **state)
{
    const struct resolve_input policy = {.apply_errors = true};

    (void)state;
    check(policy, "keras=0", VERDICT_ADVISED, MODE_NPD_XLA, "", "slow");
    check(policy, "keras=0 ITEX_VERBOSE=x", VERDICT_FIXED, MODE_NPD_XLA, "ITEX_VERBOSE", "bad slow");
    check(policy, "keras=3 ITEX_VERBOSE=x", VERDICT_FIXED, MODE_NPD_XLA, "ITEX_VERBOSE", "bad");
    check(policy, "keras=3 late_jit=true", VERDICT_OK, MODE_NPD_XLA, "", "shrug");
}

/* ---- Leases ----------------------------------------------------------------------------------------- */

static const struct env_variable lease[] = {
    {.name = "ZE_AFFINITY_MASK", .value = "1"},
    {.name = "ZE_ENABLE_PCI_ID_DEVICE_ORDER", .value = "1"},
};

static void a_lease_is_in_force(void **state)
{
    struct resolve_input policy = {.lease = lease, .n_lease = N(lease)};

    (void)state;
    check(policy, "keras=3", VERDICT_FIXED, MODE_NPD_XLA, "ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1", "");
    check(policy, "keras=3 ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1", VERDICT_OK, MODE_NPD_XLA, "", "");
    check(policy, "keras=0", VERDICT_FIXED, MODE_NPD,
          "ITEX_DISABLE_XLA=1 ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1", "slow");
    policy.policy = POLICY_ADVISE;
    check(policy, "keras=0", VERDICT_ADVISED, MODE_NPD_XLA, "ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1",
          "slow");
    assert_false(diagnostic_of(&result, "slow")->applied);
}

/* The job's own mask is what it was predicted by; the lease has taken its place, and so it forbids nothing. */
static void a_lease_makes_rules_moot(void **state)
{
    const struct resolve_input policy = {.lease = lease, .n_lease = N(lease)};

    (void)state;
    check(policy, "keras=3 ZE_AFFINITY_MASK=x", VERDICT_FIXED, MODE_NPD_XLA,
          "ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1", "mask");
    assert_false(diagnostic_of(&result, "mask")->applied);
    assert_string_equal(fact_of(&result, "affinity_mask"), "invalid");
    assert_int_equal(result.predicted_outcome, OUTCOME_ABORT);
}

static void a_lease_owns_its_variables(void **state)
{
    static const struct env_variable verbose[] = {{.name = "ITEX_VERBOSE", .value = "loud"}};
    const struct resolve_input policy = {.lease = verbose, .n_lease = 1};

    (void)state;
    check(policy, "keras=3", VERDICT_REJECTED, MODE_NPD_XLA, "", "bad contradiction");
    assert_non_null(strstr(diagnostic_of(&result, "contradiction")->message, "the lease and bad, about ITEX_VERBOSE"));
    assert_int_equal(diagnostic_of(&result, "bad")->n_because, 0);
}

static void a_lease_changes_the_script(void **state)
{
    static const struct env_variable script[] = {
        {.name = "ZE_AFFINITY_MASK", .value = "0", .file = "train.py", .line = 7}};
    const struct resolve_input policy = {.lease = lease, .n_lease = N(lease), .env = script, .n_env = 1};

    (void)state;
    check(policy, "keras=3", VERDICT_FIXED, MODE_NPD_XLA, "ZE_ENABLE_PCI_ID_DEVICE_ORDER=1", "");
    assert_true(has_obligation(&result, "script:train.py:7"));
}

static void a_lease_sets_what_is_known_only(void **state)
{
    static const struct env_variable other[] = {{.name = "PATH", .value = "/"}};
    const struct resolve_input input = {.lease = other, .n_lease = 1};
    char error[128];

    (void)state;
    assert_int_equal(resolve(set, &input, &result, error, sizeof error), -EINVAL);
    assert_string_equal(error, "no lease sets PATH");
}

static void what_matters_is_told(void **state)
{
    static const struct {
        const char *words;
        const char *unknown;
    } expectations[] = {
        {"keras=0 jit=off custom_ops=false itex=newest", ""},
        {"jit=off custom_ops=false itex=newest", "keras"},
        {"jit=off custom_ops=false itex=newest ITEX_DISABLE_XLA=1", ""},
        {"keras=3", "itex"},
        {"keras=3 tensorflow=2.16", ""},
        {"itex=2.14", "keras"},
        {"ITEX_VERBOSE=0", "keras itex"},
    };

    (void)state;
    for (size_t i = 0; i < N(expectations); i++) {
        resolve_words(set, expectations[i].words, &result);
        if (strcmp(unknown_line(&result), expectations[i].unknown) != 0)
            fail_msg("%s: %s", expectations[i].words, unknown_line(&result));
    }
}

/* Only together do the two decide: each alone changes nothing while the other is as it is. */
static void joint_assignments_count(void **state)
{
    const struct rule_def joint = {RULE("joint", SEVERITY_WARNING, OUTCOME_SLOW),
                                   ANY(CLAUSE(WHEN("keras", "3"), WHEN("jit", "on"), WHEN("custom_ops", "true")))};
    struct rule_set *of_joint = set_of(&joint, 1);

    (void)state;
    resolve_words(of_joint, "itex=2.15", &result);
    assert_string_equal(unknown_line(&result), "keras jit custom_ops");
    assert_false(result.predicted_outcome_known);
    resolve_words(of_joint, "itex=2.15 keras=2", &result);
    assert_string_equal(unknown_line(&result), "");
    assert_true(result.predicted_outcome_known);
    resolve_words(of_joint, "itex=2.15 keras=3 jit=on custom_ops=true", &result);
    assert_int_equal(result.predicted_outcome, OUTCOME_SLOW);
    rule_set_free(of_joint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enforce),
        cmocka_unit_test(advise),
        cmocka_unit_test(errors_only),
        cmocka_unit_test(a_lease_is_in_force),
        cmocka_unit_test(a_lease_makes_rules_moot),
        cmocka_unit_test(a_lease_owns_its_variables),
        cmocka_unit_test(a_lease_changes_the_script),
        cmocka_unit_test(a_lease_sets_what_is_known_only),
        cmocka_unit_test(what_matters_is_told),
        cmocka_unit_test(joint_assignments_count),
    };

    return cmocka_run_group_tests_name("resolver-policy", tests, setup, teardown);
}
