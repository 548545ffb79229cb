/* Rows in brief, by the ids that a query found. */
#include "db/internal.h"
#include "proto/cleanup.h"

static int read_brief(sqlite3_stmt *row, struct pool *pool, struct store_brief *out)
{
    const unsigned char *job = sqlite3_column_text(row, 7);

    *out = (struct store_brief){
        .id = (uint64_t)sqlite3_column_int64(row, 0),
        .facts = (uint64_t)sqlite3_column_int64(row, 1),
        .outcome = (uint64_t)sqlite3_column_int64(row, 2),
        .rule_set = (uint64_t)sqlite3_column_int64(row, 3),
        .time_ms = (uint64_t)sqlite3_column_int64(row, 4),
        .uid = (uint32_t)sqlite3_column_int64(row, 5),
        .advise = sqlite3_column_int(row, 6),
        .lease = sqlite3_column_int(row, 8),
    };
    if (job)
        out->job = pool_copy(pool, job, (size_t)sqlite3_column_bytes(row, 7));
    return out->job || sqlite3_column_type(row, 7) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
}

int store_read_briefs(sqlite3 *db, struct job *job)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *row = NULL;
    struct query_job *query = &job->of.query;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT id, facts, outcome, rule_set, time_ms, uid, policy, job, lease IS NOT NULL"
                                " FROM decisions WHERE id = ?1",
                                -1, &row, NULL);

    query->briefs = pool_alloc(&job->pool, query->n_found * sizeof *query->briefs);
    if (rc != SQLITE_OK || !query->briefs)
        return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
    for (size_t i = 0; i < query->n_found; i++) {
        sqlite3_bind_int64(row, 1, (int64_t)query->found[i]);
        rc = sqlite3_step(row);
        if (rc == SQLITE_ROW)
            rc = read_brief(row, &job->pool, &query->briefs[query->n_rows++]);
        sqlite3_reset(row);
        if (rc != SQLITE_OK && rc != SQLITE_DONE) /* done: retention was faster */
            return rc;
    }
    return SQLITE_OK;
}

int store_count_left(sqlite3 *db, struct query_job *query)
{
    int64_t oldest;
    int rc = sql_int(db, "SELECT min(id) FROM decisions", 0, &oldest);
    uint64_t low = query->low > (uint64_t)oldest ? query->low : (uint64_t)oldest;

    query->left = rc == SQLITE_OK && query->next > low ? query->next - low : 0;
    return rc;
}
