/* Requests about devices. Who may see and do what: contract of the protocol; handlers.c has checked the rights to
 * change something. */
#include "daemon/devices/card.h"
#include "daemon/devices/devices_info.h"
#include "daemon/devices/devices_own.h"
#include "daemon/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_EVENTS 20

struct device *devices_named(struct call *call, const char *name)
{
    struct devices *devices = call->service->devices;
    struct device *device;
    bool ambiguous;
    char text[120];

    if (!devices_managed(devices)) {
        call_refuse(call, REFUSED_NO_DEVICES, NULL);
        return NULL;
    }
    if (!name || !*name) {
        call_refuse(call, REFUSED_FIELD, "the request names no device");
        return NULL;
    }
    device = device_set_named(&devices->set, name, &ambiguous);
    if (device)
        return device;
    snprintf(text, sizeof text, "%.64s%s", name, ambiguous ? " (several UUIDs begin so)" : "");
    text_clean(text, sizeof text);
    call_refuse(call, REFUSED_NO_DEVICE, text);
    return NULL;
}

/* ---- list ------------------------------------------------------------------------------------------------- */

void devices_list(struct call *call, const Itexd__V1__Devices *request)
{
    struct devices *devices = call->service->devices;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__DevicesReply body = ITEXD__V1__DEVICES_REPLY__INIT;
    struct info_space *space = info_space_new(devices_count(devices));

    (void)request;
    if (!space) {
        call_refuse(call, REFUSED_INTERNAL, "there is no memory left");
        return;
    }
    for (size_t i = 0; i < devices_count(devices); i++)
        info_fill(space, call, devices_at(devices, i), false);
    body.n_devices = info_list(space, &body.devices);
    if (body.n_devices == 0)
        body.none = (char *)devices_none_detail(devices);
    body.substitute = (char *)devices_substitute(devices);
    reply.body_case = ITEXD__V1__REPLY__BODY_DEVICES;
    reply.devices = &body;
    call_reply(call, &reply);
    info_space_free(space);
}

/* ---- show ------------------------------------------------------------------------------------------------- */

static void reply_show(struct call *call, const struct store_event *events, size_t n)
{
    struct devices *devices = call->service->devices;
    struct device *device = devices_find(devices, call->state);
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__DeviceShowReply body = ITEXD__V1__DEVICE_SHOW_REPLY__INIT;
    Itexd__V1__DeviceEvent items[SHOWN_EVENTS], *list[SHOWN_EVENTS];
    struct info_space *space = device ? info_space_new(1) : NULL;

    if (!space) {
        call_refuse(call, device ? REFUSED_INTERNAL : REFUSED_NO_DEVICE, "it has just gone");
        return;
    }
    for (size_t i = 0; i < n && i < SHOWN_EVENTS; i++) {
        itexd__v1__device_event__init(&items[i]);
        items[i].has_time_ms = true;
        items[i].time_ms = events[i].time_ms;
        items[i].kind = (char *)events[i].kind;
        items[i].text = (char *)events[i].text;
        list[i] = &items[i];
        body.n_events++;
    }
    body.events = list;
    body.device = info_fill(space, call, device, true);
    body.substitute = (char *)devices_substitute(devices);
    reply.body_case = ITEXD__V1__REPLY__BODY_DEVICE_SHOW;
    reply.device_show = &body;
    call_reply(call, &reply);
    info_space_free(space);
}

/* A database that cannot be read has no events to tell; the device is known without it. */
static void on_events(void *context, int status, const struct store_event *events, size_t n)
{
    struct call *call = context;

    call->ticket = 0;
    reply_show(call, events, status < 0 ? 0 : n);
}

void devices_show(struct call *call, const Itexd__V1__DeviceShow *request)
{
    struct device *device = devices_named(call, request->device);

    if (!device || !call_may_read(call))
        return;
    call->state = strdup(device->key);
    call->free_state = free;
    if (!call->state) {
        call_refuse(call, REFUSED_INTERNAL, "there is no memory left");
        return;
    }
    call->ticket = store_events(call->service->store, device->key, SHOWN_EVENTS, on_events, call);
    if (call->ticket == 0)
        reply_show(call, NULL, 0);
}

/* ---- drain, restart --------------------------------------------------------------------------------------- */

void devices_drain(struct call *call, const Itexd__V1__DeviceDrain *request)
{
    struct devices *devices = call->service->devices;
    struct device *device = devices_named(call, request->device);
    bool drain = !request->has_drain || request->drain;
    char reason[160];

    if (!device)
        return;
    if (device->drained == drain) {
        call_done(call);
        return;
    }
    snprintf(reason, sizeof reason, "%s", request->reason ? request->reason : "");
    text_clean(reason, sizeof reason);
    device->drained = drain;
    devices_event(devices, device, drain ? EVENT_DEVICE_DRAINED : EVENT_DEVICE_UNDRAINED, "by uid %u%s%s",
                  (unsigned)call->who.uid, reason[0] ? ": " : "", reason);
    devices_put(devices, device, call);
    devices_publish(devices);
}

void devices_restart_worker(struct call *call, const Itexd__V1__WorkerRestart *request)
{
    struct devices *devices = call->service->devices;

    (void)request;
    if (!devices_managed(devices)) {
        call_refuse(call, REFUSED_NO_DEVICES, NULL);
    } else if (!devices->worker || spawner_failed(call->service->spawner)) {
        call_refuse(call, REFUSED_INTERNAL, "the process that starts the device worker is missing; restart itexd");
    } else if (!LIST_EMPTY(&devices->resets)) {
        call_refuse(call, REFUSED_DEVICE_BUSY, "a device is being reset, and the worker is started after that");
    } else {
        devices_event(devices, NULL, EVENT_DEVICE_WORKER_RESTART, "asked for by uid %u", (unsigned)call->who.uid);
        devices_worker_restart(devices, "asked for");
        call_done(call);
    }
}
