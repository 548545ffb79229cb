/* What must survive: kill -9 at any moment; a backup taken under load; a WAL that stays bounded in a storm. */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CRASHES = 20, CLIENTS = 16 };

/* ---- kill -9 ----------------------------------------------------------------------------------------- */

struct teller {
    int fd;
    struct fixture *fixture;
};

static void put_next(struct teller *teller);

/* Tells the parent what a client would have been told, then goes on. */
static void tell(void *context, int status, uint64_t id)
{
    struct teller *teller = context;

    if (status == 0 && write(teller->fd, &id, sizeof id) != sizeof id)
        _exit(0);
    put_next(teller);
}

static void put_next(struct teller *teller)
{
    static unsigned n;
    char facts[64], job[32];
    struct sample sample = {.job = job, .facts = facts, .rule = "keras3-1", .uid = 1000 + n % 5};
    struct sample_storage storage;
    struct store_decision decision;

    snprintf(facts, sizeof facts, "facts %u", n % 40);
    snprintf(job, sizeof job, "job-%u", n / 3);
    n++;
    if (n % 2) {
        sample.lease = n / 4 + (uint64_t)getpid() * 1000000;
        put_lease_of(teller->fixture->store, sample.lease);
    }
    decision = sample_decision(teller->fixture, &sample, &storage);
    if (store_put_decision(teller->fixture->store, &decision, tell, teller) != 0)
        _exit(1);
}

static void run_until_killed(struct fixture *fixture, int fd)
{
    struct teller teller = {.fd = fd, .fixture = fixture};
    struct pollfd poller;

    fixture->config.checkpoint_pages = 50; /* so that crashes meet checkpoints too */
    if (fixture_open(fixture) != 0)
        _exit(1);
    poller = (struct pollfd){.fd = store_fd(fixture->store), .events = POLLIN};
    for (int i = 0; i < CLIENTS; i++)
        put_next(&teller);
    for (;;) {
        poll(&poller, 1, -1);
        store_dispatch(fixture->store, 0);
    }
}

/* Returns the highest id that was told, after some that differ from round to round. */
static uint64_t crash_once(struct fixture *fixture, unsigned acknowledged)
{
    int ends[2], status;
    uint64_t id, highest = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        run_until_killed(fixture, ends[1]);
    }
    close(ends[1]);
    for (unsigned n = 0; n < acknowledged; n++) {
        assert_int_equal(read(ends[0], &id, sizeof id), sizeof id);
        highest = id > highest ? id : highest;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &id, sizeof id) == sizeof id)
        highest = id > highest ? id : highest;
    close(ends[0]);
    return highest;
}

static void test_kill_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t told = 0;
    char name[128];

    for (unsigned round = 0; round < CRASHES; round++) {
        uint64_t last = crash_once(fixture, 1 + round * 37);
        struct store_status status;
        struct page page;

        assert_true(last > told);
        told = last;
        assert_int_equal(fixture_open(fixture), 0);
        store_status(fixture->store, &status);
        assert_true(status.recording && !status.created);
        assert_true(status.decisions >= told);
        read_back(fixture->store, told, &page);
        assert_int_equal(page.n, 1);
        fixture_close(fixture);
        /* every id up to the last one told is there */
        assert_int_equal(sql_number(fixture->path, "SELECT max(id) - count(*) FROM decisions"), 0);
        assert_true(sql_number(fixture->path, "SELECT max(id) FROM decisions") >= (int64_t)told);
        /* and with a lease comes what it was of */
        assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM decisions WHERE lease IS NOT NULL"
                                                   " AND lease NOT IN (SELECT lease FROM lease_units)"),
                         0);
        assert_sound(fixture->path);
    }
    assert_true(sql_number(fixture->path, "SELECT count(*) FROM leases") > 0);
    assert_false(find_file(fixture->directory, "itexd.db.corrupt", name, sizeof name));
}

/* ---- Backup ------------------------------------------------------------------------------------------ */

static uint64_t recorded;

static void count_recorded(void *context, int status, uint64_t id)
{
    (void)context;
    assert_int_equal(status, 0);
    assert_int_equal(id, ++recorded);
}

static void put_many(struct fixture *fixture, unsigned n)
{
    static char facts[3000];
    static unsigned serial;
    const struct sample sample = {.job = "j", .facts = facts, .rule = "r"};

    memset(facts, 'f', sizeof facts - 1);
    for (unsigned i = 0; i < n; i++) {
        struct sample_storage storage;
        struct store_decision decision;

        snprintf(facts, 16, "%015u", serial++);
        facts[15] = '-';
        decision = sample_decision(fixture, &sample, &storage);
        while (store_put_decision(fixture->store, &decision, count_recorded, NULL) == -EAGAIN)
            store_dispatch(fixture->store, 0);
    }
}

static void wait_recorded(struct fixture *fixture, uint64_t wanted)
{
    struct pollfd poller = {.fd = store_fd(fixture->store), .events = POLLIN};

    while (recorded < wanted) {
        assert_true(poll(&poller, 1, 20000) > 0);
        store_dispatch(fixture->store, 0);
    }
}

