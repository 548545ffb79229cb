/* Opening what may be there: older, newer, foreign, damaged, locked, not writable, on a full disk. */
#include "db/schema/schema.h"
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sample plain = {.job = "j"};

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void assert_mentions(const struct fixture *fixture, const char *word)
{
    struct store_status status;

    store_status(fixture->store, &status);
    assert_false(status.recording);
    if (!strstr(status.problem, word))
        fail_msg("problem \"%s\" does not mention \"%s\"", status.problem, word);
}

/* ---- Versions --------------------------------------------------------------------------------------- */

/* A database of each older version, with a row where it has tables. A new schema step adds its predecessor here. */
static void make_version_0(const char *path)
{
    write_file(path, "", 0);
}

static void make_version_0_with_header(const char *path)
{
    sql_execute(path, "PRAGMA page_size = 4096; PRAGMA user_version = 0; CREATE TABLE t (x); DROP TABLE t");
}

static const struct {
    const char *name;
    void (*make)(const char *path);
    uint64_t rows;
} versions[] = {
    {"empty", make_version_0, 0},
    {"header only", make_version_0_with_header, 0},
    {"1", make_version_1, 1},
};

static void test_every_older_version_migrates(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        print_message("# from version %s\n", versions[i].name);
        unlink(fixture->path);
        versions[i].make(fixture->path);
        assert_int_equal(fixture_open(fixture), 0);
        assert_true(store_recording(fixture->store));
        assert_int_equal(record(fixture, &plain), versions[i].rows + 1);
        fixture_close(fixture);
        assert_int_equal(sql_number(fixture->path, "PRAGMA user_version"), schema_version);
        assert_int_equal(sql_number(fixture->path, "PRAGMA application_id"), 0x69746578);
        assert_int_equal(sql_number(fixture->path, "PRAGMA auto_vacuum"), 2);
        assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM pragma_table_list"
                                                   " WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT strict"),
                         0);
        assert_sound(fixture->path);
    }
}

/* One that is too large to be checked as a whole, and was not closed. */
static void test_large_unclean_database(void **state)
{
    struct fixture *fixture = *state;
    char wal[128];

    snprintf(wal, sizeof wal, "%s-wal", fixture->path);
    make_version_1(fixture->path);
    sql_execute(fixture->path, "INSERT INTO facts VALUES (2, x'02', 0, zeroblob(40000000))");
    for (int i = 0; i < 2; i++) { /* of the older version, and of this one */
        int fd = open(wal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(fixture_open(fixture), 0);
        assert_true(store_recording(fixture->store));
        put_lease_of(fixture->store, (uint64_t)i + 1);
        assert_int_equal(record(fixture, &(struct sample){.job = "j", .lease = (uint64_t)i + 1}), i + 2);
        fixture_close(fixture);
    }
}

static void test_new_file_is_private(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;

    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_int_equal(info.st_mode & 0007, 0);
}

static void assert_refused_untouched(struct fixture *fixture, const char *path)
{
    size_t before_size, after_size;
    void *before = read_file(path, &before_size), *after;
    char name[128];

    assert_int_equal(fixture_open(fixture), -ENOTSUP);
    after = read_file(path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    assert_false(find_file(fixture->directory, "itexd.db.corrupt", name, sizeof name));
    free(before);
    free(after);
}

static void test_newer_version_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    char name[128];

    make_version_1(fixture->path);
    sql_execute(fixture->path, "PRAGMA user_version = 999");
    assert_refused_untouched(fixture, fixture->path);
    assert_false(find_file(fixture->directory, "itexd.db-wal", name, sizeof name));
    assert_false(find_file(fixture->directory, "itexd.db-shm", name, sizeof name));
}

/* The newer version is in the WAL only, as after a crash of the newer program. */
static void test_newer_version_in_the_wal_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char wal[128];
    pid_t child;
    int status;

    make_version_1(fixture->path);
    child = fork();
    if (child == 0) {
        sqlite3 *db;

        sqlite3_open(fixture->path, &db);
        sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL);
        _exit(0); /* without closing: the WAL stays */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(wal, sizeof wal, "%s-wal", fixture->path);
    assert_refused_untouched(fixture, fixture->path);
    assert_int_equal(access(wal, F_OK), 0);
    assert_int_equal(sql_number(fixture->path, "PRAGMA user_version"), 999);
}

static void test_foreign_database_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    const char *const marks[] = {"PRAGMA application_id = 7; CREATE TABLE t (x)", "CREATE TABLE t (x)",
                                 "PRAGMA user_version = 1; CREATE TABLE t (x)"};

    for (size_t i = 0; i < 3; i++) {
        unlink(fixture->path);
        sql_execute(fixture->path, marks[i]);
        assert_int_equal(fixture_open(fixture), 0);
        assert_mentions(fixture, "another program");
        assert_int_equal(record(fixture, &plain), 0);
        fixture_close(fixture);
        assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM t"), 0);
    }
}

