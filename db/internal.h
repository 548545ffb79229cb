/*
 * What the store's files share. Who may touch what:
 *   mutex     guards the queues and everything under "guarded by the mutex"; it is never held during I/O.
 *   files     a read-write lock around the connections: the checkpointer and the reader hold it for reading while they
 *             use theirs, the writer takes it for writing to close or replace all of them. The writer's own
 *             connection needs no lock, only that thread uses it.
 *   writer    belongs to the writer thread (before it runs: to store_open).
 */
#ifndef ITEXD_DB_INTERNAL_H
#define ITEXD_DB_INTERNAL_H

#include "db/hash_cache.h"
#include "db/job.h"
#include "db/sql.h"
#include "db/store.h"

#include <pthread.h>

enum {
    BUSY_TIMEOUT_MS = 2000,     /* another program writes into our database */
    CLOCK_SLACK_MS = 1000,      /* by so much times may be out of order within a stretch */
    BLOCK_SHIFT = 16,           /* facts.last_block */
    WAL_LIMIT_BYTES = 64 << 20, /* the writer waits for a checkpoint */
    OWED_LIMIT = 4096,          /* states kept while nothing is recorded */
    READS_LIMIT = 256,          /* reads waiting at a time */
    COMMIT_TIMES = 1024,        /* the latest ones, for percentiles */
    FIRST_RETRY_US = 100000,    /* after recording stopped; then twice that, and so on */
    PROBLEM_SIZE = sizeof(((struct store_status *)NULL)->problem),
};

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_FIND_FACTS,
    SQL_ADD_FACTS,
    SQL_TOUCH_FACTS,
    SQL_FIND_OUTCOME,
    SQL_ADD_OUTCOME,
    SQL_TOUCH_OUTCOME,
    SQL_ADD_OUTCOME_RULE,
    SQL_ADD_STRETCH,
    SQL_ADD_DECISION,
    SQL_SET_STATE,
    SQL_FIND_REPORT,
    SQL_SET_REPORT,
    SQL_FIND_RULE_SET,
    SQL_ADD_RULE_SET,
    SQL_ADD_ACTIVATION,
    SQL_FIND_DEVICE,
    SQL_ADD_DEVICE,
    SQL_SET_DEVICE,
    SQL_SAME_VERSION,
    SQL_ADD_VERSION,
    SQL_ADD_LEASE,
    SQL_ADD_LEASE_UNIT,
    SQL_SET_LEASE,
    SQL_NEXT_OPEN_LEASE,
    SQL_FIND_LEASE,
    SQL_TOUCH_LEASE,
    SQL_LEASE_UNITS,
    SQL_ADD_RANK,
    SQL_ADD_EVENT,
    SQL_FIND_METRIC,
    SQL_ADD_METRIC,
    SQL_ADD_SAMPLE,
    SQL_OLDEST,
    SQL_DELETE_DECISIONS,
    SQL_DELETE_RANKS,
    SQL_DELETE_EVENTS,
    SQL_DELETE_SAMPLES,
    SQL_SWEEP_FACTS,
    SQL_SWEEP_OUTCOMES,
    SQL_SWEEP_LEASE_UNITS,
    SQL_SWEEP_LEASES,
    SQL_STATEMENTS
};

struct backup {
    struct job *job; /* NULL: none is running */
    sqlite3 *target;
    sqlite3_backup *copy;
};

struct writer {
    sqlite3 *db; /* NULL: could not be opened */
    sqlite3_stmt *statements[SQL_STATEMENTS];
    struct hash_cache facts, outcomes;
    uint64_t first_id, next_id; /* decisions are [first_id, next_id) */
    int64_t newest_time;        /* of the present stretch of the clock */
    size_t page_size;
    size_t full_again;            /* frames at which a vain wait for a checkpoint is repeated */
    bool full;                    /* durability in force */
    struct store_written written; /* by the transaction that is open */
    uint64_t retry_at_us, retry_delay_us, moved_check_at_us, upkeep_at_us, trim_at_us;
    uint64_t swept_block, sweep_facts, sweep_outcomes, sweep_leases;
    bool sweeping, expiring, trimming, vacuuming; /* a step of it is left */
    struct job_list backups;                      /* waiting for theirs */
    struct backup backup;
};

struct store {
    char *path;
    int event_fd;
    int lock_fd; /* -1: not held */
    pthread_t writer_thread, checkpoint_thread, reader_thread;

