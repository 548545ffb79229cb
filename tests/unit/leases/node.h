/* Nodes for the tests of leases: made by hand or at random, always the same for a seed. */
#ifndef ITEXD_TESTS_LEASES_NODE_H
#define ITEXD_TESTS_LEASES_NODE_H

#include "daemon/leases/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GIB ((uint64_t)1 << 30)

/* A generator of our own, so that a failure comes again on any machine. */
struct dice {
    uint64_t state;
};
unsigned roll(struct dice *dice, unsigned sides); /* 0 to sides - 1 */

/* Cards 0 to n - 1 in PCI order, "model A", on NUMA node i / 2, each of n_tiles and 16 GiB a tile. */
void node_make(struct pool *pool, unsigned n_cards, unsigned n_tiles, unsigned shared_limit);
/* Anything: tiles, order, links, NUMA nodes, models, memory. */
void node_make_any(struct pool *pool, struct dice *dice, unsigned n_cards, unsigned shared_limit);
void node_link(struct pool *pool, unsigned a, unsigned b);
struct want want_any(struct dice *dice, const struct pool *pool);
struct want want_of(unsigned count, bool tiles);

/* "0 1.0 1.1" in the order of the units. */
const char *units_text(const struct units *units);

#endif
