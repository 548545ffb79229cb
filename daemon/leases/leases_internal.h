/*
 * What the files leases*.c share. Nobody else includes this.
 *
 * Changes first happen in memory and mark the leases as touched. At the end of the loop's turn (leases.c: on_turn) the
 * queue is walked, the live file replaced once for everything that happened, and only then are answers given.
 *
 * Memory. A lease lives as long as it is listed or a member points to it; a member as long as it is held or somebody
 * uses it (a wait that is not answered yet, a decision that is being made).
 */
#ifndef ITEXD_LEASES_INTERNAL_H
#define ITEXD_LEASES_INTERNAL_H

#include "daemon/leases/leases.h"
#include "daemon/leases/queue.h"
#include "daemon/log_events.h"
#include "live.pb-c.h"

#include <event2/event.h>

#define LEASES_MAX_MEMBERS 16384u /* of all leases: each is a descriptor */
#define LEASES_RETRY_WRITE_MS 1000
/* Who would not wait still waits for devices that are just being given back: a matter of the service, not of jobs. */
#define LEASES_GIVING_BACK_MS 500
#define LEASES_DETAIL_SIZE 560 /* what devices say, with what to do at its end */

/* What was asked for, for as many processes as there are. Owns its texts. */
struct terms {
    uint32_t uid;
    char *job, *step, *model; /* NULL: none */
    char *group;              /* who has the same one shares the lease; NULL: nobody else may */
    unsigned count;           /* per process */
    unsigned local_size;      /* 0: no ranks */
    bool tiles, shared, by_rank;
    uint64_t memory_bytes;
    int numa;
};

/* Where in its lease a process has its own. */
struct place {
    unsigned local_rank;
    unsigned first; /* of the lease's units; counts on from the start where there are more ranks than units */
    unsigned only;  /* bound by rank: it sees so many; 0: all */
};

struct lease {
    TAILQ_ENTRY(lease) link;
    struct leases *leases;
    unsigned refs; /* the list's and its members' */
    uint64_t id;
    struct terms terms;
    struct want want; /* its model is the terms' */
    struct units units;
    uint64_t granted_ms;
    bool recorded; /* a scheduler's */
    bool accepted;
    bool ended; /* the units are nobody's, or being freed */
    bool fresh; /* not in the live file yet */
    bool cut;   /* on request: nobody is waited for */
    TAILQ_HEAD(lease_members, lease_member) members;
    /* Access (leases_access.c). */
    unsigned outstanding; /* answers of the keeper; before the first grant, or while draining */
    char failed[LEASES_DETAIL_SIZE];
    bool in_use, drained;
    bool unseen;  /* whether it is in use cannot be known yet */
    bool lingers; /* draining, and processes of it were found */
    uint64_t drain_until_ms;
    struct event *look_again;
};

struct lease_member {
    TAILQ_ENTRY(lease_member) link;
    struct lease *lease;
    unsigned uses;
    bool gone; /* not the lease's any more */
    bool fresh, accepted, settled;
    uint32_t uid;
    int32_t pid;
    uint64_t start;
    int pidfd;
    uint8_t request_id[16];
    uint64_t decision;
    struct place place;
    uint64_t visible; /* cards that it said it can open */
    struct peer *peer;
    struct event *ended, *unclaimed;
};

struct entry {
    struct queue_entry queue;
    struct terms terms;
    uint64_t since_ms;
    unsigned position;
    TAILQ_HEAD(waits, lease_wait) waits;
};

struct lease_wait {
    TAILQ_ENTRY(lease_wait) link; /* of the entry's waits, or of the answers */
    struct leases *leases;
    struct entry *entry;         /* NULL: out of the queue */
    struct lease_member *member; /* granted, not answered yet */
    enum lease_answer answer;    /* where there is no member */
    char detail[LEASES_DETAIL_SIZE];
    struct lease_ask ask; /* pidfd is its own; the texts are gone */
    struct place place;
    uint64_t visible;
    uint32_t wait_ms;
    uint64_t since_ms; /* steady clock */
    uint64_t until_ms;
    unsigned told; /* position */
    struct event *timer, *ended;
    lease_answered_fn answered;
    lease_position_fn position;
    void *context;
};

