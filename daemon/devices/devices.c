/*
 * The devices as the service has them: from the database at the start, kept in it, told to the leases, and what happens
 * to them said once to everybody: log, database, holders.
 */
#include "daemon/decide_devices.h"
#include "daemon/devices/cards.h"
#include "daemon/devices/devices_own.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device that nobody has seen for so long is forgotten, unless it was drained. */
#define FORGOTTEN_MS (UINT64_C(30) * 86400 * 1000)

/* ---- Events ----------------------------------------------------------------------------------------------- */

void devices_event(struct devices *devices, struct device *device, enum log_event what, const char *format, ...)
{
    struct service *service = devices->service;
    const char *substitute = devices_substitute(devices);
    const char *kind = log_events[what].variant;
    char text[400], told[480];
    struct store_event event = {
        .time_ms = clock_wall_ms(), .kind = kind, .text = text, .device = device ? device->key : NULL};
    va_list arguments;
    int length = substitute ? snprintf(text, sizeof text, "%s: ", substitute) : 0;

    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
    va_end(arguments);
    log_event(what, LOG_TEXT(FIELD_DEVICE, device ? device->key : NULL), LOG_TEXT(FIELD_KIND, kind),
              LOG_TEXT(FIELD_MESSAGE, text));
    if (service->store)
        store_put_event(service->store, &event); /* where it is full, the log has it */
    if (device && service->leases) {
        snprintf(told, sizeof told, "device %s: %s: %s", device->key, kind, text);
        leases_tell_holders(service->leases, device->key, told);
    }
}

bool devices_judge(struct devices *devices, struct device *device)
{
    static const enum log_event events[] = {[DEVICE_HEALTHY] = EVENT_DEVICE_HEALTHY,
                                            [DEVICE_DEGRADED] = EVENT_DEVICE_DEGRADED,
                                            [DEVICE_LOST] = EVENT_DEVICE_LOST,
                                            [DEVICE_STALE] = EVENT_DEVICE_STALE,
                                            [DEVICE_CHANGED] = EVENT_DEVICE_CHANGED};
    bool first = device->health == DEVICE_STALE && !device->judged;

    if (!device_judge(device))
        return false;
    device->judged = true;
    if (first && device->health == DEVICE_HEALTHY)
        return true; /* it has been said that it is there */
    devices_event(devices, device, events[device->health], "%s", device->cause[0] ? device->cause : "works again");
    return true;
}

/* ---- Leases ----------------------------------------------------------------------------------------------- */

void devices_publish(struct devices *devices)
{
    struct pool_card cards[POOL_MAX_CARDS];
    size_t n;

    devices_explain_none(devices);
    status_notify(devices->service);
    if (!devices->settled || !devices->service->leases)
        return;
    n = cards_of_devices(&devices->set, cards);
    leases_set_cards(devices->service->leases, cards, n);
    decide_devices_settled(devices->service); /* who asked before anything was known */
}

void devices_settle(struct devices *devices)
{
    if (devices->settled)
        return;
    devices->settled = true;
    devices_publish(devices);
    devices_check_patience(devices);
}

static void on_early_timeout(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    devices_end_patience(context);
}

static void on_first_timeout(evutil_socket_t fd, short what, void *context)
{
    struct devices *devices = context;

    (void)fd;
    (void)what;
    if (!devices->settled)
        devices_event(devices, NULL, EVENT_DEVICE_NO_INVENTORY,
                      "the device worker has not answered within %d s; jobs are answered without it",
                      DEVICES_FIRST_MS / 1000);
    devices_settle(devices);
}

/* ---- Database --------------------------------------------------------------------------------------------- */

struct device_put {
    LIST_ENTRY(device_put) link;
    struct devices *devices;
    struct call *call;
    char key[DEVICE_KEY_SIZE];
};

