/* Matching, the fixpoint, chains, ownership, obligations, messages, and bad input: with small rule sets of our own. */
#include "fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static struct resolution result = RESOLUTION_INIT;

static int teardown(void **state)
{
    (void)state;
    resolution_free(&result);
    return 0;
}

static void a_condition_on_the_unknown_does_not_hold(void **state)
{
    const struct rule_def rules[] = {
        {RULE("plain", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("keras", "3")))},
        {RULE("negated", SEVERITY_INFO, OUTCOME_OK),
         ANY(CLAUSE({.fact = "keras", .values = (const char *const[]){"3"}, .n_values = 1, .negated = true}))},
        {RULE("listed", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("keras", "2", "unknown")))},
        {RULE("unless", SEVERITY_INFO, OUTCOME_OK), UNLESS(CLAUSE(WHEN("keras", "3")))},
        {RULE("text", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("setuptools", ">=70")))},
        {RULE("text-listed", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("setuptools", ">=70", "unknown")))},
        {RULE("either", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("keras", "3")), CLAUSE(WHEN("jit", "on")))},
        {RULE("both", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("keras", "3"), WHEN("jit", "on")))},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=2.15", &result);
    assert_string_equal(rules_line(&result), "listed unless text-listed");
    resolve_words(set, "itex=2.15 keras=3 setuptools=69", &result);
    assert_string_equal(rules_line(&result), "plain either");
    resolve_words(set, "itex=2.15 keras=2 setuptools=70.1 jit=on", &result);
    assert_string_equal(rules_line(&result), "negated listed unless text text-listed either");
    resolve_words(set, "itex=2.15 keras=3 jit=on", &result);
    assert_string_equal(rules_line(&result), "plain text-listed either both");
    rule_set_free(set);
}

static void generations_hold_rules_back(void **state)
{
    struct rule_def rules[] = {{RULE("old", SEVERITY_INFO, OUTCOME_OK)}, {RULE("new", SEVERITY_INFO, OUTCOME_OK)}};
    struct rule_set *set;

    (void)state;
    rules[0].generations = 1u << GENERATION_2_14;
    rules[1].generations = 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST;
    set = set_of(rules, N(rules));
    resolve_words(set, "itex=2.14", &result);
    assert_string_equal(rules_line(&result), "old");
    resolve_words(set, "itex=2.16", &result);
    assert_string_equal(rules_line(&result), "new");
    rule_set_free(set);
}

/* third needs what second sets, second what first sets; first only needs the job. */
static void causes_are_told_first_cause_first(void **state)
{
    const struct rule_def rules[] = {
        {RULE("third", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("tile_sycl", "false"))),
         ACTIONS({.kind = ACTION_OBLIGATION, .name = "install:something"})},
        {RULE("second", SEVERITY_WARNING, OUTCOME_SLOW), ANY(CLAUSE(WHEN("disable_native", "true"))),
         ACTIONS({.kind = ACTION_SET, .name = "SYCL_TILE_AS_DEVICE", .value = "0"})},
        {RULE("first", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("keras", "0"))),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_DISABLE_XLA", .value = "1"})},
        {RULE("moot", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("keras", "0"), WHEN("disable_native", "false"))),
         ACTIONS({.kind = ACTION_UNSET, .name = "ITEX_VERBOSE"})},
    };
    struct rule_set *set = set_of(rules, N(rules));
    const struct diagnostic *third;

    (void)state;
    resolve_words(set, "itex=newest keras=0 jit=off custom_ops=false", &result);
    assert_string_equal(rules_line(&result), "third second first moot");
    third = diagnostic_of(&result, "third");
    assert_int_equal(third->n_because, 2);
    assert_string_equal(third->because[0], "first");
    assert_string_equal(third->because[1], "second");
    assert_false(third->applied);
    assert_true(diagnostic_of(&result, "second")->applied);
    assert_int_equal(diagnostic_of(&result, "first")->n_because, 0);
    assert_false(diagnostic_of(&result, "moot")->applied);
    assert_string_equal(env_line(&result), "ITEX_DISABLE_XLA=1 SYCL_TILE_AS_DEVICE=0");
    assert_true(has_obligation(&result, "install:something"));
    assert_int_equal(result.verdict, VERDICT_FIXED);
    assert_int_equal(result.predicted_outcome, OUTCOME_ABORT);
    rule_set_free(set);
}