struct leases {
    struct service *service;
    char *directory; /* owned, for a reload makes options anew; NULL: no devices are managed */
    struct pool pool;
    struct queue queue;
    TAILQ_HEAD(lease_list, lease) list; /* oldest first */
    struct waits answers;
    size_t n_members, n_waits;
    uint64_t next_lease;
    uint64_t changes; /* rises when waits go, so that who walks along them sees it */
    bool dirty;       /* the live file is not as it should be */
    bool locked;      /* it was damaged: what is free cannot be known */
    bool put_again;   /* the history in the database may lack something */
    uint64_t interruptions;
    char problem[320];
    struct event *turn, *retry_write;
    struct units scratch; /* of lease_view */
};

/* leases.c: something changed; what follows is done at the end of the loop's turn. */
void leases_touch(struct leases *leases);
bool lease_has_card(const struct lease *lease, unsigned card);
/* Keys of its cards, each once. Returns their number. */
size_t lease_cards(const struct lease *lease, const char *keys[POOL_MAX_UNITS]);
/* event: EVENT_LEASE_RELEASED or EVENT_LEASE_CUT. */
void lease_log_end(const struct lease *lease, enum log_event event, const char *why);
/* The offer of a decision (0: not recorded) was never accepted: told to the store and to the log. */
void lease_undelivered(const struct lease *lease, uint64_t decision, const char *why);
/* Its members that are connected, by an Event of kind "device". */
void lease_tell(struct lease *lease, const char *text);

/* leases_terms.c */
int terms_read(const struct lease_ask *ask, struct terms *out); /* 0, -ENOMEM */
void terms_clear(struct terms *terms);
bool terms_alike(const struct terms *a, const struct terms *b);
struct want terms_want(const struct terms *terms, uint64_t visible);
struct place terms_place(const struct terms *terms, unsigned local_rank);
void terms_text(const struct terms *terms, char *text, size_t size); /* "2 tiles, exclusive" */
uint64_t cards_visible(const struct leases *leases, const Itexd__V1__DeviceRequest *devices);

/* leases_members.c */
struct lease *lease_new(struct leases *leases); /* not listed; NULL without memory */
void lease_list_add(struct lease *lease);
void lease_put(struct lease *lease);
void lease_place(struct lease *lease);
void lease_end(struct lease *lease, const char *why);
void lease_forget(struct lease *lease); /* nothing of it is left to wait for */
/* pidfd is taken over, also on failure. */
int lease_add_member(struct lease *lease, int32_t pid, uint64_t start, int pidfd, struct lease_member **out);
void member_end(struct lease_member *member, const char *why);
void member_release(struct lease_member *member); /* one use less */
/* The member that the process (start 0: whichever has the pid) is or descends from, the nearest; NULL: none. */
struct lease_member *lease_ancestor(const struct lease *lease, int32_t pid, uint64_t start);
/* A scheduler's too; uid NULL: anybody's. NULL: nothing is held for the request (any more). */
struct lease_member *member_of_request(const struct leases *leases, const uint8_t request_id[16], const uint32_t *uid);
struct event *watch_process(struct leases *leases, int pidfd, event_callback_fn ended, void *context);

/* leases_ask.c */
void waits_grant(struct leases *leases);                       /* walks the queue */
void waits_fail_fresh(struct leases *leases, const char *why); /* what was granted could not be written down */
void waits_expire(struct leases *leases, const char *problem); /* who would not wait */
void waits_answer(struct leases *leases);
void waits_tell_positions(struct leases *leases);
void wait_why(const struct leases *leases, const struct entry *entry, char *text, size_t size);
void waits_free(struct leases *leases);

/* leases_live.c */
int live_load(struct leases *leases);
int live_save(struct leases *leases);

/* leases_access.c: a lease's nodes are made its holder's; `outstanding` until they are, `failed` where they cannot be.
 */
void access_grant(struct lease *lease);
/* An ended lease's nodes are made as before, and who still uses its cards is waited for; ends with lease_forget. */
void access_drain(struct lease *lease);
bool access_enforced(const struct leases *leases);
/* Has it ended a moment ago, and is being looked at for the first time? */
bool access_giving_back(const struct lease *lease);
/* What the user said it can open, were nothing leased: who can open all cards that are nobody's can open any. */
uint64_t access_told(const struct leases *leases, uint32_t uid, uint64_t told);
/* What the user can open now: of what it said, not what is others', and what is its own. */
uint64_t access_visible(const struct leases *leases, uint32_t uid, uint64_t told);

#endif
