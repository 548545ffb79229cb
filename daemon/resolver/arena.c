/* A bump allocator in chunks. Limits: one allocation is at most SIZE_MAX / 4. */
#include "daemon/resolver/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 8192u
#define ALIGNMENT alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *earlier;
    size_t size;
    alignas(max_align_t) char data[];
};

static struct arena_chunk *chunk_new(size_t size, struct arena_chunk *earlier)
{
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);

    if (chunk) {
        chunk->earlier = earlier;
        chunk->size = size;
    }
    return chunk;
}

static void *alloc_in_new_chunk(struct arena *arena, size_t size)
{
    size_t wanted = arena->chunk ? arena->chunk->size * 2 : FIRST_CHUNK;
    struct arena_chunk *chunk;

    if (wanted < size)
        wanted = size;
    chunk = chunk_new(wanted, arena->chunk);
    if (!chunk)
        return NULL;
    arena->chunk = chunk;
    arena->used = size;
    return chunk->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory;

    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!arena->chunk || arena->chunk->size - arena->used < size)
        return alloc_in_new_chunk(arena, size);
    memory = arena->chunk->data + arena->used;
    arena->used += size;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *memory = arena_alloc(arena, size);

    if (memory)
        memset(memory, 0, size);
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 4 / size)
        return NULL;
    return arena_zalloc(arena, count * size);
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);

    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

void arena_reset(struct arena *arena)
{
    size_t total = 0;

    arena->used = 0;
    if (!arena->chunk || !arena->chunk->earlier)
        return;
    for (const struct arena_chunk *chunk = arena->chunk; chunk; chunk = chunk->earlier)
        total += chunk->size;
    arena_free(arena);
    arena->chunk = chunk_new(total, NULL); /* without it the next allocation tries again */
}

void arena_free(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunk;

    while (chunk) {
        struct arena_chunk *earlier = chunk->earlier;

        free(chunk);
        chunk = earlier;
    }
    arena->chunk = NULL;
    arena->used = 0;
}
