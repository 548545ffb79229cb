/* Queries: every filter and pairs of them against a plain count, newest first and forward, paging, rights, times with a
 * clock set back, cancel.
 */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 6000 };

static const char *const modes[] = {"npd", "npd+xla", "stream-executor"};
static const char *const verdicts[] = {"ok", "fixed"};

/* Row i, in words: what its filters would say of it. */
struct expected {
    unsigned job, uid, mode, verdict, rule, step, itex;
    enum store_state_word state;
    bool reported, match;
};

static struct expected expect(unsigned i)
{
    return (struct expected){.job = i % 10 == 0 ? i / 1000 : 100 + i,
                             .uid = i % 7,
                             .mode = i % 3,
                             .verdict = i % 50 == 0,
                             .rule = i < 20         ? 0
                                     : i % 400 == 0 ? 1
                                                    : 2,
                             .step = i % 4,
                             .itex = i % 5,
                             .state = i % 11 ? STORE_OFFERED : STORE_UNDELIVERED,
                             .reported = i % 13 == 0,
                             .match = i % 26 == 0};
}

/* Rule "old" only at the far end, "rare" here and there, "often" nearly everywhere and with very many outcomes. */
static const char *const rules[] = {"old", "rare", "often"};

/* Those of number 0 have none. */
static const char *const steps[] = {NULL, "1", "2", "3"};
static const char *const versions[] = {NULL, "2.14.0.1", "2.15.0.3", "newest", "newest"};

static int report(struct fixture *fixture)
{
    static struct written written;
    int r = 0;

    for (unsigned i = 0; i < ROWS && r == 0; i++) {
        const struct expected row = expect(i);

        written.done = false;
        if (row.reported)
            r = store_put_report(fixture->store, i + 1, row.match ? "npd" : "none", 1, row.match, note_written,
                                 &written);
    }
    while (store_queued(fixture->store) > 0) {
        written.done = false;
        wait_until(fixture->store, &written.done);
    }
    return r;
}

static int fill(void **state)
{
    struct fixture *fixture;
    static struct written written;

    if (fixture_setup(state) != 0)
        return -1;
    fixture = *state;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct expected row = expect(i);
        char job[32], outcome[64];
        struct sample_storage storage;
        struct sample sample = {.job = job,
                                .outcome = outcome,
                                .mode = modes[row.mode],
                                .verdict = verdicts[row.verdict],
                                .rule = rules[row.rule],
                                .uid = 1000 + row.uid,
                                .time_ms = 1000000 + i * 10};
        struct store_decision decision;

        snprintf(job, sizeof job, "job-%u", row.job);
        snprintf(outcome, sizeof outcome, "outcome %u", row.rule == 2 ? i : row.rule);
        decision = sample_decision(fixture, &sample, &storage);
        decision.step = steps[row.step];
        decision.itex = versions[row.itex];
        decision.state = row.state;
        while (store_put_decision(fixture->store, &decision, note_written, &written) == -EAGAIN) {
            written.done = false;
            wait_until(fixture->store, &written.done);
        }
    }
    while (store_queued(fixture->store) > 0) {
        written.done = false;
        wait_until(fixture->store, &written.done);
    }
    return report(fixture);
}

/* The number that an outcome ends in, in place of what it predicts. */
static bool ends_in(const struct store_blob *outcome, const struct store_filter *filter)
{
    return outcome->size > 0 && ((const char *)outcome->data)[outcome->size - 1] == filter->predicted_mode[0];
}

