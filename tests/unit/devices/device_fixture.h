/* Inventories made of a line per card, for tests of devices. */
#ifndef ITEXD_TESTS_DEVICE_FIXTURE_H
#define ITEXD_TESTS_DEVICE_FIXTURE_H

#include "daemon/devices/identity.h"

#define UUID_A "aaaaaaaa-0000-0000-0000-000000000001"
#define UUID_B "bbbbbbbb-0000-0000-0000-000000000002"

struct fixture_card {
    const char *bdf, *uuid, *name;
    unsigned tiles;
    uint64_t memory_bytes;
    const char *link; /* NULL: none */
};

/* Free with itexd__child__inventory__free_unpacked. */
Itexd__Child__Inventory *fixture_inventory(const struct fixture_card *cards, size_t n);
/* Merges them; returns what happened (valid until the next call). */
const struct identity_changes *fixture_merge(struct device_set *set, const struct fixture_card *cards, size_t n);
/* How many changes of a kind, of a device (key NULL: of any). */
unsigned fixture_count(const struct identity_changes *changes, enum identity_kind kind, const char *key);

#endif
