/*
 * The store: rule sets and every decision, in one SQLite file.
 *
 * Promise: a decision whose callback reported success is on disk (durability full). Decisions that queue up
 * while a commit runs share the next one.
 *
 * Threads. The store has three of its own, each with its own connection: the writer (the only one that
 * writes), the checkpointer and the reader. All functions here are called from one thread, the loop; none
 * waits for the disk except store_open, store_close and those that say so. Callbacks run in that thread too, inside
 * store_dispatch, which the loop calls when store_fd is readable.
 *
 * Failure. A full, read-only or failing disk, or a database that cannot be opened, does not stop the service:
 * store_recording turns false, writes complete at once with -EIO and id 0, and the writer tries again with
 * backoff until recording resumes. Only a newer database, or one that another itexd holds, is refused. A corrupt one
 * is moved aside together with its WAL (store_status names it) and a new one started; a database of another
 * program is left alone and nothing recorded.
 *
 * Ids of decisions rise by one from each to the next and are never used twice in one database. PATH-lock is the
 * lock file; it stays when the store closes. Every call that queues something may also return -ENOMEM.
 *
 * Ownership: everything passed in is copied before the call returns; everything handed to a callback is valid
 * during the callback only.
 */
#ifndef ITEXD_DB_STORE_H
#define ITEXD_DB_STORE_H

#include "proto/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct store;

struct store_config {
    const char *path;
    bool durability_full;         /* false: commits are not waited for by the disk */
    uint64_t retention_seconds;   /* 0: by age never */
    uint64_t retention_decisions; /* 0: by count never */
    size_t queue_limit;           /* writes waiting, default 4096 */
    size_t checkpoint_pages;      /* default 1000 */
};

enum store_state_word { STORE_ASKED, STORE_OFFERED, STORE_ACCEPTED, STORE_UNDELIVERED };

/*
 * Opens or creates, migrates, moves a corrupt file aside, starts the threads.
 * 0 (also where the store is not recording yet: see store_status), -ENOTSUP where the database is newer than the
 * program (untouched), -EBUSY where another itexd holds it, -ENOMEM.
 */
int store_open(const struct store_config *config, struct store **out, char *error, size_t error_size);

/* Commits what is queued, runs no further callbacks, checkpoints, joins the threads. */
void store_close(struct store *store);
static inline void store_closep(struct store **store)
{
    if (*store)
        store_close(*store);
    *store = NULL;
}

int store_fd(const struct store *store);
/* Runs callbacks of what has completed, at most max (0: all that are there now); returns how many ran. */
size_t store_dispatch(struct store *store, size_t max);
/* Changes between commits apply from the next one. */
void store_reconfigure(struct store *store, const struct store_config *config);

/* status 0 and the id, or -EIO (not recorded) and 0. */
typedef void (*store_written_fn)(void *context, int status, uint64_t id);

/* ---- Devices and leases ------------------------------------------------------------------------- */

struct store_device {
    uint32_t id;      /* set by the store */
    const char *key;  /* the identity: PCI address, else UUID */
    const char *bdf;  /* NULL: none */
    const char *uuid; /* NULL: none; not unique, drivers repeat them */
    const char *name;
    const char *driver; /* kernel driver and the driver's version, for people; NULL: not known */
    uint32_t tiles;
    uint64_t memory_bytes;
    uint64_t first_seen_ms, last_seen_ms;
    bool drained;
};

/* One device, or a tile of it, as part of a lease. */
struct store_unit {
    const char *key;               /* of the device */
    int tile;                      /* -1: the whole card */
    const char *bdf, *uuid, *name; /* filled when read: as they were when the lease was granted; NULL: none */
};

struct store_lease {
    uint64_t id; /* the caller's own, never used before */
    uint64_t granted_ms;
    uint32_t uid;
    bool shared;
    const char *job; /* NULL: none */
    const struct store_unit *units;
    size_t n_units;
};

/* For start-up only, both wait for the disk: every known device, and the highest lease id so far. 0, -EIO. */
typedef void (*store_device_fn)(void *context, const struct store_device *device);
int store_devices(struct store *store, store_device_fn each, void *context);
int store_last_lease(struct store *store, uint64_t *id);
/* Inserts or updates by key; first_seen of a known one stays. id in the callback, which may be NULL. What leases show
 * of their devices stays what it was at the grant. */
