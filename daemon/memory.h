/*
 * Memory for one decoded message: taken piece by piece, given back all at once. protobuf-c asks for every string and
 * submessage by itself; here that is a pointer's move. Blocks beyond the first go back to the system after each use.
 *
 * Limit: MEMORY_LIMIT for one message; a message that needs more cannot be decoded.
 */
#ifndef ITEXD_DAEMON_MEMORY_H
#define ITEXD_DAEMON_MEMORY_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct memory_block;
struct memory {
    ProtobufCAllocator allocator; /* to hand to unpack functions */
    struct memory_block *blocks;  /* the one in use first */
    size_t used;                  /* of it */
    size_t taken;                 /* sizes of all blocks */
};

void memory_init(struct memory *memory);
void memory_reset(struct memory *memory);
void memory_deinit(struct memory *memory);

#endif