static bool text_is(const char *wanted, const char *text)
{
    return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool row_matches(const struct store_filter *filter, unsigned i)
{
    const struct expected row = expect(i);
    char outcome[32];

    snprintf(outcome, sizeof outcome, "%u", row.rule == 2 ? i : row.rule);
    return text_is(filter->step, steps[row.step]) && text_is(filter->itex, versions[row.itex]) &&
           (!filter->by_state || filter->state == row.state) && (!filter->mismatch || (row.reported && !row.match)) &&
           text_is(filter->observed, !row.reported ? NULL
                                     : row.match   ? "npd"
                                                   : "none") &&
           (filter->rule_set == 0 || filter->rule_set == 1) &&
           (!filter->outcome_fits || outcome[strlen(outcome) - 1] == filter->predicted_mode[0]);
}

static bool matches(const struct store_filter *filter, unsigned i)
{
    const struct expected row = expect(i);
    uint64_t time_ms = 1000000 + (uint64_t)i * 10;
    char job[32];

    snprintf(job, sizeof job, "job-%u", row.job);
    return (!filter->job || strcmp(filter->job, job) == 0) && (!filter->by_uid || filter->uid == 1000 + row.uid) &&
           (!filter->seen_by_uid || filter->seer == 1000 + row.uid) &&
           (!filter->mode || strcmp(filter->mode, modes[row.mode]) == 0) &&
           (!filter->verdict || strcmp(filter->verdict, verdicts[row.verdict]) == 0) &&
           (!filter->rule || strcmp(filter->rule, rules[row.rule]) == 0) && time_ms >= filter->since_ms &&
           (filter->until_ms == 0 || time_ms < filter->until_ms) && row_matches(filter, i);
}

/* Pages through all of it: the rows are the right ones, newest first, none twice. */
static void check(struct fixture *fixture, struct store_filter filter)
{
    static struct page page;
    unsigned next = ROWS;
    size_t pages = 0;

    do {
        query(fixture->store, &filter, &page);
        assert_true(page.n <= filter.limit);
        for (size_t i = 0; i < page.n; i++) {
            do
                assert_true(next-- > 0);
            while (!matches(&filter, next));
            assert_int_equal(page.ids[i], next + 1);
        }
        filter.before = page.before;
        assert_true(++pages < 2 * ROWS);
    } while (page.before != 0);
    while (next-- > 0)
        assert_false(matches(&filter, next));
}

/* The same forward, from the oldest on, until a page is empty. */
static void check_forward(struct fixture *fixture, struct store_filter filter)
{
    static struct page page;
    unsigned next = 0;

    filter.forward = true;
    do {
        query(fixture->store, &filter, &page);
        for (size_t i = 0; i < page.n; i++, next++) {
            while (!matches(&filter, next))
                assert_true(++next < ROWS);
            assert_int_equal(page.ids[i], next + 1);
        }
        assert_true(page.before >= filter.after);
        filter.after = page.before;
    } while (page.n > 0);
    assert_int_equal(filter.after, ROWS);
    for (; next < ROWS; next++)
        assert_false(matches(&filter, next));
}

static void test_filters_and_pages(void **state)
{
    const struct store_filter filters[] = {
        {.limit = 700},
        {.limit = 7, .job = "job-3"},
        {.limit = 7, .job = "none such"},
        {.limit = 100, .by_uid = true, .uid = 1003},
        {.limit = 100, .by_uid = true, .uid = 1},
        {.limit = 3, .rule = "old"},
        {.limit = 3, .rule = "rare"},
        {.limit = 900, .rule = "often"},
        {.limit = 50, .rule = "none such"},
        {.limit = 500, .mode = "npd+xla"},
        {.limit = 50, .verdict = "fixed"},
        {.limit = 50, .verdict = "fixed", .mode = "npd"},
        {.limit = 10, .rule = "rare", .mode = "npd"},
        {.limit = 10, .rule = "rare", .by_uid = true, .uid = 1002},
        {.limit = 10, .rule = "old", .by_uid = true, .uid = 1002},
        {.limit = 300, .rule = "often", .by_uid = true, .uid = 1002, .verdict = "ok"},
        {.limit = 10, .job = "job-4", .rule = "often", .by_uid = true, .uid = 1001},
        {.limit = 10, .by_uid = true, .uid = 1001, .seen_by_uid = true, .seer = 1002},
        {.limit = 400, .seen_by_uid = true, .seer = 1002, .mode = "npd"},
        {.limit = 10, .since_ms = 1000000 + 5990 * 10},
        {.limit = 10, .since_ms = 1000000 + 100 * 10, .until_ms = 1000000 + 130 * 10 + 5},
        {.limit = 10, .until_ms = 1000000 + 15 * 10, .rule = "old"},
        {.limit = 10, .since_ms = 5},
        {.limit = 10, .until_ms = 5},
        {.limit = 10, .since_ms = UINT64_MAX},
        {.limit = 10, .since_ms = 1000000 + 3000 * 10, .rule = "rare", .job = "job-4"},
        {.limit = 700, .step = "2"},
        {.limit = 700, .step = "9"},
        {.limit = 300, .itex = "newest"},
        {.limit = 300, .itex = "2.14.0.1", .mode = "npd"},
        {.limit = 50, .by_state = true, .state = STORE_UNDELIVERED},
        {.limit = 50, .by_state = true, .state = STORE_ACCEPTED},
        {.limit = 50, .by_state = true, .state = STORE_UNDELIVERED, .rule = "rare"},
        {.limit = 50, .mismatch = true},
        {.limit = 50, .mismatch = true, .by_uid = true, .uid = 1003, .verdict = "ok"},
        {.limit = 50, .observed = "none"},
        {.limit = 50, .observed = "npd", .mode = "stream-executor"},
        {.limit = 500, .rule_set = 1},
        {.limit = 500, .rule_set = 2},
        {.limit = 50, .outcome_fits = ends_in, .predicted_mode = "7"},
        {.limit = 50, .outcome_fits = ends_in, .predicted_mode = "7", .rule = "often", .step = "3"},
        {.limit = 50, .outcome_fits = ends_in, .predicted_mode = "1", .rule = "rare"},
    };

    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        check(*state, filters[i]);
        check_forward(*state, filters[i]);
    }
}

