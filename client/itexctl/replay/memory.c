/* Results by number: see memory.h. */
#include "client/itexctl/replay/memory.h"

#include <stdlib.h>

bool memory_init(struct memory *memory)
{
    memory->slots = calloc(MEMORY_SLOTS, sizeof(*memory->slots));
    return memory->slots != NULL;
}

static void slot_clear(struct memory_slot *slot)
{
    result_put(slot->from);
    result_put(slot->to);
    *slot = (struct memory_slot){.from = NULL};
}

void memory_clear(struct memory *memory)
{
    for (size_t i = 0; memory->slots && i < MEMORY_SLOTS; i++)
        slot_clear(&memory->slots[i]);
    free(memory->slots);
    memory->slots = NULL;
}

const struct memory_slot *memory_find(const struct memory *memory, uint64_t number, uint64_t rule_set)
{
    const struct memory_slot *slot = &memory->slots[number % MEMORY_SLOTS];
    bool known = (slot->from || slot->to) && slot->number == number && slot->rule_set == rule_set;
    return known ? slot : NULL;
}

void memory_put(struct memory *memory, const struct memory_slot *from)
{
    struct memory_slot *slot = &memory->slots[from->number % MEMORY_SLOTS];
    slot_clear(slot);
    *slot = *from;
    result_get(slot->from);
    result_get(slot->to);
}
