/*
 * What the files of devices share. Flow: devices_worker.c hears from the worker, devices_merge.c takes up what it says,
 * devices.c keeps leases and the database in step, devices_requests.c and devices_reset.c answer people.
 */
#ifndef ITEXD_DEVICES_OWN_H
#define ITEXD_DEVICES_OWN_H

#include "daemon/children/child.h"
#include "daemon/devices/devices.h"
#include "daemon/devices/health.h"
#include "daemon/devices/identity.h"
#include "daemon/devices/sysman.h"
#include "daemon/devices/uevents.h"

#include <sys/queue.h>

#define DEVICES_TICK_LONGEST_MS 5000
#define DEVICES_AGGREGATE_MS (5u * 60 * 1000)
/* Shorter sample intervals do not make a worker stale sooner. */
#define DEVICES_STALE_LEAST_MS 1000

#define DEVICES_CUT_MAX 32

struct device_reset {
    LIST_ENTRY(device_reset) link;
    char key[DEVICE_KEY_SIZE];
    struct peer *peer;
    struct call *call; /* until the worker has ended */
    bool force;
    uint64_t begin_ms; /* steady */
    uint64_t cut[DEVICES_CUT_MAX];
    unsigned n_cut;
};

struct worker_texts {
    char words[SPAWNER_MAX_TEXT]; /* of worker_environment, cut into words */
    char drivers[SPAWNER_MAX_TEXT], root[SPAWNER_MAX_TEXT], substitute[32];
};

struct devices_said; /* devices_status.c */
struct device_put;   /* devices.c */

struct devices {
    struct service *service;
    bool managed;
    struct child *worker; /* NULL: none is managed, or none can be started */
    enum child_state told_state;
    struct worker_texts *worker_texts;
    struct uevents *uevents; /* NULL: hot-plug is not watched */
    struct device_set set;
    Itexd__Child__Inventory *inventory; /* the last; NULL: none yet */
    uint64_t inventory_ms;
    struct device *by_position[DEVICES_MAX]; /* of the last inventory's cards; NULL: left out */
    struct identity_changes changes;
    bool current; /* the worker that runs now gave the last inventory */
    bool settled;
    bool asked;                                             /* a request is outstanding */
    uint64_t asked_ms, heard_ms, sampled_ms, aggregated_ms; /* steady clock */
    uint64_t aggregated_wall_ms;
    struct sysman_policy sysman;
    struct event *tick, *first, *first_early;
    bool patient;           /* requests wait, for the first inventory and the numbers of its devices */
    struct call_list early; /* they */
    uint64_t interruptions; /* of the store, when devices were last put */
    LIST_HEAD(, device_reset) resets;
    LIST_HEAD(, device_put) puts; /* to the database, on their way */
    char none[560];               /* devices_none_detail: a layer and its detail */
    struct devices_said *said;
};

/* ---- devices.c --------------------------------------------------------------------------------------------------- */

/* Devices have changed: the leases are told. May grant leases and answer calls, so it comes last. */
void devices_publish(struct devices *devices);
void devices_settle(struct devices *devices);
/* Writes the device to the database. call (may be NULL) is then done. */
void devices_put(struct devices *devices, struct device *device, struct call *call);
void devices_put_all(struct devices *devices);
/* Says why there is none, anew. */
void devices_explain_none(struct devices *devices);
/* Judges, and makes an event of what changed. True where leases have to know. */
bool devices_judge(struct devices *devices, struct device *device);

/* ---- devices_worker.c -------------------------------------------------------------------------------------------- */

int devices_worker_init(struct devices *devices);
void devices_worker_free(struct devices *devices);
/* Both do nothing while a device is being reset, and give sysman another chance. */
void devices_worker_restart(struct devices *devices, const char *why);
void devices_worker_resume(struct devices *devices);

/* ---- devices_merge.c --------------------------------------------------------------------------------------------- */

void devices_take_inventory(struct devices *devices, const Itexd__Child__Inventory *inventory);
/* samples NULL: they failed. */
void devices_take_samples(struct devices *devices, const Itexd__Child__Samples *samples);
/* The worker has said nothing for a while: why. */
void devices_mark_stale(struct devices *devices, const char *why);
/* Devices that had changed while leased and are leased no more. */
void devices_check_changed(struct devices *devices);
/* Samples since the last time go to the database, as their least, mean and highest value. */
void devices_aggregate(struct devices *devices);
/* When the devices that are there were last seen. */
void devices_put_seen(struct devices *devices);

/* ---- devices_requests.c ------------------------------------------------------------------------------------------ */

/* The device that a request names; NULL: the call has been refused. */
struct device *devices_named(struct call *call, const char *name);

/* ---- devices_early.c --------------------------------------------------------------------------------------------- */

/* Requests are answered from now on, with what is known. */
void devices_end_patience(struct devices *devices);
/* The same, where there is an inventory and the database has it. */
void devices_check_patience(struct devices *devices);

/* ---- devices_reset.c --------------------------------------------------------------------------------------------- */

/* The worker has ended, or some time has passed: answers those who waited for that. */
void devices_resets_check(struct devices *devices);
void devices_resets_free(struct devices *devices);

/* ---- devices_status.c -------------------------------------------------------------------------------------------- */

int devices_said_init(struct devices *devices);

#endif