int store_put_device(struct store *store, const struct store_device *device, store_written_fn done, void *context);

/* All of these go with the next commit and nobody waits; queue order is commit order, so a lease put before its
 * decision is there with it. A device that nobody has put is made with no more than its key. 0, -EAGAIN, -ENOMEM. */

/* One that is there already stays as it is, so live leases may be put again (store_interruptions). */
int store_put_lease(struct store *store, const struct store_lease *lease);
/* "offered", "accepted", "released"; released with its time. A state only rises. */
int store_set_lease(struct store *store, uint64_t lease, const char *state, uint64_t time_ms);
/* Every lease but these has ended: whichever is not yet marked so is released at this time. For the start, when the
 * service knows what still lives, and after an interruption. */
int store_live_leases(struct store *store, const uint64_t *leases, size_t n, uint64_t time_ms);
/* device and lease: NULL and 0 where it concerns none. Kept as long as decisions by age, 100 000 at most. */
struct store_event {
    uint64_t time_ms;
    const char *kind, *text;
    const char *device; /* key */
    uint64_t lease;
};
int store_put_event(struct store *store, const struct store_event *event);
/* Aggregates of one device's samples over a stretch; NAN where there was no value. Kept for 30 days. */
struct store_sample {
    const char *device; /* key */
    uint64_t from_ms, to_ms;
    const char *metric;
    double least, mean, highest;
};
int store_put_samples(struct store *store, const struct store_sample *samples, size_t n);
/* Rises when writes may have been lost: recording has come back after it had stopped, with the same database or
 * another. Devices and live leases are then put again, and store_live_leases told. */
uint64_t store_interruptions(const struct store *store);
/* The newest events of a device (key; NULL: all), newest first, 1000 at most. A ticket as store_query's. */
typedef void (*store_events_fn)(void *context, int status, const struct store_event *events, size_t n);
uint64_t store_events(struct store *store, const char *device, unsigned limit, store_events_fn done, void *context);

/* ---- Decisions ---------------------------------------------------------------------------------- */

struct store_blob {
    const void *data;
    size_t size;
};

/* SHA-256 of what decisions share. Who records the same facts and outcome often computes them once (store_hash). */
struct store_hashes {
    uint8_t facts[32], outcome[32];
};

struct store_decision {
    uint64_t id; /* set by the store */
    uint8_t request_id[16];
    uint64_t time_ms;
    uint32_t uid;
    int32_t pid;
    uint64_t start_time;
    const char *job;  /* NULL: none */
    const char *step; /* NULL: none */
    enum store_state_word state;
    const char *policy;        /* "enforce", "advise" */
    uint64_t rule_set;         /* id in the store */
    struct store_blob facts;   /* itexd.v1.Facts, deterministic */
    struct store_blob outcome; /* itexd.v1.Outcome, deterministic */
    const char *mode;          /* NULL: none reached */
    const char *verdict;
    const char *const *rules; /* of its diagnostics, for queries by rule; not filled when read */
    size_t n_rules;
    const struct store_hashes *hashes; /* of these very facts, mode, verdict, rules and outcome; NULL: compute them */
    const char *itex;                  /* NULL: unknown */
    const char *observed_mode;         /* NULL: nothing reported yet */
    int64_t observed_devices;          /* -1: not reported */
    int observed_match;                /* -1, 0, 1 */
    uint64_t lease;                    /* 0: none; its row is put before the decision (store_put_lease) */
    const struct store_unit *units;    /* of the lease, those that are this decision's; none given: all */
    size_t n_units;
    unsigned local_device;
    bool lease_shared;           /* when written: only needed where the lease's row has been lost */
    const char *lease_state;     /* filled when read: offered, accepted, released */
    const char *rule_set_name;   /* filled when read */
    const char *rule_set_digest; /* filled when read */
};

/* Of facts, mode, verdict, rules and outcome of the decision; nothing else of it is looked at. */
void store_hash(const struct store_decision *decision, struct store_hashes *hashes);

/* 0, or -EAGAIN: the queue is full, stop taking requests until store_queued falls. */
int store_put_decision(struct store *store, const struct store_decision *decision, store_written_fn done,
                       void *context);
/* Goes with the next commit, or, while nothing is recorded, when recording resumes; nobody waits. A state only rises:
 * asked, offered, undelivered, accepted. */
