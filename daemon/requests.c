/* A hash table that doubles, and a list by age through the settled entries. */
#include "daemon/requests.h"
#include "daemon/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 1024

_Static_assert(sizeof(struct request_key) == 32, "a key is hashed and compared as bytes, so it has no padding");

int requests_init(struct requests *requests, size_t limit, uint64_t window_ms)
{
    *requests = (struct requests){.seed = hash_seed(), .limit = limit, .window_ms = window_ms};
    TAILQ_INIT(&requests->ages);
    requests->buckets = calloc(FIRST_BUCKETS, sizeof(struct request_entry *));
    if (!requests->buckets)
        return -ENOMEM;
    requests->n_buckets = FIRST_BUCKETS;
    return 0;
}

void requests_deinit(struct requests *requests)
{
    for (size_t i = 0; i < requests->n_buckets; i++) {
        for (struct request_entry *entry = requests->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(requests->buckets);
    requests->buckets = NULL;
    requests->n_buckets = 0;
}

/* Without memory for more buckets the table only gets slower. */
static void grow(struct requests *requests)
{
    size_t n = requests->n_buckets * 2;
    struct request_entry **buckets = calloc(n, sizeof(struct request_entry *));

    if (!buckets)
        return;
    for (size_t i = 0; i < requests->n_buckets; i++) {
        for (struct request_entry *entry = requests->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (n - 1)];
            buckets[entry->hash & (n - 1)] = entry;
        }
    }
    free(requests->buckets);
    requests->buckets = buckets;
    requests->n_buckets = n;
}

struct request_entry *requests_find(struct requests *requests, const struct request_key *key)
{
    uint64_t hash = hash_bytes(requests->seed, key, sizeof *key);
    struct request_entry *entry = requests->buckets[hash & (requests->n_buckets - 1)];

    while (entry && (entry->hash != hash || memcmp(&entry->key, key, sizeof *key) != 0))
        entry = entry->next;
    return entry;
}

struct request_entry *requests_add(struct requests *requests, const struct request_key *key)
{
    struct request_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return NULL;
    if (requests->n_entries >= requests->n_buckets)
        grow(requests);
    *entry = (struct request_entry){.key = *key, .hash = hash_bytes(requests->seed, key, sizeof *key)};
    TAILQ_INIT(&entry->waiters);

    struct request_entry **bucket = &requests->buckets[entry->hash & (requests->n_buckets - 1)];
    entry->next = *bucket;
    *bucket = entry;
    requests->n_entries++;
    return entry;
}

void requests_drop(struct requests *requests, struct request_entry *entry)
{
    struct request_entry **at = &requests->buckets[entry->hash & (requests->n_buckets - 1)];

    assert(TAILQ_EMPTY(&entry->waiters));
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (entry->decision != 0)
        TAILQ_REMOVE(&requests->ages, entry, age);
    requests->n_entries--;
    free(entry);
}

void requests_settle(struct requests *requests, struct request_entry *entry, uint64_t decision, uint64_t now_ms)
{
    struct request_entry *oldest;

    assert(decision != 0 && entry->decision == 0);
    entry->decision = decision;
    entry->settled_ms = now_ms;
    TAILQ_INSERT_TAIL(&requests->ages, entry, age);
    while ((oldest = TAILQ_FIRST(&requests->ages)) != entry &&
           (requests->n_entries > requests->limit || now_ms - oldest->settled_ms > requests->window_ms))
        requests_drop(requests, oldest);
}
