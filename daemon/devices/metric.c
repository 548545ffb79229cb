/* Names and units, in the order of enum metric. The names are in the database and in JSON: they only ever grow. */
#include "daemon/devices/metric.h"

const struct metric_info metric_table[METRIC_COUNT] = {
    [METRIC_TEMPERATURE] = {"temperature", "C"},
    [METRIC_MEMORY_TEMPERATURE] = {"memory_temperature", "C"},
    [METRIC_POWER] = {"power", "W"},
    [METRIC_ENERGY] = {"energy", "J"},
    [METRIC_FREQUENCY] = {"frequency", "MHz"},
    [METRIC_FREQUENCY_LIMIT] = {"frequency_limit", "MHz"},
    [METRIC_THROTTLE] = {"throttle", ""},
    [METRIC_UTILISATION] = {"utilisation", ""},
    [METRIC_MEMORY_USED] = {"memory_used", "B"},
    [METRIC_MEMORY_READ] = {"memory_read", "B/s"},
    [METRIC_MEMORY_WRITE] = {"memory_write", "B/s"},
    [METRIC_RAS_CORRECTABLE] = {"ras_correctable", ""},
    [METRIC_RAS_UNCORRECTABLE] = {"ras_uncorrectable", ""},
    [METRIC_LINKS] = {"links", ""},
    [METRIC_LINKS_UP] = {"links_up", ""},
    [METRIC_RESET_REQUIRED] = {"reset_required", ""},
};
