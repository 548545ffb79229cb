/*
 * What can be leased and what of it is taken: cards and their tiles. Pure: no I/O, no clock; the queue and the live
 * leases are built on it, and property tests run it alone.
 *
 * Invariants. A tile has one exclusive taker or up to `shared_limit` sharing ones, never both. Taking a card takes all
 * its tiles. A card keeps its index as long as the pool lives: one that vanishes stays, absent. Memory is claimed per
 * tile by sharing takers and their sum stays within the tile's.
 *
 * Cards in the pool are in the order in which they were first told; `order` is their place by PCI address, which is
 * what masks count by and what units of one taker are sorted by, then by tile. A card with one tile is always leased
 * as the card (tile -1).
 */
#ifndef ITEXD_LEASES_POOL_H
#define ITEXD_LEASES_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_MAX_CARDS 64
#define POOL_MAX_TILES 8
#define POOL_MAX_UNITS (POOL_MAX_CARDS * POOL_MAX_TILES)

struct pool_card {
    char key[48];          /* its identity: daemon/devices/device.h */
    unsigned n_tiles;      /* 1 at least: a card without tiles is one */
    uint64_t memory_bytes; /* of the whole card; 0: not known */
    char model[96];
    int numa;             /* -1: not known */
    uint64_t links;       /* bit i: a fabric link to the card with index i */
    unsigned order;       /* by PCI address, from 0 */
    char render_node[64]; /* "" for none */
    bool flat_by_default;
    bool grantable; /* as far as its health and administrators go */
    bool absent;    /* not in the last inventory: no driver sees it, and no mask counts it */
};

struct unit {
    uint8_t card;
    int8_t tile; /* -1: the whole card */
};

struct units {
    struct unit items[POOL_MAX_UNITS];
    size_t n;
};

struct want {
    unsigned count; /* 1 at least */
    bool tiles;     /* count tiles, not cards */
    bool shared;
    uint64_t memory_bytes; /* each unit must have, and with `shared` is claimed; 0: any */
    const char *model;     /* part of the name, in any case; NULL: any */
    int numa;              /* preferred; -1: none */
    uint64_t visible;      /* bit i: the job can open card i */
};

struct pool_tile {
    uint64_t exclusive; /* lease id; 0: none */
    unsigned sharers;
    uint64_t claimed_bytes;
    unsigned recorded; /* schedulers' allocations, which may overlap with anything; while there is one, no grant */
    bool held;         /* between two leases: draining, or its access is being restored */
};

struct pool {
    struct pool_card cards[POOL_MAX_CARDS];
    struct pool_tile tiles[POOL_MAX_CARDS][POOL_MAX_TILES];
    size_t n_cards;
    unsigned shared_limit; /* sharing takers of a tile */
};

void pool_init(struct pool *pool, unsigned shared_limit);
/* The cards as they are now; bits of their links index `cards`. One that is not told any more is absent. -E2BIG beyond
 * POOL_MAX_CARDS: the rest is left out. */
int pool_update(struct pool *pool, const struct pool_card *cards, size_t n_cards);
int pool_find(const struct pool *pool, const char *key); /* index or -1 */

/*
 * Chooses units for want among what is free now, with the cards in `without` left alone. The best choice: tiles on as
 * few cards as possible and on the cards that have the fewest free tiles left (so that whole cards stay whole); cards
 * that are linked by fabric with one another, then those of one NUMA node, the preferred one first; then the lowest
 * order. False: not now.
 */
bool pool_choose(const struct pool *pool, const struct want *want, uint64_t without, struct units *out);
/* For pool_choose: how many units of the card want could take, if nothing were taken; 0: the card does not suit. */
unsigned pool_card_units(const struct pool *pool, const struct want *want, size_t card);
/* Could want be met if nothing were taken? healthy_only: by cards that are grantable now. */
bool pool_could(const struct pool *pool, const struct want *want, bool healthy_only);
/* Cards any of whose units could ever serve want: what a later request must not take while this one waits. */
uint64_t pool_eligible(const struct pool *pool, const struct want *want);

/* lease: the taker, not 0. The units must be free for it: see pool_free. */
void pool_take(struct pool *pool, const struct units *units, const struct want *want, uint64_t lease);
void pool_return(struct pool *pool, const struct units *units, const struct want *want, uint64_t lease);
/* Taken by nobody, but not to be given yet; and given free again. */
void pool_hold(struct pool *pool, const struct units *units, bool held);
/* A scheduler's allocation begins, or ends. */
void pool_record(struct pool *pool, const struct units *units, bool begins);
/* Nothing is taken or held any more: before everything is taken again, because cards have changed. */
void pool_empty(struct pool *pool);
bool pool_free(const struct pool *pool, const struct units *units, const struct want *want);
bool pool_unit_free(const struct pool *pool, struct unit unit, const struct want *want);

#endif
