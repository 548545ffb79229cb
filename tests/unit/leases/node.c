#include "node.h"

#include <stdio.h>
#include <string.h>

unsigned roll(struct dice *dice, unsigned sides)
{
    /* xorshift64*: the low bits are weak, the high ones good. */
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (unsigned)((dice->state * UINT64_C(2685821657736338717)) >> 33) % sides;
}

static struct pool_card card_of(unsigned i, unsigned n_tiles)
{
    struct pool_card card = {
        .n_tiles = n_tiles, .memory_bytes = 16 * GIB * n_tiles, .numa = (int)i / 2, .order = i, .grantable = true};

    snprintf(card.key, sizeof card.key, "0000:%02x:00.0", i + 16);
    snprintf(card.model, sizeof card.model, "Model A");
    snprintf(card.render_node, sizeof card.render_node, "/dev/dri/renderD%u", 128 + i);
    return card;
}

void node_make(struct pool *pool, unsigned n_cards, unsigned n_tiles, unsigned shared_limit)
{
    struct pool_card cards[POOL_MAX_CARDS];

    pool_init(pool, shared_limit);
    for (unsigned i = 0; i < n_cards; i++)
        cards[i] = card_of(i, n_tiles);
    assert_int_equal(pool_update(pool, cards, n_cards), 0);
}

void node_make_any(struct pool *pool, struct dice *dice, unsigned n_cards, unsigned shared_limit)
{
    struct pool_card cards[POOL_MAX_CARDS];

    pool_init(pool, shared_limit);
    for (unsigned i = 0; i < n_cards; i++) {
        cards[i] = card_of(i, 1 + roll(dice, 4));
        cards[i].numa = (int)roll(dice, 3) - 1;
        cards[i].grantable = roll(dice, 8) > 0;
        cards[i].links = roll(dice, 1u << 16);
        if (roll(dice, 3) == 0)
            strcpy(cards[i].model, "Model B");
    }
    for (unsigned i = n_cards; i > 1; i--) { /* any order */
        unsigned other = roll(dice, i), order = cards[i - 1].order;

        cards[i - 1].order = cards[other].order;
        cards[other].order = order;
    }
    assert_int_equal(pool_update(pool, cards, n_cards), 0);
}

void node_link(struct pool *pool, unsigned a, unsigned b)
{
    pool->cards[a].links |= UINT64_C(1) << b;
    pool->cards[b].links |= UINT64_C(1) << a;
}

struct want want_of(unsigned count, bool tiles)
{
    return (struct want){.count = count, .tiles = tiles, .numa = -1, .visible = UINT64_MAX};
}

struct want want_any(struct dice *dice, const struct pool *pool)
{
    struct want want = want_of(1 + roll(dice, 3), roll(dice, 2) == 0);

    want.shared = roll(dice, 3) == 0;
    want.numa = (int)roll(dice, 3) - 1;
    if (roll(dice, 3) == 0)
        want.memory_bytes = (1 + roll(dice, 12)) * GIB;
    if (roll(dice, 4) == 0)
        want.model = roll(dice, 2) == 0 ? "model a" : "MODEL B";
    if (roll(dice, 3) == 0)
        want.visible = roll(dice, 1u << pool->n_cards);
    return want;
}

const char *units_text(const struct units *units)
{
    static char text[4096];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];

        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i > 0 ? " " : "", unit.card);
        if (unit.tile >= 0)
            used += (size_t)snprintf(text + used, sizeof text - used, ".%d", unit.tile);
    }
    return text;
}
