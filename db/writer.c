/*
 * The writer: takes whatever has queued up, commits it in one transaction, hands it to the loop with one wake-up, and
 * between two commits does a small step of what else there is to do (checkpoint's end, retention, backup).
 *
 * After a failed write the connection is kept, not reopened: SQLite has rolled back and the next commit overwrites the
 * same WAL frames. Reopening would recover frames from the page cache that a failed fsync has left there but not on the
 * disk, and later commits would be chained behind a hole.
 */
#include "db/internal.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum {
    LONGEST_RETRY_US = 5 * 1000 * 1000,
    BATCH_JOBS = 512,
    BATCH_BYTES = 4 << 20,
    TRIM_US = 60 * 1000 * 1000, /* looks for events and samples that are to go */
    UPKEEP_US = 1000 * 1000,    /* looks for retention, and whether the file is still ours */
};

/* The newest stays: ids of leases are never used twice. */
#define UNUSED_LEASES                                                                                                  \
    "id > ?1 AND id <= ?2 AND last_block < ?3 AND released_ms IS NOT NULL AND id < (SELECT max(id) FROM leases)"

static const char *const statement_texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_FIND_FACTS] = "SELECT id, last_block FROM facts WHERE hash = ?1",
    [SQL_ADD_FACTS] = "INSERT INTO facts (hash, last_block, body) VALUES (?1, ?2, ?3)",
    [SQL_TOUCH_FACTS] = "UPDATE facts SET last_block = ?2 WHERE id = ?1",
    [SQL_FIND_OUTCOME] = "SELECT id, last_block FROM outcomes WHERE hash = ?1",
    [SQL_ADD_OUTCOME] = "INSERT INTO outcomes (hash, last_block, mode, verdict, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_TOUCH_OUTCOME] = "UPDATE outcomes SET last_block = ?2 WHERE id = ?1",
    [SQL_ADD_OUTCOME_RULE] = "INSERT OR IGNORE INTO outcome_rules (rule, outcome) VALUES (?1, ?2)",
    [SQL_ADD_STRETCH] = "INSERT OR IGNORE INTO clock_stretches (first_decision) VALUES (?1)",
    [SQL_ADD_DECISION] = "INSERT INTO decisions (id, time_ms, uid, pid, start_time, state, policy, rule_set, facts,"
                         " outcome, request_id, job, step, itex, lease)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    [SQL_SET_STATE] = "UPDATE decisions SET state = ?2 WHERE id = ?1 AND state < ?2",
    [SQL_FIND_REPORT] = "SELECT observed_mode IS NOT NULL FROM decisions WHERE id = ?1",
    /* the first report stands, but that a later process got something else is worth knowing, once */
    [SQL_SET_REPORT] = "UPDATE decisions SET observed_mode = ?2, observed_devices = ?3, observed_match = ?4"
                       " WHERE id = ?1 AND (observed_mode IS NULL OR (observed_match = 1 AND ?4 = 0))",
    [SQL_FIND_RULE_SET] = "SELECT id FROM rule_sets WHERE digest = ?1",
    [SQL_ADD_RULE_SET] = "INSERT INTO rule_sets (name, digest, origin, created_ms, created_uid, rules, files, comment)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_ADD_ACTIVATION] = "INSERT INTO activations (rule_set, time_ms, uid, chosen, how, comment)"
                           " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_FIND_DEVICE] = "SELECT d.id, (SELECT max(id) FROM device_versions WHERE device = d.id) FROM devices d"
                        " WHERE d.key = ?1",
    [SQL_ADD_DEVICE] = "INSERT INTO devices (key, first_seen_ms, last_seen_ms, drained) VALUES (?1, ?2, ?3, ?4)",
    [SQL_SET_DEVICE] = "UPDATE devices SET last_seen_ms = ?2, drained = ?3, first_seen_ms = min(first_seen_ms, ?4)"
                       " WHERE id = ?1",
    [SQL_SAME_VERSION] = "SELECT 1 FROM device_versions WHERE id = ?1 AND bdf IS ?2 AND uuid IS ?3 AND name IS ?4"
                         " AND driver IS ?5 AND tiles = ?6 AND memory_bytes = ?7",
    [SQL_ADD_VERSION] = "INSERT INTO device_versions (device, bdf, uuid, name, driver, tiles, memory_bytes, since_ms)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_ADD_LEASE] = "INSERT INTO leases (id, granted_ms, uid, shared, state, last_block, job)"
                      " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6) ON CONFLICT (id) DO NOTHING",
    [SQL_ADD_LEASE_UNIT] = "INSERT INTO lease_units (lease, place, version, tile) VALUES (?1, ?2, ?3, ?4)",
    [SQL_SET_LEASE] = "UPDATE leases SET state = ?2, released_ms = CASE ?2 WHEN 2 THEN ?3 END"
                      " WHERE id = ?1 AND state < ?2",
    [SQL_NEXT_OPEN_LEASE] = "SELECT id FROM leases INDEXED BY leases_open WHERE released_ms IS NULL AND id > ?1"
                            " ORDER BY id LIMIT 1",
    [SQL_FIND_LEASE] = "SELECT (SELECT count(*) FROM lease_units WHERE lease = ?1), last_block FROM leases"
                       " WHERE id = ?1",
    [SQL_TOUCH_LEASE] = "UPDATE leases SET last_block = ?2 WHERE id = ?1",
    [SQL_LEASE_UNITS] = store_lease_units_sql,
    [SQL_ADD_RANK] = "INSERT INTO lease_ranks (decision, local_device, places) VALUES (?1, ?2, ?3)",
    [SQL_ADD_EVENT] = "INSERT INTO events (time_ms, kind, text, device, lease) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_FIND_METRIC] = "SELECT id FROM metrics WHERE name = ?1",
    [SQL_ADD_METRIC] = "INSERT INTO metrics (name) VALUES (?1)",
    [SQL_ADD_SAMPLE] = "INSERT INTO samples (device, metric, from_ms, to_ms, least, mean, highest)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_OLDEST] = "SELECT id, time_ms FROM decisions WHERE id >= ?1 ORDER BY id LIMIT ?2",
    [SQL_DELETE_DECISIONS] = "DELETE FROM decisions WHERE id < ?1",
    [SQL_DELETE_RANKS] = "DELETE FROM lease_ranks WHERE decision < ?1",
    [SQL_DELETE_EVENTS] = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?1)"
                          " AND (time_ms < ?2 OR id <= (SELECT max(id) FROM events) - ?3)",
    [SQL_DELETE_SAMPLES] = "DELETE FROM samples WHERE id IN (SELECT id FROM samples ORDER BY id LIMIT ?1)"
                           " AND (to_ms < ?2 OR id <= (SELECT max(id) FROM samples) - ?3)",
    [SQL_SWEEP_FACTS] = "DELETE FROM facts WHERE id > ?1 AND id <= ?2 AND last_block < ?3",
    [SQL_SWEEP_OUTCOMES] = "DELETE FROM outcomes WHERE id > ?1 AND id <= ?2 AND last_block < ?3",
    [SQL_SWEEP_LEASE_UNITS] = "DELETE FROM lease_units WHERE lease > ?1 AND lease <= ?2 AND lease IN"
                              " (SELECT id FROM leases WHERE " UNUSED_LEASES ")",
    [SQL_SWEEP_LEASES] = "DELETE FROM leases WHERE " UNUSED_LEASES,
};

