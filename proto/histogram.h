/*
 * Counts of values by size: how often a value was at most each of a few fixed bounds, and their sum. Adding is a few
 * comparisons and two additions, so that it can stand where every decision passes. No locks: whoever shares one brings
 * a lock.
 */
#ifndef ITEXD_PROTO_HISTOGRAM_H
#define ITEXD_PROTO_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 20

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* values up to each bound and above the one before; then those above all */
    uint64_t sum;
};

/* In microseconds: from what a resolution with a hundred rules takes to what a job waits for a device. */
static const uint64_t histogram_times[HISTOGRAM_BOUNDS] = {10,     20,      50,      100,     200,      500,     1000,
                                                           2000,   5000,    10000,   20000,   50000,    100000,  200000,
                                                           500000, 1000000, 2000000, 5000000, 10000000, 60000000};
/* In nanoseconds: a resolution alone, with up to ten thousand rules. */
static const uint64_t histogram_short_times[HISTOGRAM_BOUNDS] = {
    200,    500,     1000,    2000,    5000,     10000,    20000,    50000,     100000,    200000,
    500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000};
/* In milliseconds: waiting for devices. */
static const uint64_t histogram_waits[HISTOGRAM_BOUNDS] = {
    1,     5,      10,     50,      100,     500,     1000,     5000,     10000,    30000,
    60000, 300000, 600000, 1800000, 3600000, 7200000, 14400000, 28800000, 86400000, 604800000};
/* Powers of two. */
static const uint64_t histogram_sizes[HISTOGRAM_BOUNDS] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288};

static inline void histogram_add(struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS], uint64_t value)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && value > bounds[i])
        i++;
    histogram->counts[i]++;
    histogram->sum += value;
}

#endif
