/* Which card is which: over renumbering, duplicates, vanishing, and another card in its place. */
#include "daemon/devices/card.h"
#include "tests/unit/devices/device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GIB (UINT64_C(1) << 30)
#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct fixture_card first = {"0000:3a:00.0", UUID_A, "Max 1550", 2, 128 * GIB, NULL};
static const struct fixture_card second = {"0000:4a:00.0", UUID_B, "Max 1550", 2, 128 * GIB, NULL};

static void test_same_inventory_is_no_change(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second};
    const struct identity_changes *changes = fixture_merge(&set, cards, 2);

    (void)state;
    assert_int_equal(fixture_count(changes, IDENTITY_NEW, NULL), 2);
    assert_int_equal(changes->n, 2);
    assert_int_equal(fixture_merge(&set, cards, 2)->n, 0);
    assert_int_equal(set.n, 2);
    device_set_clear(&set);
}

static void test_renumbering_keeps_identity(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second}, turned[] = {second, first};
    const struct device *device;
    const struct identity_changes *changes;

    (void)state;
    fixture_merge(&set, cards, 2);
    device = device_set_find(&set, first.bdf);
    changes = fixture_merge(&set, turned, 2);
    assert_int_equal(fixture_count(changes, IDENTITY_RENUMBERED, NULL), 2);
    assert_int_equal(changes->n, 2);
    assert_ptr_equal(device, device_set_find(&set, first.bdf));
    assert_int_equal(device->position, 1);
    assert_ptr_equal(set.items[0], device); /* listed by address, not by the driver's order */
    device_set_clear(&set);
}

static void test_address_wins_over_repeated_uuid(void **state)
{
    struct device_set set = {.n = 0};
    struct fixture_card cards[] = {first, second};
    const struct identity_changes *changes;

    (void)state;
    cards[1].uuid = UUID_A;
    changes = fixture_merge(&set, cards, 2);
    assert_int_equal(fixture_count(changes, IDENTITY_NEW, NULL), 2);
    assert_int_equal(fixture_count(changes, IDENTITY_REPEATED, NULL), 2);
    assert_int_equal(fixture_count(fixture_merge(&set, cards, 2), IDENTITY_REPEATED, NULL), 0);
    device_set_clear(&set);
}

static void test_without_address_uuids_are_numbered(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {
        {NULL, UUID_A, "a", 0, 0, NULL}, {NULL, UUID_A, "b", 0, 0, NULL}, {NULL, UUID_B, "c", 0, 0, NULL},
        {NULL, UUID_A, "d", 0, 0, NULL}, {NULL, NULL, "e", 0, 0, NULL},
    };

    (void)state;
    fixture_merge(&set, cards, N(cards));
    assert_int_equal(set.n, N(cards));
    assert_string_equal(device_set_find(&set, UUID_A)->card->name, "a");
    assert_string_equal(device_set_find(&set, UUID_A "/2")->card->name, "b");
    assert_string_equal(device_set_find(&set, UUID_A "/3")->card->name, "d");
    assert_string_equal(device_set_find(&set, UUID_B)->card->name, "c");
    assert_string_equal(device_set_find(&set, "card-4")->card->name, "e");
    assert_int_equal(fixture_count(fixture_merge(&set, cards, N(cards)), IDENTITY_NEW, NULL), 0);
    device_set_clear(&set);
}

/* Sysman told the addresses, crashed, and works again: leases hang on the keys. */
static void test_an_address_that_goes_and_comes(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second};
    struct fixture_card bare[] = {second, first};
    const struct device *device;

    (void)state;
    bare[0].bdf = bare[1].bdf = NULL;
    fixture_merge(&set, cards, 2);
    device = device_set_find(&set, second.bdf);
    assert_int_equal(fixture_count(fixture_merge(&set, bare, 2), IDENTITY_NEW, NULL), 0);
    assert_int_equal(set.n, 2);
    assert_true(device->present);
    assert_int_equal(device->position, 0);
    assert_string_equal(device->card->bdf, second.bdf);
    assert_int_equal(fixture_merge(&set, bare, 2)->n, 0);
    fixture_merge(&set, cards, 2);
    assert_int_equal(set.n, 2);
    assert_ptr_equal(device, device_set_find(&set, second.bdf));
    device_set_clear(&set);
}

