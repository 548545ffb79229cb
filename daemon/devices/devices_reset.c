/*
 * A reset that an administrator's own process does, between begin and end. The device is out of use and the worker
 * ended, so that nobody has a handle; begin is answered when that is so. It ends with `end`, or with the connection.
 */
#include "daemon/devices/card.h"
#include "daemon/devices/devices_own.h"
#include "daemon/leases/leases.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_END_MS 10000
#define HELD_TEXT 24

static struct device_reset *find(const struct devices *devices, const char *key)
{
    struct device_reset *reset;

    LIST_FOREACH(reset, &devices->resets, link)
    if (strcmp(reset->key, key) == 0)
        return reset;
    return NULL;
}

static void answer(struct device_reset *reset)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__DeviceResetReply body = ITEXD__V1__DEVICE_RESET_REPLY__INIT;
    char texts[DEVICES_CUT_MAX][HELD_TEXT];
    char *held_by[DEVICES_CUT_MAX];
    struct call *call = reset->call;
    const struct device *device = devices_find(call->service->devices, reset->key);

    for (unsigned i = 0; i < reset->n_cut; i++) {
        snprintf(texts[i], HELD_TEXT, "%" PRIu64, reset->cut[i]);
        held_by[i] = texts[i];
    }
    body.key = reset->key;
    body.bdf = device ? device->card->bdf : NULL;
    body.n_held_by = reset->n_cut;
    body.held_by = held_by;
    reply.body_case = ITEXD__V1__REPLY__BODY_DEVICE_RESET;
    reply.device_reset = &body;
    reset->call = NULL;
    call_reply(call, &reply);
}

static void finish(struct devices *devices, struct device_reset *reset, const char *result)
{
    struct device *device = devices_find(devices, reset->key);

    LIST_REMOVE(reset, link);
    if (device) {
        device->resetting = false;
        health_reset(device);
        devices_judge(devices, device);
        devices_event(devices, device, EVENT_DEVICE_RESET, "%.200s", result);
    }
    free(reset);
    devices_worker_resume(devices);
    devices_publish(devices);
}

/* The worker does not end: it hangs in the kernel, maybe because of this very device. With force that is taken. */
static void give_up(struct devices *devices, struct device_reset *reset)
{
    struct call *call = reset->call;

    reset->call = NULL;
    finish(devices, reset, "not begun: the device worker does not end");
    call_refuse(call, REFUSED_DEVICE_BUSY,
                "the device worker hangs in the kernel and still has the device open; --force resets all the same");
}

static bool hangs(const struct devices *devices, const struct device_reset *reset)
{
    return child_state(devices->worker) == CHILD_STUCK || clock_steady_ms() - reset->begin_ms >= WORKER_END_MS;
}

/* The first that can be answered, one way or the other: while it waits it has a call. */
static struct device_reset *first_due(const struct devices *devices, bool gone)
{
    struct device_reset *reset;

    LIST_FOREACH(reset, &devices->resets, link)
    if (reset->call && (gone || hangs(devices, reset)))
        return reset;
    return NULL;
}

/* An answer may end its peer, and with it other resets: so the list is begun again after each. */
void devices_resets_check(struct devices *devices)
{
    bool gone = !devices->worker || child_pid(devices->worker) == 0;
    struct device_reset *reset;

    while ((reset = first_due(devices, gone))) {
        if (gone || reset->force)
            answer(reset);
        else
            give_up(devices, reset);
    }
}

static void begin(struct call *call, struct device *device, bool force)
{
    struct devices *devices = call->service->devices;
    struct device_reset *reset = calloc(1, sizeof *reset);
    char why[96];

    if (!reset) {
        call_refuse(call, REFUSED_INTERNAL, "there is no memory left");
        return;
    }
    snprintf(reset->key, sizeof reset->key, "%s", device->key);
    reset->peer = call->peer;
    reset->call = call;
    reset->force = force;
    reset->begin_ms = clock_steady_ms();
    LIST_INSERT_HEAD(&devices->resets, reset, link);
    device->resetting = true;
    snprintf(why, sizeof why, "device %s is being reset by uid %u", device->key, (unsigned)call->who.uid);
    devices_event(devices, device, EVENT_DEVICE_RESET, "begun by uid %u%s", (unsigned)call->who.uid,
                  force ? ", with force" : "");
    devices_publish(devices); /* first, so that what is cut goes to nobody else */
    if (force && call->service->leases)
        reset->n_cut = leases_cut(call->service->leases, reset->key, why, reset->cut, DEVICES_CUT_MAX);
    if (reset->n_cut > DEVICES_CUT_MAX)
        reset->n_cut = DEVICES_CUT_MAX;
    if (devices->worker)
        child_stop(devices->worker, "a device is reset");
    devices_resets_check(devices);
}

static void end(struct call *call, struct device *device, const char *result)
{
    struct devices *devices = call->service->devices;
    struct device_reset *reset = find(devices, device->key);
    char text[240];

    if (!reset || reset->peer != call->peer || reset->call) {
        call_refuse(call, REFUSED_FIELD, "no reset of this device was begun on this connection");
        return;
    }
    snprintf(text, sizeof text, "%s", result && *result ? result : "done");
    text_clean(text, sizeof text);
    finish(devices, reset, text);
    call_done(call);
}

void devices_reset(struct call *call, const Itexd__V1__DeviceReset *request)
{
    struct device *device = devices_named(call, request->device);
    bool force = request->has_force && request->force;

    if (!device)
        return;
    if (request->has_end && request->end)
        end(call, device, request->result);
    else if (device->resetting)
        call_refuse(call, REFUSED_DEVICE_BUSY, "the device is being reset already");
    else if (!device->card->bdf)
        call_refuse(call, REFUSED_DEVICE_BUSY, "the device has no PCI address, by which a reset would name it");
    else if (!force && call->service->leases && leases_hold(call->service->leases, device->key))
        call_refuse(call, REFUSED_DEVICE_BUSY,
                    "the device is leased; itexctl leases says by whom, and --force cuts its leases");
    else
        begin(call, device, force);
}

void devices_peer_gone(struct devices *devices, struct peer *peer)
{
    struct device_reset *reset, *next;

    for (reset = devices ? LIST_FIRST(&devices->resets) : NULL; reset; reset = next) {
        struct call *call = reset->call;

        next = LIST_NEXT(reset, link);
        if (reset->peer != peer)
            continue;
        reset->call = NULL;
        finish(devices, reset, "the process that did it has gone without a word on how it went");
        if (call)
            call_refuse(call, REFUSED_STOPPING, NULL); /* nobody hears it */
    }
}

void devices_resets_free(struct devices *devices)
{
    struct device_reset *reset;

    while ((reset = LIST_FIRST(&devices->resets))) {
        LIST_REMOVE(reset, link);
        if (reset->call)
            call_refuse(reset->call, REFUSED_STOPPING, NULL);
        free(reset);
    }
}
