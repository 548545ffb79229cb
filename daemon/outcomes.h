/*
 * Resolutions that were made lately, so that a job that comes again costs a hash and a comparison.
 *
 * The key is everything of a request that a resolution depends on, as bytes, compared in full; the whole cache is
 * emptied when another rule set comes into force. Entries are shared by reference: a decision on its way to the disk
 * keeps its outcome though the cache has let it go.
 *
 * Limit: `limit` bytes of entries; the least recently used go first.
 */
#ifndef ITEXD_DAEMON_OUTCOMES_H
#define ITEXD_DAEMON_OUTCOMES_H

#include "daemon/resolver/resolver.h"
#include "db/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* What metrics/counts.h counts of a decision with this outcome. */
struct outcome_counted {
    unsigned mode, verdict, predicted;
    uint32_t generation; /* of the names that `rules` are places among; 0: not looked up */
    uint32_t *rules;
};

struct outcome_entry {
    TAILQ_ENTRY(outcome_entry) use;
    struct outcome_entry *next;
    unsigned references;
    uint64_t hash;
    struct store_blob key;
    size_t bytes;
    /* What a decision is made of; all owned by the entry. */
    struct store_blob facts, outcome;
    const char *mode;    /* NULL: none is reached */
    const char *verdict; /* a word of verdict_name */
    bool rejected;
    char *itex; /* NULL: unknown */
    const char **rules;
    size_t n_rules;
    struct outcome_counted counted;
    struct store_hashes hashes; /* so that a job that comes again is not hashed again for the store */
};

TAILQ_HEAD(outcome_uses, outcome_entry);

#define OUTCOME_BUCKETS 1024
struct outcomes {
    struct outcome_entry *buckets[OUTCOME_BUCKETS];
    struct outcome_uses uses; /* the least recent first */
    uint64_t seed;
    size_t bytes, limit;
};

void outcomes_init(struct outcomes *outcomes, size_t limit);
void outcomes_clear(struct outcomes *outcomes);
/* Found: with a reference for the caller. */
struct outcome_entry *outcomes_find(struct outcomes *outcomes, const void *key, size_t size);
/* Keeps an entry under a key; the caller's reference stays the caller's. Without memory it is just not kept. */
void outcomes_keep(struct outcomes *outcomes, struct outcome_entry *entry, const void *key, size_t size);

/* From a resolution; facts and outcome are taken over, also on failure (NULL). One reference. */
struct outcome_entry *outcome_new(const struct resolution *resolution, struct store_blob facts,
                                  struct store_blob outcome);
void outcome_put(struct outcome_entry *entry);

#endif