static void an_obligation_pins_its_fact(void **state)
{
    const struct rule_def rules[] = {
        {RULE("on", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("jit_effective", "on"))),
         ACTIONS({.kind = ACTION_OBLIGATION, .name = "jit_compile=False"})},
        {RULE("off", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("jit_effective", "off"))),
         ACTIONS({.kind = ACTION_SET, .name = "KMP_BLOCKTIME", .value = "0"})},
        {RULE("backend", SEVERITY_ERROR, OUTCOME_EXIT0), ANY(CLAUSE(WHEN("keras_backend", "other"))),
         ACTIONS({.kind = ACTION_OBLIGATION, .name = "KERAS_BACKEND=tensorflow"})},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=2.15 keras=3 jit=auto custom_ops=false KERAS_BACKEND=jax", &result);
    assert_string_equal(rules_line(&result), "on off backend");
    assert_string_equal(diagnostic_of(&result, "off")->because[0], "on");
    assert_true(has_obligation(&result, "jit_compile=False"));
    assert_true(has_obligation(&result, "KERAS_BACKEND=tensorflow"));
    assert_null(change_of(&result, "KERAS_BACKEND"));
    assert_string_equal(fact_of(&result, "jit"), "auto");
    assert_string_equal(fact_of(&result, "jit_effective"), "on");
    rule_set_free(set);
}

static void the_first_rule_keeps_what_two_want(void **state)
{
    const struct rule_def rules[] = {
        {RULE("one", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("npd_requested", "false"))),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "1"},
                 {.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = "1"})},
        {RULE("two", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("npd_requested", "true"))),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "0"},
                 {.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = NULL},
                 {.kind = ACTION_XLA_FLAG, .name = "tf_xla_clustering_debug", .value = "true"})},
        {.id = "contradiction",
         .severity = SEVERITY_WARNING,
         .outcome = OUTCOME_WARNING,
         .service = true,
         .message = "<{detail}>",
         .source = "test"},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=2.15 keras=0 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", &result);
    assert_string_equal(rules_line(&result), "one two contradiction contradiction");
    assert_string_equal(
        env_line(&result),
        "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1 TF_XLA_FLAGS=--tf_xla_auto_jit=1 --tf_xla_clustering_debug=true");
    assert_non_null(strstr(diagnostic_of(&result, "contradiction")->message,
                           "one and two, about ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"));
    assert_true(diagnostic_of(&result, "two")->applied);
    rule_set_free(set);
}

