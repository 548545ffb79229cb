/*
 * The state of the service at one moment, in numbers: made by the loop, read by the metrics thread, changed by nobody.
 * It owns all it points to, or shares it by an atomic reference; so it outlives rule sets, devices and leases.
 *
 * Making one copies about 20 KiB and eight bytes for each rule, and looks at no file: tens of microseconds.
 */
#ifndef ITEXD_METRICS_SNAPSHOT_H
#define ITEXD_METRICS_SNAPSHOT_H

#include "daemon/children/child.h"
#include "daemon/devices/device.h"
#include "daemon/metrics/counts.h"
#include "daemon/ruleset.h"
#include "db/store.h"

#define SNAPSHOT_UNITS_MAX 1024 /* leased units that are named; more are only counted */
#define SNAPSHOT_JOB_SIZE 257

struct service;

/* Over the last seconds: what xpumd reports as min, avg and max. */
#define SNAPSHOT_FREQUENCY_MS 10000

struct snapshot_device {
    uint32_t id;
    char key[DEVICE_KEY_SIZE], bdf[DEVICE_KEY_SIZE], uuid[DEVICE_KEY_SIZE], name[96], driver[32];
    unsigned pci_device, tiles;
    uint64_t memory_bytes;
    enum device_health health;
    bool present, drained, hot, memory_hot;
    bool measured; /* the sample is of now: not before the first, not while the device is stale or lost */
    struct sample sample;
    struct metric_summary frequency;
};

struct snapshot_unit {
    uint64_t lease;
    char job[SNAPSHOT_JOB_SIZE];
    const struct snapshot_device *device; /* NULL: not known */
    char key[DEVICE_KEY_SIZE];
    int tile;
    enum lease_phase phase;
    enum lease_sharing sharing;
};

struct snapshot_child {
    bool wanted;
    enum child_state state;
    unsigned restarts;
};

struct snapshot_rules {
    uint64_t id;
    char name[RULESET_MAX_NAME + 1], digest[65];
    size_t n;
    bool waiting; /* newer shipped rules do */
};

struct snapshot {
    uint64_t taken_us; /* steady clock */
    uint64_t start_ms;
    bool degraded, locked, durable;
    char policy[16], substitute[16];
    size_t peers;
    uint64_t log_dropped;
    struct counts counts; /* its rules are not used */
    struct rule_names *rule_names;
    uint64_t *rule_counts;
    uint64_t other_rules;
    struct snapshot_rules rules;
    struct store_figures store;
    struct lease_figures leases;
    struct snapshot_child worker, keeper;
    struct snapshot_device *devices;
    size_t n_devices;
    struct snapshot_unit *units;
    size_t n_units, n_units_left_out;
};

/* In the loop. NULL without memory. */
struct snapshot *snapshot_take(const struct service *service);
/* In any thread; NULL is none. */
void snapshot_free(struct snapshot *snapshot);

#endif