static void on_put(void *context, int status, uint64_t id)
{
    struct device_put *put = context;
    struct device *device = device_set_find(&put->devices->set, put->key);

    LIST_REMOVE(put, link);
    if (device && status == 0 && id != 0)
        device->id = (uint32_t)id;
    devices_check_patience(put->devices);
    if (put->call)
        call_done(put->call); /* without the database the device is as was asked, until the service ends */
    free(put);
}

void devices_put(struct devices *devices, struct device *device, struct call *call)
{
    const Itexd__Child__Card *card = device->card;
    const char *version = devices->inventory ? devices->inventory->driver_version : NULL;
    char driver[160];
    struct store_device row = {
        .key = device->key,
        .bdf = card->bdf,
        .uuid = card->uuid,
        .name = device_name(device),
        .driver = driver,
        .tiles = device_tiles(device),
        .memory_bytes = card->memory_bytes,
        .first_seen_ms = device->first_seen_ms,
        .last_seen_ms = device->last_seen_ms,
        .drained = device->drained,
    };
    struct device_put *put = calloc(1, sizeof *put);

    snprintf(driver, sizeof driver, "%s%s%s", card->kernel_driver ? card->kernel_driver : "",
             card->kernel_driver && version ? " " : "", version ? version : "");
    if (!driver[0])
        row.driver = NULL;
    if (put) {
        put->devices = devices;
        put->call = call;
        snprintf(put->key, sizeof put->key, "%s", device->key);
    }
    if (put && store_put_device(devices->service->store, &row, on_put, put) == 0) {
        LIST_INSERT_HEAD(&devices->puts, put, link);
        return;
    }
    free(put);
    if (call)
        call_refuse(call, REFUSED_WRITES, NULL);
}