/* What is new after the end was reached comes once; an `after` beyond the newest row is of another database. */
static void test_forward_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct store_filter filter = {.limit = 10, .forward = true, .after = 5};
    static struct page page;
    const struct sample sample = {.job = "a"};

    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 0);
    assert_int_equal(page.before, 0);
    assert_int_equal(record(fixture, &sample), 1);
    filter.after = page.before;
    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 1);
    filter.after = page.before;
    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 0);
    assert_int_equal(page.before, 1);
    filter.after = 1000;
    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 0);
    assert_int_equal(page.before, 1);
}

static void test_a_device_that_never_was(void **state)
{
    struct fixture *fixture = *state;
    const struct store_filter filter = {.device = "0000:99:00.0"};
    static struct page page;

    page.done = false;
    assert_true(store_query(fixture->store, &filter, 0, note_page, &page) > 0);
    wait_until(fixture->store, &page.done);
    assert_int_equal(page.status, -ENODEV);
    assert_int_equal(page.n, 0);
}

static void test_foreign_row_by_id_is_hidden(void **state)
{
    struct fixture *fixture = *state;
    static struct page page;
    struct store_filter filter = {.id = 3, .seen_by_uid = true, .seer = 1002};

    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 1);
    filter.seer = 1001;
    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 0);
    filter = (struct store_filter){.id = ROWS + 1};
    query(fixture->store, &filter, &page);
    assert_int_equal(page.n, 0);
}

static void test_bytes_bound_a_page(void **state)
{
    struct fixture *fixture = *state;
    static struct page page;
    const struct store_filter filter = {.limit = 100};

    page.done = false;
    assert_true(store_query(fixture->store, &filter, 1, note_page, &page) > 0);
    wait_until(fixture->store, &page.done);
    assert_int_equal(page.n, 1); /* one row always comes */
    assert_int_equal(page.before, ROWS);
}

