/*
 * Reading a rule set when memory runs out: whichever allocation fails, the answer is -ENOMEM (or, where only a message
 * or an example was lost, says so), nothing leaks and nothing is written through NULL. The linker puts the allocators
 * below in place of libc's for the code under test.
 */
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static size_t allocations_left = SIZE_MAX;
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);

/* Every allocation after the counted ones fails, as it would. */
static bool allowed(void)
{
    if (allocations_left == 0) {
        failed = true;
        return false;
    }
    allocations_left -= allocations_left != SIZE_MAX;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return allowed() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allowed() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return allowed() ? __real_realloc(old, size) : NULL;
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
    return allowed() ? __real_reallocarray(old, n, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return allowed() ? __real_strdup(text) : NULL;
}

static const char good[] =
    "name: x\nxla_flags: [{name: f, type: bool}]\nrules:\n"
    "  - {id: a, severity: error, outcome: slow, message: m, source: s, when: {keras: \"3\"},\n"
    "     unless: {jit: auto}, outcome_where: {when: {jit: \"on\"}, outcome: ok, strikes: run},\n"
    "     solution: [{set: {ITEX_VERBOSE: 1}, xla_flag: {f: true}, unset: ITEX_BACKEND}],\n"
    "     examples: [{given: {keras: \"3\"}, env: {ITEX_VERBOSE: 2}, expect: {holds: true,\n"
    "       set: {ITEX_VERBOSE: 1, TF_XLA_FLAGS: --f=true}, rules: [a], unset: []}}]}\n";
static const char wrong[] = "rules:\n  - {id: a, severity: errr, colour: red, when: {kears: 3}}\n  - x\n";

/* One run with a limit. Returns whether it was enough. */
static bool load_with(size_t allocations, const char *text, int expected)
{
    struct rule_files files = RULE_FILES_INIT;
    struct yaml_messages messages = YAML_MESSAGES_INIT;
    struct rules *rules = NULL;
    int r;

    failed = false;
    allocations_left = allocations;
    r = rule_files_add(&files, "r.yaml", text, strlen(text));
    if (r == 0)
        r = rules_load(&files, &rules, &messages);
    if (r == 0)
        rules_run_examples(rules, &messages);
    allocations_left = SIZE_MAX;
    if (!failed)
        assert_int_equal(r, expected);
    else if (r == 0)
        assert_true(messages.n_errors > 0 || messages.out_of_memory);
    else
        assert_true(r == -ENOMEM || (r == expected && messages.out_of_memory));
    if (r < 0)
        assert_null(rules);
    rules_free(rules);
    yaml_messages_clear(&messages);
    rule_files_clear(&files);
    return !failed;
}

static void every_allocation_may_fail(void **state)
{
    size_t n = 0;

    (void)state;
    while (!load_with(n, good, 0))
        n++;
    assert_true(n > 5);
    for (n = 0; !load_with(n, wrong, -EINVAL); n++)
        ;
    assert_true(n > 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};

    return cmocka_run_group_tests_name("rules-out-of-memory", tests, NULL, NULL);
}