/* ---- Transactions ------------------------------------------------------------------------------------ */

int store_begin(struct writer *writer)
{
    return sql_run(writer->statements[SQL_BEGIN]);
}

int store_commit(struct writer *writer)
{
    return sql_run(writer->statements[SQL_COMMIT]);
}

void store_rollback(struct writer *writer)
{
    if (!sqlite3_get_autocommit(writer->db))
        sql_run(writer->statements[SQL_ROLLBACK]);
    hash_cache_clear(&writer->facts);
    hash_cache_clear(&writer->outcomes);
}

static int note_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    struct store *store = context;

    (void)db;
    (void)name;
    pthread_mutex_lock(&store->mutex);
    if ((size_t)frames < store->wal_frames) /* it began again from the start */
        store->wal_done = 0;
    store->wal_frames = (size_t)frames;
    pthread_mutex_unlock(&store->mutex);
    return SQLITE_OK;
}

static int read_ends(struct writer *writer)
{
    int64_t first, last, newest;
    int rc = sql_int(writer->db, "SELECT min(id) FROM decisions", 0, &first);

    if (rc == SQLITE_OK)
        rc = sql_int(writer->db, "SELECT max(id) FROM decisions", 0, &last);
    if (rc == SQLITE_OK)
        rc = sql_int(writer->db,
                     "SELECT max(time_ms) FROM (SELECT time_ms FROM decisions WHERE id >="
                     " (SELECT ifnull(max(first_decision), 0) FROM clock_stretches) ORDER BY id DESC LIMIT 4096)",
                     0, &newest);
    if (rc != SQLITE_OK)
        return rc;
    /* a database that replaces one which failed under us goes on with its numbers */
    if (last > 0)
        writer->next_id = (uint64_t)last + 1;
    writer->first_id = last > 0 ? (uint64_t)first : writer->next_id;
    writer->newest_time = newest;
    return SQLITE_OK;
}

