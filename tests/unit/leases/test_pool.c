/* What is taken: a model beside the pool that knows every taker, and thousands of takers who come and go. */
#include "node.h"

#include <errno.h>
#include <string.h>

#define N_TAKERS 24

struct taker {
    bool here;
    struct want want;
    struct units units;
};

/* What the takers say of one tile must be what the pool says. */
static void check_tile(const struct pool *pool, const struct taker takers[N_TAKERS], size_t card, int tile)
{
    const struct pool_tile *mine = &pool->tiles[card][tile];
    unsigned n_tiles = pool->cards[card].n_tiles, sharers = 0, owners = 0;
    uint64_t claimed = 0;

    for (unsigned i = 0; i < N_TAKERS; i++)
        for (size_t u = 0; takers[i].here && u < takers[i].units.n; u++) {
            const struct unit unit = takers[i].units.items[u];
            uint64_t memory = takers[i].want.memory_bytes;

            if (unit.card != card || (unit.tile >= 0 && unit.tile != tile))
                continue;
            owners += !takers[i].want.shared;
            sharers += takers[i].want.shared;
            if (takers[i].want.shared)
                claimed += unit.tile < 0 ? memory / n_tiles : memory;
            if (!takers[i].want.shared)
                assert_int_equal(mine->exclusive, i + 1);
        }
    assert_true(owners <= 1 && (owners == 0 || sharers == 0));
    assert_true(sharers <= pool->shared_limit);
    assert_int_equal(mine->sharers, sharers);
    assert_true(claimed <= pool->cards[card].memory_bytes / n_tiles);
    assert_int_equal(mine->claimed_bytes, claimed);
    if (owners == 0)
        assert_int_equal(mine->exclusive, 0);
}

static void check(const struct pool *pool, const struct taker takers[N_TAKERS])
{
    for (size_t card = 0; card < pool->n_cards; card++)
        for (unsigned tile = 0; tile < pool->cards[card].n_tiles; tile++)
            check_tile(pool, takers, card, (int)tile);
}

static void check_choice(const struct pool *pool, const struct want *want, uint64_t without, const struct units *units)
{
    assert_int_equal(units->n, want->count);
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];
        const struct pool_card *card = &pool->cards[unit.card];

        assert_true(card->grantable && !card->absent);
        assert_true(want->visible >> unit.card & 1);
        assert_false(without >> unit.card & 1);
        assert_true(!want->model || strcasestr(card->model, want->model));
        assert_true(unit.tile < 0 ? !want->tiles || card->n_tiles == 1 : want->tiles && card->n_tiles > 1);
        if (i == 0)
            continue;
        const struct unit before = units->items[i - 1];
        assert_true(pool->cards[before.card].order < card->order ||
                    (before.card == unit.card && before.tile < unit.tile));
    }
}

static void change_takers(struct pool *pool, struct dice *dice, struct taker takers[N_TAKERS])
{
    unsigned i = roll(dice, N_TAKERS);
    uint64_t without = roll(dice, 4) == 0 ? roll(dice, 1u << pool->n_cards) : 0;
    struct taker *taker = &takers[i];

    if (taker->here) {
        pool_return(pool, &taker->units, &taker->want, i + 1);
        taker->here = false;
        return;
    }
    taker->want = want_any(dice, pool);
    if (!pool_choose(pool, &taker->want, without, &taker->units))
        return;
    check_choice(pool, &taker->want, without, &taker->units);
    assert_true(pool_could(pool, &taker->want, true));
    assert_true(pool_free(pool, &taker->units, &taker->want));
    pool_take(pool, &taker->units, &taker->want, i + 1);
    taker->here = true;
    if (!taker->want.shared)
        assert_false(pool_free(pool, &taker->units, &taker->want));
}

static void test_takers_come_and_go(void **state)
{
    static struct pool pool, before;

    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct dice dice = {.state = seed * 7919};
        struct taker takers[N_TAKERS] = {{.here = false}};

        node_make_any(&pool, &dice, 1 + roll(&dice, 8), 1 + roll(&dice, 4));
        before = pool;
        for (unsigned step = 0; step < 500; step++) {
            change_takers(&pool, &dice, takers);
            check(&pool, takers);
        }
        for (unsigned i = 0; i < N_TAKERS; i++)
            if (takers[i].here)
                pool_return(&pool, &takers[i].units, &takers[i].want, i + 1);
        assert_memory_equal(&pool, &before, sizeof pool);
    }
}

