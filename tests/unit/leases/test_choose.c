/* Which units are best: by example, and never worse than any other choice where there are few. */
#include "node.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void expect(const struct pool *pool, const struct want *want, const char *text)
{
    struct units got;

    assert_true(pool_choose(pool, want, 0, &got));
    assert_string_equal(units_text(&got), text);
}

static void take(struct pool *pool, uint8_t card, int8_t tile)
{
    const struct units units = {.items = {{.card = card, .tile = tile}}, .n = 1};

    pool_take(pool, &units, &(struct want){.count = 1}, 99);
}

static void test_whole_cards_stay_whole(void **state)
{
    static struct pool pool;
    struct want want = want_of(1, true);

    (void)state;
    node_make(&pool, 3, 2, 1);
    expect(&pool, &want, "0.0");
    take(&pool, 1, 0);
    expect(&pool, &want, "1.1");
    want.count = 2; /* of one card, though a half one is there */
    expect(&pool, &want, "0.0 0.1");
    want.count = 3; /* the half one, and a whole one */
    expect(&pool, &want, "0.0 0.1 1.1");
    want = want_of(2, false);
    expect(&pool, &want, "0 2");
}

static void test_what_is_left_is_left_on_one_card(void **state)
{
    static struct pool pool;
    struct want want = want_of(5, true);

    (void)state;
    node_make(&pool, 2, 4, 1);
    take(&pool, 1, 2);
    expect(&pool, &want, "0.0 0.1 1.0 1.1 1.3");
}

static void test_linked_cards_first(void **state)
{
    static struct pool pool;
    struct want want = want_of(2, false);

    (void)state;
    node_make(&pool, 6, 1, 1);
    node_link(&pool, 1, 4);
    expect(&pool, &want, "1 4");
    want.numa = 2; /* fabric beats the node */
    expect(&pool, &want, "1 4");
    want.numa = -1;
    take(&pool, 4, -1);
    expect(&pool, &want, "0 1");
}

static void test_numa_node(void **state)
{
    static struct pool pool;
    struct want want = want_of(2, false);

    (void)state;
    node_make(&pool, 6, 1, 1);
    take(&pool, 0, -1);
    expect(&pool, &want, "2 3"); /* 1 would be alone on its node */
    want.numa = 2;
    expect(&pool, &want, "4 5");
    want.count = 1;
    expect(&pool, &want, "4");
    want.numa = 7; /* there is no such node */
    expect(&pool, &want, "1");
}

static void test_links_are_kept_for_others(void **state)
{
    static struct pool pool;
    struct want want = want_of(1, false);

    (void)state;
    node_make(&pool, 4, 1, 1);
    node_link(&pool, 0, 1);
    node_link(&pool, 2, 3);
    take(&pool, 3, -1);
    expect(&pool, &want, "2");
}

static void test_pci_order(void **state)
{
    static struct pool pool;
    struct want want = want_of(2, false);

    (void)state;
    node_make(&pool, 3, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        pool.cards[i].order = 2 - i;
        pool.cards[i].numa = -1;
    }
    expect(&pool, &want, "2 1");
}

static void test_sharing(void **state)
{
    static struct pool pool;
    struct want want = want_of(1, true);
    struct units got;

    (void)state;
    want.shared = true;
    want.memory_bytes = 10 * GIB;
    node_make(&pool, 2, 2, 2);
    for (uint64_t lease = 1; lease <= 4; lease++) { /* 16 GiB have room for one */
        assert_true(pool_choose(&pool, &want, 0, &got));
        pool_take(&pool, &got, &want, lease);
    }
    assert_false(pool_choose(&pool, &want, 0, &got));
    want.memory_bytes = 6 * GIB; /* beside whom somebody is already */
    expect(&pool, &want, "0.0");
    pool_empty(&pool);
    take(&pool, 0, 0);
    expect(&pool, &want, "0.1"); /* a card that is not whole any more */
}

/* ---- Against every other choice --------------------------------------------------------------------------- */

/* The header's sentence, as a number: how many cards, untouched units on them, unlinked pairs, pairs apart. */
static uint64_t badness(const struct pool *pool, const struct want *want, const struct units *units)
{
    uint64_t cards = 0, unlinked = 0, apart = 0, off = 0, n = 0, spare = 0;

    for (size_t i = 0; i < units->n; i++)
        cards |= UINT64_C(1) << units->items[i].card;
    for (unsigned a = 0; a < pool->n_cards; a++) {
        if (!(cards >> a & 1))
            continue;
        n++;
        for (unsigned t = 0; t < pool->cards[a].n_tiles && want->tiles; t++)
            spare += pool->tiles[a][t].exclusive == 0;
        off += want->numa >= 0 && pool->cards[a].numa != want->numa;
        for (unsigned b = 0; b < a; b++) {
            if (!(cards >> b & 1))
                continue;
            unlinked += !(pool->cards[a].links >> b & 1);
            apart += pool->cards[a].numa != pool->cards[b].numa;
        }
    }
    return (((n * 1000 + spare) * 1000 + unlinked) * 1000 + apart) * 1000 + off;
}

