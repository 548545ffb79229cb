/* What leases are told of devices, and which of the kernel's events are about them. */
#include "daemon/devices/cards.h"
#include "daemon/devices/health.h"
#include "daemon/devices/uevent_filter.h"
#include "tests/unit/devices/device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void test_order_and_links(void **state)
{
    const struct fixture_card cards[] = {{"0000:5a:00.0", NULL, "c", 2, 64, "0000:3a:00.0"},
                                         {"0000:3a:00.0", NULL, "a", 2, 64, "0000:5a:00.0"},
                                         {"0000:4a:00.0", NULL, "b", 0, 0, "0000:99:00.0"}};
    struct device_set set = {.n = 0};
    struct pool_card out[POOL_MAX_CARDS];

    (void)state;
    fixture_merge(&set, cards, 3);
    assert_int_equal(cards_of_devices(&set, out), 3);
    assert_string_equal(out[0].model, "a");
    assert_string_equal(out[1].model, "b");
    assert_string_equal(out[2].model, "c");
    assert_int_equal(out[0].order, 0);
    assert_int_equal(out[2].order, 2);
    assert_true(out[0].links == 4 && out[1].links == 0 && out[2].links == 1);
    assert_int_equal(out[0].n_tiles, 2);
    assert_int_equal(out[1].n_tiles, 1);
    assert_int_equal(out[1].numa, -1);
    device_set_clear(&set);
}

/* A job's driver does not see it, so no number of a mask stands for it. */
static void test_a_vanished_card_is_not_counted(void **state)
{
    const struct fixture_card cards[] = {{"0000:3a:00.0", NULL, "a", 0, 0, NULL},
                                         {"0000:4a:00.0", NULL, "b", 0, 0, NULL}};
    struct device_set set = {.n = 0};
    struct pool_card out[POOL_MAX_CARDS];

    (void)state;
    fixture_merge(&set, cards, 2);
    fixture_merge(&set, &cards[1], 1);
    assert_int_equal(cards_of_devices(&set, out), 1);
    assert_string_equal(out[0].key, "0000:4a:00.0");
    assert_int_equal(out[0].order, 0);
    device_set_clear(&set);
}

static void test_one_that_is_not_to_be_given_is_counted(void **state)
{
    const struct fixture_card cards[] = {{"0000:3a:00.0", NULL, "a", 0, 0, NULL},
                                         {"0000:4a:00.0", NULL, "b", 0, 0, NULL}};
    struct device_set set = {.n = 0};
    struct pool_card out[POOL_MAX_CARDS];

    (void)state;
    fixture_merge(&set, cards, 2);
    health_lost(set.items[0], "gone bad");
    device_judge(set.items[0]);
    assert_int_equal(cards_of_devices(&set, out), 2);
    assert_false(out[0].grantable);
    assert_true(out[1].grantable);
    device_set_clear(&set);
}

static void test_uevents(void **state)
{
    static const struct {
        struct uevent event;
        bool concerns;
    } cases[] = {
        {{"drm", "add", "renderD128", NULL, NULL, NULL}, true},
        {{"drm", "change", "card0", NULL, NULL, NULL}, true},
        {{"drm", "change", "card0", "1", NULL, NULL}, false}, /* a monitor */
        {{"drm", "bind", "card0", NULL, NULL, NULL}, false},
        {{"pci", "add", "0000:3a:00.0", NULL, "38000", "8086:0BD5"}, true},
        {{"pci", "remove", "0000:3a:00.0", NULL, "30000", "8086:56C0"}, true},
        {{"pci", "add", "0000:3a:00.0", NULL, "20000", "8086:1592"}, false}, /* a network card */
        {{"pci", "add", "0000:3a:00.0", NULL, NULL, "8086:0BD5"}, true},
        {{"pci", "add", "0000:3a:00.0", NULL, NULL, "1002:0BD5"}, false},
        {{"pci", "bind", "0000:3a:00.0", NULL, "38000", "8086:0BD5"}, false},
        {{"module", "add", "xe", NULL, NULL, NULL}, true},
        {{"module", "remove", "i915", NULL, NULL, NULL}, true},
        {{"module", "add", "xen", NULL, NULL, NULL}, false},
        {{"block", "add", "sda", NULL, NULL, NULL}, false},
        {{NULL, NULL, NULL, NULL, NULL, NULL}, false},
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        if (uevent_concerns_gpus(&cases[i].event) != cases[i].concerns)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_links),
        cmocka_unit_test(test_a_vanished_card_is_not_counted),
        cmocka_unit_test(test_one_that_is_not_to_be_given_is_counted),
        cmocka_unit_test(test_uevents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
