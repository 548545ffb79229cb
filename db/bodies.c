/* What decisions were made of. One slice: what is read is bounded by the size of an answer. */
#include "db/internal.h"
#include "proto/cleanup.h"

struct bodies {
    sqlite3_stmt *decision, *facts, *outcome;
    struct pool *pool;
    struct bodies_job *job;
    size_t bytes;
    bool full;
};

static void bodies_clear(struct bodies *bodies)
{
    sqlite3_finalize(bodies->decision);
    sqlite3_finalize(bodies->facts);
    sqlite3_finalize(bodies->outcome);
}

static int prepare(sqlite3 *db, struct bodies *bodies)
{
    int rc =
        sqlite3_prepare_v2(db, "SELECT uid, facts, outcome FROM decisions WHERE id = ?1", -1, &bodies->decision, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "SELECT body FROM facts WHERE id = ?1", -1, &bodies->facts, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "SELECT body FROM outcomes WHERE id = ?1", -1, &bodies->outcome, NULL);
    return rc;
}

/* Of a row of its own. False in *room where it would be too much. */
static int read_body(struct bodies *bodies, sqlite3_stmt *row, struct store_body *body, bool *room)
{
    size_t size;
    int rc = sqlite3_step(row);

    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    size = (size_t)sqlite3_column_bytes(row, 0);
    *room = bodies->job->n_bodies == 0 || bodies->bytes + size <= bodies->job->wanted.max_bytes;
    if (!*room)
        return SQLITE_OK;
    bodies->bytes += size;
    body->blob.size = size;
    body->blob.data = pool_copy(bodies->pool, sqlite3_column_blob(row, 0), size);
    body->found = true;
    return body->blob.data ? SQLITE_OK : SQLITE_NOMEM;
}

static int look_up(struct bodies *bodies, struct store_body *body, bool *room)
{
    const struct store_bodies_of *wanted = &bodies->job->wanted;
    sqlite3_stmt *decision = bodies->decision, *row = body->outcome ? bodies->outcome : bodies->facts;
    int rc;

    sqlite3_bind_int64(decision, 1, (int64_t)body->decision);
    rc = sqlite3_step(decision);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    if (wanted->seen_by_uid && (uint32_t)sqlite3_column_int64(decision, 0) != wanted->seer)
        return SQLITE_OK;
    sqlite3_bind_int64(row, 1, sqlite3_column_int64(decision, body->outcome ? 2 : 1));
    rc = read_body(bodies, row, body, room);
    sqlite3_reset(row);
    return rc;
}

/* Adds them until there is no more room. */
static int add(struct bodies *bodies, const uint64_t *decisions, size_t n, bool outcome)
{
    for (size_t i = 0; i < n && !bodies->full; i++) {
        struct store_body *body = &bodies->job->bodies[bodies->job->n_bodies];
        bool room = true;
        int rc;

        *body = (struct store_body){.decision = decisions[i], .outcome = outcome};
        rc = look_up(bodies, body, &room);
        sqlite3_reset(bodies->decision);
        if (rc != SQLITE_OK)
            return rc;
        bodies->full = !room;
        bodies->job->n_bodies += room;
    }
    return SQLITE_OK;
}

int store_read_bodies(sqlite3 *db, struct job *job)
{
    CLEANUP(bodies_clear) struct bodies bodies = {.pool = &job->pool, .job = &job->of.bodies};
    const struct store_bodies_of *wanted = &job->of.bodies.wanted;
    int rc = prepare(db, &bodies);

    job->of.bodies.bodies =
        pool_alloc(&job->pool, (wanted->n_facts_of + wanted->n_outcomes_of) * sizeof *job->of.bodies.bodies);
    if (rc != SQLITE_OK || !job->of.bodies.bodies)
        return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
    rc = add(&bodies, wanted->facts_of, wanted->n_facts_of, false);
    return rc == SQLITE_OK ? add(&bodies, wanted->outcomes_of, wanted->n_outcomes_of, true) : rc;
}
