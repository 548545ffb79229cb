/*
 * Memory that is given back all at once: allocations are never freed one by one and stay where they are until
 * arena_reset or arena_free. After a reset the arena keeps one chunk as large as all it ever needed, so that a
 * caller which repeats itself stops allocating.
 */
#ifndef ITEXD_RESOLVER_ARENA_H
#define ITEXD_RESOLVER_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* the current one; earlier ones hang from it */
    size_t used;
};
#define ARENA_INIT                                                                                                     \
    {                                                                                                                  \
        .chunk = NULL                                                                                                  \
    }

/* Aligned for any type. NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* An array; NULL also where count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t length);
char *arena_strdup(struct arena *arena, const char *text);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
