/*
 * What cards there are: the core API's root devices with their tiles, and what sysfs knows of them.
 *
 * The hierarchy is COMPOSITE and there is no mask, so a root device is a card. Nothing that a driver says is taken for
 * granted: an enumeration is cut or refused (LEVEL_ZERO_LIST), strings are bounded and made printable, numbers that
 * make no sense are left out. A card that cannot be identified is left out too.
 */
#include "daemon/worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EUS_MAX 65536

static int refuse(struct worker *worker, const char *function, uint32_t count, unsigned limit)
{
    snprintf(worker->error, sizeof worker->error, "%s says that there are %u; more than %u are not believed", function,
             (unsigned)count, limit);
    return -EPROTO;
}

static void note_driver_error(struct worker *worker, const char *function, ze_result_t result)
{
    char text[64];

    if (result != ZE_RESULT_SUCCESS && !worker->driver_error[0])
        snprintf(worker->driver_error, sizeof worker->driver_error, "%s answers %s", function,
                 level_zero_result_text(result, text));
}

/* ---- Start ------------------------------------------------------------------------------------------------------ */

/* Once: what zeInit answers first stays so in this process. */
static void start(struct worker *worker)
{
    worker->started = true;
    if (level_zero_open(&worker->lz, worker->loader_error, sizeof worker->loader_error) < 0)
        return;
    worker->init_result = level_zero_start(&worker->lz, worker->with_sysman);
    level_zero_loader_version(&worker->lz, worker->loader_version, sizeof worker->loader_version);
}

static void read_driver(struct worker *worker, ze_driver_handle_t driver)
{
    ze_driver_properties_t properties = {.stype = ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES};
    ze_api_version_t api = 0;

    if (level_zero_call(&worker->lz, zeDriverGetProperties, driver, &properties) == ZE_RESULT_SUCCESS)
        snprintf(worker->driver_version, sizeof worker->driver_version, "%u.%u.%u", properties.driverVersion >> 24,
                 properties.driverVersion >> 16 & 0xff, properties.driverVersion & 0xffff);
    if (level_zero_call(&worker->lz, zeDriverGetApiVersion, driver, &api) == ZE_RESULT_SUCCESS)
        snprintf(worker->api_version, sizeof worker->api_version, "%u.%u", ZE_MAJOR_VERSION((unsigned)api),
                 ZE_MINOR_VERSION((unsigned)api));
}

/* ---- A card ------------------------------------------------------------------------------------------------------ */

static uint64_t read_memory(struct worker *worker, ze_device_handle_t device)
{
    ze_device_memory_properties_t items[16];
    uint32_t n = 0;
    uint64_t sum = 0;

    if (level_zero_call(&worker->lz, zeDeviceGetMemoryProperties, device, &n, NULL) != ZE_RESULT_SUCCESS || n == 0)
        return 0;
    if (n > sizeof items / sizeof items[0])
        n = sizeof items / sizeof items[0];
    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < n; i++)
        items[i].stype = ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES;
    if (level_zero_call(&worker->lz, zeDeviceGetMemoryProperties, device, &n, items) != ZE_RESULT_SUCCESS)
        return 0;
    for (uint32_t i = 0; i < n && i < sizeof items / sizeof items[0]; i++) {
        if (items[i].totalSize > WORKER_MEMORY_MAX)
            return 0;
        sum += items[i].totalSize;
    }
    return sum;
}

static void read_address(struct worker *worker, struct worker_card *card)
{
    ze_pci_ext_properties_t pci = {.stype = ZE_STRUCTURE_TYPE_PCI_EXT_PROPERTIES};
    const ze_pci_address_ext_t *at = &pci.address;

    if (level_zero_call(&worker->lz, zeDevicePciGetPropertiesExt, card->device, &pci) != ZE_RESULT_SUCCESS)
        return;
    if (at->domain <= 0xffff && at->bus <= 0xff && at->device <= 0x1f && at->function <= 7)
        snprintf(card->bdf, sizeof card->bdf, "%04x:%02x:%02x.%x", at->domain & 0xffff, at->bus & 0xff,
                 at->device & 0x1f, at->function & 7);
}

static void read_eus(struct worker_card *card, const ze_device_properties_t *properties)
{
    uint64_t per_slice = (uint64_t)properties->numEUsPerSubslice * properties->numSubslicesPerSlice;

    if (properties->numSlices == 0 || per_slice == 0 || per_slice > EUS_MAX ||
        per_slice * properties->numSlices > EUS_MAX)
        return;
    card->message.has_eus = true;
    card->message.eus = (uint32_t)per_slice * properties->numSlices;
}

