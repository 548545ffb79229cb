/* Recording: decisions, states, reports, rule sets, group commit, the queue's limit, retention. */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_decision_comes_back(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "job-7", .rule = "keras3-1", .facts = "f", .outcome = "o", .time_ms = 4711};
    uint64_t id = record(fixture, &sample);
    struct page page;

    assert_int_equal(id, 1);
    read_back(fixture->store, id, &page);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.before, 0);
    assert_string_equal(page.job, "job-7");
    assert_string_equal(page.mode, "npd");
    assert_string_equal(page.verdict, "ok");
    assert_string_equal(page.facts, "f");
    assert_string_equal(page.outcome, "o");
    assert_int_equal(page.first.time_ms, 4711);
    assert_int_equal(page.first.uid, 1000);
    assert_int_equal(page.first.pid, 77);
    assert_int_equal(page.first.start_time, 123456);
    assert_int_equal(page.first.state, STORE_OFFERED);
    assert_int_equal(page.first.request_id[2], 3);
    assert_int_equal(page.first.rule_set, fixture->rule_set);
    assert_int_equal(page.first.observed_devices, -1);
    assert_int_equal(page.first.observed_match, -1);
}

static void test_equal_facts_are_stored_once(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.rule = "r"}, other = {.rule = "r", .facts = "other"};
    const struct sample same_body = {.rule = "r", .verdict = "fixed"};

    record(fixture, &sample);
    record(fixture, &sample);
    record(fixture, &other);
    record(fixture, &same_body); /* an outcome's columns are part of what makes it equal */
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM decisions"), 4);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM facts"), 2);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM outcomes"), 2);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM outcome_rules"), 2);
    assert_sound(fixture->path);
}

static void test_unknown_rule_set_fails_alone(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};
    struct sample_storage storage;
    struct store_decision good = sample_decision(fixture, &sample, &storage), bad = good;
    struct written first = {false, 0, 0}, second = {false, 0, 0};

    bad.rule_set = 4711;
    assert_int_equal(store_put_decision(fixture->store, &bad, note_written, &first), 0);
    assert_int_equal(store_put_decision(fixture->store, &good, note_written, &second), 0);
    wait_until(fixture->store, &first.done);
    wait_until(fixture->store, &second.done);
    assert_int_equal(first.status, -EIO);
    assert_int_equal(first.id, 0);
    assert_int_equal(second.status, 0);
    assert_int_equal(second.id, 1);
    assert_true(store_recording(fixture->store));
}

static void assert_state(struct fixture *fixture, uint64_t id, enum store_state_word wanted)
{
    struct written written = {.done = false};
    struct page page;

    /* a report shares the queue: when it has come back, so has every state before it */
    assert_int_equal(store_put_report(fixture->store, 999999, "npd", 1, true, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    assert_int_equal(written.status, -ENOENT);
    read_back(fixture->store, id, &page);
    assert_int_equal(page.first.state, wanted);
}

static void test_state_never_goes_back(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};
    uint64_t id = record(fixture, &sample);

    assert_int_equal(store_set_state(fixture->store, id, STORE_ASKED), 0);
    assert_state(fixture, id, STORE_OFFERED);
    assert_int_equal(store_set_state(fixture->store, id, STORE_UNDELIVERED), 0);
    assert_state(fixture, id, STORE_UNDELIVERED);
    assert_int_equal(store_set_state(fixture->store, id, STORE_ACCEPTED), 0);
    assert_state(fixture, id, STORE_ACCEPTED);
    assert_int_equal(store_set_state(fixture->store, id, STORE_UNDELIVERED), 0);
    assert_int_equal(store_set_state(fixture->store, id, STORE_OFFERED), 0);
    assert_state(fixture, id, STORE_ACCEPTED);
}

static int report(struct fixture *fixture, uint64_t id, const char *mode, bool match)
{
    struct written written = {.done = false};

    assert_int_equal(store_put_report(fixture->store, id, mode, 2, match, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    return written.status;
}

static void test_mismatch_is_recorded_once(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};
    uint64_t id = record(fixture, &sample);
    struct page page;

    assert_int_equal(report(fixture, id, "npd", true), 0);
    assert_int_equal(report(fixture, id, "npd", true), -EALREADY);
    assert_int_equal(report(fixture, id, "none", false), 0);
    assert_int_equal(report(fixture, id, "npd+xla", false), -EALREADY);
    assert_int_equal(report(fixture, id, "npd", true), -EALREADY);
    assert_int_equal(report(fixture, id + 1, "npd", true), -ENOENT);
    read_back(fixture->store, id, &page);
    assert_string_equal(page.observed, "none");
    assert_int_equal(page.first.observed_devices, 2);
    assert_int_equal(page.first.observed_match, 0);
}

enum { MANY = 500 };

static void test_commits_are_grouped(void **state)
{
    struct fixture *fixture = *state;
    static struct written written[MANY];
    const struct sample sample = {.job = "j"};
    struct store_status status;

    memset(written, 0, sizeof written);
    for (int i = 0; i < MANY; i++) {
        struct sample_storage storage;
        struct store_decision decision = sample_decision(fixture, &sample, &storage);

        assert_int_equal(store_put_decision(fixture->store, &decision, note_written, &written[i]), 0);
    }
    for (int i = 0; i < MANY; i++)
        wait_until(fixture->store, &written[i].done);
    for (int i = 1; i < MANY; i++)
        assert_int_equal(written[i].id, written[i - 1].id + 1);
    store_status(fixture->store, &status);
    assert_int_equal(status.decisions, MANY);
    assert_true(status.commits < MANY / 2);
    assert_true(status.largest_commit > 1);
    assert_true(status.commit_p99_us >= status.commit_p50_us && status.commit_p50_us > 0);
    assert_true(status.recording && status.created && status.problem[0] == '\0');
    assert_int_equal(store_queued(fixture->store), 0);
}

static void test_full_queue_says_so(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};
    struct sample_storage storage;
    struct store_decision decision = sample_decision(fixture, &sample, &storage);
    static struct written written[MANY];
    struct store_config small = fixture->config;
    int accepted = 0, r = 0;

    memset(written, 0, sizeof written);
    small.queue_limit = 4;
    store_reconfigure(fixture->store, &small);
    /* a commit waits for the disk, putting does not: the queue fills */
    while (accepted < MANY &&
           (r = store_put_decision(fixture->store, &decision, note_written, &written[accepted])) == 0)
        accepted++;
    assert_int_equal(r, -EAGAIN);
    assert_true(store_queued(fixture->store) <= 4);
    for (int i = 0; i < accepted; i++) {
        wait_until(fixture->store, &written[i].done);
        assert_int_equal(written[i].status, 0);
    }
    assert_true(record(fixture, &sample) > 0);
}

static void test_dispatch_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};
    struct written written[3] = {{false, 0, 0}, {false, 0, 0}, {false, 0, 0}};

    for (int i = 0; i < 3; i++) {
        struct sample_storage storage;
        struct store_decision decision = sample_decision(fixture, &sample, &storage);

        assert_int_equal(store_put_decision(fixture->store, &decision, note_written, &written[i]), 0);
    }
    assert_true(COMES_TRUE(store_queued(fixture->store) == 0));
    assert_int_equal(store_dispatch(fixture->store, 2), 2);
    assert_false(written[2].done);
    wait_until(fixture->store, &written[2].done); /* the descriptor is still readable */
}

