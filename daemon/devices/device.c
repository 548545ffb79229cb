/* Making and asking one device; how it is judged is in health.c, what it is in identity.c. */
#include "daemon/devices/device.h"

#include <stdio.h>
#include <stdlib.h>

const char *device_health_name(enum device_health health)
{
    static const char *const names[] = {"healthy", "degraded", "lost", "stale", "changed"};

    return names[health];
}

struct device *device_new(const char *key, Itexd__Child__Card *card)
{
    struct device *device = card ? calloc(1, sizeof *device) : NULL;

    if (!device) {
        itexd__child__card__free_unpacked(card, NULL);
        return NULL;
    }
    snprintf(device->key, sizeof device->key, "%s", key);
    device->card = card;
    device->position = -1;
    device->health = DEVICE_STALE;
    device->condition.stale = true;
    for (int i = 0; i < METRIC_COUNT; i++)
        device->last.missing[i] = METRIC_NOT_AVAILABLE;
    return device;
}

void device_free(struct device *device)
{
    if (!device)
        return;
    itexd__child__card__free_unpacked(device->card, NULL);
    ring_deinit(&device->ring);
    free(device);
}

static const char *refusal_of(const struct device *device)
{
    if (device->resetting)
        return "is being reset";
    if (device->drained)
        return "is drained";
    if (device->health == DEVICE_HEALTHY)
        return NULL;
    if (device->health == DEVICE_STALE)
        return device->present ? NULL : "has not been seen since itexd started";
    return device->cause[0] ? device->cause : device_health_name(device->health);
}

bool device_grantable(const struct device *device, const char **why)
{
    const char *refusal = refusal_of(device);

    if (why)
        *why = refusal;
    return refusal == NULL;
}

unsigned device_tiles(const struct device *device)
{
    return device->card->n_tiles > 1 ? (unsigned)device->card->n_tiles : 1;
}

const char *device_name(const struct device *device)
{
    return device->card->name && device->card->name[0] ? device->card->name : "(no name)";
}
