/*
 * Faults: the n-th write, sync, open or truncate fails, for every n that a short run reaches. Whatever happens, each
 * decision that was acknowledged is there afterwards, the database is sound, and recording comes back by itself.
 */
#include "db/schema/schema.h"
#include "tests/unit/store/fault_vfs.h"
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DECISIONS = 12, FARTHEST = 400 };

struct told {
    uint64_t ids[DECISIONS], leases[DECISIONS];
    char facts[DECISIONS][24];
    size_t n;
};

static void put_rule_set_if_missing(struct fixture *fixture)
{
    uint64_t id;

    if (store_put_rule_set_now(fixture->store, &fixture_rule_set, true, &id) == 0)
        fixture->rule_set = id;
}

static void record_some(struct fixture *fixture, struct told *told)
{
    for (unsigned i = 0; i < DECISIONS; i++) {
        char facts[24];
        const struct sample sample = {.job = facts, .facts = facts, .rule = "r", .lease = i % 2 ? i : 0};
        uint64_t id;

        if (fixture->rule_set == 0)
            put_rule_set_if_missing(fixture);
        snprintf(facts, sizeof facts, "facts %u", i);
        if (sample.lease != 0)
            put_lease_of(fixture->store, sample.lease);
        id = record(fixture, &sample);
        if (id == 0)
            continue;
        told->ids[told->n] = id;
        told->leases[told->n] = sample.lease;
        strcpy(told->facts[told->n++], facts);
    }
}

static void assert_all_there(struct fixture *fixture, const struct told *told)
{
    for (size_t i = 0; i < told->n; i++) {
        struct page page;

        read_back(fixture->store, told->ids[i], &page);
        assert_int_equal(page.n, 1);
        assert_string_equal(page.facts, told->facts[i]);
        assert_int_equal(page.first.lease, told->leases[i]);
    }
}

/* True where the run was too short to reach the n-th call. */
static bool run_with_fault(enum fault_kind kind, unsigned n, int code, bool lasting)
{
    void *state = NULL;
    struct fixture *fixture;
    struct told told = {.n = 0};
    char name[128], error[256];
    bool fired;

    assert_int_equal(fixture_setup_closed(&state), 0);
    fixture = state;
    fixture->config.checkpoint_pages = 8; /* checkpoints within the run */
    fault_vfs_arm(kind, n, code, lasting);
    assert_int_equal(store_open(&fixture->config, &fixture->store, error, sizeof error), 0);
    record_some(fixture, &told);
    fired = fault_vfs_fired();
    fault_vfs_disarm();
    wait_recording(fixture->store, true);
    put_rule_set_if_missing(fixture);
    assert_true(record(fixture, &(struct sample){.job = "after"}) > 0);
    assert_all_there(fixture, &told);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    assert_all_there(fixture, &told);
    fixture_close(fixture);
    assert_sound(fixture->path);
    assert_false(find_file(fixture->directory, "itexd.db.corrupt", name, sizeof name));
    assert_int_equal(fixture_teardown(&state), 0);
    return !fired;
}

static void run_all(enum fault_kind kind, int code, bool lasting, unsigned stride)
{
    unsigned n = 1;

    while (n < FARTHEST && !run_with_fault(kind, n, code, lasting))
        n += n < 4 ? 1 : stride;
    print_message("# %u places\n", n);
}

/* What became of a decision while the disk was full is written when there is room. */
static void test_states_are_written_when_recording_resumes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t accepted = record(fixture, &(struct sample){.job = "a"}),
             undelivered = record(fixture, &(struct sample){.job = "b"});
    struct page page;

    fault_vfs_arm(FAULT_WRITE, 1, SQLITE_FULL, true);
    assert_int_equal(store_set_state(fixture->store, accepted, STORE_ACCEPTED), 0); /* is in the commit that fails */
    wait_recording(fixture->store, false);
    assert_int_equal(store_set_state(fixture->store, undelivered, STORE_UNDELIVERED), 0);
    assert_int_equal(record(fixture, &(struct sample){.job = "c"}), 0);
    fault_vfs_disarm();
    wait_recording(fixture->store, true);
    assert_true(record(fixture, &(struct sample){.job = "d"}) > 0); /* behind them in the queue */
    read_back(fixture->store, accepted, &page);
    assert_int_equal(page.first.state, STORE_ACCEPTED);
    read_back(fixture->store, undelivered, &page);
    assert_int_equal(page.first.state, STORE_UNDELIVERED);
}

