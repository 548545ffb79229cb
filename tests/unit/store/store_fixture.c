/* See store_fixture.h. */
#include "tests/unit/store/store_fixture.h"

#include "db/schema/schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

int fixture_setup_closed(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    strcpy(fixture->directory, "/tmp/itexd-store-XXXXXX");
    if (!mkdtemp(fixture->directory))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/itexd.db", fixture->directory);
    fixture->config = (struct store_config){.path = fixture->path, .durability_full = true};
    fixture->clock_ms = 1000000;
    *state = fixture;
    return 0;
}

const struct store_rule_set fixture_rule_set = {
    .name = "test", .digest = "digest-1", .origin = "shipped", .created_ms = 5, .n_rules = 3, .files = {"files", 5}};

int fixture_open(struct fixture *fixture)
{
    char error[256];
    int r = store_open(&fixture->config, &fixture->store, error, sizeof error);

    if (r == 0 && store_recording(fixture->store))
        assert_int_equal(store_put_rule_set_now(fixture->store, &fixture_rule_set, true, &fixture->rule_set), 0);
    return r;
}

void fixture_close(struct fixture *fixture)
{
    store_closep(&fixture->store);
}

int fixture_setup(void **state)
{
    return fixture_setup_closed(state) == 0 ? fixture_open(*state) : -1;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[256];

    fixture_close(fixture);
    umount2(fixture->directory, MNT_DETACH); /* where a test had to end before it did */
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", fixture->directory, fixture->directory);
    if (system(command) != 0)
        return -1;
    free(fixture);
    return 0;
}

struct store_decision sample_decision(struct fixture *fixture, const struct sample *sample,
                                      struct sample_storage *storage)
{
    const char *facts = sample->facts ? sample->facts : "facts";
    const char *outcome = sample->outcome ? sample->outcome : "outcome";

    storage->rules[0] = sample->rule;
    return (struct store_decision){
        .request_id = {1, 2, 3},
        .time_ms = sample->time_ms ? sample->time_ms : fixture->clock_ms++,
        .uid = sample->uid ? sample->uid : 1000,
        .pid = 77,
        .start_time = 123456,
        .job = sample->job,
        .step = "0",
        .state = STORE_OFFERED,
        .policy = "enforce",
        .rule_set = fixture->rule_set,
        .facts = {facts, strlen(facts)},
        .outcome = {outcome, strlen(outcome)},
        .mode = sample->mode ? sample->mode : "npd",
        .verdict = sample->verdict ? sample->verdict : "ok",
        .rules = storage->rules,
        .n_rules = sample->rule ? 1 : 0,
        .itex = "2.15.0.3",
        .lease = sample->lease,
        .observed_devices = -1,
        .observed_match = -1,
    };
}

void note_written(void *context, int status, uint64_t id)
{
    *(struct written *)context = (struct written){true, status, id};
}

void wait_until(struct store *store, const bool *done)
{
    struct pollfd poller = {.fd = store_fd(store), .events = POLLIN};

    while (!*done) {
        if (poll(&poller, 1, PATIENCE_MS) == 0)
            fail_msg("the store did not answer");
        store_dispatch(store, 0);
    }
}

void put_lease_of(struct store *store, uint64_t id)
{
    static const char key[] = "0000:3a:00.0";
    const struct store_unit units[] = {{.key = key, .tile = 0}, {.key = key, .tile = 1}};
    const struct store_device device = {.key = key, .bdf = key, .name = "card", .tiles = 2, .last_seen_ms = id};
    const struct store_lease lease = {.id = id, .granted_ms = id, .uid = 1000, .units = units, .n_units = 2};
    const struct store_event event = {id, "lease", "granted", key, id};
    const struct store_sample sample = {key, id, id + 1, "power", 1, 2, 3};

    /* where the queue is full, what is missing is made with the decision */
    store_put_device(store, &device, NULL, NULL);
    store_put_lease(store, &lease);
    store_put_event(store, &event);
    store_put_samples(store, &sample, 1);
}

