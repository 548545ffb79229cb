/* What masks and selectors leave of the cards: each line as Intel's driver 22.43 and the SYCL runtime 2025.0 had it. */
#include "daemon/resolver/gpus.h"
#include "daemon/resolver/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof *(array))

/* "2,0" as the driver lists them: how many tiles below each device. */
static void write_listed(const struct gpus *gpus, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < gpus->n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%u", i ? "," : "", gpus->tiles[i]);
}

struct mask_case {
    const char *mask;
    const char *listed;
};

static void check_masks(const char *told, enum tree tree, const struct mask_case *cases, size_t n)
{
    struct gpus cards, listed;
    char text[64];

    assert_true(gpus_read(told, &cards));
    for (size_t i = 0; i < n; i++) {
        if (cases[i].mask)
            assert_int_not_equal(parse_affinity_mask(cases[i].mask), MASK_INVALID);
        gpus_mask(&cards, tree, cases[i].mask, &listed);
        write_listed(&listed, text, sizeof text);
        if (!listed.exact || strcmp(text, cases[i].listed) != 0)
            fail_msg("mask '%s' of %s: %s, not %s", cases[i].mask, told, text, cases[i].listed);
    }
}
#define CHECK_MASKS(told, tree, ...)                                                                                   \
    check_masks(told, tree, (const struct mask_case[]){__VA_ARGS__}, N(((const struct mask_case[]){__VA_ARGS__})))

static void masks_of_cards(void **state)
{
    (void)state;
    CHECK_MASKS("2,2,2,2", TREE_CARDS, {NULL, "2,2,2,2"}, {"", "2,2,2,2"}, {"default", "2,2,2,2"}, {"3", "2"},
                {"0x3", "2"}, {"0x9", ""}, {"08", "2"}, {"010", ""}, {"+1", "2"}, {"-1", ""}, {"-4294967295", "2"},
                {"4294967297", "2"}, {"1.", "2"}, {"1.0", "0"}, {"1.0.", "0"}, {"1.0.0", "0"}, {"1.0x", "0"},
                {"1.+1", "0"}, {"1.-1", ""}, {"1.4294967296", "0"}, {"1.5,2", "2"}, {"1.0,1.0", "0"}, {"0.1,0", "2"},
                {"1.0,0.1,1.1", "0,2"}, {"1,", "2"}, {"0;1", "2"}, {"9", ""}, {"9,1", "2"}, {"0.7", ""}, {"1.1.0", "0"},
                {"1.1.2", ""}, {"1.1.2,0", "2"});
    CHECK_MASKS("1,1", TREE_CARDS, {NULL, "0,0"}, {"0.0", "0"}, {"0.1", ""}, {"1", "0"}, {"2", ""});
    CHECK_MASKS("1,4", TREE_CARDS, {"1.3,1.0,1.2,0", "0,3"});
}

static void masks_of_tiles(void **state)
{
    (void)state;
    CHECK_MASKS("2,1,2", TREE_TILES, {NULL, "0,0,0,0,0"}, {"4", "0"}, {"5", ""}, {"2,0,0", "0,0"}, {"1.0", ""},
                {"1.0,3", "0"});
}

static void what_is_no_list_of_cards(void **state)
{
    static const char *const texts[] = {"", "x", "2,", ",2", "0", "2,0", "-1", "+1", " 2", "02", "2;2", "256", "2 "};
    struct gpus cards;

    (void)state;
    for (size_t i = 0; i < N(texts); i++)
        if (gpus_read(texts[i], &cards))
            fail_msg("'%s' was taken for cards", texts[i]);
}

struct selector_case {
    const char *mask;
    const char *selector;
    enum left level_zero;
    bool opencl;
    enum left tiles;
};

static void check_selectors(const char *told, enum tree tree, const struct selector_case *cases, size_t n)
{
    struct gpus cards = {.exact = false}, listed;
    struct selected selected;

    if (told)
        assert_true(gpus_read(told, &cards));
    for (size_t i = 0; i < n; i++) {
        const struct selector_case *one = &cases[i];

        if (one->selector)
            assert_int_not_equal(parse_selector(one->selector), SELECT_INVALID);
        gpus_mask(&cards, tree, one->mask, &listed);
        gpus_select(&listed, one->selector, &selected);
        if (selected.level_zero != one->level_zero || selected.opencl != one->opencl || selected.tiles != one->tiles)
            fail_msg("selector '%s': %d %d %d, not %d %d %d", one->selector, selected.level_zero, selected.opencl,
                     selected.tiles, one->level_zero, one->opencl, one->tiles);
    }
}
#define CHECK_SELECTORS(told, tree, ...)                                                                               \
    check_selectors(told, tree, (const struct selector_case[]){__VA_ARGS__},                                           \
                    N(((const struct selector_case[]){__VA_ARGS__})))