static void test_failing_write(void **state)
{
    (void)state;
    run_all(FAULT_WRITE, SQLITE_IOERR_WRITE, false, 13);
}

static void test_disk_full_from_here_on(void **state)
{
    (void)state;
    run_all(FAULT_WRITE, SQLITE_FULL, true, 29);
}

static void test_failing_sync(void **state)
{
    (void)state;
    run_all(FAULT_SYNC, SQLITE_IOERR_FSYNC, false, 2);
}

static void test_failing_open(void **state)
{
    (void)state;
    run_all(FAULT_OPEN, SQLITE_CANTOPEN, false, 1);
}

static void test_failing_truncate(void **state)
{
    (void)state;
    run_all(FAULT_TRUNCATE, SQLITE_IOERR_TRUNCATE, false, 1);
}

static void test_failing_read(void **state)
{
    (void)state;
    run_all(FAULT_READ, SQLITE_IOERR_READ, false, 11);
}

/* ---- A migration that does not come to its end ----------------------------------------------------------- */

static void assert_migrated(struct fixture *fixture)
{
    struct page page;

    read_back(fixture->store, 1, &page);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.job, "old");
    put_lease_of(fixture->store, 1);
    put_rule_set_if_missing(fixture);
    assert_int_equal(record(fixture, &(struct sample){.job = "after", .lease = 1}), 2);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "PRAGMA user_version"), schema_version);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM events WHERE kind = 'recording' AND id = 1"), 1);
    assert_sound(fixture->path);
}

/* True where the migration was over before the n-th call. */
static bool migrate_with_fault(enum fault_kind kind, unsigned n, int code)
{
    void *state = NULL;
    struct fixture *fixture;
    char error[256];
    bool fired;

    assert_int_equal(fixture_setup_closed(&state), 0);
    fixture = state;
    make_version_1(fixture->path);
    fault_vfs_arm(kind, n, code, false);
    assert_int_equal(store_open(&fixture->config, &fixture->store, error, sizeof error), 0);
    fired = fault_vfs_fired();
    fault_vfs_disarm();
    wait_recording(fixture->store, true);
    assert_migrated(fixture);
    assert_int_equal(fixture_teardown(&state), 0);
    return !fired;
}

/* The same, but the process dies in the call. */
static bool migrate_with_kill(enum fault_kind kind, unsigned n)
{
    void *state = NULL;
    struct fixture *fixture;
    char error[256];
    int status;
    pid_t child;

    assert_int_equal(fixture_setup_closed(&state), 0);
    fixture = state;
    make_version_1(fixture->path);
    child = fork();
    if (child == 0) {
        fault_vfs_arm(kind, n, FAULT_KILL, false);
        _exit(store_open(&fixture->config, &fixture->store, error, sizeof error) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    assert_int_equal(store_open(&fixture->config, &fixture->store, error, sizeof error), 0);
    wait_recording(fixture->store, true);
    assert_migrated(fixture);
    assert_int_equal(fixture_teardown(&state), 0);
    return !WIFSIGNALED(status);
}

static void test_migration_that_fails(void **state)
{
    unsigned n = 1, syncs = 1;

    (void)state;
    while (!migrate_with_fault(FAULT_WRITE, n, SQLITE_FULL))
        n++;
    while (!migrate_with_fault(FAULT_SYNC, syncs, SQLITE_IOERR_FSYNC))
        syncs++;
    print_message("# %u writes, %u syncs\n", n - 1, syncs - 1);
    assert_true(n > 10 && syncs > 1);
}

static void test_migration_that_is_killed(void **state)
{
    unsigned n = 1, syncs = 1;

    (void)state;
    while (!migrate_with_kill(FAULT_WRITE, n))
        n++;
    while (!migrate_with_kill(FAULT_SYNC, syncs))
        syncs++;
    print_message("# %u writes, %u syncs\n", n - 1, syncs - 1);
    assert_true(n > 10 && syncs > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states_are_written_when_recording_resumes, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(test_failing_write),
        cmocka_unit_test(test_disk_full_from_here_on),
        cmocka_unit_test(test_failing_sync),
        cmocka_unit_test(test_failing_open),
        cmocka_unit_test(test_failing_read),
        cmocka_unit_test(test_failing_truncate),
        cmocka_unit_test(test_migration_that_fails),
        cmocka_unit_test(test_migration_that_is_killed),
    };

    fault_vfs_register();
    return cmocka_run_group_tests_name("store-faults", tests, NULL, NULL);
}