static void test_second_store_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct store *second = NULL;
    char error[256];

    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(store_open(&fixture->config, &second, error, sizeof error), -EBUSY);
    assert_non_null(strstr(error, "another itexd"));
    assert_true(record(fixture, &plain) > 0);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
}

/* ---- Damage ------------------------------------------------------------------------------------------ */

static void spoil_with_garbage(const char *path)
{
    char garbage[20000];

    memset(garbage, 'x', sizeof garbage);
    write_file(path, garbage, sizeof garbage);
}

static void spoil_by_cutting(const char *path)
{
    assert_int_equal(truncate(path, 3 * 4096), 0);
}

static void spoil_short(const char *path)
{
    write_file(path, "SQLite", 6);
}

static void spoil_pages(const char *path)
{
    size_t size;
    unsigned char *data = read_file(path, &size);

    for (size_t page = 2; page < size / 4096; page += 2)
        memset(data + page * 4096, 0xa5, 512);
    write_file(path, data, size);
    free(data);
}

static void test_damage_is_moved_aside(void **state)
{
    struct fixture *fixture = *state;
    void (*const ways[])(const char *path) = {spoil_with_garbage, spoil_by_cutting, spoil_short, spoil_pages};
    char name[128], wal[160];

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct store_status status;
        size_t size;
        void *damaged, *kept;

        unlink(fixture->path);
        make_version_1(fixture->path);
        ways[i](fixture->path);
        snprintf(wal, sizeof wal, "%s-wal", fixture->path);
        write_file(wal, "not a wal", 9);
        damaged = read_file(fixture->path, &size);
        assert_int_equal(fixture_open(fixture), 0);
        assert_int_equal(record(fixture, &plain), 1);
        store_status(fixture->store, &status);
        assert_true(status.recording && status.created);
        assert_true(find_file(fixture->directory, "itexd.db.corrupt-", name, sizeof name));
        assert_non_null(strstr(status.moved_aside, "itexd.db.corrupt-"));
        kept = read_file(status.moved_aside, &size);
        assert_memory_equal(kept, damaged, size);
        snprintf(wal, sizeof wal, "%.140s-wal", status.moved_aside);
        assert_int_equal(access(wal, F_OK), 0);
        fixture_close(fixture);
        assert_sound(fixture->path);
        unlink(wal);
        unlink(status.moved_aside);
        free(damaged);
        free(kept);
    }
}

/* Damage that only shows while running: the store goes on with a new database by itself. */
static void test_damage_found_while_running(void **state)
{
    struct fixture *fixture = *state;
    const struct store_filter filter = {.limit = 10};
    static struct page page;
    uint64_t generation, id, next;
    char name[128];
    int fd;

    assert_int_equal(fixture_open(fixture), 0);
    id = record(fixture, &plain);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    generation = store_generation(fixture->store);
    fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
    for (int number = 1; number < 30; number++)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, number * 4096), 8);
    /* closing fd would drop SQLite's locks of this process; it stays open until the end */
    page.done = false;
    assert_true(store_query(fixture->store, &filter, 0, note_page, &page) > 0);
    wait_until(fixture->store, &page.done);
    assert_int_equal(page.status, -EIO);
    assert_true(COMES_TRUE(store_generation(fixture->store) > generation));
    wait_recording(fixture->store, true);
    assert_true(find_file(fixture->directory, "itexd.db.corrupt-", name, sizeof name));
    const struct store_rule_set set = {.name = "test", .digest = "d", .origin = "shipped", .files = {"f", 1}};
    assert_int_equal(store_put_rule_set_now(fixture->store, &set, true, &fixture->rule_set), 0);
    next = record(fixture, &plain);
    assert_true(next > id); /* a client's number never means another decision */
    close(fd);
}

static void test_removed_file_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    uint64_t generation;

    assert_int_equal(fixture_open(fixture), 0);
    generation = store_generation(fixture->store);
    assert_true(record(fixture, &plain) > 0);
    assert_int_equal(unlink(fixture->path), 0);
    assert_true(COMES_TRUE(store_generation(fixture->store) > generation));
    wait_recording(fixture->store, true);
    assert_int_equal(access(fixture->path, F_OK), 0);
}

/* ---- Places that cannot be written ------------------------------------------------------------------- */

