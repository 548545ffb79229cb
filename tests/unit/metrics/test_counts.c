/* Counting by rule, over changes of the rule set; and what counting costs, printed. */
#include "daemon/metrics/counts.h"
#include "proto/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t count_of(const struct counts *counts, const char *rule)
{
    for (size_t i = 0; i < counts->rules.names->n; i++)
        if (strcmp(counts->rules.names->names[i], rule) == 0)
            return counts->rules.counts[i];
    fail_msg("no counter for %s", rule);
    return 0;
}

static struct rule_set_def set_of(const struct rule_def *rules, size_t n)
{
    return (struct rule_set_def){.name = "test", .rules = rules, .n_rules = n};
}

static void test_counts_follow_their_rules(void **state)
{
    const struct rule_def first[] = {{.id = "b"}, {.id = "a"}}, second[] = {{.id = "c"}, {.id = "a"}};
    const struct rule_set_def sets[] = {set_of(first, 2), set_of(second, 2)};
    const char *rules[] = {"a", "b"};
    uint32_t places[2];
    struct counts *counts = calloc(1, sizeof *counts);
    struct outcome_entry outcome = {.rules = rules, .n_rules = 2, .counted = {.rules = places}};

    (void)state;
    counts_decision(counts, &outcome); /* before there is any set */
    assert_int_equal(counts->rules.other, 2);
    counts_adopt(counts, &sets[0]);
    counts_decision(counts, &outcome);
    counts_decision(counts, &outcome);
    assert_int_equal(count_of(counts, "a"), 2);
    assert_int_equal(count_of(counts, "b"), 2);
    counts_adopt(counts, &sets[1]); /* b goes to the others, a stays */
    assert_int_equal(count_of(counts, "a"), 2);
    assert_int_equal(count_of(counts, "c"), 0);
    assert_int_equal(counts->rules.other, 4);
    counts_decision(counts, &outcome); /* on its way while the set changed */
    assert_int_equal(count_of(counts, "a"), 3);
    assert_int_equal(counts->rules.other, 5);
    assert_int_equal(counts->decisions[0][0], 4);
    counts_deinit(counts);
    free(counts);
}

static void test_names_outlive_their_set(void **state)
{
    const struct rule_def rules[] = {{.id = "a"}};
    const struct rule_set_def set = set_of(rules, 1);
    struct counts *counts = calloc(1, sizeof *counts);
    struct rule_names *names;

    (void)state;
    counts_adopt(counts, &set);
    names = rule_names_get(counts->rules.names);
    counts_deinit(counts);
    free(counts);
    assert_string_equal(names->names[0], "a");
    rule_names_put(names);
}

enum { RULES = 10000, ROUNDS = 1000000 };

/* This thread's own time, so that others on the machine do not count. */
static uint64_t spent_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Nothing depends on it: a machine may be slow. The aim is well under 100 ns, the clock included. */
static void test_what_a_decision_costs(void **state)
{
    struct rule_def *rules = calloc(RULES, sizeof *rules);
    char(*ids)[16] = calloc(RULES, sizeof *ids);
    const char *issued[3] = {"rule-17", "rule-4711", "rule-9999"};
    uint32_t places[3];
    struct outcome_entry outcome = {.rules = issued, .n_rules = 3, .counted = {.rules = places}};
    struct counts *counts = calloc(1, sizeof *counts);
    struct rule_set_def set = set_of(rules, RULES);
    uint64_t began, counted;

    (void)state;
    for (int i = 0; i < RULES; i++) {
        snprintf(ids[i], sizeof ids[i], "rule-%d", i);
        rules[i].id = ids[i];
    }
    counts_adopt(counts, &set);
    began = spent_ns();
    for (int i = 0; i < ROUNDS; i++) {
        counts_decision(counts, &outcome);
        counts_latency(counts, 1, (uint64_t)i % 1000);
    }
    counted = spent_ns();
    for (int i = 0; i < ROUNDS; i++)
        counts_latency(counts, 2, clock_steady_us() % 1000);
    printf("# counting a decision with three of %d rules, and its latency: %.1f ns; a look at the clock: %.1f ns\n",
           RULES, (double)(counted - began) / ROUNDS, (double)(spent_ns() - counted) / ROUNDS);
    assert_int_equal(count_of(counts, "rule-4711"), ROUNDS);
    counts_deinit(counts);
    free(counts);
    free(ids);
    free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_follow_their_rules),
        cmocka_unit_test(test_names_outlive_their_set),
        cmocka_unit_test(test_what_a_decision_costs),
    };

    return cmocka_run_group_tests_name("metrics-counts", tests, NULL, NULL);
}