    pthread_mutex_t mutex;
    /* guarded by the mutex */
    pthread_cond_t writer_wake, checkpoint_wake, reader_wake, finished_wake;
    struct job_list queue, completed, reads;
    struct job *reading; /* in the reader's hands */
    size_t queued;       /* waiting or being committed */
    size_t n_reads;
    struct job_list owed; /* states that could not be written; they are when recording resumes */
    size_t n_owed;
    uint64_t owed_generation; /* of the database that the first of them is about */
    uint64_t last_ticket;
    bool stopping, writer_waits;
    bool damage_seen;           /* by a reader: the writer is to move the database aside */
    struct store_config config; /* path is not used */
    bool recording, created;
    char problem[PROBLEM_SIZE], moved_aside[PROBLEM_SIZE];
    uint64_t generation, interruptions;
    uint64_t unrecorded; /* decisions that were answered -EIO since recording stopped */
    uint64_t first_id, next_id;
    uint64_t commits, largest_commit, checkpoints;
    uint32_t commit_us[COMMIT_TIMES];
    struct store_figures figures; /* only what is counted: histograms, written */
    size_t wal_frames, wal_done;  /* in the WAL; of them already copied into the database */
    bool checkpoint_wanted, checkpoint_runs;

    pthread_rwlock_t files;
    sqlite3 *checkpoint_db, *reader_db; /* NULL together with writer.db */

    struct writer writer;
};

/* ---- open.c, recover.c, migrate.c: the files ----------------------------------------------------- */

/* Opens or creates the database and all connections. 0; -ENOTSUP newer; -EBUSY held by another; -EIO with the
 * problem set: try again later. The writer's thread (or store_open) only. */
int store_files_open(struct store *store);
enum close_how {
    CLOSE_TIDY,  /* the last checkpoint is done, the WAL removed */
    CLOSE_AS_IS, /* nothing on disk changes: the files are to be kept or are not ours any more */
};
void store_files_close(struct store *store, enum close_how how);
void store_unlock_file(struct store *store);

/* Looks at the database without changing a byte. */
enum file_kind {
    FILE_ABSENT,  /* or empty */
    FILE_OURS,    /* of this version or an older one */
    FILE_NEWER,   /* ours, of a newer version */
    FILE_FOREIGN, /* an SQLite database of something else */
    FILE_DAMAGED, /* no database at all, or a piece of one */
    FILE_ERROR,   /* cannot be read, no file: errno says why */
};
enum file_kind store_inspect(const char *path);
/* Is it sound enough to go on with? SQLITE_OK or the error; bounded in time whatever the size. */
int store_check_database(sqlite3 *db, bool unclean);
/* Renames the database, its WAL and shared memory; all connections are closed. 0 or -errno. */
int store_move_aside(struct store *store);

/* create.c: a new database in store->path, whole or not at all. 0, or -EIO with the problem set. */
int store_create_file(struct store *store);
/* From whatever version the database has to schema_version. */
int store_migrate(sqlite3 *db);

/* ---- status.c ---------------------------------------------------------------------------------- */

