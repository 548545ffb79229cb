/*
 * The last samples of one device: RING_SAMPLES of them, an hour at one second, in well under a megabyte. Values are
 * kept as float, NAN for missing; why it is missing is kept for the last sample only (struct sample).
 */
#ifndef ITEXD_DEVICES_RING_H
#define ITEXD_DEVICES_RING_H

#include "daemon/devices/metric.h"

#include <stddef.h>
#include <stdint.h>

#define RING_SAMPLES 3600

enum metric_missing { METRIC_THERE, METRIC_NOT_AVAILABLE, METRIC_NOT_PERMITTED };

struct sample {
    uint64_t time_ms; /* since 1970 */
    double values[METRIC_COUNT];
    enum metric_missing missing[METRIC_COUNT];
};

struct ring_entry {
    uint64_t time_ms;
    float values[METRIC_COUNT];
};

struct ring {
    struct ring_entry *entries; /* made with the first sample; NULL before */
    size_t next, n;
};
#define RING_INIT                                                                                                      \
    {                                                                                                                  \
        .entries = NULL                                                                                                \
    }

void ring_deinit(struct ring *ring);
/* 0, -ENOMEM. */
int ring_add(struct ring *ring, const struct sample *sample);
/* The one that is `age` samples old (0: the newest), NULL beyond the end. */
const struct ring_entry *ring_at(const struct ring *ring, size_t age);

/* Of the samples from since_ms on: how many there were of a metric, the least, the mean, the largest. */
struct metric_summary {
    size_t n;
    double least, mean, largest;
};
struct metric_summary ring_summary(const struct ring *ring, enum metric metric, uint64_t since_ms);

#endif
