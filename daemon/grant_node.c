/* What is known of the node's devices, as facts: which the job can open, how many tiles they have, how they are listed.
 */
#include "daemon/devices/devices.h"
#include "daemon/grant_own.h"
#include "daemon/service.h"
#include "daemon/worker/hierarchy.h"

#include <stdio.h>
#include <string.h>

uint64_t grant_visible(const struct pool *pool, const Itexd__V1__DeviceRequest *devices)
{
    uint64_t visible = 0;

    for (size_t i = 0; i < pool->n_cards; i++) {
        const char *node = pool->cards[i].render_node;
        const char *base = strrchr(node, '/');
        bool can = !devices || !devices->render_nodes_told || !*node;

        base = base ? base + 1 : node;
        for (size_t j = 0; !can && j < devices->n_render_nodes; j++)
            can = strcmp(devices->render_nodes[j], base) == 0;
        visible |= (uint64_t)can << i;
    }
    return visible;
}

static bool counts(const struct pool *pool, uint64_t visible, size_t card)
{
    return (visible >> card & 1) != 0 && !pool->cards[card].absent;
}

static void write_cards(const struct pool *pool, uint64_t visible, char cards[GRANT_CARDS_SIZE])
{
    size_t used = 0;

    cards[0] = '\0';
    for (size_t i = 0; i < pool->n_cards; i++)
        if (counts(pool, visible, i))
            used += (size_t)snprintf(cards + used, GRANT_CARDS_SIZE - used, "%s%u", used ? "," : "",
                                     pool->cards[i].n_tiles);
}

static const char *driver_hierarchy(const struct pool *pool, const Itexd__Child__Inventory *inventory)
{
    bool flat = false;

    for (size_t i = 0; i < pool->n_cards; i++)
        flat |= pool->cards[i].flat_by_default && !pool->cards[i].absent;
    return inventory ? hierarchy_of_driver(inventory->api_version, inventory->driver_version, flat) : NULL;
}

void grant_see(struct grant *grant, const struct service *service, const Itexd__V1__DeviceRequest *devices)
{
    const struct pool *pool;

    if (!devices_managed(service->devices) || !devices_settled(service->devices))
        return;
    grant->devices = devices_count(service->devices) > 0 ? "some" : "none";
    if (grant->scheduled)
        return; /* its mask has been read, in its view, and found what it is */
    pool = leases_pool(service->leases);
    write_cards(pool, grant_visible(pool, devices), grant->cards);
    grant->driver_hierarchy = driver_hierarchy(pool, devices_inventory(service->devices));
}
