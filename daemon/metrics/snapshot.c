/* Copying, and nothing else. */
#include "daemon/metrics/snapshot.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/enforcement.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "proto/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    rule_names_put(snapshot->rule_names);
    free(snapshot->rule_counts);
    free(snapshot->devices);
    free(snapshot->units);
    free(snapshot);
}

static int copy_rules(struct snapshot *snapshot, const struct service *service)
{
    const struct rule_counts *counts = &service->counts.rules;
    const struct rulesets *rulesets = &service->rulesets;

    snapshot->rules.id = rulesets->active->id;
    copy(snapshot->rules.name, sizeof snapshot->rules.name, rulesets->active->name);
    copy(snapshot->rules.digest, sizeof snapshot->rules.digest, rulesets->active->digest);
    snapshot->rules.n = rule_set_size(rules_compiled(rulesets->active->rules));
    snapshot->rules.waiting = rulesets->waiting_id != 0;
    snapshot->other_rules = counts->other;
    if (!counts->names)
        return 0;
    snapshot->rule_counts = malloc(counts->names->n * sizeof *snapshot->rule_counts + 1);
    if (!snapshot->rule_counts)
        return -1;
    memcpy(snapshot->rule_counts, counts->counts, counts->names->n * sizeof *snapshot->rule_counts);
    snapshot->rule_names = rule_names_get(counts->names);
    return 0;
}

static void copy_counts(struct snapshot *snapshot, const struct service *service)
{
    snapshot->counts = service->counts;
    for (size_t i = 0; i < REFUSALS; i++)
        snapshot->counts.refusals[i] += service->server.refused_why[i];
    snapshot->counts.rules = (struct rule_counts){.names = NULL};
}

/* ---- Devices ---------------------------------------------------------------------------------------------- */

static void copy_device(struct snapshot_device *out, const struct device *device, uint64_t now_ms)
{
    const Itexd__Child__Card *card = device->card;

    out->id = device->id;
    copy(out->key, sizeof out->key, device->key);
    copy(out->bdf, sizeof out->bdf, card ? card->bdf : NULL);
    copy(out->uuid, sizeof out->uuid, card ? card->uuid : NULL);
    copy(out->name, sizeof out->name, device_name(device));
    copy(out->driver, sizeof out->driver, card ? card->kernel_driver : NULL);
    out->pci_device = card ? card->pci_device : 0;
    out->tiles = device_tiles(device);
    out->memory_bytes = card ? card->memory_bytes : 0;
    out->health = device->health;
    out->present = device->present;
    out->drained = device->drained;
    out->hot = device->condition.hot;
    out->memory_hot = device->condition.memory_hot;
    out->measured = device->present && device->health != DEVICE_STALE && device->health != DEVICE_LOST &&
                    device->last_sample_ms != 0;
    out->sample = device->last;
    out->frequency = ring_summary(&device->ring, METRIC_FREQUENCY, now_ms - SNAPSHOT_FREQUENCY_MS);
}

static int copy_devices(struct snapshot *snapshot, const struct service *service)
{
    size_t n = devices_count(service->devices);
    uint64_t now_ms = clock_wall_ms();

    copy(snapshot->substitute, sizeof snapshot->substitute, devices_substitute(service->devices));
    snapshot->devices = calloc(n + 1, sizeof *snapshot->devices);
    if (!snapshot->devices)
        return -1;
    for (size_t i = 0; i < n; i++)
        copy_device(&snapshot->devices[i], devices_at(service->devices, i), now_ms);
    snapshot->n_devices = n;
    return 0;
}

static struct snapshot_child copy_child(const struct child *child)
{
    if (!child)
        return (struct snapshot_child){.state = CHILD_OFF};
    return (struct snapshot_child){.wanted = true, .state = child_state(child), .restarts = child_restarts(child)};
}

/* ---- Leases ----------------------------------------------------------------------------------------------- */

static const struct snapshot_device *find_device(const struct snapshot *snapshot, const char *key)
{
    for (size_t i = 0; i < snapshot->n_devices; i++)
        if (strcmp(snapshot->devices[i].key, key) == 0)
            return &snapshot->devices[i];
    return NULL;
}

static bool count_unit(void *context, const struct lease_unit_shown *unit)
{
    (void)unit;
    ++*(size_t *)context;
    return true;
}

static bool copy_unit(void *context, const struct lease_unit_shown *unit)
{
    struct snapshot *snapshot = context;
    struct snapshot_unit *out;

    if (snapshot->n_units == SNAPSHOT_UNITS_MAX)
        return false;
    out = &snapshot->units[snapshot->n_units++];
    out->lease = unit->lease;
    copy(out->job, sizeof out->job, unit->job);
    copy(out->key, sizeof out->key, unit->key);
    out->device = find_device(snapshot, unit->key);
    out->tile = unit->tile;
    out->phase = unit->phase;
    out->sharing = unit->sharing;
    return true;
}

static int copy_leases(struct snapshot *snapshot, const struct service *service)
{
    size_t n = 0;

    leases_figures(service->leases, &snapshot->leases);
    leases_each_unit(service->leases, count_unit, &n);
    snapshot->units = calloc(n < SNAPSHOT_UNITS_MAX ? n + 1 : SNAPSHOT_UNITS_MAX, sizeof *snapshot->units);
    if (!snapshot->units)
        return -1;
    leases_each_unit(service->leases, copy_unit, snapshot);
    snapshot->n_units_left_out = n - snapshot->n_units;
    return 0;
}

/* ---- All of it -------------------------------------------------------------------------------------------- */

static void copy_service(struct snapshot *snapshot, const struct service *service)
{
    snapshot->taken_us = clock_steady_us();
    snapshot->start_ms = service->start_ms;
    snapshot->degraded = status_degraded(service);
    snapshot->locked = service->options.locked;
    snapshot->durable = service->options.durability == OPTION_DURABILITY_FULL;
    copy(snapshot->policy, sizeof snapshot->policy, status_policy(service));
    snapshot->peers = service->server.n_peers;
    snapshot->log_dropped = log_dropped();
    snapshot->worker = copy_child(devices_worker(service->devices));
    snapshot->keeper = copy_child(enforcement_keeper(service->enforcement));
    store_figures(service->store, &snapshot->store);
}

struct snapshot *snapshot_take(const struct service *service)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (!snapshot)
        return NULL;
    copy_service(snapshot, service);
    copy_counts(snapshot, service);
    if (copy_rules(snapshot, service) < 0 || copy_devices(snapshot, service) < 0 ||
        copy_leases(snapshot, service) < 0) {
        snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}