static void a_contradiction_with_an_error_is_a_rejection(void **state)
{
    const struct rule_def rules[] = {
        {RULE("one", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("disable_native", "false"))),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_DISABLE_XLA", .value = "1"})},
        {RULE("two", SEVERITY_UNSUPPORTED, OUTCOME_UNSUPPORTED), ANY(CLAUSE(WHEN("disable_native", "true"))),
         ACTIONS({.kind = ACTION_UNSET, .name = "ITEX_DISABLE_XLA"})},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=2.15 keras=0 jit=off custom_ops=false", &result);
    assert_int_equal(result.verdict, VERDICT_REJECTED);
    assert_int_equal(result.mode, MODE_NPD); /* none is for devices alone */
    rule_set_free(set);
}

static void an_error_that_nothing_satisfies_is_a_rejection(void **state)
{
    const struct rule_def rules[] = {
        {RULE("mask", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("affinity_mask", "invalid")))},
        {RULE("lib", SEVERITY_ERROR, OUTCOME_CPU), ANY(CLAUSE(WHEN("devices", "none"))),
         ACTIONS({.kind = ACTION_OBLIGATION, .name = "install:gpu"})},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=2.15 ZE_AFFINITY_MASK=x", &result);
    assert_int_equal(result.verdict, VERDICT_REJECTED);
    resolve_words(set, "itex=2.15 devices=none", &result);
    assert_int_equal(result.verdict, VERDICT_FIXED);
    rule_set_free(set);
}

static void variants_and_parts(void **state)
{
    const struct rule_def rule = {
        RULE("quits", SEVERITY_ERROR, OUTCOME_EXIT0),
        ANY(CLAUSE(WHEN("keras", "3"))),
        .variants =
            (const struct rule_variant[]){
                {.when = CLAUSE(WHEN("notebook", "true")), .outcome = OUTCOME_ERROR, .stage = STAGE_IMPORT}},
        .n_variants = 1,
        ACTIONS({.kind = ACTION_UNSET, .name = "ITEX_VERBOSE", .when = CLAUSE(WHEN("verbose", "invalid"))},
                {.kind = ACTION_SET, .name = "ITEX_REMAPPER", .value = "0", .when = CLAUSE(WHEN("remapper", "true"))}),
    };
    struct rule_set *set = set_of(&rule, 1);

    (void)state;
    resolve_words(set, "itex=2.15 keras=3 jit=off custom_ops=false ITEX_REMAPPER=1", &result);
    assert_string_equal(env_line(&result), "ITEX_REMAPPER=0");
    assert_int_equal(result.predicted_outcome, OUTCOME_EXIT0);
    assert_int_equal(result.predicted_mode, MODE_NPD);
    resolve_words(set, "itex=2.15 keras=3 jit=off custom_ops=false notebook=true ITEX_VERBOSE=x ITEX_REMAPPER=0",
                  &result);
    assert_string_equal(env_line(&result), "ITEX_VERBOSE");
    assert_string_equal(change_of(&result, "ITEX_VERBOSE"), "unset");
    assert_int_equal(result.predicted_outcome, OUTCOME_ERROR);
    assert_int_equal(result.predicted_mode, MODE_UNKNOWN);
    rule_set_free(set);
}

static void flags_of_a_file_become_text(void **state)
{
    const struct rule_def rules[] = {
        {RULE("inline", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("xla_flags_source", "file"))),
         ACTIONS({.kind = ACTION_XLA_INLINE})},
        {RULE("gone", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("xla_flags_source", "missing", "unreadable"))),
         ACTIONS({.kind = ACTION_UNSET, .name = "TF_XLA_FLAGS"})},
        {RULE("unknown", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("xla_unknown_flag", "true"))),
         ACTIONS({.kind = ACTION_XLA_DROP_UNKNOWN})},
    };
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words(set, "itex=newest TF_XLA_FLAGS=/f xla_flags_file=--foo~--tf_xla_auto_jit=1~stop", &result);
    assert_string_equal(env_line(&result), "TF_XLA_FLAGS=--tf_xla_auto_jit=1");
    assert_true(diagnostic_of(&result, "inline")->applied);
    assert_true(diagnostic_of(&result, "unknown")->applied);
    resolve_words(set, "itex=newest TF_XLA_FLAGS=/f xla_flags_source=missing", &result);
    assert_string_equal(env_line(&result), "TF_XLA_FLAGS");
    resolve_words(set, "itex=newest TF_XLA_FLAGS=--foo", &result);
    assert_string_equal(env_line(&result), "TF_XLA_FLAGS");
    rule_set_free(set);
}

static void the_scripts_variables_are_the_scripts(void **state)
{
    const struct rule_def rules[] = {
        {RULE("off", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("npd_requested", "false"))),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "1"})},
        {RULE("flag", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("auto_jit", "2"))),
         ACTIONS({.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = "1"})},
    };
    static const struct env_variable script[] = {
        {.name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "0", .file = "train.py", .line = 7},
        {.name = "TF_XLA_FLAGS", .value = "--tf_xla_auto_jit=2", .file = "train.py", .line = 9},
    };
    const struct resolve_input more = {.env = script, .n_env = N(script)};
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words_with(set, "itex=newest ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1", &more, &result);
    assert_string_equal(env_line(&result), "");
    assert_int_equal(result.n_obligations, 2);
    assert_true(has_obligation(&result, "script:train.py:7"));
    assert_true(has_obligation(&result, "script:train.py:9"));
    assert_false(diagnostic_of(&result, "off")->applied);
    assert_int_equal(result.verdict, VERDICT_FIXED);
    assert_int_equal(result.mode, MODE_NPD_XLA);
    rule_set_free(set);
}