static void never(void *context, int status, const struct store_decision *rows, size_t n, uint64_t before)
{
    (void)context;
    (void)status;
    (void)rows;
    (void)n;
    (void)before;
    fail_msg("a cancelled query called back");
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    const struct store_filter slow = {.limit = 1000, .mode = "npd", .by_uid = true, .uid = 1}, last = {.id = 1};
    uint64_t tickets[300];
    static struct page page;
    size_t n = 0;

    while (n < 300 && (tickets[n] = store_query(fixture->store, &slow, 0, never, NULL)) > 0)
        n++;
    assert_in_range(n, 256, 299); /* then too many wait */
    for (size_t i = 0; i < n; i++)
        store_cancel(fixture->store, tickets[i]);
    store_cancel(fixture->store, 0);
    store_cancel(fixture->store, 999999);
    query(fixture->store, &last, &page);
    assert_int_equal(page.n, 1);
}

static void count_late(void *context, int status, const struct store_decision *rows, size_t n, uint64_t before)
{
    (void)status;
    (void)rows;
    (void)n;
    (void)before;
    if (*(const bool *)context)
        fail_msg("a query called back after it was cancelled");
}

/* At whatever moment of a read the cancelling comes: in its turn, done, or on the way from one to the other. */
static void test_cancel_at_any_moment(void **state)
{
    struct fixture *fixture = *state;
    const struct store_filter filter = {.id = 1};
    bool cancelled[64];

    for (unsigned round = 0; round < 30000; round++) {
        bool *own = &cancelled[round % 64];
        uint64_t ticket;

        store_dispatch(fixture->store, 0);
        *own = false;
        ticket = store_query(fixture->store, &filter, 0, count_late, own);
        for (volatile unsigned wait = 0; wait < round * 7 % 40000; wait++)
            ;
        store_cancel(fixture->store, ticket);
        *own = true;
    }
    store_dispatch(fixture->store, 0);
}

static void test_short_query_passes_a_long_one(void **state)
{
    struct fixture *fixture = *state;
    /* some slices long: nothing of this job has that uid, and every row has to be looked at */
    const struct store_filter slow = {.limit = 10, .until_ms = 2000000, .mode = "npd", .rule = "often", .verdict = "x"};
    const struct store_filter quick = {.id = 1};
    static struct page slow_page, quick_page;

    slow_page.done = quick_page.done = false;
    assert_true(store_query(fixture->store, &slow, 0, note_page, &slow_page) > 0);
    assert_true(store_query(fixture->store, &quick, 0, note_page, &quick_page) > 0);
    wait_until(fixture->store, &quick_page.done);
    wait_until(fixture->store, &slow_page.done);
    assert_int_equal(slow_page.n, 0);
    assert_int_equal(quick_page.n, 1);
}

static void test_clock_set_back(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t times[] = {10000000, 20000000, 20000500, 19999800, 12000000, 13000000, 21000000, 5000000};
    const size_t n = sizeof times / sizeof *times;
    static struct page page;

    for (size_t i = 0; i < n; i++) {
        const struct sample sample = {.time_ms = times[i]};

        assert_int_equal(record(fixture, &sample), i + 1);
    }
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            const struct store_filter filter = {.since_ms = times[from], .until_ms = times[to], .limit = 100};
            size_t at = 0;

            query(fixture->store, &filter, &page);
            for (size_t i = n; i-- > 0;) {
                if (times[i] >= filter.since_ms && times[i] < filter.until_ms)
                    assert_int_equal(page.ids[at++], i + 1);
            }
            assert_int_equal(page.n, at);
        }
    }
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM clock_stretches"), 2);
}

#define IN_ROWS(test) cmocka_unit_test_setup_teardown(test, fill, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROWS(test_filters_and_pages),
        cmocka_unit_test_setup_teardown(test_forward_goes_on, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_device_that_never_was, fixture_setup, fixture_teardown),
        IN_ROWS(test_foreign_row_by_id_is_hidden),
        IN_ROWS(test_bytes_bound_a_page),
        IN_ROWS(test_cancel),
        IN_ROWS(test_cancel_at_any_moment),
        IN_ROWS(test_short_query_passes_a_long_one),
        cmocka_unit_test_setup_teardown(test_clock_set_back, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("store-query", tests, NULL, NULL);
}
