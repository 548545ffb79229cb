/* The newest sample overwrites the oldest; nothing is allocated after the first. */
#include "daemon/devices/ring.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

void ring_deinit(struct ring *ring)
{
    free(ring->entries);
    *ring = (struct ring)RING_INIT;
}

int ring_add(struct ring *ring, const struct sample *sample)
{
    struct ring_entry *entry;

    if (!ring->entries) {
        ring->entries = calloc(RING_SAMPLES, sizeof *ring->entries);
        if (!ring->entries)
            return -ENOMEM;
    }
    entry = &ring->entries[ring->next];
    entry->time_ms = sample->time_ms;
    for (int i = 0; i < METRIC_COUNT; i++)
        entry->values[i] = sample->missing[i] == METRIC_THERE ? (float)sample->values[i] : NAN;
    ring->next = (ring->next + 1) % RING_SAMPLES;
    if (ring->n < RING_SAMPLES)
        ring->n++;
    return 0;
}

const struct ring_entry *ring_at(const struct ring *ring, size_t age)
{
    if (age >= ring->n)
        return NULL;
    return &ring->entries[(ring->next + RING_SAMPLES - 1 - age) % RING_SAMPLES];
}

/* The clock may be set while we sample, so the whole ring is looked at and not only its end. */
struct metric_summary ring_summary(const struct ring *ring, enum metric metric, uint64_t since_ms)
{
    struct metric_summary summary = {.n = 0};
    double sum = 0;

    for (size_t i = 0; i < ring->n; i++) {
        double value = (double)ring->entries[i].values[metric];

        if (ring->entries[i].time_ms < since_ms || isnan(value))
            continue;
        if (summary.n == 0 || value < summary.least)
            summary.least = value;
        if (summary.n == 0 || value > summary.largest)
            summary.largest = value;
        sum += value;
        summary.n++;
    }
    if (summary.n > 0)
        summary.mean = sum / (double)summary.n;
    return summary;
}
