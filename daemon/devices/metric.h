/* What is measured of a card. The worker sends one value for each, in this order; any may be missing, with a reason. */
#ifndef ITEXD_DEVICES_METRIC_H
#define ITEXD_DEVICES_METRIC_H

enum metric {
    METRIC_TEMPERATURE,        /* degrees Celsius, the hottest sensor of the GPU */
    METRIC_MEMORY_TEMPERATURE, /* degrees Celsius */
    METRIC_POWER,              /* W, over the time since the last sample */
    METRIC_ENERGY,             /* J, since the driver was loaded */
    METRIC_FREQUENCY,          /* MHz, of the GPU */
    METRIC_FREQUENCY_LIMIT,    /* MHz, the highest it may reach now */
    METRIC_THROTTLE,           /* 0: not; else why, a sum of enum throttle_reason */
    METRIC_UTILISATION,        /* 0 to 1: share of the time since the last sample in which an engine was busy */
    METRIC_MEMORY_USED,        /* bytes */
    METRIC_MEMORY_READ,        /* bytes per second since the last sample */
    METRIC_MEMORY_WRITE,       /* bytes per second since the last sample */
    METRIC_RAS_CORRECTABLE,    /* count since the driver was loaded */
    METRIC_RAS_UNCORRECTABLE,  /* count since the driver was loaded */
    METRIC_LINKS,              /* fabric ports that are configured and should work */
    METRIC_LINKS_UP,           /* those of them that do */
    METRIC_RESET_REQUIRED,     /* 0 or 1: the card says that it needs a reset */
    METRIC_COUNT
};

enum throttle_reason { /* the numbers are Level Zero's (zes_freq_throttle_reason_flags_t) */
                       THROTTLE_AVERAGE_POWER = 1,
                       THROTTLE_BURST_POWER = 2,
                       THROTTLE_CURRENT = 4,
                       THROTTLE_THERMAL = 8,
                       THROTTLE_POWER_ALERT = 16,
                       THROTTLE_SOFTWARE_RANGE = 32,
                       THROTTLE_HARDWARE_RANGE = 64,
};

struct metric_info {
    const char *name; /* as in JSON and the database: "temperature" */
    const char *unit; /* "C", "W", "" */
};
extern const struct metric_info metric_table[METRIC_COUNT];

#endif