int store_writer_prepare(struct store *store)
{
    struct writer *writer = &store->writer;
    bool full = store_config_now(store).durability_full;
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < SQL_STATEMENTS; i++)
        rc = sql_prepare(writer->db, statement_texts[i], &writer->statements[i]);
    if (rc == SQLITE_OK)
        rc = read_ends(writer);
    if (rc == SQLITE_OK)
        rc = sql_exec(writer->db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    writer->full = full;
    hash_cache_clear(&writer->facts);
    hash_cache_clear(&writer->outcomes);
    sqlite3_wal_hook(writer->db, note_frames, store);
    return rc;
}

/* ---- A commit ---------------------------------------------------------------------------------------- */

static int apply(struct store *store, struct job *job)
{
    switch (job->kind) {
    case JOB_DECISION:
        return store_write_decision(&store->writer, job);
    case JOB_STATE:
        return store_write_state(&store->writer, job);
    case JOB_REPORT:
        return store_write_report(&store->writer, job);
    case JOB_RULE_SET:
        return store_write_rule_set(&store->writer, job);
    case JOB_ACTIVATE:
        return store_write_activation(&store->writer, job);
    case JOB_DEVICE:
        return store_write_device(&store->writer, job);
    case JOB_LEASE:
        return store_write_lease(&store->writer, job);
    case JOB_LEASE_STATE:
        return store_write_lease_state(&store->writer, job);
    case JOB_LIVE_LEASES:
        return store_write_live_leases(&store->writer, job);
    case JOB_EVENT:
        return store_write_event(&store->writer, job);
    case JOB_SAMPLES:
        return store_write_samples(&store->writer, job);
    case JOB_BACKUP:
    case JOB_QUERY:
    case JOB_RULE_SETS:
    case JOB_EVENTS:
    case JOB_BRIEF:
    case JOB_BODIES:
    case JOB_RULES_HISTORY:
        break;
    }
    return SQLITE_OK;
}

static void refuse(struct store *store, struct job_list *jobs)
{
    struct job *job;
    uint64_t decisions = 0;

    STAILQ_FOREACH(job, jobs, link)
    {
        job->status = -EIO;
        job->id = 0;
        decisions += job->kind == JOB_DECISION;
    }
    pthread_mutex_lock(&store->mutex);
    store->unrecorded += decisions;
    pthread_mutex_unlock(&store->mutex);
    store_complete(store, jobs);
}

static int write_all(struct store *store, struct job_list *jobs, size_t n)
{
    struct job *job;
    int rc = store_begin(&store->writer);

    STAILQ_FOREACH(job, jobs, link)
    {
        if (rc == SQLITE_OK)
            rc = apply(store, job);
    }
    if (rc == SQLITE_OK)
        rc = store_expire(store, n);
    return rc == SQLITE_OK ? store_commit(&store->writer) : rc;
}

/* All of them or none; where it is none they stay in the list. */
static int commit_jobs(struct store *store, struct job_list *jobs, size_t n)
{
    struct writer *writer = &store->writer;
    uint64_t first = writer->first_id, next = writer->next_id, began = clock_steady_us();
    int64_t newest = writer->newest_time;
    int rc;

    writer->written = (struct store_written){.reports = 0};
    rc = write_all(store, jobs, n);
    if (rc != SQLITE_OK) {
        store_rollback(writer);
        writer->first_id = first;
        writer->next_id = next;
        writer->newest_time = newest;
        return rc;
    }
    store_count_commit(store, clock_steady_us() - began, n);
    store_complete(store, jobs);
    return SQLITE_OK;
}

/* ---- Failing and coming back --------------------------------------------------------------------------- */

