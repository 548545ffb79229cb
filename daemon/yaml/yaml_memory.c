/* Blocks of growing need, filled from the front; a large request gets a block of its own. */
#include "daemon/yaml/yaml_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16384 };

struct yaml_block {
    struct yaml_block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char data[];
};

static struct yaml_block *add_block(struct yaml_memory *memory, size_t size)
{
    struct yaml_block *block;

    if (size > SIZE_MAX / 2)
        return NULL;
    if (size < BLOCK_BYTES)
        size = BLOCK_BYTES;
    block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = memory->blocks;
    memory->blocks = block;
    return block;
}

void *yaml_memory_get(struct yaml_memory *memory, size_t count, size_t size)
{
    struct yaml_block *block = memory->blocks;
    size_t bytes;
    void *data;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (!block || block->size - block->used < bytes)
        block = add_block(memory, bytes);
    if (!block)
        return NULL;
    data = block->data + block->used;
    block->used += bytes;
    return data;
}

char *yaml_memory_copy(struct yaml_memory *memory, const char *text, size_t length)
{
    char *copy = yaml_memory_get(memory, length + 1, 1);

    if (copy && length > 0)
        memcpy(copy, text, length);
    return copy;
}

void yaml_memory_clear(struct yaml_memory *memory)
{
    struct yaml_block *next;

    for (struct yaml_block *block = memory->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    memory->blocks = NULL;
}
