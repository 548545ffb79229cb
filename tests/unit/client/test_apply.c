/*
 * A decision in force or not at all: what may never be touched is refused whoever asks, and a failure in the middle
 * leaves everything as it was. setenv is wrapped to make it fail.
 */
#include "client/core/apply.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls_until_failure = -1;

int __real_setenv(const char *name, const char *value, int overwrite);
int __wrap_setenv(const char *name, const char *value, int overwrite);

int __wrap_setenv(const char *name, const char *value, int overwrite)
{
    if (calls_until_failure == 0) {
        calls_until_failure = -1; /* what puts the old values back succeeds */
        errno = ENOMEM;
        return -1;
    }
    if (calls_until_failure > 0)
        calls_until_failure--;
    return __real_setenv(name, value, overwrite);
}

#define MAX_CHANGES 4

/* A decision on the stack of the test. */
struct sample {
    Itexd__V1__Decision decision;
    Itexd__V1__Outcome outcome;
    Itexd__V1__RuleSetName ruleset;
    Itexd__V1__Variable variables[MAX_CHANGES];
    Itexd__V1__Variable *changes[MAX_CHANGES];
    char *obligations[3];
};

static void sample_init(struct sample *s)
{
    itexd__v1__decision__init(&s->decision);
    itexd__v1__outcome__init(&s->outcome);
    itexd__v1__rule_set_name__init(&s->ruleset);
    s->outcome.verdict = (char *)"fixed";
    s->outcome.env = s->changes;
    s->outcome.obligations = s->obligations;
    s->ruleset.digest = (char *)"d1";
    s->decision.outcome = &s->outcome;
    s->decision.ruleset = &s->ruleset;
    s->decision.has_id = s->decision.has_recorded = s->decision.recorded = 1;
    s->decision.id = 42;
}

static void sample_change(struct sample *s, const char *name, const char *value)
{
    size_t i = s->outcome.n_env++;

    assert_true(i < MAX_CHANGES);
    itexd__v1__variable__init(&s->variables[i]);
    s->variables[i].name = (char *)name;
    s->variables[i].value = (char *)value;
    s->changes[i] = &s->variables[i];
}

static void expect_text(const struct sample *s, const char *text)
{
    char *made = decision_text(&s->decision);

    assert_non_null(made);
    assert_string_equal(made, text);
    free(made);
}

static void test_text_of_a_decision(void **state)
{
    struct sample s;

    (void)state;
    sample_init(&s);
    expect_text(&s, "42:d1:");
    s.obligations[0] = (char *)"jit_compile=False";
    s.obligations[1] = (char *)"script:a,b%.py:3";
    s.outcome.n_obligations = 2;
    expect_text(&s, "42:d1:jit_compile=False,script:a%2Cb%25.py:3");
    s.decision.recorded = 0;
    expect_text(&s, "0:d1:jit_compile=False,script:a%2Cb%25.py:3");
    s.decision.ruleset = NULL;
    s.outcome.n_obligations = 0;
    expect_text(&s, "0::");
    s.decision.has_recorded = 0; /* not said is not recorded */
    expect_text(&s, "0::");
}

static void test_setenv(void **state)
{
    struct sample s;
    struct apply_plan plan = APPLY_PLAN_INIT;
    char error[200];

    (void)state;
    setenv("ITEX_A", "old", 1);
    setenv("ITEX_B", "old", 1);
    unsetenv("ITEX_C");
    unsetenv("ITEXD_DECISION");
    sample_init(&s);
    sample_change(&s, "ITEX_A", "new line\n'\"$(x)`");
    sample_change(&s, "ITEX_B", NULL);
    sample_change(&s, "ITEX_C", "");
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_OK);
    assert_string_equal(error, "");
    assert_string_equal(getenv("ITEX_A"), "old"); /* a plan is only a plan */
    assert_int_equal(apply_plan_setenv(&plan), 0);
    assert_string_equal(getenv("ITEX_A"), "new line\n'\"$(x)`");
    assert_null(getenv("ITEX_B"));
    assert_string_equal(getenv("ITEX_C"), "");
    assert_string_equal(getenv("ITEXD_DECISION"), "42:d1:");
    apply_plan_free(&plan);
}