static void stop_recording(struct store *store)
{
    struct writer *writer = &store->writer;

    pthread_mutex_lock(&store->mutex);
    store->recording = false;
    pthread_mutex_unlock(&store->mutex);
    store_backup_abort(store, -EIO);
    writer->retry_at_us = clock_steady_us() + writer->retry_delay_us;
    writer->retry_delay_us *= 2;
    if (writer->retry_delay_us > LONGEST_RETRY_US)
        writer->retry_delay_us = LONGEST_RETRY_US;
}

/* Proves that writing works by writing down that it did not. */
static int write_resumption(struct store *store)
{
    char text[128];
    struct store_event event;
    uint64_t lost;
    int rc;

    pthread_mutex_lock(&store->mutex);
    lost = store->unrecorded;
    pthread_mutex_unlock(&store->mutex);
    snprintf(text, sizeof text, "recording resumes; %llu decisions were not recorded", (unsigned long long)lost);
    event = (struct store_event){.time_ms = clock_wall_ms(), .kind = "recording", .text = text};
    rc = store_begin(&store->writer);
    if (rc == SQLITE_OK)
        rc = store_add_event(&store->writer, &event);
    if (rc == SQLITE_OK)
        rc = store_commit(&store->writer);
    if (rc != SQLITE_OK)
        store_rollback(&store->writer);
    return rc;
}

/* With the mutex. What became of decisions while nothing could be written; a state only rises, so the order is none.
 * Where the files were opened anew, they may be others' decisions by now. */
static void pay_owed(struct store *store)
{
    struct job *job;

    while ((job = STAILQ_FIRST(&store->owed))) {
        STAILQ_REMOVE_HEAD(&store->owed, link);
        if (store->owed_generation == store->generation) {
            job->status = 0;
            store->queued++;
            STAILQ_INSERT_TAIL(&store->queue, job, link);
        } else {
            job_free(job);
        }
    }
    store->n_owed = 0;
}

static void resume(struct store *store)
{
    struct writer *writer = &store->writer;
    int r = writer->db ? 0 : store_files_open(store);
    int rc = r == 0 ? write_resumption(store) : SQLITE_OK;

    if (r < 0 || rc != SQLITE_OK) {
        if (rc != SQLITE_OK)
            store_explain_problem(store, writer->db, rc);
        stop_recording(store);
        return;
    }
    writer->retry_delay_us = FIRST_RETRY_US;
    pthread_mutex_lock(&store->mutex);
    store->recording = true;
    store->unrecorded = 0;
    store->interruptions++;
    pay_owed(store);
    store->first_id = writer->first_id;
    store->next_id = writer->next_id;
    pthread_mutex_unlock(&store->mutex);
}

/* The database is damaged, or its file is not where it was: another one takes its place. */
static void replace_database(struct store *store, bool damaged)
{
    int r = 0;

    store_set_problem(store, "the database %s is %s: a new one is being made", store->path,
                      damaged ? "damaged" : "gone");
    stop_recording(store);
    store_files_close(store, CLOSE_AS_IS);
    if (damaged)
        r = store_move_aside(store);
    if (r < 0)
        store_set_problem(store, "the database %s is damaged and cannot be moved aside (errno %d): move it by hand",
                          store->path, -r);
    else
        store->writer.retry_at_us = clock_steady_us();
}

static void handle_error(struct store *store, int rc)
{
    bool damaged = sql_is_damage(rc);

    if (rc == SQLITE_OK)
        return;
    if (damaged || rc == SQLITE_READONLY_DBMOVED) {
        replace_database(store, damaged);
        return;
    }
    store_explain_problem(store, store->writer.db, rc);
    stop_recording(store);
}

/* ---- The thread ---------------------------------------------------------------------------------------- */

static bool has_steps_left(const struct writer *writer)
{
    return writer->backup.job || writer->sweeping || writer->expiring || writer->trimming || writer->vacuuming;
}

