/*
 * From a resolve request to its recorded decision: get its devices (decide_devices.h), read the job's environment and
 * facts, resolve (question.h), give it to the store, answer when it is on disk.
 *
 * A decision that a client has seen is recorded, or says that it is not. Where the store has no room the decision waits
 * here and nobody is read until there is room again: nothing is dropped.
 *
 * The same request again gets the same decision and lease, as long as that lease lives. Where it has ended (its offer
 * lapsed, or it was released) the devices may be another's, so the request is decided anew, under another number.
 */
#ifndef ITEXD_DAEMON_DECIDE_H
#define ITEXD_DAEMON_DECIDE_H

#include "daemon/call.h"
#include "daemon/grant.h"
#include "daemon/requests.h"
#include "daemon/resolver/resolver.h"

#include <stdbool.h>
#include <sys/queue.h>

struct asking;
struct pending;
STAILQ_HEAD(pending_list, pending);
LIST_HEAD(pending_all, pending);
LIST_HEAD(asking_all, asking);

struct decider {
    struct resolution resolution; /* reused for every request, as is the memory of keys */
    uint8_t *key;
    size_t key_size;
    struct asking_all askings;   /* waiting for devices, the newest first */
    struct pending_all pending;  /* made, not written yet */
    struct pending_list blocked; /* those of them that the store had no room for */
};

/* The process that a decision is for. */
struct subject {
    struct request_key key; /* uid: of the asker */
    uint32_t owner;         /* of the process, another than the asker where an administrator names it */
    bool named;             /* by the request: not the process that asks */
};

void decider_init(struct decider *decider);
/* After the store has been closed. */
void decider_deinit(struct decider *decider);

/* Answers the call, now or when the decision is written. */
void decide(struct call *call, const Itexd__V1__Resolve *request);
/* Tries again to store what had no room. True when nothing waits any more. */
bool decide_unblock(struct service *service);

/* Decides for the entry's waiters. grant: NULL where no devices were asked for; its member is taken over. */
void decide_entry(struct service *service, struct request_entry *entry, const Itexd__V1__Resolve *request, bool advise,
                  const struct grant *grant);
/* Refuses all of the entry's waiters and forgets it. */
void decide_refuse(struct service *service, struct request_entry *entry, enum refusal refusal, const char *detail);

#endif