static void selectors(void **state)
{
    (void)state;
    CHECK_SELECTORS(
        "2,2", TREE_CARDS, {NULL, NULL, LEFT_SOME, true, LEFT_SOME},
        {NULL, "level_zero:gpu", LEFT_SOME, false, LEFT_SOME}, {NULL, "*:*", LEFT_SOME, true, LEFT_SOME},
        {NULL, "*:1", LEFT_SOME, true, LEFT_SOME}, {NULL, "level_zero:0,7", LEFT_SOME, false, LEFT_SOME},
        {NULL, "level_zero:7", LEFT_NONE, false, LEFT_NONE}, {NULL, "level_zero:07", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:1x", LEFT_SOME, false, LEFT_SOME}, {NULL, "level_zero:-1", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:0.1", LEFT_SOME, false, LEFT_NONE}, {NULL, "level_zero:*.*", LEFT_SOME, false, LEFT_NONE},
        {NULL, "level_zero:0.7", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:0.1;level_zero:1", LEFT_SOME, false, LEFT_SOME},
        {NULL, "level_zero:0.*.*", LEFT_NONE, false, LEFT_NONE}, {NULL, "level_zero:cpu", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:,", LEFT_NONE, false, LEFT_NONE}, {NULL, ";", LEFT_NONE, false, LEFT_NONE},
        {NULL, "opencl:gpu", LEFT_NONE, true, LEFT_NONE}, {NULL, "opencl:cpu", LEFT_NONE, false, LEFT_NONE},
        {NULL, "cuda:*", LEFT_NONE, false, LEFT_NONE}, {NULL, "opencl:*;level_zero:7", LEFT_NONE, true, LEFT_NONE},
        {NULL, "opencl:cpu;level_zero:1", LEFT_SOME, false, LEFT_SOME});
    CHECK_SELECTORS(
        "2,2", TREE_CARDS, {NULL, "level_zero:*;!level_zero:0", LEFT_SOME, false, LEFT_SOME},
        {NULL, "!level_zero:1;level_zero:*", LEFT_SOME, false, LEFT_SOME},
        {NULL, "level_zero:*;!level_zero:0,1", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:*;!level_zero:*", LEFT_NONE, false, LEFT_NONE},
        {NULL, "level_zero:*.*;!level_zero:0.1", LEFT_SOME, false, LEFT_NONE},
        {NULL, "level_zero:1;!level_zero:1.0", LEFT_NONE, false, LEFT_NONE},
        {NULL, "*:gpu;!level_zero:*", LEFT_NONE, true, LEFT_NONE}, {NULL, "*:gpu;!*:*", LEFT_NONE, false, LEFT_NONE},
        {NULL, "!level_zero:7", LEFT_NONE, true, LEFT_NONE}, {NULL, "!opencl:gpu", LEFT_SOME, false, LEFT_SOME},
        {NULL, "!cuda:*", LEFT_SOME, true, LEFT_SOME}, {NULL, "!*:cpu", LEFT_NONE, false, LEFT_NONE},
        {NULL, "!level_zero:0;!opencl:*", LEFT_NONE, false, LEFT_NONE});
    CHECK_SELECTORS(
        "2,2", TREE_CARDS, {"1", "level_zero:1", LEFT_NONE, false, LEFT_NONE},
        {"1", "level_zero:0", LEFT_SOME, false, LEFT_SOME}, {"1,7", "level_zero:1", LEFT_NONE, false, LEFT_NONE},
        {"0.0,0.1", "level_zero:1", LEFT_NONE, false, LEFT_NONE},
        {"0.0,1.1", "level_zero:1", LEFT_SOME, false, LEFT_NONE}, {"0.1", NULL, LEFT_SOME, true, LEFT_NONE});
    CHECK_SELECTORS("1,1", TREE_CARDS, {NULL, "level_zero:*.*", LEFT_NONE, false, LEFT_NONE},
                    {NULL, "level_zero:0.0", LEFT_NONE, false, LEFT_NONE}, {NULL, NULL, LEFT_SOME, true, LEFT_NONE});
    CHECK_SELECTORS("2,2", TREE_TILES, {NULL, "level_zero:3", LEFT_SOME, false, LEFT_NONE},
                    {NULL, "level_zero:4", LEFT_NONE, false, LEFT_NONE});
}

static void without_knowing_the_cards(void **state)
{
    (void)state;
    CHECK_SELECTORS(
        NULL, TREE_UNKNOWN, {NULL, "level_zero:7", LEFT_UNKNOWN, false, LEFT_UNKNOWN},
        {NULL, "level_zero:*.*", LEFT_UNKNOWN, false, LEFT_NONE}, {NULL, "level_zero:cpu", LEFT_NONE, false, LEFT_NONE},
        {NULL, "*:gpu;!level_zero:*", LEFT_NONE, true, LEFT_NONE}, {NULL, "!level_zero:0", LEFT_NONE, true, LEFT_NONE},
        {"1", "level_zero:1", LEFT_NONE, false, LEFT_NONE}, {"1,7,1", "level_zero:2", LEFT_NONE, false, LEFT_NONE},
        {"1,7", "level_zero:1", LEFT_UNKNOWN, false, LEFT_UNKNOWN},
        {"0.0,0.1", "level_zero:1", LEFT_NONE, false, LEFT_NONE},
        {"0,1", "level_zero:*", LEFT_UNKNOWN, false, LEFT_UNKNOWN});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_cards),
        cmocka_unit_test(masks_of_tiles),
        cmocka_unit_test(what_is_no_list_of_cards),
        cmocka_unit_test(selectors),
        cmocka_unit_test(without_knowing_the_cards),
    };

    return cmocka_run_group_tests_name("resolver-gpus", tests, NULL, NULL);
}
