/*
 * One page of rows and what it takes to compare them: each facts (under a policy, and in a verification a rule set)
 * and each outcome once, found in memory or still to be fetched.
 */
#ifndef ITEXCTL_REPLAY_PAGE_H
#define ITEXCTL_REPLAY_PAGE_H

#include "client/itexctl/replay/memory.h"
#include "itexd.pb-c.h"

#include <stddef.h>

#define PAGE_ROWS_MAX 1000

struct page_item {
    struct memory_slot known;          /* number and rule set say what it is; results once they are there */
    const Itexd__V1__DecisionRow *row; /* the first that has it */
    const char *why;                   /* not remembered: there is nothing to be had, for this reason */
};

struct page_items {
    struct page_item items[PAGE_ROWS_MAX];
    size_t n;
    uint16_t slots[4096];          /* by a hash of the number: index + 1 */
    size_t pending[PAGE_ROWS_MAX]; /* items to fetch, in order */
    size_t n_pending, done;        /* of them, those that came */
};

struct page {
    Itexd__V1__Reply *reply; /* owned */
    struct page_items facts, outcomes;
    size_t facts_of[PAGE_ROWS_MAX], outcome_of[PAGE_ROWS_MAX]; /* of each row: its item */
};

/* Takes the reply over. by_set: facts are told apart by their decision's rule set; outcomes: they are wanted. */
void page_fill(struct page *page, Itexd__V1__Reply *reply, bool by_set, bool outcomes, const struct memory *facts,
               const struct memory *outcomes_known);
void page_clear(struct page *page);
/* How many are still to be fetched. */
size_t page_pending(const struct page *page);

#endif