static void what_is_too_long_is_unknown(void **state)
{
    const struct rule_def rules[] = {
        {RULE("known", SEVERITY_INFO, OUTCOME_OK), ANY(CLAUSE(WHEN("auto_jit", "0", "1", "2")))},
        {RULE("set", SEVERITY_WARNING, OUTCOME_WARNING),
         ACTIONS({.kind = ACTION_SET, .name = "ITEX_OPS_OVERRIDE", .value = "0"},
                 {.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = "1"})},
        {.id = "oversized-value", .service = true, .severity = SEVERITY_WARNING, .message = "{detail}", .source = "t"},
    };
    static const char *const names[] = {"TF_XLA_FLAGS", "ITEX_OPS_OVERRIDE", "SOMETHING_ELSE"};
    const struct resolve_input more = {.oversized = names, .n_oversized = N(names)};
    struct rule_set *set = set_of(rules, N(rules));

    (void)state;
    resolve_words_with(set, "itex=2.15", &more, &result);
    assert_null(fact_of(&result, "auto_jit"));
    assert_string_equal(rules_line(&result), "set oversized-value");
    assert_string_equal(env_line(&result), "ITEX_OPS_OVERRIDE=0");
    assert_string_equal(diagnostic_of(&result, "oversized-value")->message,
                        "TF_XLA_FLAGS, ITEX_OPS_OVERRIDE, SOMETHING_ELSE");
    assert_int_equal(result.mode, MODE_UNKNOWN);
    rule_set_free(set);
}

static void messages_hold_the_jobs_own_values(void **state)
{
    struct rule_def rule = {
        RULE("told", SEVERITY_WARNING, OUTCOME_WARNING),
        ANY(CLAUSE(WHEN("verbose", "invalid")), CLAUSE(WHEN("backend", "cpu"), WHEN("keras", "3")))};
    struct rule_set *set;
    const char *message;
    char words[512];

    (void)state;
    rule.message = "{{set} is {set}: {ITEX_VERBOSE}, {ITEX_NOT_THERE}, {keras}, {jit}, {itex}";
    rule.solution = "unset {set}";
    set = set_of(&rule, 1);
    resolve_words(set, "itex=2.15 keras=3 ITEX_VERBOSE=a\tb ITEX_BACKEND=cpu", &result);
    message = diagnostic_of(&result, "told")->message;
    assert_string_equal(message, "{set} is ITEX_BACKEND, ITEX_VERBOSE: a?b, unset, 3, unknown, 2.15");
    assert_string_equal(diagnostic_of(&result, "told")->solution, "unset ITEX_BACKEND, ITEX_VERBOSE");
    snprintf(words, sizeof words, "itex=2.15 ITEX_VERBOSE=x%0300d", 0);
    resolve_words(set, words, &result);
    assert_non_null(strstr(diagnostic_of(&result, "told")->message, "000..., unset"));
    rule_set_free(set);
}

static void the_better_source_wins_and_a_difference_is_told(void **state)
{
    const struct rule_def rule = {
        .id = "fact-conflict", .service = true, .severity = SEVERITY_WARNING, .message = "{detail}", .source = "t"};
    const struct input_fact facts[] = {{"keras", "2", FROM_NODE},   {"keras", "3", FROM_DECLARED},
                                       {"keras", "0", FROM_SCRIPT}, {"jit", "on", FROM_NODE},
                                       {"jit", "on", FROM_SCRIPT},  {"itex", "unknown", FROM_DECLARED}};
    const struct resolve_input more = {.facts = facts, .n_facts = N(facts)};
    struct rule_set *set = set_of(&rule, 1);

    (void)state;
    resolve_words_with(set, "custom_ops=false", &more, &result);
    assert_string_equal(fact_of(&result, "keras"), "3");
    assert_string_equal(fact_of(&result, "itex"), "unknown");
    assert_string_equal(rules_line(&result), "fact-conflict fact-conflict");
    assert_string_equal(result.diagnostics[0].message, "keras is 2 (node) and 3 (declared)");
    rule_set_free(set);
}