/* Data Center GPU Max (Xe HPC), whose tiles current drivers give as devices where no hierarchy is set. Drivers before
 * API 1.6 know no hierarchy. It cannot be asked: this process has set one. */
static bool is_flat_by_default(const struct worker *worker, const ze_device_properties_t *properties)
{
    unsigned major = 0, minor = 0;
    uint32_t id = properties->deviceId;

    if (sscanf(worker->api_version, "%u.%u", &major, &minor) != 2 || (major == 1 && minor < 6))
        return false;
    return (id >= 0x0bd0 && id <= 0x0bdb) || id == 0x0b69 || id == 0x0b6e;
}

/* 1, 0 where the driver does not tell (a card that loses its tiles would be another card), -EPROTO. */
static int read_tiles(struct worker *worker, struct worker_card *card)
{
    ze_device_handle_t tiles[WORKER_MAX_TILES];
    uint32_t n;
    ze_result_t result = level_zero_list(&worker->lz, zeDeviceGetSubDevices, card->device, tiles, WORKER_MAX_TILES, &n);

    if (result == ZE_RESULT_ERROR_UNSUPPORTED_FEATURE || result == ZE_RESULT_ERROR_UNINITIALIZED)
        return 1;
    note_driver_error(worker, "zeDeviceGetSubDevices", result);
    if (result != ZE_RESULT_SUCCESS)
        return 0;
    if (n > WORKER_MAX_TILES)
        return refuse(worker, "zeDeviceGetSubDevices", n, WORKER_MAX_TILES);
    for (uint32_t i = 0; i < n; i++) {
        struct worker_tile *tile = &card->tiles[i];
        ze_device_properties_t properties = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};

        itexd__child__tile__init(&tile->message);
        if (level_zero_call(&worker->lz, zeDeviceGetProperties, tiles[i], &properties) == ZE_RESULT_SUCCESS)
            text_uuid(tile->uuid, properties.uuid.id);
        tile->message.uuid = tile->uuid[0] ? tile->uuid : NULL;
        tile->message.memory_bytes = read_memory(worker, tiles[i]);
        tile->message.has_memory_bytes = tile->message.memory_bytes > 0;
        card->tile_list[i] = &tile->message;
        card->message.n_tiles = i + 1;
    }
    card->message.tiles = card->tile_list;
    return 1;
}

static char *or_null(char *text)
{
    return text[0] ? text : NULL;
}

static void read_kernel(const struct worker *worker, struct worker_card *card)
{
    struct sysfs_card *kernel = &card->kernel;

    sysfs_card(worker->device_root, card->bdf, kernel);
    card->on_bus = kernel->found;
    card->message.kernel_driver = or_null(kernel->kernel_driver);
    card->message.render_node = or_null(kernel->render_node);
    card->message.card_node = or_null(kernel->card_node);
    card->message.cpus = or_null(kernel->cpus);
    card->message.has_numa_node = kernel->has_numa_node;
    card->message.numa_node = kernel->numa_node;
}

/* Returns 1 for a card, 0 for what is none or cannot be identified, -EPROTO for answers not to be believed. */
static int read_card(struct worker *worker, ze_device_handle_t device, struct worker_card *card)
{
    ze_device_properties_t properties = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};
    ze_result_t result;

    memset(card, 0, sizeof *card);
    itexd__child__card__init(&card->message);
    card->device = device;
    worker->lz.lost_in = NULL;
    result = level_zero_call(&worker->lz, zeDeviceGetProperties, device, &properties);
    note_driver_error(worker, "zeDeviceGetProperties", result);
    if (result == ZE_RESULT_SUCCESS && (properties.type == 0 || properties.type > ZE_DEVICE_TYPE_VPU) &&
        !worker->driver_error[0])
        snprintf(worker->driver_error, sizeof worker->driver_error,
                 "zeDeviceGetProperties tells of a device of type %u", (unsigned)properties.type);
    if (result != ZE_RESULT_SUCCESS || properties.type != ZE_DEVICE_TYPE_GPU)
        return 0;
    memcpy(card->uuid, properties.uuid.id, sizeof card->uuid);
    text_uuid(card->uuid_text, card->uuid);
    text_copy(card->name, sizeof card->name, properties.name, sizeof properties.name);
    card->message.uuid = or_null(card->uuid_text);
    card->message.name = or_null(card->name);
    card->message.has_pci_device = properties.deviceId > 0 && properties.deviceId <= 0xffff;
    card->message.pci_device = properties.deviceId;
    card->message.has_flat_by_default = true;
    card->message.flat_by_default = is_flat_by_default(worker, &properties);
    read_eus(card, &properties);
    read_address(worker, card);
    card->message.memory_bytes = read_memory(worker, device);
    card->message.has_memory_bytes = card->message.memory_bytes > 0;
    card->lost_in = worker->lz.lost_in;
    return read_tiles(worker, card);
}

