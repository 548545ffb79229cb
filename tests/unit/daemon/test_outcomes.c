/* The cache of resolutions: exact keys, least recently used first out, entries shared by reference. */
#include "daemon/outcomes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct store_blob blob(const char *text)
{
    return (struct store_blob){.data = strdup(text), .size = strlen(text)};
}

static struct outcome_entry *make(const char *itex)
{
    static const struct diagnostic diagnostics[] = {{.rule = "keras3-3"}, {.rule = "keras3-6"}};
    const struct resolution resolution = {
        .verdict = VERDICT_FIXED, .mode = MODE_NPD_XLA, .itex = itex, .diagnostics = diagnostics, .n_diagnostics = 2};

    return outcome_new(&resolution, blob("facts"), blob("outcome"));
}

static void keep(struct outcomes *outcomes, const char *key)
{
    struct outcome_entry *entry = make(NULL);

    outcomes_keep(outcomes, entry, key, strlen(key));
    outcome_put(entry);
}

static bool has(struct outcomes *outcomes, const char *key)
{
    struct outcome_entry *entry = outcomes_find(outcomes, key, strlen(key));

    outcome_put(entry);
    return entry != NULL;
}

static void test_outcomes_copy_what_a_decision_needs(void **state)
{
    char itex[] = "2.15.0.3";
    struct outcome_entry *entry = make(itex);

    (void)state;
    itex[0] = 'x';
    assert_string_equal(entry->itex, "2.15.0.3");
    assert_string_equal(entry->mode, "npd+xla");
    assert_string_equal(entry->verdict, "fixed");
    assert_false(entry->rejected);
    assert_int_equal(entry->n_rules, 2);
    assert_string_equal(entry->rules[0], "keras3-3");
    assert_string_equal(entry->rules[1], "keras3-6");
    outcome_put(entry);
}

static void test_outcomes_by_whole_key(void **state)
{
    struct outcomes outcomes;

    (void)state;
    outcomes_init(&outcomes, 1 << 20);
    keep(&outcomes, "one key");
    assert_true(has(&outcomes, "one key"));
    assert_false(has(&outcomes, "one kez"));
    assert_false(has(&outcomes, "one ke"));
    outcomes_clear(&outcomes);
    assert_false(has(&outcomes, "one key"));
    assert_int_equal(outcomes.bytes, 0);
}

static void test_outcomes_least_recently_used_goes(void **state)
{
    struct outcomes outcomes;

    (void)state;
    outcomes_init(&outcomes, 1 << 20);
    keep(&outcomes, "a");
    outcomes.limit = outcomes.bytes * 2; /* two of this size */
    keep(&outcomes, "b");
    assert_true(has(&outcomes, "a")); /* now b is the older one */
    keep(&outcomes, "c");
    assert_true(has(&outcomes, "a"));
    assert_false(has(&outcomes, "b"));
    assert_true(has(&outcomes, "c"));
    outcomes_clear(&outcomes);
}

static void test_outcomes_larger_than_the_cache(void **state)
{
    struct outcomes outcomes;

    (void)state;
    outcomes_init(&outcomes, 10);
    keep(&outcomes, "a");
    assert_false(has(&outcomes, "a"));
    assert_int_equal(outcomes.bytes, 0);
}

static void test_outcomes_in_use_outlive_the_cache(void **state)
{
    struct outcomes outcomes;

    (void)state;
    outcomes_init(&outcomes, 1 << 20);
    keep(&outcomes, "a");
    struct outcome_entry *entry = outcomes_find(&outcomes, "a", 1);
    outcomes_clear(&outcomes);
    assert_memory_equal(entry->facts.data, "facts", 5);
    assert_string_equal(entry->rules[1], "keras3-6");
    outcome_put(entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_copy_what_a_decision_needs),
        cmocka_unit_test(test_outcomes_by_whole_key),
        cmocka_unit_test(test_outcomes_least_recently_used_goes),
        cmocka_unit_test(test_outcomes_larger_than_the_cache),
        cmocka_unit_test(test_outcomes_in_use_outlive_the_cache),
    };

    return cmocka_run_group_tests_name("daemon-outcomes", tests, NULL, NULL);
}
