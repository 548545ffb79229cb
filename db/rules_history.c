/* What was done to the rules: the sets that were stored and the activations, in one order of time. */
#include "db/internal.h"
#include "proto/cleanup.h"

#define HISTORY                                                                                                        \
    "SELECT h.time_ms, h.uid, h.what, s.id, s.name, s.digest, s.origin, h.comment FROM ("                              \
    " SELECT time_ms, uid, coalesce(how, CASE chosen WHEN 1 THEN 'activated' ELSE 'shipped' END) AS what,"             \
    "  rule_set, comment, 1 AS later, id FROM activations"                                                             \
    " UNION ALL SELECT created_ms, created_uid, CASE origin WHEN 'shipped' THEN 'stored' ELSE 'loaded' END,"           \
    "  id, comment, 0, id FROM rule_sets"                                                                              \
    ") h JOIN rule_sets s ON s.id = h.rule_set ORDER BY h.time_ms DESC, h.later DESC, h.id DESC LIMIT ?1"

/* False where memory is short. */
static bool copy_text(struct pool *pool, sqlite3_stmt *row, int column, const char **out)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    *out = text ? pool_copy(pool, text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
    return *out || sqlite3_column_type(row, column) == SQLITE_NULL;
}

static int read_event(sqlite3_stmt *row, struct pool *pool, struct store_rules_event *event)
{
    *event = (struct store_rules_event){
        .time_ms = (uint64_t)sqlite3_column_int64(row, 0),
        .uid = (uint32_t)sqlite3_column_int64(row, 1),
        .rule_set = (uint64_t)sqlite3_column_int64(row, 3),
    };
    return copy_text(pool, row, 2, &event->what) && copy_text(pool, row, 4, &event->name) &&
                   copy_text(pool, row, 5, &event->digest) && copy_text(pool, row, 6, &event->origin) &&
                   copy_text(pool, row, 7, &event->comment)
               ? SQLITE_OK
               : SQLITE_NOMEM;
}

int store_read_rules_history(sqlite3 *db, struct job *job)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *rows = NULL;
    struct rules_history_job *wanted = &job->of.rules_history;
    int rc = sqlite3_prepare_v2(db, HISTORY, -1, &rows, NULL);

    wanted->events = pool_alloc(&job->pool, wanted->limit * sizeof *wanted->events);
    if (rc != SQLITE_OK || !wanted->events)
        return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
    sqlite3_bind_int64(rows, 1, wanted->limit);
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        int error = read_event(rows, &job->pool, &wanted->events[wanted->n_events]);

        if (error != SQLITE_OK)
            return error;
        wanted->n_events++;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