static void test_directory_in_its_place(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_int_equal(fixture_open(fixture), 0);
    assert_mentions(fixture, "directory");
    assert_int_equal(record(fixture, &plain), 0);
    assert_int_equal(rmdir(fixture->path), 0);
    wait_recording(fixture->store, true);
    const struct store_rule_set set = {.name = "test", .digest = "d", .origin = "shipped", .files = {"f", 1}};
    assert_int_equal(store_put_rule_set_now(fixture->store, &set, true, &fixture->rule_set), 0);
    assert_int_equal(record(fixture, &plain), 1);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM events WHERE kind = 'recording'"), 1);
}

/* Runs a test as somebody for whom permissions count. */
static void as_nobody(struct fixture *fixture, void (*test)(struct fixture *fixture))
{
    const struct passwd *nobody = getpwnam("nobody");
    pid_t child;
    int status;

    if (geteuid() == 0) {
        assert_non_null(nobody);
        assert_int_equal(chown(fixture->directory, nobody->pw_uid, nobody->pw_gid), 0);
    }
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0))
            _exit(3);
        test(fixture);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In the child, where cmocka's assertions would not be heard. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void in_read_only_directory(struct fixture *fixture)
{
    struct store_status status;
    char error[256];

    REQUIRE(chmod(fixture->directory, 0500) == 0);
    REQUIRE(store_open(&fixture->config, &fixture->store, error, sizeof error) == 0);
    store_status(fixture->store, &status);
    REQUIRE(!status.recording && strstr(status.problem, "Permission denied"));
    REQUIRE(chmod(fixture->directory, 0700) == 0);
    REQUIRE(COMES_TRUE(store_recording(fixture->store)));
    fixture_close(fixture);
}

static void test_read_only_directory(void **state)
{
    as_nobody(*state, in_read_only_directory);
}

static void in_read_only_file(struct fixture *fixture)
{
    struct store_status status;
    char error[256];

    REQUIRE(store_open(&fixture->config, &fixture->store, error, sizeof error) == 0);
    REQUIRE(store_recording(fixture->store));
    fixture_close(fixture);
    REQUIRE(chmod(fixture->path, 0400) == 0);
    REQUIRE(store_open(&fixture->config, &fixture->store, error, sizeof error) == 0);
    store_status(fixture->store, &status);
    REQUIRE(!status.recording && status.problem[0]);
    REQUIRE(chmod(fixture->path, 0600) == 0);
    REQUIRE(COMES_TRUE(store_recording(fixture->store)));
    fixture_close(fixture);
}

static void test_read_only_file(void **state)
{
    as_nobody(*state, in_read_only_file);
}

static void fill_disk(const char *path)
{
    static const char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    while (write(fd, block, 512) > 0)
        ;
    close(fd);
}

/* Puts decisions with facts of their own until one is not recorded; returns how many were. */
static unsigned record_until_full(struct fixture *fixture)
{
    static char facts[30000];
    struct sample sample = {.job = "j", .facts = facts};

    memset(facts, 'f', sizeof facts - 1);
    for (unsigned n = 0; n < 10000; n++) {
        snprintf(facts, 16, "%08u", n);
        facts[8] = '-';
        if (record(fixture, &sample) == 0)
            return n;
    }
    fail_msg("the disk never became full");
    return 0;
}

static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    char ballast[128];
    unsigned recorded;

    if (mount("tmpfs", fixture->directory, "tmpfs", 0, "size=24m") != 0) {
        print_message("# skipped: a small file system cannot be mounted (%s)\n", strerror(errno));
        return;
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", fixture->directory);
    assert_int_equal(fixture_open(fixture), 0);
    fill_disk(ballast);
    recorded = record_until_full(fixture);
    assert_mentions(fixture, "disk is full");
    assert_int_equal(unlink(ballast), 0);
    wait_recording(fixture->store, true);
    assert_true(record(fixture, &plain) > 0);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM decisions"), recorded + 1);
    assert_sound(fixture->path);
    assert_int_equal(umount2(fixture->directory, MNT_DETACH), 0);
}

#define CLOSED(test) cmocka_unit_test_setup_teardown(test, fixture_setup_closed, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSED(test_every_older_version_migrates),
        CLOSED(test_large_unclean_database),
        CLOSED(test_new_file_is_private),
        CLOSED(test_newer_version_is_refused_untouched),
        CLOSED(test_newer_version_in_the_wal_is_refused),
        CLOSED(test_foreign_database_is_left_alone),
        CLOSED(test_second_store_is_busy),
        CLOSED(test_damage_is_moved_aside),
        CLOSED(test_damage_found_while_running),
        CLOSED(test_removed_file_is_made_again),
        CLOSED(test_directory_in_its_place),
        CLOSED(test_read_only_directory),
        CLOSED(test_read_only_file),
        CLOSED(test_full_disk),
    };

    return cmocka_run_group_tests_name("store-open", tests, NULL, NULL);
}
