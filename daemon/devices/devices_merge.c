/* What the worker said becomes what is known: inventories, samples, and its silence. Each ends with devices_publish
 * where leases have to know. */
#include "daemon/devices/card.h"
#include "daemon/devices/devices_own.h"
#include "daemon/leases/enforcement.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_held(const struct devices *devices, const struct device *device)
{
    return devices->service->leases && leases_hold(devices->service->leases, device->key);
}

/* ---- Inventory -------------------------------------------------------------------------------------------- */

static void tell_change(struct devices *devices, const struct identity_change *change)
{
    static const enum log_event events[] = {
        [IDENTITY_NEW] = EVENT_DEVICE_NEW,           [IDENTITY_BACK] = EVENT_DEVICE_BACK,
        [IDENTITY_CHANGED] = EVENT_DEVICE_CHANGED,   [IDENTITY_RENUMBERED] = EVENT_DEVICE_RENUMBERED,
        [IDENTITY_REPEATED] = EVENT_DEVICE_REPEATED, [IDENTITY_REFUSED] = EVENT_DEVICE_LEFT_OUT};

    if (change->kind == IDENTITY_CHANGED && is_held(devices, change->device))
        health_changed(change->device, change->text); /* its health is the event */
    else if (change->kind != IDENTITY_SEEN && change->kind != IDENTITY_GONE)
        devices_event(devices, change->device, events[change->kind], "%s", change->text);
}

static bool differ(const char *a, const char *b)
{
    return (a || b) && (!a || !b || strcmp(a, b) != 0);
}

static void tell_driver(struct devices *devices, const Itexd__Child__Inventory *old, const Itexd__Child__Inventory *now)
{
    if (!old || differ(old->driver_version, now->driver_version) || differ(old->loader_version, now->loader_version))
        devices_event(devices, NULL, EVENT_DEVICE_DRIVER, "driver %s, Level Zero %s, loader %s, sysman: %s",
                      now->driver_version ? now->driver_version : "none", now->api_version ? now->api_version : "none",
                      now->loader_version ? now->loader_version : "none", now->sysman ? now->sysman : "none");
    if (now->layer && (!old || differ(old->layer, now->layer)))
        devices_event(devices, NULL, EVENT_DEVICE_NO_DEVICES, "%s: %s", now->layer, now->detail ? now->detail : "");
}

static void place(struct devices *devices)
{
    memset(devices->by_position, 0, sizeof devices->by_position);
    for (size_t i = 0; i < devices->set.n; i++) {
        struct device *device = devices->set.items[i];

        if (device->position >= 0 && device->position < DEVICES_MAX)
            devices->by_position[device->position] = device;
    }
}

static void judge_presence(struct devices *devices, const Itexd__Child__Inventory *inventory)
{
    char because[96];
    const char *why = inventory->layer ? inventory->layer : inventory->detail;

    snprintf(because, sizeof because, "gone: %.80s", why ? why : "not in the inventory");
    for (size_t i = 0; i < devices->set.n; i++) {
        struct device *device = devices->set.items[i];

        if (device->present)
            health_seen(device);
        else
            health_gone(device, because);
        devices_judge(devices, device);
        if (device->present)
            devices_put(devices, device, NULL);
    }
}

void devices_take_inventory(struct devices *devices, const Itexd__Child__Inventory *said)
{
    Itexd__Child__Inventory *inventory = inventory_copy(said), *old = devices->inventory;

    if (!inventory || identity_merge(&devices->set, inventory, clock_wall_ms(), &devices->changes) < 0) {
        log_event(EVENT_INVENTORY_LOST, LOG_TEXT(FIELD_MESSAGE, "there is no memory for it"));
        itexd__child__inventory__free_unpacked(inventory, NULL);
        place(devices);
        return;
    }
    devices->inventory = inventory;
    devices->inventory_ms = clock_wall_ms();
    devices->settled = true;
    place(devices);
    tell_driver(devices, old, inventory);
    itexd__child__inventory__free_unpacked(old, NULL);
    for (size_t i = 0; i < devices->changes.n; i++)
        tell_change(devices, &devices->changes.items[i]);
    judge_presence(devices, inventory);
    devices_publish(devices);
    enforcement_renew(devices->service->enforcement); /* a card may have other nodes than before */
    devices_check_patience(devices);                  /* without a card there is nothing to put */
}

