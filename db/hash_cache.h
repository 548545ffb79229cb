/*
 * From SHA-256 to row id, for facts and outcomes that the writer has met lately: equal decisions then cost no look-up.
 * What is in it is in the database or in the running transaction, so a rollback clears it.
 */
#ifndef ITEXD_DB_HASH_CACHE_H
#define ITEXD_DB_HASH_CACHE_H

#include <stdint.h>

enum { HASH_CACHE_SLOTS = 1024, HASH_CACHE_KEY = 32 };

struct hash_entry {
    uint8_t hash[HASH_CACHE_KEY];
    int64_t id; /* 0: free */
    uint64_t last_block;
};
struct hash_cache {
    struct hash_entry slots[HASH_CACHE_SLOTS];
};

/* NULL where it is not there. */
struct hash_entry *hash_cache_find(struct hash_cache *cache, const uint8_t *hash);
/* Takes the place of whatever was in its slot. */
void hash_cache_put(struct hash_cache *cache, const uint8_t *hash, int64_t id, uint64_t last_block);
void hash_cache_clear(struct hash_cache *cache);

#endif
