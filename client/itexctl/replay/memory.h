/*
 * Results that were worked out already, by number: of facts under a policy, or of outcomes.
 *
 * A slot for each remainder of the number: of two that share one, the later takes it. Numbers are given in order, so
 * that those of a time do not share slots.
 */
#ifndef ITEXCTL_REPLAY_MEMORY_H
#define ITEXCTL_REPLAY_MEMORY_H

#include "client/itexctl/replay/result.h"

#include <stdint.h>

#define MEMORY_SLOTS 16384

struct memory_slot {
    uint64_t number, rule_set;
    struct result *from, *to; /* NULL: empty, or not of this side */
};
struct memory {
    struct memory_slot *slots;
};

/* False without memory. */
bool memory_init(struct memory *memory);
void memory_clear(struct memory *memory);
/* NULL where it is not remembered. */
const struct memory_slot *memory_find(const struct memory *memory, uint64_t number, uint64_t rule_set);
/* The results are shared. */
void memory_put(struct memory *memory, const struct memory_slot *slot);

#endif
