/* Reading events, newest first: of all devices from the end of the table, of one by its index. */
#include "db/internal.h"
#include "proto/cleanup.h"

enum { DEFAULT_LIMIT = 100, LARGEST_LIMIT = 1000 };

#define EVENTS "SELECT e.time_ms, e.kind, e.text, d.key, e.lease FROM events e LEFT JOIN devices d ON d.id = e.device "

/* False where memory is short. */
static bool copy_text(struct pool *pool, sqlite3_stmt *row, int column, const char **out)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    *out = text ? pool_copy(pool, text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
    return *out || sqlite3_column_type(row, column) == SQLITE_NULL;
}

static int read_event(sqlite3_stmt *row, struct pool *pool, struct store_event *event)
{
    *event = (struct store_event){
        .time_ms = (uint64_t)sqlite3_column_int64(row, 0),
        .lease = (uint64_t)sqlite3_column_int64(row, 4),
    };
    return copy_text(pool, row, 1, &event->kind) && copy_text(pool, row, 2, &event->text) &&
                   copy_text(pool, row, 3, &event->device)
               ? SQLITE_OK
               : SQLITE_NOMEM;
}

int store_read_events(sqlite3 *db, struct job *job)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *rows = NULL;
    struct events_job *wanted = &job->of.events;
    const char *text = wanted->device ? EVENTS "WHERE e.device = (SELECT id FROM devices WHERE key = ?2)"
                                               " ORDER BY e.id DESC LIMIT ?1"
                                      : EVENTS "ORDER BY e.id DESC LIMIT ?1";
    unsigned limit = wanted->limit == 0 ? DEFAULT_LIMIT : wanted->limit;
    int rc = sqlite3_prepare_v2(db, text, -1, &rows, NULL);

    if (limit > LARGEST_LIMIT)
        limit = LARGEST_LIMIT;
    wanted->events = pool_alloc(&job->pool, limit * sizeof *wanted->events);
    if (rc != SQLITE_OK || !wanted->events)
        return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
    sqlite3_bind_int64(rows, 1, limit);
    if (wanted->device)
        sql_bind_text(rows, 2, wanted->device);
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        int error = read_event(rows, &job->pool, &wanted->events[wanted->n_events]);

        if (error != SQLITE_OK)
            return error;
        wanted->n_events++;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
