/* The queue's one rule. */
#include "daemon/leases/queue.h"

void queue_init(struct queue *queue)
{
    TAILQ_INIT(&queue->entries);
    queue->n = 0;
}

void queue_add(struct queue *queue, struct queue_entry *entry)
{
    TAILQ_INSERT_TAIL(&queue->entries, entry, link);
    queue->n++;
}

void queue_remove(struct queue *queue, struct queue_entry *entry)
{
    TAILQ_REMOVE(&queue->entries, entry, link);
    queue->n--;
}

static uint64_t all_cards(const struct pool *pool)
{
    return pool->n_cards == 64 ? UINT64_MAX : (UINT64_C(1) << pool->n_cards) - 1;
}

struct queue_entry *queue_next(const struct queue *queue, const struct pool *pool, struct units *units)
{
    uint64_t reserved = 0, all = all_cards(pool);
    struct queue_entry *entry;

    TAILQ_FOREACH(entry, &queue->entries, link)
    {
        if (reserved == all)
            break;
        if (pool_choose(pool, &entry->want, reserved, units))
            return entry;
        reserved |= pool_eligible(pool, &entry->want);
    }
    units->n = 0;
    return NULL;
}
