/* Reads that itexd makes before its loop runs: in the caller's thread, on a connection of their own. */
#include "db/internal.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>

enum { RECENT_LIMIT = 100000 };

static void closep_db(sqlite3 **db)
{
    sqlite3_close(*db);
}

/* The files lock keeps the writer from replacing the database meanwhile. */
static int open_reading(struct store *store, sqlite3 **out)
{
    int rc = sqlite3_open_v2(store->path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sql_exec(*out, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0");
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    return rc;
}

static int each_recent(sqlite3 *db, uint64_t since_ms, store_recent_fn each, void *context)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *ids = NULL;
    CLEANUP(store_rows_clear) struct row_reader rows = ROW_READER_NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT id, time_ms FROM decisions ORDER BY id DESC LIMIT ?1", -1, &ids, NULL);

    if (rc == SQLITE_OK)
        rc = store_rows_prepare(db, &rows);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int(ids, 1, RECENT_LIMIT);
    while ((rc = sqlite3_step(ids)) == SQLITE_ROW) {
        CLEANUP(pool_clear) struct pool pool = POOL_NULL;
        uint64_t time_ms = (uint64_t)sqlite3_column_int64(ids, 1);
        struct store_decision row;
        int error;

        if (time_ms + CLOCK_SLACK_MS < since_ms)
            return SQLITE_OK;
        if (time_ms < since_ms)
            continue;
        error = store_row_read(&rows, (uint64_t)sqlite3_column_int64(ids, 0), &pool, &row);
        if (error != SQLITE_OK)
            return error;
        each(context, &row);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_recent(struct store *store, unsigned seconds, store_recent_fn each, void *context)
{
    uint64_t now = clock_wall_ms(), span = (uint64_t)seconds * 1000;
    int rc = SQLITE_CANTOPEN;

    pthread_rwlock_rdlock(&store->files);
    if (store->reader_db) {
        CLEANUP(closep_db) sqlite3 *db = NULL;

        rc = open_reading(store, &db);
        if (rc == SQLITE_OK)
            rc = each_recent(db, now > span ? now - span : 0, each, context);
    }
    pthread_rwlock_unlock(&store->files);
    return rc == SQLITE_OK ? 0 : -EIO;
}

/* ---- Devices and leases ------------------------------------------------------------------------------ */

static struct store_device read_device(sqlite3_stmt *row)
{
    const char *key = (const char *)sqlite3_column_text(row, 1), *name = (const char *)sqlite3_column_text(row, 7);

    return (struct store_device){
        .id = (uint32_t)sqlite3_column_int64(row, 0),
        .key = key,
        .first_seen_ms = (uint64_t)sqlite3_column_int64(row, 2),
        .last_seen_ms = (uint64_t)sqlite3_column_int64(row, 3),
        .drained = sqlite3_column_int(row, 4),
        .bdf = (const char *)sqlite3_column_text(row, 5),
        .uuid = (const char *)sqlite3_column_text(row, 6),
        .name = name ? name : key,
        .driver = (const char *)sqlite3_column_text(row, 8),
        .tiles = (uint32_t)sqlite3_column_int64(row, 9),
        .memory_bytes = (uint64_t)sqlite3_column_int64(row, 10),
    };
}

static int each_device(sqlite3 *db, store_device_fn each, void *context)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *rows = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT d.id, d.key, d.first_seen_ms, d.last_seen_ms, d.drained, v.bdf, v.uuid, v.name,"
                                " v.driver, v.tiles, v.memory_bytes FROM devices d LEFT JOIN device_versions v"
                                " ON v.id = (SELECT max(id) FROM device_versions WHERE device = d.id) ORDER BY d.id",
                                -1, &rows, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(rows);
        if (rc == SQLITE_ROW) {
            const struct store_device device = read_device(rows);

            each(context, &device);
        }
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_devices(struct store *store, store_device_fn each, void *context)
{
    int rc = SQLITE_CANTOPEN;

    pthread_rwlock_rdlock(&store->files);
    if (store->reader_db) {
        CLEANUP(closep_db) sqlite3 *db = NULL;

        rc = open_reading(store, &db);
        if (rc == SQLITE_OK)
            rc = each_device(db, each, context);
    }
    pthread_rwlock_unlock(&store->files);
    return rc == SQLITE_OK ? 0 : -EIO;
}

int store_last_lease(struct store *store, uint64_t *id)
{
    int64_t last = 0;
    int rc = SQLITE_CANTOPEN;

    pthread_rwlock_rdlock(&store->files);
    if (store->reader_db) {
        CLEANUP(closep_db) sqlite3 *db = NULL;

        rc = open_reading(store, &db);
        if (rc == SQLITE_OK)
            rc = sql_int(db, "SELECT max(id) FROM leases", 0, &last);
    }
    pthread_rwlock_unlock(&store->files);
    *id = (uint64_t)last;
    return rc == SQLITE_OK ? 0 : -EIO;
}

int store_load_active_rule_set(struct store *store, store_rule_sets_fn each, void *context)
{
    struct job *job = job_new(JOB_RULE_SETS, context);
    int rc = SQLITE_CANTOPEN, r;

    if (!job)
        return -ENOMEM;
    pthread_rwlock_rdlock(&store->files);
    if (store->reader_db) {
        CLEANUP(closep_db) sqlite3 *db = NULL;

        rc = open_reading(store, &db);
        if (rc == SQLITE_OK)
            rc = store_read_active_rule_set(db, job);
    }
    pthread_rwlock_unlock(&store->files);
    r = rc != SQLITE_OK ? -EIO : job->of.rule_sets.n_sets == 0 ? -ENOENT : 0;
    if (r == 0)
        each(context, 0, job->of.rule_sets.sets, job->of.rule_sets.n_sets);
    job_free(job);
    return r;
}
