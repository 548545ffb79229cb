/* A list of 64 devices has to fit in a packet: beyond LIST_WHOLE devices it has only the metrics of itexctl's table. */
#include "daemon/devices/devices_info.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/enforcement.h"
#include "daemon/leases/leases.h"
#include "daemon/leases/pool.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <stdlib.h>
#include <string.h>

#define LIST_WHOLE 24
#define MAX_FIRMWARE 16
#define MAX_FOREIGN 64
#define HOUR_MS (UINT64_C(3600) * 1000)

struct info_item {
    Itexd__V1__DeviceInfo info;
    Itexd__V1__Metric metrics[METRIC_COUNT], *metric_list[METRIC_COUNT];
    Itexd__V1__TileInfo tiles[POOL_MAX_TILES], *tile_list[POOL_MAX_TILES];
    Itexd__V1__FirmwareInfo firmware[MAX_FIRMWARE], *firmware_list[MAX_FIRMWARE];
    Itexd__V1__ForeignUse foreign[MAX_FOREIGN], *foreign_list[MAX_FOREIGN];
    char holder[200];
};

struct info_space {
    size_t n, room;
    Itexd__V1__DeviceInfo *list[DEVICES_MAX];
    struct info_item items[];
};

struct info_space *info_space_new(size_t n_devices)
{
    struct info_space *space = calloc(1, sizeof *space + n_devices * sizeof space->items[0]);

    if (space)
        space->room = n_devices < DEVICES_MAX ? n_devices : DEVICES_MAX;
    return space;
}

void info_space_free(struct info_space *space)
{
    free(space);
}

size_t info_list(struct info_space *space, Itexd__V1__DeviceInfo ***list)
{
    *list = space->list;
    return space->n;
}

static bool in_table(int metric)
{
    return metric == METRIC_TEMPERATURE || metric == METRIC_POWER || metric == METRIC_UTILISATION ||
           metric == METRIC_MEMORY_USED;
}

static void fill_metric(Itexd__V1__Metric *to, const struct device *device, int metric, bool whole)
{
    enum metric_missing missing = device->last.missing[metric];
    struct metric_summary summary = {.n = 0};

    itexd__v1__metric__init(to);
    to->name = (char *)metric_table[metric].name;
    to->unit = metric_table[metric].unit[0] ? (char *)metric_table[metric].unit : NULL;
    to->has_value = missing == METRIC_THERE;
    to->value = device->last.values[metric];
    if (missing != METRIC_THERE)
        to->missing = (char *)(missing == METRIC_NOT_PERMITTED ? "not permitted" : "not available");
    if (whole)
        summary = ring_summary(&device->ring, (enum metric)metric, clock_wall_ms() - HOUR_MS);
    to->has_mean = to->has_highest = summary.n > 0;
    to->mean = summary.mean;
    to->highest = summary.largest;
}

static void fill_metrics(struct info_item *item, const struct device *device, bool all, bool whole)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (!all && !in_table(i))
            continue;
        fill_metric(&item->metrics[i], device, i, whole);
        item->metric_list[item->info.n_metrics++] = &item->metrics[i];
    }
    item->info.metrics = item->metric_list;
    item->info.has_sampled_ms = device->last_sample_ms != 0;
    item->info.sampled_ms = device->last_sample_ms;
}

static void fill_tiles(struct info_item *item, const Itexd__Child__Card *card)
{
    for (size_t i = 0; i < card->n_tiles && i < POOL_MAX_TILES; i++) {
        itexd__v1__tile_info__init(&item->tiles[i]);
        item->tiles[i].uuid = card->tiles[i]->uuid;
        item->tiles[i].has_memory_bytes = card->tiles[i]->has_memory_bytes;
        item->tiles[i].memory_bytes = card->tiles[i]->memory_bytes;
        item->tile_list[item->info.n_tiles++] = &item->tiles[i];
    }
    item->info.tiles = item->tile_list;
}