/* ---- Samples ---------------------------------------------------------------------------------------------- */

static struct health_limits limits_of(const struct options *options)
{
    return (struct health_limits){.temperature = (double)options->temperature_limit,
                                  .memory_temperature = (double)options->memory_temperature_limit,
                                  .uncorrectable = (double)options->uncorrectable_limit};
}

static void take_sample(struct devices *devices, struct device *device, const Itexd__Child__CardSample *card)
{
    struct health_limits limits = limits_of(&devices->service->options);
    struct sample sample;

    if (card->has_lost && card->lost) {
        health_lost(device, card->lost_because);
    } else if (card->n_metrics == 0) {
        health_sample_failed(device);
    } else {
        sample_read(card, clock_wall_ms(), &sample);
        health_sampled(device, &sample, &limits);
        if (ring_add(&device->ring, &sample) < 0)
            log_event(EVENT_SAMPLE_LOST, LOG_TEXT(FIELD_MESSAGE, "there is no memory to keep it"));
    }
}

void devices_take_samples(struct devices *devices, const Itexd__Child__Samples *samples)
{
    bool told[DEVICES_MAX] = {false}, changed = false;

    for (size_t i = 0; samples && i < samples->n_cards; i++) {
        const Itexd__Child__CardSample *card = samples->cards[i];

        if (!card->has_card || card->card >= DEVICES_MAX || !devices->by_position[card->card] || told[card->card])
            continue;
        told[card->card] = true;
        take_sample(devices, devices->by_position[card->card], card);
    }
    for (size_t i = 0; i < DEVICES_MAX; i++) {
        if (!devices->by_position[i])
            continue;
        if (!told[i])
            health_sample_failed(devices->by_position[i]);
        changed |= devices_judge(devices, devices->by_position[i]);
    }
    if (changed)
        devices_publish(devices);
}

/* ---- Time ------------------------------------------------------------------------------------------------- */

void devices_mark_stale(struct devices *devices, const char *why)
{
    bool changed = false;

    for (size_t i = 0; i < devices->set.n; i++) {
        struct device *device = devices->set.items[i];

        if (!device->present)
            continue;
        health_away(device, why);
        changed |= devices_judge(devices, device);
    }
    if (changed)
        devices_publish(devices);
}

void devices_check_changed(struct devices *devices)
{
    bool changed = false;

    for (size_t i = 0; i < devices->set.n; i++) {
        struct device *device = devices->set.items[i];

        if (!device->condition.changed || is_held(devices, device))
            continue;
        health_changed(device, NULL);
        changed |= devices_judge(devices, device);
    }
    if (changed)
        devices_publish(devices);
}

static void aggregate_device(struct devices *devices, const struct device *device, uint64_t from_ms, uint64_t to_ms)
{
    struct store_sample rows[METRIC_COUNT];
    size_t n = 0;

    for (int i = 0; i < METRIC_COUNT; i++) {
        struct metric_summary summary = ring_summary(&device->ring, (enum metric)i, from_ms);

        if (summary.n > 0)
            rows[n++] = (struct store_sample){.device = device->key,
                                              .from_ms = from_ms,
                                              .to_ms = to_ms,
                                              .metric = metric_table[i].name,
                                              .least = summary.least,
                                              .mean = summary.mean,
                                              .highest = summary.largest};
    }
    if (n > 0)
        store_put_samples(devices->service->store, rows, n);
}

void devices_aggregate(struct devices *devices)
{
    uint64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < devices->set.n; i++)
        aggregate_device(devices, devices->set.items[i], devices->aggregated_wall_ms, now_ms);
    devices->aggregated_wall_ms = now_ms;
}

void devices_put_seen(struct devices *devices)
{
    uint64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < devices->set.n; i++) {
        struct device *device = devices->set.items[i];

        if (!device->present || device->health == DEVICE_STALE)
            continue;
        device->last_seen_ms = now_ms;
        devices_put(devices, device, NULL);
    }
}