struct sets {
    bool done;
    int status;
    size_t n;
    struct store_rule_set first;
    char name[32], files[32];
};

static void note_sets(void *context, int status, const struct store_rule_set *sets, size_t n)
{
    struct sets *own = context;

    own->done = true;
    own->status = status;
    own->n = n;
    if (n == 0)
        return;
    own->first = sets[0];
    snprintf(own->name, sizeof own->name, "%s", sets[0].name);
    snprintf(own->files, sizeof own->files, "%.*s", (int)sets[0].files.size,
             sets[0].files.data ? (const char *)sets[0].files.data : "");
}

static uint64_t put_set(struct fixture *fixture, const char *name, const char *digest)
{
    const struct store_rule_set set = {
        .name = name, .digest = digest, .origin = "loaded", .files = {name, strlen(name)}};
    struct written written = {.done = false};

    assert_int_equal(store_put_rule_set(fixture->store, &set, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    assert_int_equal(written.status, 0);
    return written.id;
}

static int activate(struct fixture *fixture, uint64_t id, uint64_t time_ms)
{
    struct written written = {.done = false};
    const struct store_activation activation = {
        .rule_set = id, .time_ms = time_ms, .uid = 42, .chosen = true, .how = "activated", .comment = "why not"};

    assert_int_equal(store_activate(fixture->store, &activation, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    return written.status;
}

static void ask_previous(struct fixture *fixture, struct sets *sets)
{
    *sets = (struct sets){.done = false};
    assert_true(store_previous_rule_set(fixture->store, note_sets, sets) > 0);
    wait_until(fixture->store, &sets->done);
    assert_int_equal(sets->status, 0);
}

static void test_rule_sets(void **state)
{
    struct fixture *fixture = *state;
    struct sets sets = {.done = false};
    uint64_t second;

    ask_previous(fixture, &sets);
    assert_int_equal(sets.n, 0);
    second = put_set(fixture, "second", "digest-2");
    assert_int_equal(put_set(fixture, "again", "digest-2"), second);
    assert_int_equal(activate(fixture, second, 99), 0);
    assert_int_equal(activate(fixture, 4711, 99), -ENOENT);

    assert_int_equal(store_load_active_rule_set(fixture->store, note_sets, &sets), 0);
    assert_int_equal(sets.first.id, second);
    assert_string_equal(sets.name, "second");
    assert_string_equal(sets.files, "second");
    assert_true(sets.first.active && sets.first.chosen);
    assert_int_equal(sets.first.activated_uid, 42);
    assert_int_equal(sets.first.activated_ms, 99);

    sets.done = false;
    assert_true(store_rule_sets(fixture->store, 0, note_sets, &sets) > 0);
    wait_until(fixture->store, &sets.done);
    assert_int_equal(sets.n, 2);
    assert_int_equal(sets.first.id, second);
    assert_int_equal(sets.first.files.size, 0); /* a list has no files */

    ask_previous(fixture, &sets);
    assert_int_equal(sets.first.id, fixture->rule_set);
    assert_string_equal(sets.files, "files");
    assert_false(sets.first.active || sets.first.chosen);
    assert_int_equal(activate(fixture, fixture->rule_set, 100), 0);
    ask_previous(fixture, &sets);
    assert_int_equal(sets.first.id, second);
}

static void wait_decisions(struct fixture *fixture, uint64_t wanted)
{
    struct store_status status;

    for (int i = 0; i < 2000; i++) {
        const struct sample sample = {.job = "later"};

        store_status(fixture->store, &status);
        if (status.decisions <= wanted)
            return;
        record(fixture, &sample);
    }
    fail_msg("retention left %llu decisions", (unsigned long long)status.decisions);
}

static void test_retention_by_count(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};

    for (int i = 0; i < 100; i++)
        record(fixture, &sample);
    fixture->config.retention_decisions = 10;
    store_reconfigure(fixture->store, &fixture->config);
    wait_decisions(fixture, 10);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) <= 11 AND max(id) - min(id) + 1 = count(*)"
                                               " FROM decisions"),
                     1);
    assert_sound(fixture->path);
}

