/* Masks: what is written for a lease is read back as that lease, and odd masks as the driver reads them. */
#include "node.h"

#include "daemon/leases/mask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void expect(const struct pool *pool, uint64_t visible, enum hierarchy hierarchy, const char *mask,
                   const char *text)
{
    struct units got;

    assert_int_equal(mask_read(pool, visible, hierarchy, true, mask, &got), 0);
    assert_string_equal(units_text(&got), text);
}

static void test_written_is_read_back(void **state)
{
    static struct pool pool;
    unsigned written = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 500; seed++) {
        struct dice dice = {.state = seed * 32452843};
        struct mask_variable variables[MASK_VARIABLES];
        struct units units, got;
        enum hierarchy hierarchy;
        bool rewritten;
        uint64_t visible;
        struct want want;
        int n;

        node_make_any(&pool, &dice, 1 + roll(&dice, 6), 1);
        want = want_any(&dice, &pool);
        want.memory_bytes = 0;
        visible = want.visible | roll(&dice, 64);
        if (!pool_choose(&pool, &want, 0, &units))
            continue;
        written++;
        n = mask_environment(&pool, &units, visible, NULL, variables, &rewritten);
        assert_true(n == 3 || n == 5);
        assert_string_equal(variables[0].name, "ZE_AFFINITY_MASK");
        assert_string_equal(variables[1].name, "ZE_FLAT_DEVICE_HIERARCHY");
        assert_true(hierarchy_read(variables[1].value, &hierarchy));
        assert_int_equal(mask_read(&pool, visible, hierarchy, true, variables[0].value, &got), 0);
        assert_int_equal(got.n, units.n);
        assert_memory_equal(got.items, units.items, units.n * sizeof units.items[0]);
    }
    assert_true(written > 250);
}

/* The other hierarchies have no word for a tile but its ordinal: written by hand here, from the header's rules. */
static void test_flat_ordinals_read_back(void **state)
{
    static struct pool pool;

    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct dice dice = {.state = seed * 49979687};
        uint64_t visible;
        unsigned bits, ordinal = 0;
        char mask[512] = "", text[512] = "";

        node_make_any(&pool, &dice, 1 + roll(&dice, 5), 1);
        visible = roll(&dice, 1u << pool.n_cards);
        bits = 1 + roll(&dice, (1u << 20) - 1);
        for (unsigned order = 0; order < pool.n_cards; order++)
            for (unsigned c = 0; c < pool.n_cards; c++)
                for (unsigned t = 0; pool.cards[c].order == order && (visible >> c & 1) && t < pool.cards[c].n_tiles;
                     t++, ordinal++) {
                    if (!(bits >> ordinal & 1))
                        continue;
                    snprintf(mask + strlen(mask), 32, "%s%u", *mask ? "," : "", ordinal);
                    if (pool.cards[c].n_tiles == 1)
                        snprintf(text + strlen(text), 32, "%s%u", *text ? " " : "", c);
                    else
                        snprintf(text + strlen(text), 32, "%s%u.%u", *text ? " " : "", c, t);
                }
        if (!*mask)
            continue;
        expect(&pool, visible, HIERARCHY_FLAT, mask, text);
        expect(&pool, visible, HIERARCHY_COMBINED, mask, text);
    }
}

static void test_spellings(void **state)
{
    static struct pool pool;
    static const char *const deadly[] = {"x",     "0,x",   ",0",      "0,,1",  "0.x",      ".0",
                                         "0.1.1", "0.1.x", "0.1.0.0", "0.1..", "defaults", "0..1"};
    struct units got;

    (void)state;
    node_make(&pool, 2, 2, 1);
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0", "0");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "1,0", "0 1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.1,0.0,0.1", "0.0 0.1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.1,0", "0");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "", "0 1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "1,7", "1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.2,2.0", "");
    expect(&pool, 3, HIERARCHY_COMPOSITE, " 1,0.0x", "0.0 1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.,", "0");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "default", "0 1");
    /* An engine: of the tile, and nothing. */
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.1.0", "0.1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.1.0.", "0.1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.1.2,1.0", "1.0");
    /* Numbers of C with base 0, of which 32 bits are kept. */
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0x1", "1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "+1", "1");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "-1", "");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0.-1", "");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "99999999999", "");
    expect(&pool, 3, HIERARCHY_COMPOSITE, "4294967296", "0");
    expect(&pool, 3, HIERARCHY_FLAT, "", "0.0 0.1 1.0 1.1");
    expect(&pool, 3, HIERARCHY_FLAT, "3,0", "0.0 1.1");
    expect(&pool, 3, HIERARCHY_FLAT, "0.1,4", "");
    expect(&pool, 2, HIERARCHY_COMPOSITE, "0", "1"); /* of the job's own cards */
    expect(&pool, 0, HIERARCHY_COMPOSITE, "0", "");
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        assert_int_equal(mask_read(&pool, 3, HIERARCHY_COMPOSITE, true, deadly[i], &got), -EINVAL);
}

