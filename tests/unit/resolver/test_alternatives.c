/* Other minimal changes. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct resolution result = RESOLUTION_INIT;

static int teardown(void **state)
{
    (void)state;
    resolution_free(&result);
    return 0;
}

static const struct rule_def rules[] = {
    {RULE("slow", SEVERITY_WARNING, OUTCOME_SLOW),
     ANY(CLAUSE(WHEN("keras", "0"), WHEN("auto_jit", "0"), WHEN("xla", "true"))),
     ACTIONS({.kind = ACTION_SET, .name = "ITEX_DISABLE_XLA", .value = "1"})},
    {RULE("close", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("npd_requested", "false"), WHEN("xla", "true"))),
     ACTIONS({.kind = ACTION_SET, .name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "1"})},
    {RULE("jit", SEVERITY_ERROR, OUTCOME_ERROR),
     ANY(CLAUSE(WHEN("keras", "3"), WHEN("jit_effective", "on"), WHEN("auto_jit", "1", "2"))),
     ACTIONS({.kind = ACTION_OBLIGATION, .name = "jit_compile=False"})},
};

/* All alternatives as "{changes|obligations}mode". */
static const char *alternatives(const struct env_variable *env, size_t n_env, const struct input_fact *facts,
                                size_t n_facts)
{
    static char text[4096];
    struct resolve_input input = {.env = env, .n_env = n_env, .facts = facts, .n_facts = n_facts};
    struct rule_set *set = set_of(rules, N(rules));
    const struct alternative *out;
    size_t n;
    size_t used = 0;
    char error[256];

    assert_int_equal(resolve(set, &input, &result, error, sizeof error), 0);
    assert_int_equal(resolve_alternatives(set, &input, &result, &out, &n), 0);
    *text = '\0';
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "{");
        for (size_t j = 0; j < out[i].n_env; j++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s%s", j ? " " : "", out[i].env[j].name,
                                     out[i].env[j].value ? "=" : "", out[i].env[j].value ? out[i].env[j].value : "");
        for (size_t j = 0; j < out[i].n_obligations; j++)
            used += (size_t)snprintf(text + used, sizeof text - used, "|%s", out[i].obligations[j]);
        used += (size_t)snprintf(text + used, sizeof text - used, "}%s ", mode_name(out[i].mode));
    }
    rule_set_free(set);
    return text;
}

static void others_that_do(void **state)
{
    const struct input_fact facts[] = {{"keras", "0", FROM_DECLARED}, {"itex", "newest", FROM_DECLARED}};
    const char *text = alternatives(NULL, 0, facts, N(facts));

    (void)state;
    assert_null(strstr(text, "{ITEX_DISABLE_XLA=1}"));
    assert_non_null(strstr(text, "{TF_USE_LEGACY_KERAS=1}npd "));
    assert_non_null(strstr(text, "{TF_XLA_FLAGS=--tf_xla_auto_jit=1}npd+xla "));
    assert_non_null(strstr(text, "{TF_XLA_FLAGS=--tf_xla_auto_jit=2}npd+xla "));
    /* Nothing that has one of these as its part. */
    assert_null(strstr(text, "TF_USE_LEGACY_KERAS=1 TF_XLA_FLAGS"));
    assert_null(strstr(text, "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0"));
}

static void pairs_where_one_is_not_enough(void **state)
{
    const struct env_variable env[] = {{.name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "0"}};
    const struct input_fact facts[] = {{"keras", "0", FROM_DECLARED}, {"itex", "newest", FROM_DECLARED}};
    const char *text = alternatives(env, N(env), facts, N(facts));

    (void)state;
    assert_non_null(strstr(text, "{TF_USE_LEGACY_KERAS=1}stream-executor "));
    assert_non_null(strstr(text, "{ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1 TF_XLA_FLAGS=--tf_xla_auto_jit=1}npd+xla "));
}

static void none_where_nothing_needs_changing(void **state)
{
    const struct input_fact facts[] = {{"keras", "3", FROM_DECLARED},
                                       {"jit", "on", FROM_DECLARED},
                                       {"custom_ops", "false", FROM_DECLARED},
                                       {"itex", "newest", FROM_DECLARED}};

    (void)state;
    assert_string_equal(alternatives(NULL, 0, facts, N(facts)), "");
}

static void fewer_obligations_are_worth_a_change(void **state)
{
    const struct env_variable env[] = {{.name = "TF_XLA_FLAGS", .value = "--tf_xla_auto_jit=1"}};
    const struct input_fact facts[] = {{"keras", "3", FROM_DECLARED},
                                       {"jit", "on", FROM_DECLARED},
                                       {"custom_ops", "false", FROM_DECLARED},
                                       {"itex", "newest", FROM_DECLARED}};

    (void)state;
    assert_string_equal(alternatives(env, N(env), facts, N(facts)), "{TF_XLA_FLAGS}npd+xla ");
}

static void the_scripts_variables_are_left_alone(void **state)
{
    const struct env_variable env[] = {
        {.name = "TF_USE_LEGACY_KERAS", .value = "0", .file = "train.py", .line = 1},
        {.name = "TF_XLA_FLAGS", .value = "--tf_xla_auto_jit=0", .file = "train.py", .line = 2}};
    const struct input_fact facts[] = {{"keras", "0", FROM_DECLARED}, {"itex", "newest", FROM_DECLARED}};

    (void)state;
    assert_string_equal(alternatives(env, N(env), facts, N(facts)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_that_do),
        cmocka_unit_test(pairs_where_one_is_not_enough),
        cmocka_unit_test(none_where_nothing_needs_changing),
        cmocka_unit_test(fewer_obligations_are_worth_a_change),
        cmocka_unit_test(the_scripts_variables_are_left_alone),
    };

    return cmocka_run_group_tests_name("resolver-alternatives", tests, NULL, teardown);
}