uint64_t record(struct fixture *fixture, const struct sample *sample)
{
    struct sample_storage storage;
    struct store_decision decision = sample_decision(fixture, sample, &storage);
    struct written written = {.done = false};

    assert_int_equal(store_put_decision(fixture->store, &decision, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    assert_true(written.status == 0 ? written.id > 0 : written.status == -EIO && written.id == 0);
    return written.id;
}

static void keep(char *buffer, size_t size, const char *text, size_t length)
{
    size_t kept = length < size ? length : size - 1;

    memcpy(buffer, text, kept);
    buffer[kept] = '\0';
}

static void keep_text(char *buffer, size_t size, const char *text)
{
    keep(buffer, size, text ? text : "(null)", strlen(text ? text : "(null)"));
}

void note_page(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before)
{
    struct page *page = context;

    page->done = true;
    page->status = status;
    page->n = n_rows;
    page->before = before;
    for (size_t i = 0; i < n_rows && i < PAGE_ROWS; i++)
        page->ids[i] = rows[i].id;
    if (n_rows == 0)
        return;
    page->first = rows[0];
    keep_text(page->job, sizeof page->job, rows[0].job);
    keep_text(page->mode, sizeof page->mode, rows[0].mode);
    keep_text(page->verdict, sizeof page->verdict, rows[0].verdict);
    keep_text(page->observed, sizeof page->observed, rows[0].observed_mode);
    keep(page->facts, sizeof page->facts, rows[0].facts.data, rows[0].facts.size);
    keep(page->outcome, sizeof page->outcome, rows[0].outcome.data, rows[0].outcome.size);
}

void query(struct store *store, const struct store_filter *filter, struct page *page)
{
    *page = (struct page){.done = false};
    assert_true(store_query(store, filter, 0, note_page, page) > 0);
    wait_until(store, &page->done);
    assert_int_equal(page->status, 0);
}

void read_back(struct store *store, uint64_t id, struct page *page)
{
    const struct store_filter filter = {.id = id};

    query(store, &filter, page);
}

static sqlite3 *open_plain(const char *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

int64_t sql_number(const char *path, const char *text)
{
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *statement = NULL;
    int64_t number;

    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    number = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : INT64_MIN;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

void sql_execute(const char *path, const char *text)
{
    sqlite3 *db = open_plain(path);

    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void make_version_1(const char *path)
{
    sql_execute(path, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
    sql_execute(path, schema_steps[0]);
    sql_execute(path,
                "INSERT INTO rule_sets VALUES (1, 'test', 'digest-1', 'shipped', 5, 0, 3, x'00');"
                "INSERT INTO activations VALUES (1, 1, 5, 0, 0);"
                "INSERT INTO facts VALUES (1, zeroblob(32), 0, x'01');"
                "INSERT INTO outcomes VALUES (1, zeroblob(32), 0, 'npd', 'ok', x'02');"
                "INSERT INTO decisions (id, time_ms, uid, pid, start_time, state, policy, rule_set, facts, outcome,"
                " request_id, job) VALUES (1, 7, 1000, 77, 8, 3, 0, 1, 1, 1, zeroblob(16), 'old');"
                "INSERT INTO events VALUES (1, 9, 'recording', 'recording resumes');"
                "PRAGMA application_id = 1769235832; PRAGMA user_version = 1");
}

void assert_sound(const char *path)
{
    assert_int_equal(sql_number(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(sql_number(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

bool look_again(int *looks)
{
    const struct timespec step = {.tv_nsec = 5 * 1000 * 1000};

    nanosleep(&step, NULL);
    return ++*looks < PATIENCE_MS / 5;
}

void wait_recording(struct store *store, bool wanted)
{
    assert_true(COMES_TRUE((store_dispatch(store, 0), store_recording(store) == wanted)));
}

bool find_file(const char *directory, const char *prefix, char *name, size_t size)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    bool found = false;

    assert_non_null(entries);
    while (!found && (entry = readdir(entries))) {
        found = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
        if (found)
            snprintf(name, size, "%s/%s", directory, entry->d_name);
    }
    closedir(entries);
    return found;
}

void *read_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    void *data;

    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    *size = (size_t)info.st_size;
    data = malloc(*size + 1);
    assert_int_equal(read(fd, data, *size), (ssize_t)*size);
    close(fd);
    return data;
}