static void test_order(void **state)
{
    static struct pool pool;
    struct units got;

    (void)state;
    node_make(&pool, 2, 1, 1);
    pool.cards[0].order = 1;
    pool.cards[1].order = 0;
    expect(&pool, 3, HIERARCHY_COMPOSITE, "0", "1");
    assert_int_equal(mask_read(&pool, 3, HIERARCHY_COMPOSITE, false, "0", &got), 0);
    assert_string_equal(units_text(&got), "0");
}

static void test_absent_cards_do_not_count(void **state)
{
    static struct pool pool;
    const struct units last = {.items = {{.card = 2, .tile = -1}}, .n = 1};
    char text[MASK_SIZE];

    (void)state;
    node_make(&pool, 3, 2, 1);
    pool.cards[0].absent = true;
    assert_int_equal(mask_render(&pool, &last, 7, text), 0);
    assert_string_equal(text, "1");
    assert_int_equal(mask_render(&pool, &last, 3, text), -ENXIO);
    pool.cards[2].absent = true;
    assert_int_equal(mask_render(&pool, &last, 7, text), -ENXIO);
}

static void test_too_long(void **state)
{
    static struct pool pool;
    struct units all = {.n = 0};
    char text[MASK_SIZE];

    (void)state;
    node_make(&pool, POOL_MAX_CARDS, 8, 1);
    for (unsigned c = 0; c < POOL_MAX_CARDS; c++)
        for (int8_t t = 0; t < 8; t++)
            all.items[all.n++] = (struct unit){.card = (uint8_t)c, .tile = t};
    assert_int_equal(mask_render(&pool, &all, UINT64_MAX, text), -E2BIG);
}

static const char *value_of(const struct mask_variable variables[MASK_VARIABLES], int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    return NULL;
}

static void test_tiles_as_devices(void **state)
{
    static struct pool pool;
    static const struct {
        struct unit unit;
        const char *value;
    } cases[] = {{{.card = 0, .tile = -1}, "0"}, {{.card = 0, .tile = 1}, "1"}, {{.card = 1, .tile = -1}, NULL}};

    (void)state;
    node_make(&pool, 2, 2, 1);
    pool.cards[1].n_tiles = 1;
    for (size_t i = 0; i < 3; i++) {
        const struct units units = {.items = {cases[i].unit}, .n = 1};
        struct mask_variable variables[MASK_VARIABLES];
        bool rewritten;
        int n = mask_environment(&pool, &units, 3, NULL, variables, &rewritten);
        const char *itex = value_of(variables, n, "ITEX_TILE_AS_DEVICE");
        const char *sycl = value_of(variables, n, "SYCL_TILE_AS_DEVICE");

        assert_true((itex == NULL) == (cases[i].value == NULL) && (sycl == NULL) == (cases[i].value == NULL));
        if (itex) {
            assert_string_equal(itex, cases[i].value);
            assert_string_equal(sycl, cases[i].value);
        }
        assert_string_equal(value_of(variables, n, "ZE_ENABLE_PCI_ID_DEVICE_ORDER"), "1");
        assert_null(value_of(variables, n, "ONEAPI_DEVICE_SELECTOR"));
    }
}

static void test_selectors(void **state)
{
    static struct pool pool;
    const struct units units = {.items = {{.card = 0, .tile = -1}}, .n = 1};
    static const struct {
        const char *selector;
        bool rewritten;
    } cases[] = {
        {"level_zero:0", true},
        {"level_zero:*", false},
        {"level_zero:gpu", false},
        {"Level_Zero:1,2", true},
        {"*:0", true},
        {"*:gpu", false},
        {"", false},
        {"opencl:0", false},
        {"level_zero:*.0", true},
        {"!level_zero:0", true},
        {"gpu", false},
        {"opencl:*;level_zero:1.0", true},
        {"level_zero", false},
        {"level_zero:gpu;*:cpu", false},
    };

    (void)state;
    node_make(&pool, 1, 1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mask_variable variables[MASK_VARIABLES];
        bool rewritten;
        int n = mask_environment(&pool, &units, 1, cases[i].selector, variables, &rewritten);
        const char *value = value_of(variables, n, "ONEAPI_DEVICE_SELECTOR");

        assert_int_equal(rewritten, cases[i].rewritten);
        assert_true((value != NULL) == cases[i].rewritten);
        if (value)
            assert_string_equal(value, "level_zero:*");
    }
}

static void test_hierarchy_words(void **state)
{
    enum hierarchy got;

    (void)state;
    for (int i = HIERARCHY_COMPOSITE; i <= HIERARCHY_COMBINED; i++) {
        assert_true(hierarchy_read(hierarchy_name((enum hierarchy)i), &got));
        assert_int_equal(got, i);
    }
    assert_false(hierarchy_read("flat", &got));
    assert_false(hierarchy_read("", &got));
    assert_false(hierarchy_read(NULL, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_read_back),
        cmocka_unit_test(test_flat_ordinals_read_back),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_absent_cards_do_not_count),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_tiles_as_devices),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_hierarchy_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
