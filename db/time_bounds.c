/*
 * From times to ids without an index on time.
 *
 * Ids rise with time, except where the clock was set back: there a new stretch begins. Within a stretch a row is at
 * most CLOCK_SLACK_MS older than one before it (twice that across a restart), so a bisection for a time widened by
 * that slack never cuts off a row that counts; the exact comparison is made on the rows.
 */
#include "db/internal.h"
#include "proto/cleanup.h"

#include <limits.h>

enum { SLACK_MS = 2 * CLOCK_SLACK_MS };

/* The first row at or after id: *found is its id, 0 where there is none. */
static int row_at(sqlite3_stmt *probe, uint64_t id, uint64_t *found, int64_t *time_ms)
{
    int rc;

    *found = 0;
    sqlite3_bind_int64(probe, 1, (int64_t)id);
    rc = sqlite3_step(probe);
    if (rc == SQLITE_ROW) {
        *found = (uint64_t)sqlite3_column_int64(probe, 0);
        *time_ms = sqlite3_column_int64(probe, 1);
    }
    sqlite3_reset(probe);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The lowest id of [low, high) from which on times are >= wanted; high where there is none. */
static int bisect(sqlite3_stmt *probe, uint64_t low, uint64_t high, int64_t wanted, uint64_t *out)
{
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, found;
        int64_t time_ms;
        int rc = row_at(probe, middle, &found, &time_ms);

        if (rc != SQLITE_OK)
            return rc;
        if (found == 0 || found >= high || time_ms >= wanted)
            high = middle;
        else
            low = found + 1;
    }
    *out = low;
    return SQLITE_OK;
}

struct search {
    sqlite3_stmt *probe;
    int64_t from, to; /* times, both ends included, widened */
    uint64_t low, high;
};

/* Widens the result by what the stretch [first, end) has of it. */
static int search_stretch(struct search *search, uint64_t first, uint64_t end)
{
    uint64_t low, high;
    int rc = bisect(search->probe, first, end, search->from, &low);

    if (rc == SQLITE_OK)
        rc = bisect(search->probe, first, end, search->to + 1, &high);
    if (rc != SQLITE_OK || low >= high)
        return rc;
    if (low < search->low)
        search->low = low;
    if (high > search->high)
        search->high = high;
    return SQLITE_OK;
}

/* Saturating, so that open bounds stay open. */
static int64_t widened(uint64_t time_ms, int64_t by)
{
    if (time_ms > (uint64_t)INT64_MAX - SLACK_MS - 1)
        return INT64_MAX - 1;
    return (int64_t)time_ms + by;
}

static int search_stretches(sqlite3 *db, struct search *search, uint64_t end)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *stretches = NULL;
    uint64_t first = 1;
    int rc = sqlite3_prepare_v2(db, "SELECT first_decision FROM clock_stretches ORDER BY 1", -1, &stretches, NULL);

    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(stretches)) == SQLITE_ROW) {
        uint64_t next = (uint64_t)sqlite3_column_int64(stretches, 0);
        int error = search_stretch(search, first, next);

        if (error != SQLITE_OK)
            return error;
        first = next;
    }
    return rc == SQLITE_DONE ? search_stretch(search, first, end) : rc;
}

int store_time_bounds(sqlite3 *db, uint64_t since_ms, uint64_t until_ms, uint64_t *low, uint64_t *high)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *probe = NULL;
    struct search search = {.low = UINT64_MAX, .high = 0};
    int64_t last;
    int rc = sql_int(db, "SELECT max(id) FROM decisions", 0, &last);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "SELECT id, time_ms FROM decisions WHERE id >= ?1 ORDER BY id LIMIT 1", -1, &probe,
                                NULL);
    if (rc != SQLITE_OK)
        return rc;
    search.probe = probe;
    search.from = widened(since_ms, -SLACK_MS);
    search.to = until_ms == 0 ? INT64_MAX - 1 : widened(until_ms, SLACK_MS);
    rc = search_stretches(db, &search, (uint64_t)last + 1);
    *low = search.low;
    *high = search.high;
    return rc;
}
