/*
 * Memory that is given back at once: what a reading produced lives in it, from the first string to the last list.
 * Blocks never move, so pointers into them stay good until yaml_memory_clear.
 */
#ifndef ITEXD_YAML_MEMORY_H
#define ITEXD_YAML_MEMORY_H

#include <stddef.h>

struct yaml_memory {
    struct yaml_block *blocks;
};

#define YAML_MEMORY_INIT                                                                                               \
    {                                                                                                                  \
        .blocks = NULL                                                                                                 \
    }

/* Zeroed memory for count things of a size, aligned for any type; NULL when there is none left. Zero things: not
 * NULL, nothing to use. */
void *yaml_memory_get(struct yaml_memory *memory, size_t count, size_t size);
/* A copy of length bytes with a NUL behind it. */
char *yaml_memory_copy(struct yaml_memory *memory, const char *text, size_t length);

void yaml_memory_clear(struct yaml_memory *memory);

#endif
