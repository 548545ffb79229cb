/*
 * Snapshots on their way from the loop to the metrics thread, without a lock.
 *
 * The thread asks (an eventfd that the loop watches), the loop makes a snapshot, leaves it in a slot and rings (an
 * eventfd that the thread watches), the thread takes it out. The slot is one pointer that both exchange atomically, so
 * neither waits for the other: a scraper that hangs costs the loop nothing, a loop that hangs leaves the thread with
 * the snapshot it has.
 *
 * Asked for, rather than made by a timer: what is scraped is of the moment, a service that nobody scrapes makes none
 * and sleeps, and one that is scraped without end makes EXCHANGE_LEAST_MS^-1 of them at most.
 */
#ifndef ITEXD_METRICS_EXCHANGE_H
#define ITEXD_METRICS_EXCHANGE_H

#include "daemon/metrics/snapshot.h"

#define EXCHANGE_LEAST_MS 100 /* between two that are asked for */

struct exchange {
    int wanted, ready; /* eventfds: read by the loop, by the thread */
    _Atomic(struct snapshot *) slot;
};
#define EXCHANGE_NULL                                                                                                  \
    {                                                                                                                  \
        .wanted = -1, .ready = -1                                                                                      \
    }

int exchange_init(struct exchange *exchange); /* 0, -errno */
void exchange_deinit(struct exchange *exchange);

/* The thread's side. take: NULL where there is none. */
void exchange_ask(struct exchange *exchange);
struct snapshot *exchange_take(struct exchange *exchange);
/* The loop's side: takes the snapshot over; NULL: only rings. */
void exchange_publish(struct exchange *exchange, struct snapshot *snapshot);

#endif
