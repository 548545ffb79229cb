/* The parts of replay that need no service: comparing results, naming rules, counting, what is remembered, the line of
 * progress. */
#include "client/itexctl/replay/memory.h"
#include "client/itexctl/replay/progress.h"
#include "client/itexctl/replay/tally.h"
#include "proto/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void result_putp(struct result **result)
{
    result_put(*result);
}

static const struct resolved_variable one_variable[] = {{"ITEX_DISABLE_XLA", "1"}, {"ITEX_VERBOSE", NULL}};
static const char *const obligations[] = {"jit_compile=False", "script:a.py:3"};
static const struct diagnostic diagnostics[] = {
    {.rule = "fixes", .severity = SEVERITY_ERROR, .applied = true},
    {.rule = "tells", .severity = SEVERITY_INFO},
    {.rule = "forbids", .severity = SEVERITY_ERROR},
};

static struct resolution resolution_of(size_t n_diagnostics)
{
    return (struct resolution){.verdict = VERDICT_FIXED,
                               .mode = MODE_NPD,
                               .predicted_mode = MODE_NPD_XLA,
                               .predicted_outcome = OUTCOME_SLOW,
                               .predicted_outcome_known = true,
                               .env = one_variable,
                               .n_env = 2,
                               .obligations = obligations,
                               .n_obligations = 2,
                               .diagnostics = diagnostics,
                               .n_diagnostics = n_diagnostics};
}

static unsigned compare(const struct resolution *left, const struct resolution *right)
{
    CLEANUP(result_putp) struct result *from = result_from_resolution(left);
    CLEANUP(result_putp) struct result *to = result_from_resolution(right);

    assert_non_null(from);
    assert_non_null(to);
    return result_compare(from, to);
}

static void each_change_is_one_bit(void **state)
{
    (void)state;
    const struct resolution base = resolution_of(2);
    struct resolution other = base;
    assert_int_equal(compare(&base, &other), 0);
    other.verdict = VERDICT_REJECTED;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_REJECTED);
    assert_int_equal(compare(&other, &base), 1u << CHANGE_UNREJECTED);
    other.verdict = VERDICT_OK;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_VERDICT);
    other = base;
    other.mode = MODE_UNKNOWN;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_MODE);
    other = base;
    other.predicted_mode = MODE_UNKNOWN;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_PREDICTED);
    other = base;
    other.predicted_outcome_known = false;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_PREDICTED);
    other = base;
    other.n_env = 1;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_ENVIRONMENT);
    other = base;
    other.n_obligations = 1;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_OBLIGATIONS);
    other = base;
    other.n_diagnostics = 1;
    assert_int_equal(compare(&base, &other), 1u << CHANGE_RULES);
    other.mode = MODE_NPD_XLA; /* then what is told is no change of its own */
    assert_int_equal(compare(&base, &other), 1u << CHANGE_MODE);
}

static void assert_blame(enum change change, size_t from, size_t to, const char *how, const char *rules)
{
    const struct resolution left = resolution_of(from), right = resolution_of(to);
    CLEANUP(result_putp) struct result *one = result_from_resolution(&left);
    CLEANUP(result_putp) struct result *other = result_from_resolution(&right);
    const struct blame blame = result_blame(change, one, other);
    CLEANUP(freep) char *text = blame_rules(&blame, "+");

    assert_string_equal(blame_name(blame.how), how);
    assert_string_equal(text, rules);
}

static void rules_are_named_by_what_they_do(void **state)
{
    (void)state;
    assert_blame(CHANGE_MODE, 0, 3, "by", "fixes");
    assert_blame(CHANGE_REJECTED, 0, 3, "by", "forbids");
    assert_blame(CHANGE_UNREJECTED, 3, 0, "without", "forbids");
    assert_blame(CHANGE_PREDICTED, 0, 3, "by", "fixes+tells+forbids");
    assert_blame(CHANGE_MODE, 1, 3, "by", "tells+forbids");
    assert_blame(CHANGE_ENVIRONMENT, 3, 0, "without", "fixes");
    assert_blame(CHANGE_ENVIRONMENT, 3, 3, "otherwise", "fixes");
    assert_blame(CHANGE_ENVIRONMENT, 0, 0, "", "");
}