static void test_forbidden_whatever_the_service_says(void **state)
{
    static const char *const names[] = {"LD_PRELOAD",
                                        "LD_LIBRARY_PATH",
                                        "PATH",
                                        "PYTHONPATH",
                                        "PYTHONSTARTUP",
                                        "ITEX_A=B",
                                        "",
                                        "HOME",
                                        "BASH_ENV",
                                        "ZE_ENABLE_ALT_DRIVERS",
                                        "ITEX_A\nB=c",
                                        "itex_a",
                                        "IFS",
                                        "GCONV_PATH",
                                        "MALLOC_CONF",
                                        "ITEX A",
                                        "KERAS_BACKEND",
                                        "TF_\xc3"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int set = 0; set < 2; set++) {
            struct sample s;
            struct apply_plan plan = APPLY_PLAN_INIT;
            char error[300];
            sample_init(&s);
            sample_change(&s, "ITEX_GOOD", "1");
            sample_change(&s, names[i], set ? "/tmp/evil.so" : NULL);
            assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_FORBIDDEN);
            assert_int_equal(plan.n_changes, 0); /* the good one neither */
            assert_non_null(strstr(error, names[i]));
        }
}

static void test_twice_and_nameless_are_refused(void **state)
{
    struct sample s;
    struct apply_plan plan = APPLY_PLAN_INIT;
    char error[300];

    (void)state;
    sample_init(&s);
    sample_change(&s, "ITEX_A", "1");
    sample_change(&s, "ITEX_A", "2");
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_FORBIDDEN);
    assert_non_null(strstr(error, "ITEX_A twice"));
    sample_init(&s);
    s.outcome.n_env = 0;
    sample_change(&s, NULL, "1");
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_FORBIDDEN);
    s.decision.outcome = NULL;
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_FORBIDDEN);
    assert_int_equal(plan.n_changes, 0);
}

static void test_rejected(void **state)
{
    struct sample s;
    struct apply_plan plan = APPLY_PLAN_INIT;
    char error[300];

    (void)state;
    sample_init(&s);
    sample_change(&s, "ITEX_A", "1");
    s.outcome.verdict = (char *)"rejected";
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_REJECTED);
    assert_int_equal(plan.n_changes, 0);
}

/* Whichever setenv fails, the environment is as it was before. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    for (int failing = 0; failing < 4; failing++) {
        struct sample s;
        struct apply_plan plan = APPLY_PLAN_INIT;
        char error[300];
        setenv("ITEX_A", "old a", 1);
        unsetenv("ITEX_B");
        setenv("ITEX_C", "old c", 1);
        setenv("ITEX_D", "old d", 1);
        setenv("ITEXD_DECISION", "1:outer:", 1);
        sample_init(&s);
        sample_change(&s, "ITEX_A", "new");
        sample_change(&s, "ITEX_B", "new");
        sample_change(&s, "ITEX_C", NULL);
        sample_change(&s, "ITEX_D", "new");
        assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_OK);
        calls_until_failure = failing;
        assert_int_equal(apply_plan_setenv(&plan), -ENOMEM);
        assert_int_equal(calls_until_failure, -1); /* it did fail where it should */
        assert_string_equal(getenv("ITEX_A"), "old a");
        assert_null(getenv("ITEX_B"));
        assert_string_equal(getenv("ITEX_C"), "old c");
        assert_string_equal(getenv("ITEX_D"), "old d");
        assert_string_equal(getenv("ITEXD_DECISION"), "1:outer:");
        apply_plan_free(&plan);
    }
}

static const char *planned_value(const struct apply_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (strcmp(plan->changes[i].name, name) == 0)
            return plan->changes[i].value;
    return NULL;
}

static void test_changes_of_the_callers_own(void **state)
{
    struct sample s;
    struct apply_plan plan = APPLY_PLAN_INIT;
    char error[300];

    (void)state;
    sample_init(&s);
    sample_change(&s, "ITEX_A", "new");
    assert_int_equal(apply_plan_build(&plan, &s.decision, error, sizeof error), APPLY_OK);
    assert_int_equal(apply_plan_add(&plan, "PATH", "/of/the/caller"), 0);
    assert_int_equal(apply_plan_add(&plan, "PATH", "/again"), 0);
    assert_int_equal(apply_plan_add(&plan, "A=B", "x"), -EINVAL);
    assert_int_equal(apply_plan_add(&plan, "", "x"), -EINVAL);
    assert_int_equal(plan.n_changes, 3);
    assert_string_equal(planned_value(&plan, "ITEX_A"), "new");
    assert_string_equal(planned_value(&plan, "ITEXD_DECISION"), "42:d1:");
    assert_string_equal(planned_value(&plan, "PATH"), "/again");
    apply_plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_a_decision),
        cmocka_unit_test(test_setenv),
        cmocka_unit_test(test_forbidden_whatever_the_service_says),
        cmocka_unit_test(test_twice_and_nameless_are_refused),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_changes_of_the_callers_own),
    };

    return cmocka_run_group_tests_name("client-apply", tests, NULL, NULL);
}
