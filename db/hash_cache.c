/* See hash_cache.h. One slot a key: the hash is uniform, and a miss costs one look-up in an index. */
#include "db/hash_cache.h"

#include <string.h>

static struct hash_entry *slot_of(struct hash_cache *cache, const uint8_t *hash)
{
    return &cache->slots[(hash[0] | (unsigned)hash[1] << 8) % HASH_CACHE_SLOTS];
}

struct hash_entry *hash_cache_find(struct hash_cache *cache, const uint8_t *hash)
{
    struct hash_entry *entry = slot_of(cache, hash);

    return entry->id != 0 && memcmp(entry->hash, hash, HASH_CACHE_KEY) == 0 ? entry : NULL;
}

void hash_cache_put(struct hash_cache *cache, const uint8_t *hash, int64_t id, uint64_t last_block)
{
    struct hash_entry *entry = slot_of(cache, hash);

    memcpy(entry->hash, hash, HASH_CACHE_KEY);
    entry->id = id;
    entry->last_block = last_block;
}

void hash_cache_clear(struct hash_cache *cache)
{
    for (unsigned i = 0; i < HASH_CACHE_SLOTS; i++)
        cache->slots[i].id = 0;
}
