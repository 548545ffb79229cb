/*
 * Replays the decisions that a query finds: pages of rows from the service, the facts and outcomes behind them once
 * each as far as they are remembered, and the resolver here.
 *
 * One request is always under way while what came with the last one is worked on. What is remembered is bounded, so
 * that memory stays the same; what was forgotten is asked for again.
 */
#ifndef ITEXCTL_REPLAY_ENGINE_H
#define ITEXCTL_REPLAY_ENGINE_H

#include "client/itexctl/replay/result.h"
#include "client/itexctl/service.h"

struct engine_row {
    const Itexd__V1__DecisionRow *row;
    const struct result *from, *to;
    const char *why; /* not NULL: it could not be replayed; there is nothing else then */
};

struct engine_callbacks {
    void *data;
    /* Each decision once, newest first. 0, or -ENOMEM, which ends it. */
    int (*decision)(void *data, const struct engine_row *row);
    /* After each page and while a long one is worked on. done of total ids have been looked at. True: stop. */
    bool (*progress)(void *data, uint64_t done, uint64_t total);
};

/* What is compared with what. */
struct engine_sides {
    const struct rules *to;   /* the rules to try; NULL: each decision's own set (verify) */
    const struct rules *from; /* NULL: what was decided */
};

/*
 * 0, or -1 with *failure; also 0 where progress stopped it, with *complete false. query is changed. Waits at most
 * timeout_ms for each answer; a signal that is handled interrupts the waiting and progress is asked.
 */
int engine_run(const struct context *context, struct connection *connection, Itexd__V1__Query *query,
               const struct engine_sides *sides, const struct engine_callbacks *callbacks, int64_t timeout_ms,
               bool *complete, struct failure *failure);

#endif