static void test_an_address_that_comes_and_goes(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second};
    struct fixture_card bare[] = {first, second};

    (void)state;
    bare[0].bdf = bare[1].bdf = NULL;
    fixture_merge(&set, bare, 2);
    assert_int_equal(fixture_count(fixture_merge(&set, cards, 2), IDENTITY_NEW, NULL), 0);
    assert_int_equal(set.n, 2);
    assert_string_equal(device_set_find(&set, UUID_A)->card->bdf, first.bdf);
    assert_int_equal(fixture_merge(&set, cards, 2)->n, 0);
    assert_int_equal(fixture_merge(&set, bare, 2)->n, 0);
    device_set_clear(&set);
}

/* A UUID joins only what it names alone. */
static void test_a_repeated_uuid_joins_nothing(void **state)
{
    struct device_set set = {.n = 0};
    struct fixture_card cards[] = {first, second}, moved = first;

    (void)state;
    cards[1].uuid = UUID_A;
    fixture_merge(&set, cards, 2);
    cards[1].bdf = NULL;
    assert_int_equal(fixture_count(fixture_merge(&set, cards, 2), IDENTITY_NEW, UUID_A), 1);
    device_set_clear(&set);
    fixture_merge(&set, &first, 1);
    moved.bdf = "0000:5a:00.0"; /* two addresses are two cards */
    assert_int_equal(fixture_count(fixture_merge(&set, &moved, 1), IDENTITY_NEW, moved.bdf), 1);
    device_set_clear(&set);
    cards[0] = (struct fixture_card){first.bdf, NULL, "a", 2, 128 * GIB, NULL};
    cards[1] = (struct fixture_card){NULL, UUID_A, "b", 2, 128 * GIB, NULL};
    fixture_merge(&set, &first, 1); /* its address is listed, so the other card is another one */
    assert_int_equal(fixture_count(fixture_merge(&set, cards, 2), IDENTITY_NEW, UUID_A), 1);
    device_set_clear(&set);
}

static void test_one_address_twice(void **state)
{
    struct device_set set = {.n = 0};
    struct fixture_card cards[] = {first, first};
    const struct identity_changes *changes;

    (void)state;
    cards[1].uuid = UUID_B;
    changes = fixture_merge(&set, cards, 2);
    assert_int_equal(set.n, 1);
    assert_string_equal(set.items[0]->card->uuid, UUID_A);
    assert_int_equal(fixture_count(changes, IDENTITY_REFUSED, first.bdf), 1);
    device_set_clear(&set);
}

static void test_vanish_and_return(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second};
    struct device *device;
    const struct identity_changes *changes;

    (void)state;
    fixture_merge(&set, cards, 2);
    device = device_set_find(&set, second.bdf);
    changes = fixture_merge(&set, cards, 1);
    assert_int_equal(fixture_count(changes, IDENTITY_GONE, second.bdf), 1);
    assert_int_equal(changes->n, 1);
    assert_false(device->present);
    assert_int_equal(fixture_merge(&set, cards, 1)->n, 0);
    device->health = DEVICE_LOST;
    changes = fixture_merge(&set, cards, 2);
    assert_int_equal(fixture_count(changes, IDENTITY_BACK, second.bdf), 1);
    assert_ptr_equal(device, device_set_find(&set, second.bdf));
    assert_true(device->present);
    device_set_clear(&set);
}

static void changed_to(struct fixture_card other, unsigned expected)
{
    struct device_set set = {.n = 0};
    const struct identity_changes *changes;

    fixture_merge(&set, &first, 1);
    changes = fixture_merge(&set, &other, 1);
    assert_int_equal(fixture_count(changes, IDENTITY_CHANGED, first.bdf), expected);
    assert_int_equal(changes->n, expected);
    device_set_clear(&set);
}

static void test_another_card_at_the_address(void **state)
{
    struct fixture_card other = first;

    (void)state;
    other.uuid = UUID_B;
    changed_to(other, 1);
    other = first;
    other.tiles = 0;
    changed_to(other, 1);
    other = first;
    other.memory_bytes /= 2;
    changed_to(other, 1);
    other = first;
    other.uuid = NULL; /* the driver tells less: that is no other card */
    other.memory_bytes = 0;
    changed_to(other, 0);
}