/* ---- All of them --------------------------------------------------------------------------------------------------
 */

static int read_devices(struct worker *worker, ze_driver_handle_t driver)
{
    ze_device_handle_t devices[WORKER_MAX_CARDS];
    uint32_t n;
    ze_result_t result = level_zero_list(&worker->lz, zeDeviceGet, driver, devices, WORKER_MAX_CARDS, &n);

    note_driver_error(worker, "zeDeviceGet", result);
    if (result != ZE_RESULT_SUCCESS)
        return 0;
    if (n > WORKER_MAX_CARDS - worker->n_cards)
        return refuse(worker, "zeDeviceGet", n, WORKER_MAX_CARDS);
    if (n > 0 && !worker->driver_version[0])
        read_driver(worker, driver);
    for (uint32_t i = 0; i < n; i++) {
        int is_card = read_card(worker, devices[i], &worker->cards[worker->n_cards]);

        if (is_card < 0)
            return is_card;
        worker->n_cards += (size_t)is_card;
    }
    return 0;
}

static int read_drivers(struct worker *worker)
{
    ze_driver_handle_t drivers[LEVEL_ZERO_MAX_DRIVERS];
    uint32_t n;
    ze_result_t result =
        LEVEL_ZERO_LIST(&worker->lz, level_zero_call, zeDriverGet, drivers, LEVEL_ZERO_MAX_DRIVERS, &n);

    note_driver_error(worker, "zeDriverGet", result);
    if (result != ZE_RESULT_SUCCESS)
        return 0;
    if (n > LEVEL_ZERO_MAX_DRIVERS)
        return refuse(worker, "zeDriverGet", n, LEVEL_ZERO_MAX_DRIVERS);
    for (uint32_t i = 0; i < n; i++) {
        int error = read_devices(worker, drivers[i]);

        if (error < 0)
            return error;
    }
    return 0;
}

static void find_layer(struct worker *worker)
{
    struct layers_above above = {
        .loader_error = or_null(worker->loader_error),
        .no_kernel = worker->substitute != NULL,
        .driver_error = or_null(worker->driver_error),
    };

    layers_find(worker->device_root, &above, &worker->layer);
    worker->inventory.layer = (char *)worker->layer.name;
    worker->inventory.detail = worker->layer.detail;
}

static void fill(struct worker *worker)
{
    Itexd__Child__Inventory *inventory = &worker->inventory;

    inventory->loader_version = or_null(worker->loader_version);
    inventory->driver_version = or_null(worker->driver_version);
    inventory->api_version = or_null(worker->api_version);
    inventory->sysman = or_null(worker->lz.sysman_text);
    inventory->substitute = (char *)worker->substitute;
    for (size_t i = 0; i < worker->n_cards; i++) {
        struct worker_card *card = &worker->cards[i];

        card->message.bdf = or_null(card->bdf);
        if (card->bdf[0])
            read_kernel(worker, card);
        worker->card_list[i] = &card->message;
    }
    inventory->n_cards = worker->n_cards;
    inventory->cards = worker->card_list;
    inventory->detail = or_null(worker->driver_error); /* why one is missing; where all are, find_layer says more */
}

int inventory_take(struct worker *worker)
{
    int error = 0;

    itexd__child__inventory__init(&worker->inventory);
    worker->n_cards = 0;
    worker->driver_error[0] = worker->driver_version[0] = '\0';
    if (!worker->started)
        start(worker);
    if (!worker->loader_error[0]) {
        note_driver_error(worker, "zeInit", worker->init_result);
        if (worker->init_result == ZE_RESULT_SUCCESS)
            error = read_drivers(worker);
    }
    if (error < 0) {
        worker->n_cards = 0;
        return error;
    }
    if (worker->lz.sysman != LEVEL_ZERO_SYSMAN_NONE)
        inventory_sysman(worker);
    fill(worker);
    if (worker->n_cards == 0)
        find_layer(worker);
    return 0;
}
