/* A page of rows: see page.h. */
#include "client/itexctl/replay/page.h"

#include <string.h>

#define SLOTS (sizeof(((struct page_items *)NULL)->slots) / sizeof(uint16_t))

static void items_clear(struct page_items *items)
{
    for (size_t i = 0; i < items->n; i++) {
        result_put(items->items[i].known.from);
        result_put(items->items[i].known.to);
    }
    items->n = items->n_pending = items->done = 0;
}

void page_clear(struct page *page)
{
    items_clear(&page->facts);
    items_clear(&page->outcomes);
    if (page->reply)
        itexd__v1__reply__free_unpacked(page->reply, NULL);
    page->reply = NULL;
}

size_t page_pending(const struct page *page)
{
    return page->facts.n_pending - page->facts.done + page->outcomes.n_pending - page->outcomes.done;
}

static size_t slot_of(uint64_t number, uint64_t rule_set)
{
    uint64_t mixed = (number + rule_set * 31) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 40) % SLOTS;
}

/* The item of this number, made where it is not there yet. */
static size_t item_of(struct page_items *items, uint64_t number, uint64_t rule_set, const Itexd__V1__DecisionRow *row,
                      const struct memory *memory)
{
    size_t slot = slot_of(number, rule_set);
    for (; items->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        const struct memory_slot *known = &items->items[items->slots[slot] - 1].known;
        if (known->number == number && known->rule_set == rule_set)
            return items->slots[slot] - 1u;
    }
    const struct memory_slot *known = memory_find(memory, number, rule_set);
    size_t at = items->n++;
    items->slots[slot] = (uint16_t)(at + 1);
    items->items[at] = (struct page_item){.known = {.number = number, .rule_set = rule_set}, .row = row};
    if (known) {
        items->items[at].known.from = result_get(known->from);
        items->items[at].known.to = result_get(known->to);
    } else {
        items->pending[items->n_pending++] = at;
    }
    return at;
}

void page_fill(struct page *page, Itexd__V1__Reply *reply, bool by_set, bool outcomes, const struct memory *facts,
               const struct memory *outcomes_known)
{
    const Itexd__V1__DecisionRowsReply *rows = reply->decision_rows;
    page_clear(page);
    page->reply = reply;
    memset(page->facts.slots, 0, sizeof(page->facts.slots));
    memset(page->outcomes.slots, 0, sizeof(page->outcomes.slots));
    for (size_t i = 0; i < rows->n_rows && i < PAGE_ROWS_MAX; i++) {
        const Itexd__V1__DecisionRow *row = rows->rows[i];
        page->facts_of[i] = item_of(&page->facts, row->facts * 2 + row->advise, by_set ? row->ruleset : 0, row, facts);
        if (outcomes)
            page->outcome_of[i] = item_of(&page->outcomes, row->outcome, 0, row, outcomes_known);
    }
}
