/* Every allocation of the resolver fails once, in compiling, resolving and looking for alternatives: -ENOMEM, no leak
 * (the sanitizer build sees to that), and the same call then works. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

static long left = -1; /* allocations until one fails; < 0: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static const struct rule_def rules[] = {
    {RULE("flag", SEVERITY_ERROR, OUTCOME_ABORT), ANY(CLAUSE(WHEN("auto_jit", "2"), WHEN("setuptools", ">=70"))),
     ACTIONS({.kind = ACTION_XLA_FLAG, .name = "tf_xla_auto_jit", .value = "1"},
             {.kind = ACTION_OBLIGATION, .name = "jit_compile=False"})},
    {.id = "fact-conflict", .service = true, .message = "{detail}", .source = "test"},
};

static const struct env_variable env[] = {
    {.name = "TF_XLA_FLAGS", .value = "--tf_xla_auto_jit=2"},
    {.name = "ITEX_VERBOSE", .value = "1", .file = "train.py", .line = 1},
};
static const struct input_fact facts[] = {{"setuptools", "71", FROM_DECLARED}, {"setuptools", "72", FROM_NODE}};
static const char *const oversized[] = {"ITEX_OPS_OVERRIDE"};

static const struct resolve_input input = {.env = env,
                                           .n_env = N(env),
                                           .facts = facts,
                                           .n_facts = N(facts),
                                           .oversized = oversized,
                                           .n_oversized = N(oversized)};

static struct rule_set *compile(int *r)
{
    const struct rule_set_def def = {
        .name = "test", .rules = rules, .n_rules = N(rules), .xla_flags = some_flags, .n_xla_flags = n_some_flags};
    struct rule_set_error error;
    struct rule_set *set = NULL;

    *r = rule_set_compile(&def, &set, &error);
    return set;
}

static void compiling(void **state)
{
    struct rule_set *set = NULL;
    int r = -ENOMEM;

    (void)state;
    for (long n = 0; !set && n < 1000; n++) {
        left = n;
        set = compile(&r);
        assert_true(set ? r == 0 : r == -ENOMEM);
    }
    left = -1;
    assert_non_null(set);
    rule_set_free(set);
}

static void resolving(void **state)
{
    int r = -ENOMEM;
    struct rule_set *set = compile(&r);
    const struct alternative *alternatives;
    char error[64];
    size_t n_alternatives;

    (void)state;
    assert_non_null(set);
    r = -ENOMEM;
    for (long n = 0; r == -ENOMEM && n < 1000; n++) {
        struct resolution result = RESOLUTION_INIT;

        left = n;
        r = resolve(set, &input, &result, error, sizeof error);
        if (r == 0)
            r = resolve_alternatives(set, &input, &result, &alternatives, &n_alternatives);
        if (r == 0)
            r = resolution_add(set, &result, "fact-conflict", "x");
        left = -1;
        resolution_free(&result);
    }
    assert_int_equal(r, 0);
    rule_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiling),
        cmocka_unit_test(resolving),
    };

    return cmocka_run_group_tests_name("resolver-out-of-memory", tests, NULL, NULL);
}
