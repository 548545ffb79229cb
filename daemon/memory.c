/* Blocks of MEMORY_BLOCK bytes, or larger for a larger piece. */
#include "daemon/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define MEMORY_BLOCK ((size_t)64 * 1024)
/* Decoding any packet of 64 KiB that says each thing once needs less than a third of this. One that says the same
 * submessage again and again would need a gigabyte: protobuf-c merges them, and copies the lists in them each time. */
#define MEMORY_LIMIT ((size_t)16 << 20)

struct memory_block {
    struct memory_block *next;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

static void *take(void *context, size_t size)
{
    struct memory *memory = context;
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    if (rounded < size)
        return NULL;
    if (!memory->blocks || memory->blocks->size - memory->used < rounded) {
        size_t block_size = rounded > MEMORY_BLOCK ? rounded : MEMORY_BLOCK;

        if (block_size > MEMORY_LIMIT || memory->taken > MEMORY_LIMIT - block_size)
            return NULL;
        struct memory_block *block = malloc(sizeof *block + block_size);

        if (!block)
            return NULL;
        memory->taken += block_size;
        *block = (struct memory_block){.next = memory->blocks, .size = block_size};
        memory->blocks = block;
        memory->used = 0;
    }
    void *piece = memory->blocks->data + memory->used;
    memory->used += rounded;
    return piece;
}

static void give_back(void *context, void *piece)
{
    (void)context;
    (void)piece; /* with everything else, in memory_reset */
}

void memory_init(struct memory *memory)
{
    *memory = (struct memory){.allocator = {.alloc = take, .free = give_back, .allocator_data = memory}};
}

void memory_reset(struct memory *memory)
{
    while (memory->blocks && (memory->blocks->next || memory->blocks->size > MEMORY_BLOCK)) {
        struct memory_block *block = memory->blocks;
        memory->blocks = block->next;
        free(block);
    }
    memory->taken = memory->blocks ? memory->blocks->size : 0;
    memory->used = 0;
}

void memory_deinit(struct memory *memory)
{
    memory_reset(memory);
    free(memory->blocks);
    memory->blocks = NULL;
}