static void test_backup_under_load(void **state)
{
    struct fixture *fixture = *state;
    struct written written = {.done = false};
    char path[128];
    int64_t rows;
    int fd;

    recorded = 0;
    put_many(fixture, 3000);
    for (uint64_t lease = 1; lease <= 20; lease++)
        put_lease_of(fixture->store, lease);
    wait_recorded(fixture, 3000);
    snprintf(path, sizeof path, "%s/copy.db", fixture->directory);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(store_backup(fixture->store, fd, note_written, &written), 0);
    close(fd);
    while (!written.done) {
        put_many(fixture, 20);
        wait_recorded(fixture, recorded + 1);
    }
    assert_int_equal(written.status, 0);
    assert_sound(path);
    rows = sql_number(path, "SELECT count(*) FROM decisions");
    assert_in_range(rows, 3001, (int64_t)recorded + 4096); /* with what came while it ran, all without a gap */
    assert_int_equal(sql_number(path, "SELECT max(id) FROM decisions"), rows);
    assert_int_equal(sql_number(path, "SELECT count(*) FROM decisions d JOIN facts f ON f.id = d.facts"), rows);
    assert_int_equal(sql_number(path, "SELECT count(*) FROM lease_units"), 40);
    fixture_close(fixture);
    fixture->config.path = path; /* and it is a database for itexd */
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(record(fixture, &(struct sample){.job = "j"}), rows + 1);
}

static void test_backup_into_something_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct written written = {.done = false};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(store_backup(fixture->store, -1, note_written, &written), -EBADF);
    assert_int_equal(store_backup(fixture->store, fd, note_written, &written), 0);
    close(fd);
    wait_until(fixture->store, &written.done);
    assert_true(written.status < 0);
    assert_true(record(fixture, &(struct sample){.job = "j"}) > 0);
}

/* Each is answered, whatever becomes of the one before it. */
static void test_backups_in_line(void **state)
{
    struct fixture *fixture = *state;
    struct written written[6] = {{.done = false}};

    recorded = 0;
    put_many(fixture, 1000);
    wait_recorded(fixture, 1000);
    for (size_t i = 0; i < 6; i++) {
        bool wrong = i == 1 || i == 2 || i == 4;
        int fd = memfd_create("copy", MFD_CLOEXEC);

        if (wrong) /* so that it fails before the first page is copied */
            assert_int_equal(pwrite(fd, "no database", 11, 4096), 11);
        assert_int_equal(store_backup(fixture->store, fd, note_written, &written[i]), 0);
        close(fd);
    }
    for (size_t i = 0; i < 6; i++) {
        wait_until(fixture->store, &written[i].done);
        assert_int_equal(written[i].status < 0, i == 1 || i == 2 || i == 4);
    }
}

static void test_backup_ends_with_the_disk(void **state)
{
    struct fixture *fixture = *state;
    struct written written = {.done = false};
    int fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    recorded = 0;
    put_many(fixture, 300);
    wait_recorded(fixture, 300);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(store_backup(fixture->store, fd, note_written, &written), 0);
    close(fd);
    wait_until(fixture->store, &written.done);
    assert_true(written.status < 0);
    assert_true(record(fixture, &(struct sample){.job = "j"}) > 0);
}

/* ---- The WAL ------------------------------------------------------------------------------------------ */

static void test_wal_stays_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct store_status status;
    uint64_t largest = 0;

    recorded = 0;
    for (unsigned turn = 0; turn < 40; turn++) {
        put_many(fixture, 1000);
        store_dispatch(fixture->store, 0);
        store_status(fixture->store, &status);
        largest = status.wal_bytes > largest ? status.wal_bytes : largest;
    }
    wait_recorded(fixture, 40000);
    store_status(fixture->store, &status);
    print_message("# largest WAL %llu KiB, %llu checkpoints\n", (unsigned long long)largest >> 10,
                  (unsigned long long)status.checkpoints);
    assert_true(status.checkpoints > 0);
    assert_true(largest < 64 << 20);
}

/* A foreign reader that keeps its transaction open stops checkpoints, but not decisions; after it all is as before. */
static void test_foreign_reader_does_not_stop_decisions(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t limit = 64 << 20;
    struct store_status status = {.wal_bytes = 0};
    sqlite3 *reader = NULL;

    recorded = 0;
    put_many(fixture, 10);
    wait_recorded(fixture, 10);
    assert_int_equal(sqlite3_open(fixture->path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM decisions", NULL, NULL, NULL), SQLITE_OK);
    while (status.wal_bytes <= limit) {
        put_many(fixture, 500);
        wait_recorded(fixture, recorded + 1);
        store_status(fixture->store, &status);
        assert_true(status.recording);
    }
    sqlite3_close(reader);
    for (unsigned turn = 0; status.wal_bytes > limit; turn++) {
        assert_true(turn < 1000);
        put_many(fixture, 20);
        wait_recorded(fixture, recorded + 1);
        store_status(fixture->store, &status);
    }
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_loses_nothing, fixture_setup_closed, fixture_teardown),
        IN_STORE(test_backup_under_load),
        IN_STORE(test_backup_into_something_wrong),
        IN_STORE(test_backups_in_line),
        IN_STORE(test_backup_ends_with_the_disk),
        IN_STORE(test_wal_stays_bounded),
        IN_STORE(test_foreign_reader_does_not_stop_decisions),
    };

    return cmocka_run_group_tests_name("store-crash", tests, NULL, NULL);
}