void store_set_problem(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says in words why SQLite gave this code. */
void store_explain_problem(struct store *store, sqlite3 *db, int code);
/* Lets store_status see which decisions there are. */
void store_publish_ends(struct store *store);
void store_count_commit(struct store *store, uint64_t us, size_t jobs);

/* ---- store.c ----------------------------------------------------------------------------------- */

/* Queues the job, or completes it at once where nothing is recorded. 0, -EAGAIN beyond the limit, -ENOMEM where there
 * is no job. */
int store_put(struct store *store, struct job *job, size_t limit);
/* What follows up on a decision may use a reserve: to lose it because of new ones would be the wrong way round. */
size_t store_follow_up_limit(const struct store *store);

/* Hands finished jobs to the loop (or to whoever waits) and empties the list; one wake-up. */
void store_complete(struct store *store, struct job_list *jobs);
void store_complete_one(struct store *store, struct job *job);
/* The configuration in force, from any thread. */
struct store_config store_config_now(struct store *store);
/* From any thread: SQLite found the database damaged. */
void store_report_damage(struct store *store);

/* ---- writer.c and what it calls ------------------------------------------------------------------ */

void *store_writer_main(void *context);
int store_begin(struct writer *writer);
int store_commit(struct writer *writer);
void store_rollback(struct writer *writer);
int store_writer_prepare(struct store *store);

/* Each within a transaction. SQLITE_OK also where the job alone failed (job->status). decisions.c, rule_sets.c: */
int store_write_decision(struct writer *writer, struct job *job);
int store_write_state(struct writer *writer, struct job *job);
int store_write_report(struct writer *writer, struct job *job);
int store_write_rule_set(struct writer *writer, struct job *job);
int store_write_activation(struct writer *writer, struct job *job);
/* devices.c, leases.c: */
int store_write_device(struct writer *writer, struct job *job);
int store_write_event(struct writer *writer, struct job *job);
int store_write_samples(struct writer *writer, struct job *job);
int store_write_lease(struct writer *writer, struct job *job);
int store_write_lease_state(struct writer *writer, struct job *job);
int store_write_live_leases(struct writer *writer, struct job *job);

/* An error of this job alone becomes its status; any other is returned. */
int store_settle(struct job *job, int rc);

int store_add_event(struct writer *writer, const struct store_event *event);
struct device_ref {
    int64_t device, version; /* row ids; version: how it is now */
};
/* Finds the device or makes it; version 0 unless it is asked for. */
int store_refer_to_device(struct writer *writer, const char *key, bool version, struct device_ref *out);

/* Before a decision with a lease is written: the lease's row is there then, and kept as long as the decision. *n_units:
 * how many the lease has. After it: what the decision has of it, if that is not the whole. */
int store_join_lease(struct writer *writer, const struct store_decision *row, uint64_t block, int64_t *n_units);
int store_add_rank(struct writer *writer, const struct store_decision *row, uint64_t decision, int64_t n_units);

/* retention.c. expire: within the transaction of a commit of n jobs. */
int store_expire(struct store *store, size_t n);
/* One step of its own; SQLite's code. */
int store_retention_step(struct store *store);

/* backup.c: true while there is more to copy. */
void store_backup_start(struct store *store, struct job *job);
bool store_backup_step(struct store *store);
void store_backup_abort(struct store *store, int status);

/* ---- checkpoint.c ------------------------------------------------------------------------------ */

void *store_checkpoint_main(void *context);
/* After a commit: wakes the checkpointer, or does the end of its work. SQLite's code where the WAL has reached its
 * limit and cannot be brought down. */
int store_after_commit(struct store *store);
/* Lengthens the WAL with zeros, so that commits overwrite blocks the file system has already given. */
void store_presize_wal(struct store *store);

/* ---- reader.c, query.c, brief.c, rows.c, bodies.c, rule_sets.c ------------------------------------------------------
 */

void *store_reader_main(void *context);
/* One slice of a query; job->of.query.finished tells the end. SQLite's code. */
int store_query_slice(sqlite3 *db, struct job *job);
/* Ids of the rows that can lie between two times: [*low, *high). */
int store_time_bounds(sqlite3 *db, uint64_t since_ms, uint64_t until_ms, uint64_t *low, uint64_t *high);
/* Reads whole rows. SQLITE_NOTFOUND where there is none of this id. */
struct row_reader {
    sqlite3_stmt *row, *units;
};
#define ROW_READER_NULL                                                                                                \
    {                                                                                                                  \
        .row = NULL                                                                                                    \
    }
int store_rows_prepare(sqlite3 *db, struct row_reader *reader);
void store_rows_clear(struct row_reader *reader);
int store_row_read(struct row_reader *reader, uint64_t id, struct pool *pool, struct store_decision *row);
/* Of a lease, in the order of the mask: place, key, tile, bdf, uuid, name. ?1: the lease, ?2: places (NULL: all). */
extern const char store_lease_units_sql[];
const char *store_lease_state(int rank);
/* A decision's state as stored: it only rises. */
int store_state_rank(enum store_state_word state);
int store_read_events(sqlite3 *db, struct job *job);
/* Of the rows that a query found, those in brief; and how many are left below the next page. */
int store_read_briefs(sqlite3 *db, struct job *job);
int store_count_left(sqlite3 *db, struct query_job *query);
int store_read_bodies(sqlite3 *db, struct job *job);
int store_read_rules_history(sqlite3 *db, struct job *job);
int store_read_rule_sets(sqlite3 *db, struct job *job);
int store_read_active_rule_set(sqlite3 *db, struct job *job);

#endif
