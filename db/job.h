/*
 * A job is one call of the store's interface on its way: queued by the loop, worked on by the writer or the reader,
 * completed in store_dispatch. It owns everything it points to.
 */
#ifndef ITEXD_DB_JOB_H
#define ITEXD_DB_JOB_H

#include "db/pool.h"
#include "db/store.h"

#include <sys/queue.h>

enum { HASH_SIZE = 32 };

enum job_kind {
    JOB_DECISION,
    JOB_STATE,
    JOB_REPORT,
    JOB_RULE_SET,
    JOB_ACTIVATE,
    JOB_DEVICE,
    JOB_LEASE,
    JOB_LEASE_STATE,
    JOB_LIVE_LEASES,
    JOB_EVENT,
    JOB_SAMPLES,
    JOB_BACKUP,
    JOB_QUERY,
    JOB_RULE_SETS,
    JOB_EVENTS,
    JOB_BRIEF, /* a query for rows in brief */
    JOB_BODIES,
    JOB_RULES_HISTORY,
};

struct decision_job {
    struct store_decision row;
    struct store_hashes hashes;
};

struct report_job {
    uint64_t decision;
    const char *mode;
    int64_t devices;
    bool match;
};

struct state_job {
    uint64_t decision;
    enum store_state_word state;
};

struct rule_set_job {
    struct store_rule_set set;
    bool activate; /* at once, not chosen by a person */
    uint64_t now_ms;
};

struct lease_state_job {
    uint64_t lease, time_ms;
    const char *state;
};

struct live_leases_job {
    const uint64_t *leases;
    size_t n;
    uint64_t time_ms;
};

struct samples_job {
    const struct store_sample *samples;
    size_t n;
};

/* Which way a query finds its rows; see query.c. */
enum query_way { WAY_ROWS, WAY_OUTCOMES };

struct query_job {
    struct store_filter filter;
    size_t max_bytes;
    bool finished;
    uint64_t low, cursor; /* ids of [low, cursor) have not been looked at */
    enum query_way way;
    unsigned slices;
    bool settled;      /* the way is not changed any more */
    double rows_speed; /* ids that a slice of rows covered in a microsecond */
    uint64_t *found;   /* room for filter.limit */
    size_t n_found;
    struct store_decision *rows; /* JOB_QUERY */
    struct store_brief *briefs;  /* JOB_BRIEF */
    size_t n_rows;
    uint64_t left;
    uint64_t next;
};

struct bodies_job {
    struct store_bodies_of wanted;
    struct store_body *bodies;
    size_t n_bodies;
};

struct rules_history_job {
    unsigned limit;
    struct store_rules_event *events;
    size_t n_events;
};

struct rule_sets_job {
    uint64_t id; /* 0: all */
    bool previous;
    struct store_rule_set *sets;
    size_t n_sets;
};

struct events_job {
    const char *device; /* NULL: all */
    unsigned limit;
    struct store_event *events;
    size_t n_events;
};

struct job {
    STAILQ_ENTRY(job) link;
    enum job_kind kind;
    bool waited_for; /* by store_put_rule_set_now: not dispatched, not freed by the store */
    bool finished;   /* set under the mutex */
    uint64_t ticket; /* of reads */
    bool cancelled;
    int status;
    uint64_t id;
    union {
        store_written_fn written;
        store_page_fn page;
        store_rule_sets_fn rule_sets;
        store_events_fn events;
        store_briefs_fn briefs;
        store_bodies_fn bodies;
        store_rules_history_fn rules_history;
    } done;
    void *context;
    struct pool pool;
    union {
        struct decision_job decision;
        struct state_job state;
        struct report_job report;
        struct rule_set_job rule_set;
        struct store_activation activate;
        int backup_fd;
        struct query_job query;
        struct rule_sets_job rule_sets;
        struct store_device device;
        struct store_lease lease;
        struct lease_state_job lease_state;
        struct live_leases_job live_leases;
        struct store_event event;
        struct samples_job samples;
        struct events_job events;
        struct bodies_job bodies;
        struct rules_history_job rules_history;
    } of;
};
STAILQ_HEAD(job_list, job);

/* Each NULL where memory is short. */
struct job *job_new(enum job_kind kind, void *context);
struct job *job_decision(const struct store_decision *decision, store_written_fn done, void *context);
struct job *job_report(const struct report_job *report, store_written_fn done, void *context);
struct job *job_rule_set(const struct store_rule_set *set, store_written_fn done, void *context);
struct job *job_query(const struct store_filter *filter, size_t max_bytes, store_page_fn done, void *context);
struct job *job_query_brief(const struct store_filter *filter, store_briefs_fn done, void *context);
struct job *job_bodies(const struct store_bodies_of *wanted, store_bodies_fn done, void *context);
struct job *job_activation(const struct store_activation *activation, store_written_fn done, void *context);
struct job *job_device(const struct store_device *device, store_written_fn done, void *context);
struct job *job_lease(const struct store_lease *lease);
struct job *job_lease_state(const struct lease_state_job *change);
struct job *job_live_leases(const struct live_leases_job *live);
struct job *job_event(const struct store_event *event);
struct job *job_samples(const struct store_sample *samples, size_t n);
struct job *job_events(const char *device, unsigned limit, store_events_fn done, void *context);

/* For what makes jobs. A copy in the job's memory; NULL stays NULL; false where memory is short. */
bool job_keep_text(struct job *job, const char **text);
bool job_keep_units(struct job *job, const struct store_unit **units, size_t n);
/* The job itself, or NULL and the job freed where it could not be filled. */
struct job *job_if(struct job *job, bool filled);

void job_free(struct job *job);
/* Calls back with what the job holds. */
void job_done(struct job *job);

#endif
