/*
 * The best units for a want. A choice is a set of cards; its cost is one number, in which what matters more stands
 * higher. All sets are tried where they are few; else sets are grown from several cards, each time by the card that
 * costs least. Either way the work is bounded (CHOOSE_SETS, CHOOSE_STEPS): under a millisecond, for the loop waits.
 */
#include "daemon/leases/pool.h"

#include <string.h>

#define CHOOSE_SETS 4000
#define CHOOSE_STEPS 8000

struct candidate {
    uint8_t card;
    uint8_t units;        /* that are free for the want */
    uint8_t spare;        /* untouched by anybody: better left to who needs more of them */
    uint64_t links, near; /* other candidates, by their place here: linked, on the same NUMA node */
    bool off;             /* not on the preferred node */
};

struct choice {
    const struct want *want;
    struct candidate items[POOL_MAX_CARDS]; /* by order */
    size_t n;
    unsigned size; /* of a set: no fewer cards have enough units */
};

/* What is known of a set, kept while it grows. */
struct set {
    uint64_t members;
    unsigned n, units, spare, unlinked, apart, off, broken;
};

/* ---- Candidates ------------------------------------------------------------------------------------------- */

static struct unit unit_at(const struct pool *pool, const struct want *want, size_t card, unsigned tile)
{
    bool whole = !want->tiles || pool->cards[card].n_tiles == 1;

    return (struct unit){.card = (uint8_t)card, .tile = whole ? -1 : (int8_t)tile};
}

static bool untouched(const struct pool *pool, const struct want *want, struct unit unit)
{
    struct want alone = *want;

    alone.shared = false;
    return pool_unit_free(pool, unit, &alone);
}

static void add_candidate(const struct pool *pool, struct choice *choice, size_t card)
{
    const struct want *want = choice->want;
    struct candidate candidate = {.card = (uint8_t)card,
                                  .off = want->numa >= 0 && pool->cards[card].numa != want->numa};
    unsigned n = pool_card_units(pool, want, card);
    size_t at = choice->n;

    for (unsigned i = 0; i < n; i++) {
        const struct unit unit = unit_at(pool, want, card, i);

        candidate.units += pool_unit_free(pool, unit, want);
        candidate.spare += untouched(pool, want, unit);
    }
    if (candidate.units == 0)
        return;
    for (; at > 0 && pool->cards[choice->items[at - 1].card].order > pool->cards[card].order; at--)
        choice->items[at] = choice->items[at - 1];
    choice->items[at] = candidate;
    choice->n++;
}

static void find_candidates(const struct pool *pool, uint64_t without, struct choice *choice)
{
    for (size_t i = 0; i < pool->n_cards; i++)
        if (!(without >> i & 1) && pool->cards[i].grantable && !pool->cards[i].absent)
            add_candidate(pool, choice, i);
    for (size_t i = 0; i < choice->n; i++)
        for (size_t j = 0; j < choice->n; j++) {
            const struct pool_card *a = &pool->cards[choice->items[i].card];
            const struct pool_card *b = &pool->cards[choice->items[j].card];

            choice->items[i].links |= (a->links >> choice->items[j].card & 1) << j;
            choice->items[i].near |= (uint64_t)(a->numa == b->numa) << j;
        }
}

/* The units of the `size` cards outside the set (and other than `but`) that have most. */
static unsigned most_units(const struct choice *choice, uint64_t set, size_t but, unsigned size)
{
    unsigned with[POOL_MAX_TILES + 1] = {0}, units = 0;

    for (size_t i = 0; i < choice->n; i++)
        if (i != but && !(set >> i & 1))
            with[choice->items[i].units]++;
    for (unsigned u = POOL_MAX_TILES; u > 0 && size > 0; u--) {
        unsigned n = with[u] < size ? with[u] : size;

        units += n * u;
        size -= n;
    }
    return units;
}

static bool find_size(struct choice *choice)
{
    for (choice->size = 1; choice->size <= choice->n; choice->size++)
        if (most_units(choice, 0, SIZE_MAX, choice->size) >= choice->want->count)
            return true;
    return false;
}

/* ---- Sets ------------------------------------------------------------------------------------------------- */

static void grow(const struct choice *choice, struct set *set, size_t at)
{
    const struct candidate *new = &choice->items[at];
    unsigned linked = (unsigned)__builtin_popcountll(new->links & set->members);

    set->unlinked += set->n - linked;
    set->apart += set->n - (unsigned)__builtin_popcountll(new->near & set->members);
    set->off += new->off;
    /* Links to members are inside from now on; those to others are cut if it stays so. */
    set->broken += (unsigned)__builtin_popcountll(new->links) - 2 * linked;
    set->units += new->units;
    set->spare += new->spare;
    set->members |= UINT64_C(1) << at;
    set->n++;
}

