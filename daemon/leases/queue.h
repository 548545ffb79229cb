/*
 * The order in which requests for devices are served. Pure.
 *
 * Who came first is served first. A later request may be served before an earlier one only from cards that could never
 * serve the earlier (pool_eligible), so it cannot delay it: what the earlier waits for comes free no later than it
 * would have.
 */
#ifndef ITEXD_LEASES_QUEUE_H
#define ITEXD_LEASES_QUEUE_H

#include "daemon/leases/pool.h"

#include <sys/queue.h>

/* Embedded in whatever waits. */
struct queue_entry {
    TAILQ_ENTRY(queue_entry) link;
    struct want want;
};

TAILQ_HEAD(queue_entries, queue_entry);
struct queue {
    struct queue_entries entries; /* oldest first */
    size_t n;
};

void queue_init(struct queue *queue);
void queue_add(struct queue *queue, struct queue_entry *entry); /* entry->want is set */
void queue_remove(struct queue *queue, struct queue_entry *entry);
/* The first that can be served now, and with what; NULL: none. It stays in the queue. Bounded by the cards: the walk
 * ends where those before hold all cards that could be given. */
struct queue_entry *queue_next(const struct queue *queue, const struct pool *pool, struct units *units);

#endif
