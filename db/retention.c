/*
 * Retention: what is too old or too much goes, in small steps.
 *
 * Decisions go from the low end of the ids, within the transactions of commits (so they cost no fdatasync of their
 * own) or, when it is quiet, in transactions of RETENTION_ROWS. The newest decision always stays: its id is what keeps
 * ids from being used twice. Facts and outcomes go after them: a row whose last_block lies before the oldest
 * decision's block is referred to by nothing. Freed pages are given back to the file system only where they are many;
 * else the next decisions use them.
 */
#include "db/internal.h"
#include "proto/clock.h"

enum {
    RETENTION_ROWS = 512, /* decisions deleted in a transaction of their own */
    SWEEP_IDS = 256,      /* ids of facts, outcomes or leases looked at in a step */
    EVENTS_KEPT = 100000,
    SAMPLES_KEPT = 10000000, /* 64 cards, 16 metrics, five minutes apiece, for SAMPLES_KEPT_MS */
    VACUUM_PAGES = 64,       /* pages given back in a step */
    VACUUM_FROM = 1024,      /* free pages worth giving back, if they are also a quarter of the file */
};

static const uint64_t SAMPLES_KEPT_MS = UINT64_C(30) * 24 * 3600 * 1000;

/* Raises *end over rows that are too old, looking at `rows` of them. */
static int expired_by_age(struct writer *writer, uint64_t cutoff_ms, size_t rows, uint64_t *end)
{
    sqlite3_stmt *oldest = writer->statements[SQL_OLDEST];
    uint64_t by_age = writer->first_id;
    int rc;

    sqlite3_bind_int64(oldest, 1, (int64_t)writer->first_id);
    sqlite3_bind_int64(oldest, 2, (int64_t)rows);
    while ((rc = sqlite3_step(oldest)) == SQLITE_ROW && (uint64_t)sqlite3_column_int64(oldest, 1) < cutoff_ms)
        by_age = (uint64_t)sqlite3_column_int64(oldest, 0) + 1;
    sqlite3_reset(oldest);
    if (by_age > *end)
        *end = by_age;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Ids below *end are to go: at most `rows`, never the newest. */
static int find_expired(struct store *store, size_t rows, uint64_t *end)
{
    struct writer *writer = &store->writer;
    const struct store_config limits = store_config_now(store);
    uint64_t now = clock_wall_ms(), n = writer->next_id - writer->first_id, keep = limits.retention_seconds * 1000;
    int rc = SQLITE_OK;

    *end = writer->first_id;
    if (limits.retention_decisions != 0 && n > limits.retention_decisions)
        *end = writer->next_id - limits.retention_decisions;
    if (limits.retention_seconds != 0 && now > keep && n > 1)
        rc = expired_by_age(writer, now - keep, rows, end);
    if (*end > writer->first_id + rows)
        *end = writer->first_id + rows;
    if (n > 0 && *end >= writer->next_id)
        *end = writer->next_id - 1;
    return rc;
}

static int delete_expired(struct store *store, size_t rows, bool *more)
{
    struct writer *writer = &store->writer;
    sqlite3_stmt *delete = writer->statements[SQL_DELETE_DECISIONS];
    sqlite3_stmt *ranks = writer->statements[SQL_DELETE_RANKS];
    uint64_t end;
    int rc = find_expired(store, rows, &end);

    *more = false;
    if (rc != SQLITE_OK || end <= writer->first_id)
        return rc;
    sqlite3_bind_int64(delete, 1, (int64_t)end);
    sqlite3_bind_int64(ranks, 1, (int64_t)end);
    rc = sql_run(delete);
    if (rc == SQLITE_OK)
        rc = sql_run(ranks);
    if (rc != SQLITE_OK)
        return rc;
    *more = end == writer->first_id + rows;
    writer->first_id = end;
    return SQLITE_OK;
}

int store_expire(struct store *store, size_t n)
{
    bool more;

    /* twice as many as come, so that a backlog shrinks under load too */
    return delete_expired(store, 2 * n, &more);
}

static int expire_step(struct store *store)
{
    struct writer *writer = &store->writer;
    uint64_t first = writer->first_id, end;
    bool more = false;
    int rc = find_expired(store, RETENTION_ROWS, &end);

    writer->expiring = false;
    if (rc != SQLITE_OK || end <= first)
        return rc;
    rc = store_begin(writer);
    if (rc == SQLITE_OK)
        rc = delete_expired(store, RETENTION_ROWS, &more);
    if (rc == SQLITE_OK)
        rc = store_commit(writer);
    if (rc != SQLITE_OK) {
        store_rollback(writer);
        writer->first_id = first;
        return rc;
    }
    writer->expiring = more;
    store_publish_ends(store);
    return SQLITE_OK;
}

/* ---- Events and samples --------------------------------------------------------------------------------- */

/* The oldest go, at most RETENTION_ROWS; *n says how many went. */
static int trim(struct writer *writer, enum statement which, uint64_t cutoff_ms, int64_t keep, int *n)
{
    sqlite3_stmt *delete = writer->statements[which];
    int rc;

    sqlite3_bind_int64(delete, 1, RETENTION_ROWS);
    sqlite3_bind_int64(delete, 2, (int64_t)cutoff_ms);
    sqlite3_bind_int64(delete, 3, keep);
    rc = sql_run(delete);
    *n = sqlite3_changes(writer->db);
    return rc;
}

/* Without a row to go it writes nothing. */
static int trim_step(struct store *store)
{
    struct writer *writer = &store->writer;
    uint64_t now = clock_wall_ms(), keep = store_config_now(store).retention_seconds * 1000;
    int events = 0, samples = 0;
    int rc = store_begin(writer);

    if (rc == SQLITE_OK)
        rc = trim(writer, SQL_DELETE_EVENTS, keep != 0 && now > keep ? now - keep : 0, EVENTS_KEPT, &events);
    if (rc == SQLITE_OK)
        rc =
            trim(writer, SQL_DELETE_SAMPLES, now > SAMPLES_KEPT_MS ? now - SAMPLES_KEPT_MS : 0, SAMPLES_KEPT, &samples);
    if (rc == SQLITE_OK)
        rc = store_commit(writer);
    else
        store_rollback(writer);
    writer->trimming = rc == SQLITE_OK && (events == RETENTION_ROWS || samples == RETENTION_ROWS);
    return rc;
}

/* ---- Facts, outcomes and leases ------------------------------------------------------------------------ */

static int sweep_ids(struct writer *writer, enum statement which, uint64_t after, uint64_t block)
{
    sqlite3_stmt *sweep = writer->statements[which];

    sqlite3_bind_int64(sweep, 1, (int64_t)after);
    sqlite3_bind_int64(sweep, 2, (int64_t)(after + SWEEP_IDS));
    sqlite3_bind_int64(sweep, 3, (int64_t)block);
    return sql_run(sweep);
}

/* One step of a table, with what hangs on it, in a transaction; the cache may have what goes, so it is cleared. */
static int sweep_tables(struct writer *writer, const enum statement *which, size_t n, uint64_t *cursor, uint64_t block)
{
    int rc = store_begin(writer);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = sweep_ids(writer, which[i], *cursor, block);
    *cursor += SWEEP_IDS;
    if (rc == SQLITE_OK)
        rc = store_commit(writer);
    store_rollback(writer);
    return rc;
}

/* There is no index on decisions (facts) or (lease), so the foreign keys would make each deletion read all decisions;
 * last_block has shown already that none refers to the row. Outcomes have their index, and their rules go with them. */
static int sweep_unindexed(struct writer *writer, uint64_t block)
{
    static const enum statement facts[] = {SQL_SWEEP_FACTS}, leases[] = {SQL_SWEEP_LEASE_UNITS, SQL_SWEEP_LEASES};
    int rc = sql_exec(writer->db, "PRAGMA foreign_keys = OFF"), back;

    if (rc == SQLITE_OK)
        rc = sweep_tables(writer, facts, 1, &writer->sweep_facts, block);
    if (rc == SQLITE_OK)
        rc = sweep_tables(writer, leases, 2, &writer->sweep_leases, block);
    back = sql_exec(writer->db, "PRAGMA foreign_keys = ON");
    return rc == SQLITE_OK ? back : rc;
}

static int sweep_is_over(struct writer *writer, bool *over)
{
    int64_t facts, outcomes, leases;
    int rc = sql_int(writer->db, "SELECT max(id) FROM facts", 0, &facts);

    if (rc == SQLITE_OK)
        rc = sql_int(writer->db, "SELECT max(id) FROM outcomes", 0, &outcomes);
    if (rc == SQLITE_OK)
        rc = sql_int(writer->db, "SELECT max(id) FROM leases", 0, &leases);
    *over = rc == SQLITE_OK && (uint64_t)facts <= writer->sweep_facts && (uint64_t)outcomes <= writer->sweep_outcomes &&
            (uint64_t)leases <= writer->sweep_leases;
    return rc;
}

static int sweep_step(struct writer *writer)
{
    static const enum statement outcomes[] = {SQL_SWEEP_OUTCOMES};
    uint64_t block = writer->first_id >> BLOCK_SHIFT;
    bool over = false;
    int rc = sweep_tables(writer, outcomes, 1, &writer->sweep_outcomes, block);

    if (rc == SQLITE_OK)
        rc = sweep_unindexed(writer, block);
    if (rc == SQLITE_OK)
        rc = sweep_is_over(writer, &over);
    if (rc != SQLITE_OK || over) {
        writer->sweeping = false;
        writer->sweep_facts = writer->sweep_outcomes = writer->sweep_leases = 0;
        writer->swept_block = rc == SQLITE_OK ? block : writer->swept_block;
    }
    return rc;
}

/* ---- Free pages ----------------------------------------------------------------------------------------- */

static int free_pages(sqlite3 *db, bool *many)
{
    int64_t pages, unused;
    int rc = sql_int(db, "PRAGMA freelist_count", 0, &unused);

    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA page_count", 0, &pages);
    *many = rc == SQLITE_OK && unused >= VACUUM_FROM && unused >= pages / 4;
    return rc;
}

static int vacuum_step(struct writer *writer)
{
    char text[64];
    int rc;

    sqlite3_snprintf(sizeof text, text, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    rc = sql_exec(writer->db, text);
    return rc == SQLITE_OK ? free_pages(writer->db, &writer->vacuuming) : rc;
}

int store_retention_step(struct store *store)
{
    struct writer *writer = &store->writer;
    bool was_expiring = writer->expiring;
    int rc = SQLITE_OK;

    /* one thing a turn; a backup copies page after page and pages that move would come to it again */
    if (writer->expiring)
        rc = expire_step(store);
    else if (writer->trimming)
        rc = trim_step(store);
    else if (writer->sweeping)
        rc = sweep_step(writer);
    else if (writer->vacuuming && !writer->backup.job)
        rc = vacuum_step(writer);
    if (rc != SQLITE_OK || !was_expiring || writer->expiring)
        return rc;
    writer->sweeping = writer->sweeping || writer->first_id >> BLOCK_SHIFT > writer->swept_block;
    return free_pages(writer->db, &writer->vacuuming);
}
