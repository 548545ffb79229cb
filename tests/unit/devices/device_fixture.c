/* Cards are copied as the service does it, cleaning included. Memory is not expected to run out. */
#include "tests/unit/devices/device_fixture.h"
#include "daemon/devices/card.h"

#include <stdlib.h>
#include <string.h>

static Itexd__Child__Card *make_card(const struct fixture_card *from)
{
    Itexd__Child__Card card = ITEXD__CHILD__CARD__INIT;
    Itexd__Child__Tile tiles[16], *list[16];
    char *link = (char *)from->link;

    card.bdf = (char *)from->bdf;
    card.uuid = (char *)from->uuid;
    card.name = (char *)from->name;
    card.has_memory_bytes = from->memory_bytes != 0;
    card.memory_bytes = from->memory_bytes;
    for (unsigned i = 0; i < from->tiles; i++) {
        itexd__child__tile__init(&tiles[i]);
        list[card.n_tiles++] = &tiles[i];
    }
    card.tiles = list;
    card.n_links = link != NULL;
    card.links = &link;
    return card_copy(&card);
}

Itexd__Child__Inventory *fixture_inventory(const struct fixture_card *cards, size_t n)
{
    Itexd__Child__Inventory *inventory = calloc(1, sizeof *inventory);

    itexd__child__inventory__init(inventory);
    inventory->cards = calloc(n + 1, sizeof(Itexd__Child__Card *));
    for (size_t i = 0; i < n; i++)
        inventory->cards[inventory->n_cards++] = make_card(&cards[i]);
    return inventory;
}

const struct identity_changes *fixture_merge(struct device_set *set, const struct fixture_card *cards, size_t n)
{
    static struct identity_changes changes;
    static uint64_t now_ms = 1000;
    Itexd__Child__Inventory *inventory = fixture_inventory(cards, n);
    int error = identity_merge(set, inventory, now_ms++, &changes);

    itexd__child__inventory__free_unpacked(inventory, NULL);
    if (error < 0)
        abort();
    return &changes;
}

unsigned fixture_count(const struct identity_changes *changes, enum identity_kind kind, const char *key)
{
    unsigned n = 0;

    for (size_t i = 0; i < changes->n; i++)
        if (changes->items[i].kind == kind &&
            (!key || (changes->items[i].device && strcmp(changes->items[i].device->key, key) == 0)))
            n++;
    return n;
}
