/*
 * Leases: who holds which devices, who waits, and when each ends.
 *
 * One queue a node, in the order of asking. A later request is granted before an earlier one only from cards that could
 * never serve the earlier (pool_eligible), so that it cannot delay it. A lease has members: the processes that hold it.
 * Each is held through a pidfd and so follows exec; the lease ends with its last member, however that ends.
 *
 * Members. Without ranks, one asker is one member; another process of the same uid that names the same job (--job) and
 * asks alike joins the lease. With ranks (local_size told) the group (uid, job or the parent process, step, local size)
 * gets local_size x count units at once and every rank joins it. A process that inherited a live lease (ITEXD_LEASE)
 * and descends from a member joins that one.
 *
 * A member is offered until it is accepted. When its connection closes before that, it stays for LEASE_RETRY_MS for a
 * retry of the same request id, and is then dropped and its decision marked undelivered.
 *
 * Before the units of an ended lease are given again they are held while access to them is restored (enforcement) and
 * processes of the old lease are still found on them, drain_timeout at most.
 *
 * The live file is replaced before an answer; where it cannot be written nothing is granted and status says why.
 * Everything runs in the loop; nothing waits except for that file, which is in memory.
 */
#ifndef ITEXD_LEASES_LEASES_H
#define ITEXD_LEASES_LEASES_H

#include "daemon/call.h"
#include "daemon/leases/allocation.h"
#include "daemon/leases/pool.h"

#define LEASE_RETRY_MS 2000

struct service;
struct leases;
struct lease_member;
struct lease_wait;

/* Reads the live file and takes up what still lives; where devices are off, nothing. After enforcement_init. A runtime
 * directory that cannot be used is a problem (leases_problem) and no error. 0, -ENOMEM. */
int leases_init(struct service *service, struct leases **out);
/* Leases live on in the file. After peers and calls have gone, before the store is closed and enforcement freed. */
void leases_free(struct leases *leases);
void leases_apply_options(struct leases *leases);
/* Where the store has been away meanwhile, it is told again what lives and what has ended. */
void leases_check_history(struct leases *leases);

/* The cards as they are now; whoever waits may get something. */
void leases_set_cards(struct leases *leases, const struct pool_card *cards, size_t n_cards);
const struct pool *leases_pool(const struct leases *leases);

enum lease_answer {
    LEASE_GRANTED,
    LEASE_BUSY,       /* not within the wait limit */
    LEASE_IMPOSSIBLE, /* the node has devices, but never such a set of them */
    LEASE_NO_DEVICE,  /* no device at all: not on the node, or none that the job can open */
    LEASE_UNLIKE,     /* a rank that asks otherwise than its group: the detail is for an error */
    LEASE_FAILED,     /* the service cannot: live file, memory, enforcement */
};

struct lease_ask {
    uint32_t uid;
    int32_t pid; /* the holder */
    uint64_t start;
    int pidfd; /* of the holder; dup'ed */
    uint8_t request_id[16];
    const char *job, *step; /* NULL: none */
    const Itexd__V1__DeviceRequest *devices;
    uint64_t inherited; /* a lease the asker runs under already; 0: none */
    struct peer *peer;  /* whose going ends an offer, and, by leases_give_up of the caller, waiting */
};

struct lease_answered {
    enum lease_answer answer;
    struct lease_member *member; /* LEASE_GRANTED: the asker's; its uses end with lease_member_settle or _drop */
    const char *detail;          /* otherwise: why, for a person */
};
typedef void (*lease_answered_fn)(void *context, const struct lease_answered *answered);
/* The place in the queue, from 1, whenever it changes. */
typedef void (*lease_position_fn)(void *context, unsigned position);

/*
 * Asks for devices, which must be settled. answered runs once: within the call (*wait is then NULL), or later, a grant
 * at the end of the loop's turn at the earliest. 0, -ENOMEM. Whoever waits may give up with leases_give_up; answered
 * then does not run.
 */
int leases_ask(struct leases *leases, const struct lease_ask *ask, lease_answered_fn answered,
               lease_position_fn position, void *context, struct lease_wait **wait);
void leases_give_up(struct lease_wait *wait);
/* Another connection than the asker's waits for the answer from now on. */
void leases_hand_over(struct lease_wait *wait, struct peer *peer);

