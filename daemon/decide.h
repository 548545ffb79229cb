/*
 * From a resolve request to its recorded decision: read the job's environment and facts, resolve (or find the same
 * resolution made before), give it to the store, answer when it is on disk.
 *
 * A decision that a client has seen is recorded, or says that it is not. Where the store has no room the decision waits
 * here and nobody is read until there is room again: nothing is dropped.
 */
#ifndef ITEXD_DAEMON_DECIDE_H
#define ITEXD_DAEMON_DECIDE_H

#include "daemon/call.h"
#include "daemon/resolver/resolver.h"

#include <stdbool.h>
#include <sys/queue.h>

struct pending;
STAILQ_HEAD(pending_list, pending);
LIST_HEAD(pending_all, pending);

struct decider {
    struct resolution resolution; /* reused for every request */
    struct pending_all pending;   /* made, not written yet */
    struct pending_list blocked;  /* those of them that the store had no room for */
};

void decider_init(struct decider *decider);
/* After the store has been closed. */
void decider_deinit(struct decider *decider);

/* Answers the call, now or when the decision is written. */
void decide(struct call *call, const Itexd__V1__Resolve *request);
/* Tries again to store what had no room. True when nothing waits any more. */
bool decide_unblock(struct service *service);

#endif
