/*
 * One card of the node, as the service knows it: what it is, how it is, what it measured lately.
 *
 * Identity. A card is its PCI address; one without (an emulated one) is its UUID; where several have the same UUID and
 * no address, "UUID/2" and so on in the driver's order. This text is `key`: live leases, the database and the pool of
 * leases all use it. `id` is a small number for people, from the database, the same as long as the database is.
 *
 * Health is changed by device_set_health alone (health.h), drained is an administrator's flag beside it and survives
 * restarts.
 */
#ifndef ITEXD_DEVICES_DEVICE_H
#define ITEXD_DEVICES_DEVICE_H

#include "child.pb-c.h"
#include "daemon/devices/metric.h"
#include "daemon/devices/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_KEY_SIZE 48
#define DEVICES_MAX 64

enum device_health {
    DEVICE_HEALTHY,
    DEVICE_DEGRADED, /* works, but a threshold is passed or calls fail: no new lease */
    DEVICE_LOST,     /* gone, or its driver says so: no new lease */
    DEVICE_STALE,    /* the worker is away: what is known is from before; leases are given */
    DEVICE_CHANGED,  /* another card, or the same with other tiles or memory, while leased: no new lease until free */
};
const char *device_health_name(enum device_health health);

/* What is known for the judgement of a device's health; health.c alone changes it. */
struct device_condition {
    bool hot, memory_hot, errors, needs_reset, lost, gone, stale, changed;
    unsigned failed; /* samples in a row */
    bool has_errors_base;
    double errors_base, new_errors; /* uncorrectable: that were there before, and since */
    double heat, memory_heat;       /* as last measured */
    char lost_because[96];
    char changed_how[128];
    char away[160]; /* why the worker says nothing */
};

struct device {
    uint32_t id; /* 0: not known to the database yet */
    char key[DEVICE_KEY_SIZE];
    Itexd__Child__Card *card; /* the last that was seen, cleaned (card.h); owned. Of one that only the database knows:
                                 what the database knows */
    bool present;             /* in the last inventory; never so before the first */
    int position;             /* in the last inventory; -1: not in it */
    bool judged;              /* its health has been said since the start */
    bool repeated;            /* its UUID is another device's too */
    enum device_health health;
    unsigned reasons; /* of its health: what it is judged by, as bits (health.h) */
    char cause[160];  /* of its health; "" for healthy */
    struct device_condition condition;
    bool drained;
    bool resetting;                       /* for somebody's `devices reset` */
    uint64_t first_seen_ms, last_seen_ms; /* since 1970 */
    struct ring ring;
    struct sample last; /* all missing before the first */
    uint64_t last_sample_ms;
};

/* Before its first inventory: not present, stale. Takes the card, also where it fails; NULL without memory. */
struct device *device_new(const char *key, Itexd__Child__Card *card);
void device_free(struct device *device);

/* May it be given to a job? why (may be NULL) gets the reason where not. */
bool device_grantable(const struct device *device, const char **why);
unsigned device_tiles(const struct device *device); /* 1 at least */
const char *device_name(const struct device *device);

#endif