static void test_retention_by_age_keeps_the_newest(void **state)
{
    struct fixture *fixture = *state;
    const struct sample old = {.job = "j"};
    uint64_t last = 0;
    struct store_status status;

    for (int i = 0; i < 50; i++)
        last = record(fixture, &old); /* of 1970 */
    fixture->config.retention_seconds = 3600;
    store_reconfigure(fixture->store, &fixture->config);
    assert_true(COMES_TRUE((store_status(fixture->store, &status), status.decisions <= 1)));
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT min(id) FROM decisions"), (int64_t)last);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(record(fixture, &old), last + 1); /* no id twice */
}

static void test_unused_facts_go(void **state)
{
    struct fixture *fixture = *state;
    const struct sample used = {.facts = "used"};

    record(fixture, &used);
    fixture_close(fixture);
    /* decisions of three blocks ago, and what they referred to */
    sql_execute(fixture->path, "UPDATE decisions SET id = 200000;"
                               "INSERT INTO facts (hash, last_block, body) VALUES (x'01', 0, x'01');"
                               "INSERT INTO outcomes (hash, last_block, verdict, body) VALUES (x'01', 0, 'ok', x'01');"
                               "INSERT INTO outcome_rules VALUES ('r', last_insert_rowid());"
                               "UPDATE facts SET last_block = 3 WHERE body = CAST('used' AS BLOB);"
                               "UPDATE outcomes SET last_block = 3 WHERE body = CAST('outcome' AS BLOB)");
    assert_int_equal(fixture_open(fixture), 0);
    assert_true(COMES_TRUE(sql_number(fixture->path, "SELECT count(*) FROM facts") <= 1));
    assert_int_equal(record(fixture, &used), 200001);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM facts"), 1);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM outcomes"), 1);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM outcome_rules"), 0);
    assert_sound(fixture->path);
}

static void test_normal_durability(void **state)
{
    struct fixture *fixture = *state;
    const struct sample sample = {.job = "j"};

    fixture->config.durability_full = false;
    store_reconfigure(fixture->store, &fixture->config);
    assert_true(record(fixture, &sample) > 0);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(record(fixture, &sample), 2);
}

static void count_recent(void *context, const struct store_decision *row)
{
    unsigned *n = context;

    assert_int_equal(row->request_id[1], 2);
    (*n)++;
}

static void test_recent_decisions(void **state)
{
    struct fixture *fixture = *state;
    const struct sample old = {.job = "old"};
    const struct sample fresh = {.job = "fresh", .time_ms = UINT64_C(4000000000000)};
    unsigned n = 0;

    record(fixture, &old);
    record(fixture, &fresh);
    record(fixture, &fresh);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(store_recent(fixture->store, 60, count_recent, &n), 0);
    assert_int_equal(n, 2);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(test_decision_comes_back),
        IN_STORE(test_equal_facts_are_stored_once),
        IN_STORE(test_unknown_rule_set_fails_alone),
        IN_STORE(test_state_never_goes_back),
        IN_STORE(test_mismatch_is_recorded_once),
        IN_STORE(test_commits_are_grouped),
        IN_STORE(test_full_queue_says_so),
        IN_STORE(test_dispatch_is_bounded),
        IN_STORE(test_rule_sets),
        IN_STORE(test_retention_by_count),
        IN_STORE(test_retention_by_age_keeps_the_newest),
        IN_STORE(test_unused_facts_go),
        IN_STORE(test_normal_durability),
        IN_STORE(test_recent_decisions),
    };

    return cmocka_run_group_tests_name("store-write", tests, NULL, NULL);
}