int store_set_state(struct store *store, uint64_t decision, enum store_state_word state);
/* What the job got. The first report stands, except that a mismatch takes the place of a match, once. In the callback
 * -EALREADY where the report changed nothing, -ENOENT where there is no such decision. */
int store_put_report(struct store *store, uint64_t decision, const char *mode, int64_t devices, bool match,
                     store_written_fn done, void *context);
size_t store_queued(const struct store *store);
bool store_recording(const struct store *store);
/* Rises whenever a database is opened. A new value while running means that another one took the place of a damaged or
 * removed one: rule sets must be put again, or decisions that name them are not recorded. */
uint64_t store_generation(const struct store *store);

/* Asked of the reader. Rows come newest first, forward oldest first. */
struct store_filter {
    uint64_t id;                             /* 0: any; else just this one */
    const char *job, *mode, *rule, *verdict; /* NULL: any */
    bool by_uid;
    uint32_t uid;
    bool seen_by_uid; /* only rows of this uid, whatever else is asked (rights) */
    uint32_t seer;
    uint64_t since_ms, until_ms; /* since <= time < until; 0: open */
    uint64_t before;             /* 0: from the newest; else ids below it */
    bool forward;                /* ids above `after` instead */
    uint64_t after;
    unsigned limit; /* 0: 100; 1000 at most */
    /* No index has these: rows are looked at, or what the others leave of them. NULL, 0, false: any. */
    const char *step, *itex, *observed;
    bool by_state;
    enum store_state_word state;
    bool mismatch; /* what the job reported differs from what was decided */
    uint64_t rule_set;
    const char *device; /* number, PCI address or UUID, of today or of then */
    /* Whether an outcome (itexd.v1.Outcome, which the store does not read) belongs; called in the reader's thread. It
     * looks at the two texts. */
    bool (*outcome_fits)(const struct store_blob *outcome, const struct store_filter *filter);
    const char *predicted_mode, *predicted_outcome;
};
/* status 0, -ENODEV where no device was ever called like that, or -EIO with the store's problem text. next: where to go
 * on, as `before` or `after`. Backward it is 0 at the end; forward, where a page without rows is the end, the newest id
 * then, and below `after` if that is of another database. */
typedef void (*store_page_fn)(void *context, int status, const struct store_decision *rows, size_t n_rows,
                              uint64_t next);
/* Returns a ticket for store_cancel; 0: too many reads wait, or no memory. max_bytes bounds the blobs of a page, which
 * has one row at least; 0: no bound. */
uint64_t store_query(struct store *store, const struct store_filter *filter, size_t max_bytes, store_page_fn done,
                     void *context);
/* The same without what the decisions were made of: facts and outcome are numbers, equal where those are. left: how
 * many decisions have not been looked at yet. */
struct store_brief {
    uint64_t id, facts, outcome, rule_set, time_ms;
    uint32_t uid;
    bool advise;
    bool lease;      /* it has one */
    const char *job; /* NULL: none */
};
typedef void (*store_briefs_fn)(void *context, int status, const struct store_brief *rows, size_t n_rows,
                                uint64_t before, uint64_t left);
uint64_t store_query_brief(struct store *store, const struct store_filter *filter, store_briefs_fn done, void *context);

/* What decisions were made of, by their ids; in the order asked for, first facts, then outcomes. */
struct store_bodies_of {
    const uint64_t *facts_of, *outcomes_of;
    size_t n_facts_of, n_outcomes_of;
    bool seen_by_uid; /* others' decisions are as if they were not there (rights) */
    uint32_t seer;
    size_t max_bytes; /* of blobs: what is asked for behind that is left out; one is there at least */
};
struct store_body {
    uint64_t decision;
    bool outcome;           /* else facts */
    bool found;             /* false: there is no such decision (any more) */
    struct store_blob blob; /* where found */
};
typedef void (*store_bodies_fn)(void *context, int status, const struct store_body *bodies, size_t n_bodies);
uint64_t store_bodies(struct store *store, const struct store_bodies_of *wanted, store_bodies_fn done, void *context);

/* The callback will not run. */
void store_cancel(struct store *store, uint64_t ticket);

/*
 * Recent decisions, newest first, for retries across a restart: those of the last `seconds`, 100 000 at most. each runs
 * within the call. For start-up only: it waits for the disk. 0, -EIO.
 */
typedef void (*store_recent_fn)(void *context, const struct store_decision *row);
int store_recent(struct store *store, unsigned seconds, store_recent_fn each, void *context);