void devices_put_all(struct devices *devices)
{
    devices->interruptions = store_interruptions(devices->service->store);
    for (size_t i = 0; i < devices->set.n; i++)
        devices_put(devices, devices->set.items[i], NULL);
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* A card as far as the database knows it. */
static Itexd__Child__Card *card_of_row(const struct store_device *row)
{
    Itexd__Child__Card *card = calloc(1, sizeof *card);

    if (!card)
        return NULL;
    itexd__child__card__init(card);
    card->bdf = copy(row->bdf);
    card->uuid = copy(row->uuid);
    card->name = copy(row->name);
    card->has_memory_bytes = row->memory_bytes != 0;
    card->memory_bytes = row->memory_bytes;
    card->tiles = row->tiles > 1 && row->tiles <= POOL_MAX_TILES ? calloc(row->tiles, sizeof *card->tiles) : NULL;
    while (card->tiles && card->n_tiles < row->tiles) {
        Itexd__Child__Tile *tile = calloc(1, sizeof *tile);

        if (!tile)
            break;
        itexd__child__tile__init(tile);
        card->tiles[card->n_tiles++] = tile;
    }
    return card;
}

static void know(void *context, const struct store_device *row)
{
    struct devices *devices = context;
    struct device *device;

    if (!row->drained && row->last_seen_ms + FORGOTTEN_MS < clock_wall_ms())
        return;
    device = device_new(row->key, card_of_row(row));
    if (!device)
        return;
    device->id = row->id;
    device->drained = row->drained;
    device->first_seen_ms = row->first_seen_ms;
    device->last_seen_ms = row->last_seen_ms;
    health_away(device, "not seen since itexd started");
    device_judge(device);
    device_set_add(&devices->set, device);
}

/* ---- Beginning and end ------------------------------------------------------------------------------------ */

static int begin(struct devices *devices)
{
    static const struct timeval first = {.tv_sec = DEVICES_FIRST_MS / 1000},
                                early = {.tv_sec = DEVICES_EARLY_MS / 1000};
    struct service *service = devices->service;
    int error;

    if (store_devices(service->store, know, devices) < 0)
        log_event(EVENT_DEVICES_NOT_KNOWN,
                  LOG_TEXT(FIELD_MESSAGE, "the database does not tell what devices were known"));
    devices->interruptions = store_interruptions(service->store);
    devices->first = evtimer_new(service->base, on_first_timeout, devices);
    devices->first_early = evtimer_new(service->base, on_early_timeout, devices);
    if (!devices->first || evtimer_add(devices->first, &first) < 0 || !devices->first_early ||
        evtimer_add(devices->first_early, &early) < 0)
        return -ENOMEM;
    error = devices_worker_init(devices);
    devices_explain_none(devices);
    return error;
}

int devices_init(struct service *service, struct devices **out)
{
    struct devices *devices = calloc(1, sizeof *devices);
    int error;

    *out = devices;
    if (!devices)
        return -ENOMEM;
    devices->service = service;
    devices->managed = service->options.devices == OPTION_DEVICES_AUTO;
    devices->settled = !devices->managed;
    devices->patient = devices->managed;
    TAILQ_INIT(&devices->early);
    LIST_INIT(&devices->resets);
    LIST_INIT(&devices->puts);
    error = devices_said_init(devices);
    if (error == 0 && devices->managed)
        error = begin(devices);
    devices_explain_none(devices);
    return error;
}

void devices_stop(struct devices *devices)
{
    if (devices && devices->worker)
        devices_aggregate(devices);
}

/* The store, which ends before, runs no more callbacks. */
static void free_puts(struct devices *devices)
{
    struct device_put *put;

    while ((put = LIST_FIRST(&devices->puts))) {
        LIST_REMOVE(put, link);
        free(put);
    }
}

void devices_free(struct devices *devices)
{
    struct call *call;

    if (!devices)
        return;
    devices_resets_free(devices);
    free_puts(devices);
    devices_worker_free(devices);
    if (devices->first)
        event_free(devices->first);
    if (devices->first_early)
        event_free(devices->first_early);
    while ((call = TAILQ_FIRST(&devices->early)))
        call_refuse(call, REFUSED_STOPPING, NULL); /* nobody hears it: the peers have gone */
    device_set_clear(&devices->set);
    itexd__child__inventory__free_unpacked(devices->inventory, NULL);
    free(devices->said);
    free(devices);
}

/* ---- Looking ---------------------------------------------------------------------------------------------- */

bool devices_managed(const struct devices *devices)
{
    return devices->managed;
}

bool devices_settled(const struct devices *devices)
{
    return devices->settled;
}

size_t devices_count(const struct devices *devices)
{
    return devices->set.n;
}

struct device *devices_at(const struct devices *devices, size_t i)
{
    return i < devices->set.n ? devices->set.items[i] : NULL;
}

struct device *devices_find(const struct devices *devices, const char *key)
{
    return device_set_find(&devices->set, key);
}

const Itexd__Child__Inventory *devices_inventory(const struct devices *devices)
{
    return devices->inventory;
}

const char *devices_substitute(const struct devices *devices)
{
    const struct options *options = &devices->service->options;

    if (!devices->managed)
        return NULL;
    if (options->simulated_driver.text)
        return "SIMULATED";
    if (options->worker_environment.text && strstr(options->worker_environment.text, "NEOReadDebugKeys=1"))
        return "EMULATED";
    return NULL;
}

void devices_explain_none(struct devices *devices)
{
    const Itexd__Child__Inventory *inventory = devices->inventory;

    if (!devices->managed)
        snprintf(devices->none, sizeof devices->none, "this service manages no devices (devices: off)");
    else if (inventory && inventory->layer)
        snprintf(devices->none, sizeof devices->none, "%s: %s", inventory->layer,
                 inventory->detail ? inventory->detail : "see the log");
    else if (inventory)
        snprintf(devices->none, sizeof devices->none, "driver: it gives no cards");
    else if (!devices->worker)
        snprintf(devices->none, sizeof devices->none, "device worker: it cannot be started; see the log");
    else if (child_last_death(devices->worker)[0])
        snprintf(devices->none, sizeof devices->none, "device worker: %s; itexctl status says more",
                 child_last_death(devices->worker));
    else
        snprintf(devices->none, sizeof devices->none, "device worker: it has not answered yet");
}

const char *devices_none_detail(const struct devices *devices)
{
    return devices->none;
}
