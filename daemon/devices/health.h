/*
 * How a device is: what samples, inventories and the worker's absence say, judged in one place. Pure.
 *
 * The functions that take something in only note it; device_judge then makes a health of it. Lost goes before changed,
 * changed before degraded, degraded before stale: a device that was hot when the worker went is still not to be given.
 * A metric that is missing changes nothing: what was last known of it holds.
 */
#ifndef ITEXD_DEVICES_HEALTH_H
#define ITEXD_DEVICES_HEALTH_H

#include "daemon/devices/device.h"

#define HEALTH_HYSTERESIS 5 /* degrees Celsius */
#define HEALTH_FAILED_SAMPLES 3

enum health_reason {
    HEALTH_HOT = 1,
    HEALTH_MEMORY_HOT = 2,
    HEALTH_ERRORS = 4,
    HEALTH_NEEDS_RESET = 8,
    HEALTH_FAILING = 16,
};

/* 0: no limit. */
struct health_limits {
    double temperature, memory_temperature, uncorrectable;
};

/* From the worker's words: a value that is no number counts as missing. */
void sample_read(const Itexd__Child__CardSample *from, uint64_t time_ms, struct sample *out);

/* A sample came, with or without values: the worker is there, and the device with it. */
void health_sampled(struct device *device, const struct sample *sample, const struct health_limits *limits);
void health_sample_failed(struct device *device);
/* The driver says that the device is lost; it is until a sample comes. */
void health_lost(struct device *device, const char *because);
/* It is in the inventory, or is not. */
void health_seen(struct device *device);
void health_gone(struct device *device, const char *because);
/* The worker has said nothing for too long; NULL: it is there. */
void health_away(struct device *device, const char *why);
/* Another card, and the one before is still leased; NULL: it is not any more. */
void health_changed(struct device *device, const char *how);
/* It was reset: errors are counted from now on, and what a reset mends is forgotten. */
void health_reset(struct device *device);

/* True where health or its reasons changed: an event. */
bool device_judge(struct device *device);

#endif