static void groups_are_counted_and_kept_few(void **state)
{
    (void)state;
    CLEANUP(tally_clear) struct tally tally = {.examples = 2};
    struct resolution from = resolution_of(2), to = resolution_of(2);
    char name[32];
    struct resolved_variable variable = {name, "1"};
    to.env = &variable;
    to.n_env = 1;
    CLEANUP(result_putp) struct result *left = result_from_resolution(&from);
    for (unsigned i = 0; i < TALLY_GROUPS + 88; i++) {
        const struct tally_example decision = {.decision = i, .job = (char *)"j"};
        snprintf(name, sizeof(name), "ITEX_%u", i);
        CLEANUP(result_putp) struct result *right = result_from_resolution(&to);
        for (unsigned times = 0; times < 3; times++)
            assert_int_equal(tally_add(&tally, &decision, left, right, result_compare(left, right)), 0);
    }
    assert_int_equal(tally.n_groups, TALLY_GROUPS);
    assert_int_equal(tally.ungrouped, 3 * 88);
    assert_int_equal(tally.changed[CHANGE_ENVIRONMENT], 3 * (TALLY_GROUPS + 88));
    assert_int_equal(tally.groups[0].decisions, 3);
    assert_int_equal(tally.groups[0].n_examples, 2);
    assert_string_equal(tally.groups[0].to, "set ITEX_0");
    assert_string_equal(tally.groups[0].from, "set ITEX_DISABLE_XLA, unset ITEX_VERBOSE");
    assert_int_equal(tally.decides, 0);
}

static void reasons_are_kept_few(void **state)
{
    (void)state;
    CLEANUP(tally_clear) struct tally tally = {.examples = 1};
    char why[32];
    for (unsigned i = 0; i < 2 * TALLY_REASONS; i++) {
        snprintf(why, sizeof(why), "reason %u", i);
        assert_int_equal(tally_add_not_replayed(&tally, &(struct tally_example){.decision = i}, why), 0);
    }
    assert_int_equal(tally.n_reasons, TALLY_REASONS);
    assert_int_equal(tally.reasons[TALLY_REASONS - 1].decisions, TALLY_REASONS + 1);
    assert_int_equal(tally_not_replayed(&tally), 2 * TALLY_REASONS);
}

static void memory_forgets_the_earlier_of_two(void **state)
{
    (void)state;
    struct memory memory;
    assert_true(memory_init(&memory));
    CLEANUP(result_putp) struct result *one = result_without("one");
    CLEANUP(result_putp) struct result *other = result_without("other");
    memory_put(&memory, &(struct memory_slot){.number = 5, .to = one});
    assert_ptr_equal(memory_find(&memory, 5, 0)->to, one);
    assert_null(memory_find(&memory, 5, 1));
    assert_null(memory_find(&memory, 5 + MEMORY_SLOTS, 0));
    memory_put(&memory, &(struct memory_slot){.number = 5 + MEMORY_SLOTS, .to = other});
    assert_null(memory_find(&memory, 5, 0));
    assert_string_equal(memory_find(&memory, 5 + MEMORY_SLOTS, 0)->to->why, "other");
    assert_int_equal(one->references, 1);
    memory_clear(&memory);
    assert_int_equal(other->references, 1);
}

static void progress_fits_the_screen(void **state)
{
    (void)state;
    char line[PROGRESS_LINE];
    progress_line(line, 79, "replaying", 0, 0, 0);
    assert_string_equal(line, "replaying ...");
    progress_line(line, 100, "replaying", 250000, 1000000, 5000);
    assert_string_equal(line,
                        "replaying [########......................]  25 %  250 000 of 1 000 000, 50 000 a second, "
                        "15 s left");
    progress_line(line, 79, "replaying", 1, 1000000, 10000);
    assert_non_null(strstr(line, "1 of 1 000 000"));
    for (int width = 20; width < 200; width++) {
        progress_line(line, width, "replaying", 123456789, 987654321, 1234);
        assert_true(strlen(line) <= (size_t)width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_one_bit),
        cmocka_unit_test(rules_are_named_by_what_they_do),
        cmocka_unit_test(groups_are_counted_and_kept_few),
        cmocka_unit_test(reasons_are_kept_few),
        cmocka_unit_test(memory_forgets_the_earlier_of_two),
        cmocka_unit_test(progress_fits_the_screen),
    };
    return cmocka_run_group_tests_name("itexctl-replay", tests, NULL, NULL);
}
