/* Bookkeeping of what is taken. Which units are best is choose.c's business. */
#include "daemon/leases/pool.h"

#include <errno.h>
#include <string.h>

void pool_init(struct pool *pool, unsigned shared_limit)
{
    memset(pool, 0, sizeof *pool);
    pool->shared_limit = shared_limit;
}

int pool_find(const struct pool *pool, const char *key)
{
    for (size_t i = 0; i < pool->n_cards; i++)
        if (strcmp(pool->cards[i].key, key) == 0)
            return (int)i;
    return -1;
}

/* ---- The cards -------------------------------------------------------------------------------------------- */

static void put_card(struct pool *pool, size_t at, const struct pool_card *card)
{
    struct pool_card *mine = &pool->cards[at];

    *mine = *card;
    if (mine->n_tiles < 1)
        mine->n_tiles = 1;
    if (mine->n_tiles > POOL_MAX_TILES)
        mine->n_tiles = POOL_MAX_TILES;
}

/* Links go both ways, whoever told them. */
static void put_links(struct pool *pool, const struct pool_card *cards, const int *places, size_t n_cards)
{
    for (size_t i = 0; i < pool->n_cards; i++)
        pool->cards[i].links = 0;
    for (size_t i = 0; i < n_cards; i++)
        for (size_t j = 0; j < n_cards && j < 64; j++)
            if (i != j && (cards[i].links >> j & 1) && places[i] >= 0 && places[j] >= 0) {
                pool->cards[places[i]].links |= UINT64_C(1) << places[j];
                pool->cards[places[j]].links |= UINT64_C(1) << places[i];
            }
}

int pool_update(struct pool *pool, const struct pool_card *cards, size_t n_cards)
{
    int places[POOL_MAX_CARDS], result = 0;

    if (n_cards > POOL_MAX_CARDS) {
        n_cards = POOL_MAX_CARDS;
        result = -E2BIG;
    }
    for (size_t i = 0; i < pool->n_cards; i++)
        pool->cards[i].absent = true;
    for (size_t i = 0; i < n_cards; i++) {
        places[i] = pool_find(pool, cards[i].key);
        if (places[i] < 0 && pool->n_cards < POOL_MAX_CARDS)
            places[i] = (int)pool->n_cards++;
        if (places[i] >= 0)
            put_card(pool, (size_t)places[i], &cards[i]);
        else
            result = -E2BIG;
    }
    put_links(pool, cards, places, n_cards);
    return result;
}

/* ---- What suits ------------------------------------------------------------------------------------------- */

unsigned pool_card_units(const struct pool *pool, const struct want *want, size_t card)
{
    const struct pool_card *mine = &pool->cards[card];
    unsigned units = want->tiles ? mine->n_tiles : 1;

    if (!(want->visible >> card & 1))
        return 0;
    if (want->model && !strcasestr(mine->model, want->model))
        return 0;
    return mine->memory_bytes / units >= want->memory_bytes ? units : 0;
}

bool pool_could(const struct pool *pool, const struct want *want, bool healthy_only)
{
    uint64_t units = 0;

    for (size_t i = 0; i < pool->n_cards; i++)
        if (!pool->cards[i].absent && (pool->cards[i].grantable || !healthy_only))
            units += pool_card_units(pool, want, i);
    return units >= want->count;
}

uint64_t pool_eligible(const struct pool *pool, const struct want *want)
{
    uint64_t cards = 0;

    for (size_t i = 0; i < pool->n_cards; i++)
        if (pool_card_units(pool, want, i) > 0)
            cards |= UINT64_C(1) << i;
    return cards;
}

/* ---- Taking ----------------------------------------------------------------------------------------------- */

/* A card's unit covers all places for tiles, those too that it has none for: so it does not matter here if a card
 * turns out to have another number of tiles than it had. */
#define FIRST_TILE(unit) ((unit).tile < 0 ? 0 : (unit).tile)
#define END_TILE(unit) ((unit).tile < 0 ? POOL_MAX_TILES : (unit).tile + 1)

/* What a sharing taker claims of each tile of the unit. */
static uint64_t claim_of(const struct pool *pool, struct unit unit, const struct want *want)
{
    return unit.tile < 0 ? want->memory_bytes / pool->cards[unit.card].n_tiles : want->memory_bytes;
}

void pool_take(struct pool *pool, const struct units *units, const struct want *want, uint64_t lease)
{
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];

        for (int t = FIRST_TILE(unit); t < END_TILE(unit); t++) {
            struct pool_tile *tile = &pool->tiles[unit.card][t];

            if (want->shared) {
                tile->sharers++;
                tile->claimed_bytes += claim_of(pool, unit, want);
            } else {
                tile->exclusive = lease;
            }
        }
    }
}

static void leave(struct pool_tile *tile, uint64_t claim)
{
    if (tile->sharers > 0)
        tile->sharers--;
    tile->claimed_bytes -= claim < tile->claimed_bytes ? claim : tile->claimed_bytes;
}

void pool_return(struct pool *pool, const struct units *units, const struct want *want, uint64_t lease)
{
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];

        for (int t = FIRST_TILE(unit); t < END_TILE(unit); t++) {
            struct pool_tile *tile = &pool->tiles[unit.card][t];

            if (want->shared)
                leave(tile, claim_of(pool, unit, want));
            else if (tile->exclusive == lease)
                tile->exclusive = 0;
        }
    }
}

void pool_hold(struct pool *pool, const struct units *units, bool held)
{
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];

        for (int t = FIRST_TILE(unit); t < END_TILE(unit); t++)
            pool->tiles[unit.card][t].held = held;
    }
}

void pool_record(struct pool *pool, const struct units *units, bool begins)
{
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];

        for (int t = FIRST_TILE(unit); t < END_TILE(unit); t++) {
            struct pool_tile *tile = &pool->tiles[unit.card][t];

            if (begins)
                tile->recorded++;
            else if (tile->recorded > 0)
                tile->recorded--;
        }
    }
}

void pool_empty(struct pool *pool)
{
    memset(pool->tiles, 0, sizeof pool->tiles);
}

static bool tile_free(const struct pool *pool, struct unit unit, int t, const struct want *want)
{
    const struct pool_card *card = &pool->cards[unit.card];
    const struct pool_tile *tile = &pool->tiles[unit.card][t];

    if (tile->held || tile->exclusive != 0 || tile->recorded > 0)
        return false;
    if (!want->shared)
        return tile->sharers == 0;
    return tile->sharers < pool->shared_limit &&
           (want->memory_bytes == 0 ||
            tile->claimed_bytes + claim_of(pool, unit, want) <= card->memory_bytes / card->n_tiles);
}

bool pool_unit_free(const struct pool *pool, struct unit unit, const struct want *want)
{
    int end = unit.tile < 0 ? (int)pool->cards[unit.card].n_tiles : unit.tile + 1;

    for (int t = FIRST_TILE(unit); t < end; t++)
        if (!tile_free(pool, unit, t, want))
            return false;
    return true;
}

bool pool_free(const struct pool *pool, const struct units *units, const struct want *want)
{
    for (size_t i = 0; i < units->n; i++)
        if (!pool_unit_free(pool, units->items[i], want))
            return false;
    return true;
}