/* ---- Rule sets ---------------------------------------------------------------------------------- */

struct store_rule_set {
    uint64_t id;
    const char *name;
    const char *digest;
    const char *origin; /* "shipped", "loaded" */
    uint64_t created_ms;
    uint32_t created_uid;
    bool active;
    bool chosen; /* activated by a person at some time */
    uint32_t n_rules;
    uint64_t activated_ms;
    uint32_t activated_uid;
    const char *comment;     /* when put, for the history; NULL: none; not filled when read */
    struct store_blob files; /* itexd.v1.RuleFiles; only where one set is read */
};

/* Immutable: a set with the same digest is returned, not stored again. id in the callback. Durable. */
int store_put_rule_set(struct store *store, const struct store_rule_set *set, store_written_fn done, void *context);
struct store_activation {
    uint64_t rule_set, time_ms;
    uint32_t uid;
    bool chosen;         /* by a person */
    const char *how;     /* "activated", "rollback", "shipped" (by itself), "carried" (from another database) */
    const char *comment; /* NULL: none */
};
/* Durable. -ENOENT in the callback where there is no such set. */
int store_activate(struct store *store, const struct store_activation *activation, store_written_fn done,
                   void *context);
typedef void (*store_rule_sets_fn)(void *context, int status, const struct store_rule_set *sets, size_t n_sets);
/* id 0: all, newest first, without files; else one with files. Returns a ticket as store_query does. */
uint64_t store_rule_sets(struct store *store, uint64_t id, store_rule_sets_fn done, void *context);
/* The set that was active before the present one, with files; none where there was none. */
uint64_t store_previous_rule_set(struct store *store, store_rule_sets_fn done, void *context);

/* What was done to the rules, newest first, `limit` at most: sets that were stored, activations. */
struct store_rules_event {
    uint64_t time_ms;
    uint32_t uid;
    const char *what; /* "loaded", "stored" (shipped ones), or as store_activation.how */
    uint64_t rule_set;
    const char *name, *digest, *origin; /* of the set */
    const char *comment;                /* NULL: none */
};
typedef void (*store_rules_history_fn)(void *context, int status, const struct store_rules_event *events, size_t n);
uint64_t store_rules_history(struct store *store, unsigned limit, store_rules_history_fn done, void *context);

/* For start-up only, before the loop runs: both wait for the disk. The first runs `each` within the call with the set
 * in force; 0, -ENOENT, -EIO. The second stores a set as store_put_rule_set does, and activates it as chosen by nobody;
 * 0 and its id, -EIO. */
int store_load_active_rule_set(struct store *store, store_rule_sets_fn each, void *context);
int store_put_rule_set_now(struct store *store, const struct store_rule_set *set, bool activate, uint64_t *id);

/* ---- Backup and status -------------------------------------------------------------------------- */

/* Copies the database into fd (an empty regular file, dup'ed) in steps between commits; done with 0 or -errno. */
int store_backup(struct store *store, int fd, store_written_fn done, void *context);

struct store_status {
    bool recording;
    char problem[256];     /* why it is not recording and what to do; empty when it is */
    char moved_aside[256]; /* where a corrupt database went; empty when none was */
    bool created;          /* this start made a new database */
    uint64_t decisions;    /* rows */
    uint64_t database_bytes, wal_bytes;
    uint64_t commits, commit_p50_us, commit_p99_us, largest_commit;
    uint64_t checkpoints;
};
void store_status(struct store *store, struct store_status *status);
/* Of it only recording, problem, moved_aside and created, without a look at any file. */
void store_condition(struct store *store, struct store_status *status);

/* What has been written since the start, as it is in the database: only what a commit has carried. */
struct store_written {
    uint64_t states[STORE_UNDELIVERED + 1]; /* decisions that came to this state later than with their row */
    uint64_t reports;                       /* decisions that got their first report */
    uint64_t mismatches;                    /* decisions that got a report which differs */
};

/* Counted since the start. Unlike store_status this looks at no file, and sorts nothing. */
struct store_figures {
    bool recording, moved_aside;
    size_t queued;
    uint64_t decisions; /* rows */
    uint64_t interruptions;
    struct histogram commit_us, commit_jobs, checkpoint_us;
    struct store_written written;
};
void store_figures(struct store *store, struct store_figures *figures);

#endif