static void test_too_many(void **state)
{
    struct device_set set = {.n = 0};
    struct fixture_card cards[DEVICES_MAX + 2];
    char names[DEVICES_MAX + 2][24];
    const struct identity_changes *changes;

    (void)state;
    for (unsigned i = 0; i < N(cards); i++) {
        snprintf(names[i], sizeof names[i], "0000:%02x:00.0", i);
        cards[i] = (struct fixture_card){names[i], NULL, "x", 0, 0, NULL};
    }
    changes = fixture_merge(&set, cards, N(cards));
    assert_int_equal(set.n, DEVICES_MAX);
    assert_int_equal(fixture_count(changes, IDENTITY_REFUSED, NULL), 2);
    fixture_merge(&set, cards, 1);
    changes = fixture_merge(&set, &cards[DEVICES_MAX], 2); /* those that are away make room */
    assert_int_equal(fixture_count(changes, IDENTITY_NEW, NULL), 2);
    assert_int_equal(set.n, DEVICES_MAX);
    device_set_clear(&set);
}

static void test_names(void **state)
{
    struct device_set set = {.n = 0};
    const struct fixture_card cards[] = {first, second};
    struct device *one;
    bool ambiguous;

    (void)state;
    fixture_merge(&set, cards, 2);
    one = device_set_find(&set, first.bdf);
    one->id = 7;
    assert_ptr_equal(device_set_named(&set, "7", &ambiguous), one);
    assert_ptr_equal(device_set_named(&set, "3A:00.0", &ambiguous), one);
    assert_ptr_equal(device_set_named(&set, "0000:3a:00.0", &ambiguous), one);
    assert_ptr_equal(device_set_named(&set, "AAAA", &ambiguous), one);
    assert_null(device_set_named(&set, "aaa", &ambiguous));
    assert_null(device_set_named(&set, "8", &ambiguous));
    assert_null(device_set_named(&set, "0", &ambiguous));
    assert_null(device_set_named(&set, "5a:00.0", &ambiguous));
    assert_false(ambiguous);
    strcpy(set.items[1]->card->uuid, UUID_A);
    assert_null(device_set_named(&set, "aaaaaaaa", &ambiguous));
    assert_true(ambiguous);
    device_set_clear(&set);
}

static void test_addresses(void **state)
{
    static const char *const wrong[] = {"",         "3a",        "0000:3a:00",    "3a:00.8",         "3a:20.0",
                                        "+3a:00.0", "0x3a:00.0", "0000:3a:00.0 ", "fffffff:00:00.0", "3a:00.0x"};
    char out[PCI_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < N(wrong); i++)
        if (pci_normalise(wrong[i], out))
            fail_msg("%s was taken for an address", wrong[i]);
    assert_true(pci_normalise("10000:E1:1f.7", out));
    assert_string_equal(out, "10000:e1:1f.7");
    assert_true(pci_compare("0000:3a:00.0", "10000:00:00.0") < 0);
    assert_true(pci_compare("0000:0a:00.0", NULL) < 0);
    assert_int_equal(pci_compare(NULL, NULL), 0);
}

/* The worker may have been written over by its driver. */
static void test_a_card_is_cleaned(void **state)
{
    struct fixture_card bad = {"not an address", "00000000-0000-0000-0000-000000000000", "a\n\x1b[31mb\xff", 16, 0,
                               "nowhere"};
    Itexd__Child__Inventory *inventory = fixture_inventory(&bad, 1);
    const Itexd__Child__Card *card = inventory->cards[0];

    (void)state;
    assert_null(card->bdf);
    assert_null(card->uuid);
    assert_string_equal(card->name, "a??[31mb?");
    assert_int_equal(card->n_tiles, 8);
    assert_int_equal(card->n_links, 0);
    itexd__child__inventory__free_unpacked(inventory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_inventory_is_no_change),
        cmocka_unit_test(test_renumbering_keeps_identity),
        cmocka_unit_test(test_address_wins_over_repeated_uuid),
        cmocka_unit_test(test_without_address_uuids_are_numbered),
        cmocka_unit_test(test_an_address_that_goes_and_comes),
        cmocka_unit_test(test_an_address_that_comes_and_goes),
        cmocka_unit_test(test_a_repeated_uuid_joins_nothing),
        cmocka_unit_test(test_one_address_twice),
        cmocka_unit_test(test_vanish_and_return),
        cmocka_unit_test(test_another_card_at_the_address),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_card_is_cleaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