/* All choices of `count` of the free units, by the bits of a number. */
static uint64_t least_badness(const struct pool *pool, const struct want *want)
{
    struct unit all[16];
    unsigned n = 0;
    uint64_t least = UINT64_MAX;

    for (unsigned c = 0; c < pool->n_cards; c++)
        for (unsigned t = 0; t < (want->tiles ? pool->cards[c].n_tiles : 1); t++) {
            const struct unit unit = {.card = (uint8_t)c,
                                      .tile = want->tiles && pool->cards[c].n_tiles > 1 ? (int8_t)t : -1};
            const struct units one = {.items = {unit}, .n = 1};

            if (pool->cards[c].grantable && (want->visible >> c & 1) && pool_free(pool, &one, want) &&
                (!want->model || strcasestr(pool->cards[c].model, want->model)) && n < 16)
                all[n++] = unit;
        }
    for (unsigned bits = 0; bits < 1u << n; bits++) {
        struct units units = {.n = 0};

        if ((unsigned)__builtin_popcount(bits) != want->count)
            continue;
        for (unsigned i = 0; i < n; i++)
            if (bits >> i & 1)
                units.items[units.n++] = all[i];
        uint64_t mine = badness(pool, want, &units);
        if (mine < least)
            least = mine;
    }
    return least;
}

static void test_no_choice_is_better(void **state)
{
    static struct pool pool;
    unsigned chosen = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct dice dice = {.state = seed * 104729};
        struct want want;
        struct units got;

        node_make_any(&pool, &dice, 1 + roll(&dice, 5), 1);
        for (unsigned i = roll(&dice, 6); i > 0; i--)
            take(&pool, (uint8_t)roll(&dice, (unsigned)pool.n_cards), 0);
        want = want_any(&dice, &pool);
        want.shared = false;
        want.memory_bytes = 0;
        if (!pool_choose(&pool, &want, 0, &got)) {
            assert_true(least_badness(&pool, &want) == UINT64_MAX);
            continue;
        }
        chosen++;
        assert_int_equal(badness(&pool, &want, &got), least_badness(&pool, &want));
    }
    assert_true(chosen > 100);
}

/* ---- Large nodes ------------------------------------------------------------------------------------------ */

static void test_large_node(void **state)
{
    static struct pool pool;
    struct dice dice = {.state = 12345};
    struct timespec begin, end;
    uint64_t least = UINT64_MAX;

    (void)state;
    node_make(&pool, POOL_MAX_CARDS, 8, 1);
    for (unsigned i = 0; i < POOL_MAX_CARDS; i += 8) /* groups of eight that are linked */
        for (unsigned a = i; a < i + 8; a++)
            for (unsigned b = i; b < a; b++)
                node_link(&pool, a, b);
    for (unsigned count = 1; count <= POOL_MAX_CARDS; count++) {
        struct want want = want_of(count, false);
        struct units got;

        assert_true(pool_choose(&pool, &want, 0, &got));
        assert_int_equal(got.n, count);
        if (count == 8)
            assert_int_equal(got.items[0].card / 8, got.items[7].card / 8);
    }
    for (unsigned i = 0; i < 200; i++)
        take(&pool, (uint8_t)roll(&dice, 64), (int8_t)roll(&dice, 8));
    for (unsigned i = 0; i < 20; i++) { /* the least of many: a loaded machine does not count */
        struct want want = want_of(100, true);
        struct units got;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        assert_true(pool_choose(&pool, &want, 0, &got));
        clock_gettime(CLOCK_MONOTONIC, &end);
        uint64_t ns = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000 + (uint64_t)(end.tv_nsec - begin.tv_nsec);
        least = ns < least ? ns : least;
    }
    print_message("# 100 of 312 free tiles on 64 cards: %u us\n", (unsigned)(least / 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_cards_stay_whole),
        cmocka_unit_test(test_what_is_left_is_left_on_one_card),
        cmocka_unit_test(test_linked_cards_first),
        cmocka_unit_test(test_numa_node),
        cmocka_unit_test(test_links_are_kept_for_others),
        cmocka_unit_test(test_pci_order),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_no_choice_is_better),
        cmocka_unit_test(test_large_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
