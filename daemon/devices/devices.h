/*
 * The node's devices: keeps the device worker running, merges its inventories into stable identities, samples health,
 * writes changes down as events, and tells the leases what may be given.
 *
 * The service serves from the first moment: until the first inventory has come (or could not be had within
 * DEVICES_FIRST_MS) `settled` is false, and whoever asks for devices waits for that.
 */
#ifndef ITEXD_DEVICES_DEVICES_H
#define ITEXD_DEVICES_DEVICES_H

#include "daemon/call.h"
#include "daemon/devices/device.h"
#include "daemon/log_events.h"

#define DEVICES_FIRST_MS 10000
/* Other requests about devices wait for the first inventory too, but not so long: somebody looks at them. */
#define DEVICES_EARLY_MS 1000

struct child;
struct service;
struct devices;

/* Also where options say that there are none to be managed (devices: off): then the functions below find none.
 * Reads what the database knows; call after store_open and spawner_attach. 0, -ENOMEM. */
int devices_init(struct service *service, struct devices **out);
/* Writes down what was measured since the last time that was due; while there is still a store. NULL is none. */
void devices_stop(struct devices *devices);
void devices_free(struct devices *devices);
/* Options that may change while serving. */
void devices_apply_options(struct devices *devices);

bool devices_managed(const struct devices *devices);
bool devices_settled(const struct devices *devices);
size_t devices_count(const struct devices *devices);
struct device *devices_at(const struct devices *devices, size_t i);
struct device *devices_find(const struct devices *devices, const char *key);
/* Of the last inventory; NULL where there is none yet. Its layer and detail say why there are no devices. */
const Itexd__Child__Inventory *devices_inventory(const struct devices *devices);
/* "SIMULATED", "EMULATED" or NULL. */
const char *devices_substitute(const struct devices *devices);
/* NULL: there is none. */
const struct child *devices_worker(const struct devices *devices);
/* Why there is no device, in a sentence that begins with the layer that fails; never NULL. */
const char *devices_none_detail(const struct devices *devices);

/* What happened to a device or to the worker: logged, stored, and told to the holders of its leases. device may be
 * NULL; event is one of EVENT_DEVICE_*. */
void devices_event(struct devices *devices, struct device *device, enum log_event event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* True: nothing is known yet, and the request will be handled when something is, or DEVICES_EARLY_MS after the start
 * with what is known then. False: it can be handled now. */
typedef void (*devices_early_fn)(struct call *call, const Itexd__V1__Request *request, int fd);
bool devices_early(struct call *call, const Itexd__V1__Request *request, devices_early_fn handle);

/* Requests of the protocol; all answer the call. */
void devices_list(struct call *call, const Itexd__V1__Devices *request);
void devices_show(struct call *call, const Itexd__V1__DeviceShow *request);
void devices_drain(struct call *call, const Itexd__V1__DeviceDrain *request);
/* Begins or ends a reset that the asking process does itself; a connection that closes ends it too. */
void devices_reset(struct call *call, const Itexd__V1__DeviceReset *request);
void devices_peer_gone(struct devices *devices, struct peer *peer);
/* Starts the worker anew; lifts a give-up. */
void devices_restart_worker(struct call *call, const Itexd__V1__WorkerRestart *request);

/* For status: fills what concerns devices, worker and keeper; the texts live as long as devices does. */
void devices_status(const struct devices *devices, Itexd__V1__Status *status);
/* A line on what is wrong with devices or worker, "" for nothing. */
void devices_problem(const struct devices *devices, char *text, size_t size);

#endif
