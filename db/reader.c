/*
 * The reader: one thread, one connection, all queries in turn.
 *
 * A query gives way to the next one after each slice, so that a long one delays nobody by more than a slice; and no
 * read transaction is open between slices, so that the WAL can begin again from its start.
 */
#include "db/internal.h"

#include <errno.h>

/* The next read in turn, NULL when the store is closing. */
static struct job *next_read(struct store *store)
{
    struct job *job;

    pthread_mutex_lock(&store->mutex);
    while (STAILQ_EMPTY(&store->reads) && !store->stopping)
        pthread_cond_wait(&store->reader_wake, &store->mutex);
    job = store->stopping ? NULL : STAILQ_FIRST(&store->reads);
    if (job)
        STAILQ_REMOVE_HEAD(&store->reads, link);
    store->reading = job;
    pthread_mutex_unlock(&store->mutex);
    return job;
}

static void fail(struct job *job)
{
    job->status = -EIO;
    switch (job->kind) {
    case JOB_QUERY:
    case JOB_BRIEF:
        job->of.query.n_rows = 0;
        break;
    case JOB_BODIES:
        job->of.bodies.n_bodies = 0;
        break;
    case JOB_RULES_HISTORY:
        job->of.rules_history.n_events = 0;
        break;
    case JOB_EVENTS:
        job->of.events.n_events = 0;
        break;
    default:
        job->of.rule_sets.n_sets = 0;
    }
}

static int read_slice(sqlite3 *db, struct job *job)
{
    switch (job->kind) {
    case JOB_QUERY:
    case JOB_BRIEF:
        return store_query_slice(db, job);
    case JOB_BODIES:
        return store_read_bodies(db, job);
    case JOB_RULES_HISTORY:
        return store_read_rules_history(db, job);
    case JOB_EVENTS:
        return store_read_events(db, job);
    default:
        return store_read_rule_sets(db, job);
    }
}

/* One slice in a transaction of its own. True when the job is done. */
static bool work(struct store *store, sqlite3 *db, struct job *job)
{
    int rc = sql_exec(db, "BEGIN");

    if (rc == SQLITE_OK)
        rc = read_slice(db, job);
    if (!sqlite3_get_autocommit(db))
        sql_exec(db, "ROLLBACK");
    if (rc == SQLITE_OK)
        return (job->kind != JOB_QUERY && job->kind != JOB_BRIEF) || job->of.query.finished;
    fail(job);
    if (sql_is_damage(rc))
        store_report_damage(store);
    return true;
}

/* Back into the round, unless it was cancelled meanwhile. */
static void put_back(struct store *store, struct job *job)
{
    bool drop;

    pthread_mutex_lock(&store->mutex);
    store->reading = NULL;
    drop = job->cancelled;
    if (drop)
        store->n_reads--;
    else
        STAILQ_INSERT_TAIL(&store->reads, job, link);
    pthread_mutex_unlock(&store->mutex);
    if (drop)
        job_free(job);
}

void *store_reader_main(void *context)
{
    struct store *store = context;
    struct job *job;

    while ((job = next_read(store))) {
        bool done = true;

        pthread_rwlock_rdlock(&store->files);
        if (store->reader_db)
            done = work(store, store->reader_db, job);
        else
            fail(job);
        pthread_rwlock_unlock(&store->files);
        if (done)
            store_complete_one(store, job); /* until then store_cancel must find it being read */
        else
            put_back(store, job);
    }
    return NULL;
}