/* Smaller is better: whole cards kept whole, fabric, NUMA, the preferred node, links kept for others. Each has the bits
 * that its largest value needs. */
static uint64_t cost(const struct set *set)
{
    uint64_t cost = set->spare;

    cost = cost << 12 | set->unlinked;
    cost = cost << 12 | set->apart;
    cost = cost << 7 | set->off;
    return cost << 13 | set->broken;
}

struct best {
    uint64_t members, cost;
    bool found;
};

static void consider(const struct choice *choice, const struct set *set, struct best *best)
{
    uint64_t mine = cost(set);

    if (set->units < choice->want->count || (best->found && mine >= best->cost))
        return;
    *best = (struct best){.members = set->members, .cost = mine, .found = true};
}

/* In lexical order, so that of equals the one with the lowest order is found first. As deep as a set is large, and
 * sets are tried one by one only where they are few. */
static void try_all(const struct choice *choice, const struct set *set, size_t from, struct best *best)
{
    if (set->n == choice->size) {
        consider(choice, set, best);
        return;
    }
    for (size_t i = from; i + (choice->size - set->n) <= choice->n; i++) {
        struct set larger = *set;

        grow(choice, &larger, i);
        try_all(choice, &larger, i + 1, best);
    }
}

static bool few_sets(const struct choice *choice)
{
    uint64_t sets = 1;

    for (unsigned i = 0; i < choice->size; i++) {
        sets = sets * (choice->n - i) / (i + 1);
        if (sets > CHOOSE_SETS)
            return false;
    }
    return true;
}

/* The set with the card that costs least of those with which it can still get enough units. */
static bool grow_best(const struct choice *choice, struct set *set)
{
    struct set least = {.n = 0};
    bool found = false;

    for (size_t i = 0; i < choice->n; i++) {
        struct set larger = *set;

        if (set->members >> i & 1)
            continue;
        grow(choice, &larger, i);
        if (found && cost(&larger) >= cost(&least))
            continue;
        if (larger.units + most_units(choice, larger.members, SIZE_MAX, choice->size - larger.n) < choice->want->count)
            continue;
        least = larger;
        found = true;
    }
    if (found)
        *set = least;
    return found;
}

static void try_some(const struct choice *choice, struct best *best)
{
    size_t starts = CHOOSE_STEPS / (choice->n * choice->size);

    if (starts < 1)
        starts = 1;
    if (starts > choice->n)
        starts = choice->n;
    for (size_t i = 0; i < starts; i++) {
        struct set set = {.n = 0};
        bool grown = true;

        grow(choice, &set, i * choice->n / starts);
        while (grown && set.n < choice->size)
            grown = grow_best(choice, &set);
        if (grown)
            consider(choice, &set, best);
    }
}

/* ---- Units ------------------------------------------------------------------------------------------------ */

/* The card's free units, those first that somebody shares already; `taken` bits mark the tiles. */
static unsigned take_units(const struct pool *pool, const struct choice *choice, size_t at, unsigned left,
                           uint8_t *taken)
{
    const struct want *want = choice->want;
    size_t card = choice->items[at].card;
    unsigned n = want->tiles ? pool->cards[card].n_tiles : 1;

    for (int fresh = 0; fresh <= 1; fresh++)
        for (unsigned i = 0; i < n && left > 0; i++) {
            const struct unit unit = unit_at(pool, want, card, i);

            if (untouched(pool, want, unit) != (fresh == 1) || !pool_unit_free(pool, unit, want))
                continue;
            *taken |= (uint8_t)(1u << i);
            left--;
        }
    return left;
}

/* All of the cards with few units, so that what is left over is left on one card. */
static void take(const struct pool *pool, const struct choice *choice, uint64_t members, struct units *out)
{
    uint8_t taken[POOL_MAX_CARDS] = {0};
    unsigned left = choice->want->count;

    for (unsigned units = 1; units <= POOL_MAX_TILES; units++)
        for (size_t i = 0; i < choice->n; i++)
            if ((members >> i & 1) && choice->items[i].units == units)
                left = take_units(pool, choice, i, left, &taken[i]);
    out->n = 0;
    for (size_t i = 0; i < choice->n; i++)
        for (unsigned t = 0; t < POOL_MAX_TILES; t++)
            if (taken[i] >> t & 1)
                out->items[out->n++] = unit_at(pool, choice->want, choice->items[i].card, t);
}

bool pool_choose(const struct pool *pool, const struct want *want, uint64_t without, struct units *out)
{
    struct choice choice = {.want = want};
    struct best best = {.found = false};
    const struct set none = {.n = 0};

    out->n = 0;
    find_candidates(pool, without, &choice);
    if (want->count == 0 || !find_size(&choice))
        return false;
    if (few_sets(&choice))
        try_all(&choice, &none, 0, &best);
    else
        try_some(&choice, &best);
    if (best.found)
        take(pool, &choice, best.members, out);
    return best.found;
}