/* Records what a scheduler gave to the holder. The member has no lease to show (lease_of_member returns NULL for JSON's
 * `lease`), and the units are not granted to others while it lives. NULL where there is nothing to record. */
struct lease_member *leases_record(struct leases *leases, const struct lease_ask *ask,
                                   const struct allocation *allocation);

/* ---- A member's view ------------------------------------------------------------------------------------------ */

struct lease_view {
    uint64_t id; /* 0: a scheduler's, only recorded */
    bool shared;
    const char *state;         /* offered, accepted */
    const struct units *units; /* that the member sees: all of the lease's, or with bind rank its own, which are
                                * valid until the next lease_view */
    unsigned local_device;     /* index of its first own unit among those */
    uint64_t visible;          /* the cards it can open */
};
struct lease_view lease_view(const struct lease_member *member);
/* The decision was made: under this id, 0 where it is not recorded. Its offer lasts as long as the peer, and then
 * LEASE_RETRY_MS. */
void lease_member_settle(struct lease_member *member, uint64_t decision);
/* The decision could not be made after all. */
void lease_member_drop(struct lease_member *member);
/* The member of a decision that was made for this request, still offered or accepted; NULL: none. For a retry: attaches
 * it to the peer. */
struct lease_member *leases_find_request(struct leases *leases, const uint8_t request_id[16], uint32_t uid,
                                         struct peer *peer);
/* What the retry says of the cards it can open: after a restart that is not known otherwise. */
void lease_member_sees(struct lease_member *member, const Itexd__V1__DeviceRequest *devices);
/* Accepted: from now on only the holder's end ends it. uid NULL: anybody's. False: there is no such offer any more. */
bool leases_accept(struct leases *leases, const uint8_t request_id[16], const uint32_t *uid);
/* Its offers wait for a retry from now on. */
void leases_peer_gone(struct leases *leases, struct peer *peer);

/* ---- Others ----------------------------------------------------------------------------------------------------- */

/* Is the card (key) part of a live lease or of one that is draining? */
bool leases_hold(const struct leases *leases, const char *key);
/* Tells every peer that holds the card, as an Event of kind "device". Returns how many leases hold it. */
unsigned leases_tell_holders(struct leases *leases, const char *key, const char *text);
/* Fills the words "holder" of devices: a text such as "uid 1000 job 17", "2 leases", or "" ; blanked where not seen. */
void leases_holder_text(const struct leases *leases, const char *key, bool sees_all, uint32_t seer, char *text,
                        size_t size);
/* The lease that contains the process (it is a member, or descends from one); 0: none. For foreign use. */
uint64_t leases_of_process(const struct leases *leases, const char *key, int32_t pid, uint64_t start);

void leases_list(struct call *call, const Itexd__V1__Leases *request);
void leases_release(struct call *call, const Itexd__V1__LeaseRelease *request);
/* Ends every lease that holds the card, as an administrator's release does; its holders are told why. ids gets the
 * numbers of the first `max`. Returns how many there were. */
unsigned leases_cut(struct leases *leases, const char *key, const char *why, uint64_t *ids, unsigned max);
void leases_status(const struct leases *leases, Itexd__V1__Status *status);
void leases_problem(const struct leases *leases, char *text, size_t size);

/* For metrics (leases_figures.c). */
enum lease_phase { LEASE_OFFERED, LEASE_ACCEPTED, LEASE_DRAINING, LEASE_PHASES };
enum lease_sharing { LEASE_EXCLUSIVE, LEASE_SHARED, LEASE_RECORDED, LEASE_SHARINGS };
const char *lease_phase_name(enum lease_phase phase);
const char *lease_sharing_name(enum lease_sharing sharing);
struct lease_figures {
    size_t leases[LEASE_PHASES][LEASE_SHARINGS];
    size_t members;
    size_t queue;        /* asked for, not granted */
    uint64_t longest_ms; /* how long the first of the queue has waited */
};
void leases_figures(const struct leases *leases, struct lease_figures *figures);
/* Each unit of each lease, oldest lease first, until it returns false. job: NULL: none. */
struct lease_unit_shown {
    uint64_t lease;
    const char *job, *key; /* key: of the device */
    int tile;              /* -1: the whole card */
    enum lease_phase phase;
    enum lease_sharing sharing;
};
typedef bool (*lease_unit_fn)(void *context, const struct lease_unit_shown *unit);
void leases_each_unit(const struct leases *leases, lease_unit_fn each, void *context);

#endif
