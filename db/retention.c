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
    SWEEP_IDS = 256,      /* ids of facts or outcomes looked at in a step */
    VACUUM_PAGES = 64,    /* pages given back in a step */
    VACUUM_FROM = 1024,   /* free pages worth giving back, if they are also a quarter of the file */
};

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
    uint64_t end;
    int rc = find_expired(store, rows, &end);

    *more = false;
    if (rc != SQLITE_OK || end <= writer->first_id)
        return rc;
    sqlite3_bind_int64(delete, 1, (int64_t)end);
    rc = sql_run(delete);
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

/* ---- Facts and outcomes ------------------------------------------------------------------------------- */

/* One step in a transaction; the cache may have what goes, so it is cleared. */
static int sweep_table(struct writer *writer, enum statement which, uint64_t *cursor, uint64_t block)
{
    sqlite3_stmt *sweep = writer->statements[which];
    int rc = store_begin(writer);

    sqlite3_bind_int64(sweep, 1, (int64_t)*cursor);
    sqlite3_bind_int64(sweep, 2, (int64_t)(*cursor + SWEEP_IDS));
    sqlite3_bind_int64(sweep, 3, (int64_t)block);
    *cursor += SWEEP_IDS;
    if (rc == SQLITE_OK)
        rc = sql_run(sweep);
    if (rc == SQLITE_OK)
        rc = store_commit(writer);
    store_rollback(writer);
    return rc;
}

/* There is no index on decisions (facts), so the foreign key would make each deletion read all decisions; last_block
 * has shown already that none refers to the row. Outcomes have their index, and their rules go with them. */
static int sweep_facts(struct writer *writer, uint64_t block)
{
    int rc = sql_exec(writer->db, "PRAGMA foreign_keys = OFF"), back;

    if (rc == SQLITE_OK)
        rc = sweep_table(writer, SQL_SWEEP_FACTS, &writer->sweep_facts, block);
    back = sql_exec(writer->db, "PRAGMA foreign_keys = ON");
    return rc == SQLITE_OK ? back : rc;
}

static int sweep_is_over(struct writer *writer, bool *over)
{
    int64_t facts, outcomes;
    int rc = sql_int(writer->db, "SELECT max(id) FROM facts", 0, &facts);

    if (rc == SQLITE_OK)
        rc = sql_int(writer->db, "SELECT max(id) FROM outcomes", 0, &outcomes);
    *over = (uint64_t)facts <= writer->sweep_facts && (uint64_t)outcomes <= writer->sweep_outcomes;
    return rc;
}

static int sweep_step(struct writer *writer)
{
    uint64_t block = writer->first_id >> BLOCK_SHIFT;
    bool over = false;
    int rc = sweep_table(writer, SQL_SWEEP_OUTCOMES, &writer->sweep_outcomes, block);

    if (rc == SQLITE_OK)
        rc = sweep_facts(writer, block);
    if (rc == SQLITE_OK)
        rc = sweep_is_over(writer, &over);
    if (rc != SQLITE_OK || over) {
        writer->sweeping = false;
        writer->sweep_facts = writer->sweep_outcomes = 0;
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
    else if (writer->sweeping)
        rc = sweep_step(writer);
    else if (writer->vacuuming && !writer->backup.job)
        rc = vacuum_step(writer);
    if (rc != SQLITE_OK || !was_expiring || writer->expiring)
        return rc;
    writer->sweeping = writer->sweeping || writer->first_id >> BLOCK_SHIFT > writer->swept_block;
    return free_pages(writer->db, &writer->vacuuming);
}