static struct timespec deadline_of(uint64_t us)
{
    return (struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
}

/* Sleeps until there is something to do: a job, the time of the next attempt or of upkeep, the end. */
static void wait_for_work(struct store *store)
{
    const struct writer *writer = &store->writer;
    uint64_t until = store->recording ? writer->upkeep_at_us : writer->retry_at_us;
    const struct timespec deadline = deadline_of(until);

    store->writer_waits = true;
    while (STAILQ_EMPTY(&store->queue) && !store->stopping && !store->damage_seen) {
        if (pthread_cond_timedwait(&store->writer_wake, &store->mutex, &deadline) == ETIMEDOUT)
            break;
    }
    store->writer_waits = false;
}

/* Backups leave the queue for their own. Returns how many jobs are left for the commit. */
static size_t split(struct store *store, struct job_list *taken, struct job_list *jobs)
{
    struct job *job;
    size_t n = 0;

    while ((job = STAILQ_FIRST(taken))) {
        STAILQ_REMOVE_HEAD(taken, link);
        if (job->kind == JOB_BACKUP) {
            store_backup_start(store, job);
        } else {
            STAILQ_INSERT_TAIL(jobs, job, link);
            n++;
        }
    }
    return n;
}

struct turn {
    struct job_list taken;
    bool stopping, recording, damaged, full;
};

static size_t payload_of(const struct job *job)
{
    return job->kind == JOB_DECISION ? job->of.decision.row.facts.size + job->of.decision.row.outcome.size : 0;
}

/* What has queued up, as far as it is a commit that the WAL has room for. */
static void take_batch(struct store *store, struct job_list *taken)
{
    struct job *job;
    size_t jobs = 0, bytes = 0;

    while ((job = STAILQ_FIRST(&store->queue)) && jobs++ < BATCH_JOBS && bytes < BATCH_BYTES) {
        bytes += payload_of(job);
        STAILQ_REMOVE_HEAD(&store->queue, link);
        STAILQ_INSERT_TAIL(taken, job, link);
    }
}

static void next_turn(struct store *store, struct turn *turn)
{
    pthread_mutex_lock(&store->mutex);
    if (!(store->recording && has_steps_left(&store->writer)))
        wait_for_work(store);
    take_batch(store, &turn->taken);
    turn->stopping = store->stopping && STAILQ_EMPTY(&turn->taken);
    turn->recording = store->recording;
    turn->damaged = store->damage_seen;
    turn->full = store->config.durability_full;
    store->damage_seen = false;
    pthread_mutex_unlock(&store->mutex);
}

static int set_durability(struct writer *writer, bool full)
{
    if (writer->full == full)
        return SQLITE_OK;
    writer->full = full;
    return sql_exec(writer->db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

static int check_file(struct writer *writer)
{
    int moved = 0;

    sqlite3_file_control(writer->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? SQLITE_READONLY_DBMOVED : SQLITE_OK;
}

/* What there is to do beside commits, a step of each. */
static int keep_up(struct store *store)
{
    struct writer *writer = &store->writer;
    uint64_t now = clock_steady_us();
    int rc = SQLITE_OK;

    store_backup_step(store);
    if (now >= writer->upkeep_at_us) {
        writer->upkeep_at_us = now + UPKEEP_US;
        writer->expiring = true;
        rc = check_file(writer);
    }
    if (now >= writer->trim_at_us) {
        writer->trim_at_us = now + TRIM_US;
        writer->trimming = true;
    }
    if (rc == SQLITE_OK)
        rc = store_retention_step(store);
    return rc;
}

static void work(struct store *store, struct turn *turn)
{
    struct job_list jobs = STAILQ_HEAD_INITIALIZER(jobs);
    size_t n = split(store, &turn->taken, &jobs);
    int rc = turn->damaged ? SQLITE_CORRUPT : set_durability(&store->writer, turn->full);

    if (rc == SQLITE_OK && n > 0)
        rc = commit_jobs(store, &jobs, n);
    if (rc == SQLITE_OK)
        rc = store_after_commit(store);
    if (rc == SQLITE_OK)
        rc = keep_up(store);
    handle_error(store, rc);
    /* after the problem is known, so that whoever is told can ask for it */
    refuse(store, &jobs);
}

void *store_writer_main(void *context)
{
    struct store *store = context;

    for (;;) {
        struct turn turn = {.taken = STAILQ_HEAD_INITIALIZER(turn.taken)};

        next_turn(store, &turn);
        if (turn.stopping)
            break;
        if (turn.recording) {
            work(store, &turn);
            continue;
        }
        refuse(store, &turn.taken);
        if (clock_steady_us() >= store->writer.retry_at_us)
            resume(store);
    }
    store_backup_abort(store, -ESHUTDOWN);
    return NULL;
}