static void fill_holder(struct info_item *item, struct call *call, const struct device *device)
{
    if (call->service->leases)
        leases_holder_text(call->service->leases, device->key, call_is_administrator(call), call->who.uid, item->holder,
                           sizeof item->holder);
    item->info.holder = item->holder;
}

static void fill_firmware(struct info_item *item, const Itexd__Child__Card *card)
{
    for (size_t i = 0; i < card->n_firmware && i < MAX_FIRMWARE; i++) {
        itexd__v1__firmware_info__init(&item->firmware[i]);
        item->firmware[i].name = card->firmware[i]->name;
        item->firmware[i].version = card->firmware[i]->version;
        item->firmware_list[item->info.n_firmware++] = &item->firmware[i];
    }
    item->info.firmware = item->firmware_list;
}

/* Others' processes are counted but not named. */
static void fill_foreign(struct info_item *item, struct call *call, const struct device *device)
{
    const struct foreign_use *uses = NULL;
    bool sees_all = call_is_administrator(call);
    size_t n = call->service->enforcement ? enforcement_foreign(call->service->enforcement, &uses) : 0;

    for (size_t i = 0; i < n && item->info.n_foreign < MAX_FOREIGN; i++) {
        Itexd__V1__ForeignUse *to = &item->foreign[item->info.n_foreign];

        if (strcmp(uses[i].key, device->key) != 0)
            continue;
        itexd__v1__foreign_use__init(to);
        to->has_memory_bytes = uses[i].memory_bytes != 0;
        to->memory_bytes = uses[i].memory_bytes;
        if (sees_all || uses[i].uid == call->who.uid) {
            to->has_pid = to->has_uid = true;
            to->pid = uses[i].pid;
            to->uid = uses[i].uid;
            to->command = (char *)uses[i].command;
        }
        item->foreign_list[item->info.n_foreign++] = to;
    }
    item->info.foreign = item->foreign_list;
}

static void fill_rest(struct info_item *item, struct call *call, const struct device *device)
{
    const Itexd__Child__Inventory *inventory = devices_inventory(call->service->devices);
    const Itexd__Child__Card *card = device->card;
    Itexd__V1__DeviceInfo *info = &item->info;

    info->has_eus = card->has_eus;
    info->eus = card->eus;
    info->has_pci_device = card->has_pci_device;
    info->pci_device = card->pci_device;
    info->kernel_driver = card->kernel_driver;
    info->render_node = card->render_node;
    info->card_node = card->card_node;
    info->has_numa_node = card->has_numa_node;
    info->numa_node = card->numa_node;
    info->cpus = card->cpus;
    info->n_links = card->n_links;
    info->links = card->links;
    if (inventory && device->present) {
        info->driver_version = inventory->driver_version;
        info->api_version = inventory->api_version;
    }
    info->has_first_seen_ms = info->has_last_seen_ms = true;
    info->first_seen_ms = device->first_seen_ms;
    info->last_seen_ms = device->last_seen_ms;
    fill_firmware(item, card);
    fill_foreign(item, call, device);
}

Itexd__V1__DeviceInfo *info_fill(struct info_space *space, struct call *call, struct device *device, bool whole)
{
    struct info_item *item = &space->items[space->n];
    Itexd__V1__DeviceInfo *info = &item->info;

    if (space->n == space->room)
        return NULL;
    space->list[space->n++] = info;
    itexd__v1__device_info__init(info);
    info->has_id = device->id != 0;
    info->id = device->id;
    info->key = device->key;
    info->bdf = device->card->bdf;
    info->uuid = device->card->uuid;
    info->name = device->card->name;
    info->has_memory_bytes = device->card->has_memory_bytes;
    info->memory_bytes = device->card->memory_bytes;
    info->state = (char *)device_health_name(device->health);
    info->cause = device->resetting ? (char *)"it is being reset" : device->cause[0] ? device->cause : NULL;
    info->has_drained = true;
    info->drained = device->drained;
    fill_tiles(item, device->card);
    fill_holder(item, call, device);
    fill_metrics(item, device, whole || space->room <= LIST_WHOLE, whole);
    if (whole)
        fill_rest(item, call, device);
    return info;
}
