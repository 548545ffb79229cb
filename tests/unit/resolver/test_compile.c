/* What does not compile, and what the message says of it. */
#include "fixture.h"

#include <string.h>

static void expect(const char *part, struct rule_def rule)
{
    const char *text = compile_failure(&rule, 1);

    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

static void conditions(void **state)
{
    (void)state;
    expect("no fact kerass",
           (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("kerass", "2")))});
    expect("keras cannot be 4",
           (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("keras", "4")))});
    expect("bounds",
           (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR), ANY(CLAUSE(WHEN("itex", ">=2.15 <3")))});
    expect("holds in no generation", (struct rule_def){.id = "a", .generations = 0, .message = "", .source = ""});
}

static void actions(void **state)
{
    (void)state;
    expect("LD_PRELOAD", (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                                           ACTIONS({.kind = ACTION_SET, .name = "LD_PRELOAD", .value = "x"})});
    expect("ZE_ENABLE_ALT_DRIVERS",
           (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                             ACTIONS({.kind = ACTION_UNSET, .name = "ZE_ENABLE_ALT_DRIVERS"})});
    expect("TF_XLA_FLAGS", (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                                             ACTIONS({.kind = ACTION_SET, .name = "TF_XLA_FLAGS", .value = "x"})});
    expect("info rule",
           (struct rule_def){RULE("a", SEVERITY_INFO, OUTCOME_OK), ACTIONS({.kind = ACTION_UNSET, .name = "ITEX_X"})});
    expect("tf_xla_nonsense", (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                                                ACTIONS({.kind = ACTION_XLA_FLAG, .name = "tf_xla_nonsense"})});
    expect("no obligation", (struct rule_def){RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                                              ACTIONS({.kind = ACTION_OBLIGATION, .name = "pray"})});
    expect("without an id", (struct rule_def){RULE("", SEVERITY_ERROR, OUTCOME_ERROR)});
}

static void messages(void **state)
{
    struct rule_def rule = {RULE("a", SEVERITY_ERROR, OUTCOME_ERROR)};

    (void)state;
    rule.message = "{nonsense} happened";
    expect("{nonsense}", rule);
    rule.message = "{detail}";
    expect("service", rule);
    rule.message = "{0123456789012345678901234567890123456789012345678901234567890123456789}";
    expect("63", rule);
}

static void ids_are_unique(void **state)
{
    const struct rule_def rules[] = {{RULE("b", SEVERITY_INFO, OUTCOME_OK)},
                                     {RULE("a", SEVERITY_INFO, OUTCOME_OK)},
                                     {RULE("b", SEVERITY_INFO, OUTCOME_OK)}};

    (void)state;
    assert_non_null(strstr(compile_failure(rules, N(rules)), "used twice"));
}

static void obligations_settle_what_they_can(void **state)
{
    const struct rule_def rule = {RULE("a", SEVERITY_ERROR, OUTCOME_ERROR),
                                  ACTIONS({.kind = ACTION_OBLIGATION, .name = "jit_compile=False"})};
    const struct obligation_def bad[] = {{"jit_compile=False", "xla", "false"},
                                         {"jit_compile=False", "itex", "2.15"},
                                         {"jit_compile=False", "jit", "never"},
                                         {"jit_compile=False", "nonsense", "x"}};
    struct rule_set_error error;
    struct rule_set *set;

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct rule_set_def def = {.rules = &rule, .n_rules = 1, .obligations = &bad[i], .n_obligations = 1};

        assert_int_not_equal(rule_set_compile(&def, &set, &error), 0);
        assert_non_null(strstr(error.text, "jit_compile=False"));
    }
}

static void an_empty_set_resolves(void **state)
{
    struct rule_set *set = set_of(NULL, 0);
    struct resolution result = RESOLUTION_INIT;

    (void)state;
    resolve_words(set, "itex=2.15 keras=3 jit=on custom_ops=false", &result);
    assert_int_equal(result.verdict, VERDICT_OK);
    assert_int_equal(result.mode, MODE_NPD);
    assert_int_equal(rule_set_size(set), 0);
    resolution_free(&result);
    rule_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions),
        cmocka_unit_test(actions),
        cmocka_unit_test(messages),
        cmocka_unit_test(ids_are_unique),
        cmocka_unit_test(obligations_settle_what_they_can),
        cmocka_unit_test(an_empty_set_resolves),
    };

    return cmocka_run_group_tests_name("resolver-compile", tests, NULL, NULL);
}
