/* See pool.h. Chunks of 16 KiB; what is larger gets a chunk of its own. */
#include "db/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 16 * 1024 };

struct pool_chunk {
    struct pool_chunk *next;
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

static struct pool_chunk *chunk_new(size_t size)
{
    struct pool_chunk *chunk = malloc(sizeof *chunk + size);

    if (chunk) {
        chunk->size = size;
        chunk->used = 0;
    }
    return chunk;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct pool_chunk *chunk = pool->chunks;
    void *start;

    size = (size + align - 1) / align * align;
    if (!chunk || chunk->size - chunk->used < size) {
        chunk = chunk_new(size > CHUNK_SIZE ? size : CHUNK_SIZE);
        if (!chunk)
            return NULL;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
    }
    start = chunk->bytes + chunk->used;
    chunk->used += size;
    return start;
}

void *pool_copy(struct pool *pool, const void *data, size_t size)
{
    char *copy = pool_alloc(pool, size + 1);

    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

void pool_clear(struct pool *pool)
{
    while (pool->chunks) {
        struct pool_chunk *chunk = pool->chunks;

        pool->chunks = chunk->next;
        free(chunk);
    }
}
