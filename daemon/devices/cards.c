/* The set is in the order of PCI addresses already; links become bits in that order. */
#include "daemon/devices/cards.h"
#include "daemon/devices/card.h"

#include <stdio.h>
#include <string.h>

_Static_assert(DEVICES_MAX <= POOL_MAX_CARDS, "every device has a place in the pool");
_Static_assert(DEVICE_KEY_SIZE == sizeof(((struct pool_card *)NULL)->key), "a key is as long in the pool");

static uint64_t links_of(const struct device *device, struct device *const *others, size_t n)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < device->card->n_links; i++)
        for (size_t j = 0; j < n; j++)
            if (others[j] != device && others[j]->card->bdf &&
                strcmp(others[j]->card->bdf, device->card->links[i]) == 0)
                bits |= UINT64_C(1) << j;
    return bits;
}

static void fill(const struct device *device, size_t order, struct pool_card *card)
{
    const Itexd__Child__Card *seen = device->card;

    memset(card, 0, sizeof *card);
    memcpy(card->key, device->key, sizeof card->key);
    card->n_tiles = device_tiles(device);
    card->memory_bytes = seen->has_memory_bytes ? seen->memory_bytes : 0;
    snprintf(card->model, sizeof card->model, "%s", device_name(device));
    card->numa = seen->has_numa_node ? seen->numa_node : -1;
    card->order = (unsigned)order;
    snprintf(card->render_node, sizeof card->render_node, "%s", seen->render_node ? seen->render_node : "");
    card->flat_by_default = seen->has_flat_by_default && seen->flat_by_default;
    card->grantable = device_grantable(device, NULL);
}

size_t cards_of_devices(const struct device_set *set, struct pool_card cards[POOL_MAX_CARDS])
{
    struct device *present[DEVICES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        if (set->items[i]->present)
            present[n++] = set->items[i];
    for (size_t i = 0; i < n; i++) {
        fill(present[i], i, &cards[i]);
        cards[i].links = links_of(present[i], present, n);
    }
    return n;
}