static void test_held_and_recorded_are_not_given(void **state)
{
    static struct pool pool;
    struct want card = want_of(1, false), tile = want_of(1, true), shared = want_of(1, true);
    struct units whole = {.items = {{.card = 0, .tile = -1}}, .n = 1}, got;

    (void)state;
    shared.shared = true;
    node_make(&pool, 1, 2, 4);
    pool_hold(&pool, &whole, true);
    assert_false(pool_choose(&pool, &card, 0, &got));
    assert_false(pool_choose(&pool, &tile, 0, &got));
    assert_false(pool_choose(&pool, &shared, 0, &got));
    pool_hold(&pool, &whole, false);
    assert_true(pool_choose(&pool, &card, 0, &got));

    /* Schedulers' allocations may overlap: the card is free after the last. */
    pool_record(&pool, &whole, true);
    pool_record(&pool, &whole, true);
    pool_record(&pool, &whole, false);
    assert_false(pool_choose(&pool, &shared, 0, &got));
    pool_record(&pool, &whole, false);
    assert_true(pool_choose(&pool, &shared, 0, &got));
    pool_record(&pool, &whole, true);
    pool_empty(&pool);
    assert_true(pool_choose(&pool, &card, 0, &got));
}

static void test_cards_come_and_go(void **state)
{
    static struct pool pool;
    struct want want = want_of(1, false);
    struct pool_card cards[3];
    struct units got;

    (void)state;
    node_make(&pool, 2, 2, 1);
    memcpy(cards, pool.cards, 2 * sizeof cards[0]);
    cards[2] = cards[0];
    cards[0] = cards[1]; /* told in another order, the first one gone */
    cards[0].links = 2;  /* to what is told second */
    strcpy(cards[1].key, "0000:99:00.0");
    cards[1].links = 0;
    assert_int_equal(pool_update(&pool, cards, 2), 0);
    assert_int_equal(pool.n_cards, 3);
    assert_int_equal(pool_find(&pool, cards[2].key), 0);
    assert_int_equal(pool_find(&pool, cards[0].key), 1);
    assert_int_equal(pool_find(&pool, cards[1].key), 2);
    assert_int_equal(pool_find(&pool, "0000:00:00.0"), -1);
    assert_true(pool.cards[0].absent);
    assert_int_equal(pool.cards[1].links, 4);
    assert_int_equal(pool.cards[2].links, 2);
    want.count = 2;
    assert_true(pool_choose(&pool, &want, 0, &got));
    want.count = 3;
    assert_false(pool_choose(&pool, &want, 0, &got));
    assert_false(pool_could(&pool, &want, false));
}

static void test_more_cards_than_fit(void **state)
{
    static struct pool pool;
    static struct pool_card cards[POOL_MAX_CARDS + 1];

    (void)state;
    node_make(&pool, POOL_MAX_CARDS, 8, 1);
    memcpy(cards, pool.cards, sizeof pool.cards);
    strcpy(cards[POOL_MAX_CARDS].key, "0000:ff:00.0");
    assert_int_equal(pool_update(&pool, cards, POOL_MAX_CARDS + 1), -E2BIG);
    assert_int_equal(pool_update(&pool, cards + 1, POOL_MAX_CARDS), -E2BIG); /* the one that is gone keeps its place */
    assert_true(pool.cards[0].absent);
    assert_int_equal(pool.n_cards, POOL_MAX_CARDS);
}

static void test_what_could_ever_be(void **state)
{
    static struct pool pool;
    struct want want = want_of(4, true);
    struct units all = {.items = {{.card = 0, .tile = -1}, {.card = 1, .tile = -1}}, .n = 2};

    (void)state;
    node_make(&pool, 2, 2, 1);
    pool_take(&pool, &all, &(struct want){.count = 2}, 1);
    assert_true(pool_could(&pool, &want, true));
    assert_int_equal(pool_eligible(&pool, &want), 3);
    want.visible = 2;
    assert_false(pool_could(&pool, &want, true));
    assert_int_equal(pool_eligible(&pool, &want), 2);
    want = want_of(1, false);
    want.memory_bytes = 32 * GIB;
    assert_true(pool_could(&pool, &want, true));
    want.tiles = true; /* each has half of it */
    assert_false(pool_could(&pool, &want, true));
    want = want_of(2, false);
    pool.cards[1].grantable = false;
    assert_false(pool_could(&pool, &want, true));
    assert_true(pool_could(&pool, &want, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takers_come_and_go), cmocka_unit_test(test_held_and_recorded_are_not_given),
        cmocka_unit_test(test_cards_come_and_go),  cmocka_unit_test(test_more_cards_than_fit),
        cmocka_unit_test(test_what_could_ever_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