static void bad_input_is_refused(void **state)
{
    static const struct {
        struct input_fact fact;
        const char *part;
    } bad[] = {{{"nonsense", "1", FROM_DECLARED}, "nonsense"},
               {{"keras", "4", FROM_DECLARED}, "keras"},
               {{"xla", "true", FROM_DECLARED}, "follows"},
               {{"auto_jit", "1", FROM_DECLARED}, "TF_XLA_FLAGS"},
               {{"itex", "latest", FROM_DECLARED}, "version"},
               {{"itex", "", FROM_DECLARED}, "version"},
               {{"itex", "2", FROM_DECLARED}, "such as 2.15.0.3"},
               {{"itex", "2.", FROM_DECLARED}, "such as 2.15.0.3"},
               {{"tensorflow", "2.x", FROM_DECLARED}, "tensorflow: '2.x'"},
               {{"xla_flags_source", "text", FROM_ENVIRONMENT}, "xla_flags_source"}};
    struct rule_set *set = set_of(NULL, 0);
    const struct env_variable names[] = {{.name = "", .value = ""}, {.name = "A=B", .value = ""}};
    char error[256];

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct resolve_input input = {.facts = &bad[i].fact, .n_facts = 1};

        assert_true(resolve(set, &input, &result, error, sizeof error) < 0);
        if (!strstr(error, bad[i].part))
            fail_msg("'%s' is not in '%s'", bad[i].part, error);
    }
    for (size_t i = 0; i < N(names); i++) {
        struct resolve_input input = {.env = &names[i], .n_env = 1};

        assert_true(resolve(set, &input, &result, error, sizeof error) < 0);
        assert_non_null(strstr(error, "name of a variable"));
    }
    rule_set_free(set);
}

static void diagnostics_are_limited(void **state)
{
    static struct rule_def rules[150];
    static char ids[150][16];
    struct rule_set *set;

    (void)state;
    for (size_t i = 0; i < N(rules); i++) {
        snprintf(ids[i], sizeof ids[i], "rule-%zu", i);
        rules[i] = (struct rule_def){RULE(ids[i], SEVERITY_INFO, OUTCOME_OK)};
    }
    rules[149].service = true;
    set = set_of(rules, N(rules));
    resolve_words(set, "itex=2.15", &result);
    assert_int_equal(result.n_diagnostics, RESOLVER_MAX_DIAGNOSTICS);
    assert_int_equal(result.diagnostics_omitted, 49);
    assert_int_equal(resolution_add(set, &result, "rule-149", "x"), 0);
    assert_int_equal(result.diagnostics_omitted, 50);
    assert_true(resolution_add(set, &result, "rule-1", "x") < 0);
    rule_set_free(set);
}

static void a_reused_resolution_allocates_nothing(void **state)
{
    const struct rule_def rule = {RULE("fix", SEVERITY_WARNING, OUTCOME_WARNING), ANY(CLAUSE(WHEN("keras", "3"))),
                                  ACTIONS({.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = "1"})};
    struct rule_set *set = set_of(&rule, 1);
    struct resolution own = RESOLUTION_INIT;
    struct mallinfo2 before;
    struct mallinfo2 after;

    (void)state;
    for (int i = 0; i < 3; i++)
        resolve_words(set, "keras=3 TF_XLA_FLAGS=--tf_xla_clustering_debug", &own);
    before = mallinfo2();
    for (int i = 0; i < 100; i++)
        resolve_words(set, "keras=3 TF_XLA_FLAGS=--tf_xla_clustering_debug", &own);
    after = mallinfo2();
    assert_int_equal(before.uordblks, after.uordblks);
    resolution_free(&own);
    rule_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_on_the_unknown_does_not_hold),
        cmocka_unit_test(generations_hold_rules_back),
        cmocka_unit_test(causes_are_told_first_cause_first),
        cmocka_unit_test(an_obligation_pins_its_fact),
        cmocka_unit_test(the_first_rule_keeps_what_two_want),
        cmocka_unit_test(a_contradiction_with_an_error_is_a_rejection),
        cmocka_unit_test(an_error_that_nothing_satisfies_is_a_rejection),
        cmocka_unit_test(variants_and_parts),
        cmocka_unit_test(flags_of_a_file_become_text),
        cmocka_unit_test(the_scripts_variables_are_the_scripts),
        cmocka_unit_test(what_is_too_long_is_unknown),
        cmocka_unit_test(messages_hold_the_jobs_own_values),
        cmocka_unit_test(the_better_source_wins_and_a_difference_is_told),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(diagnostics_are_limited),
        cmocka_unit_test(a_reused_resolution_allocates_nothing),
    };

    return cmocka_run_group_tests_name("resolver-resolve", tests, NULL, teardown);
}
