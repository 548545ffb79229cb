/*
 * Devices as xpumd shows them, so that dashboards and alerts for it work here. A value that was not measured is left
 * out, as is every value of a device that is stale or lost: a line that stands still would look like a reading.
 */
#include "daemon/metrics/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INTEL "8086"
#define HERTZ_PER_MHZ 1e6

/* xpumd's names of the only, or hottest, sensor of its kind. */
#define NAME_TEMPERATURE "temp-1"
#define NAME_MEMORY_TEMPERATURE "temp-2"
#define NAME_POWER "power-1"
#define NAME_FREQUENCY "freq-1"
#define NAME_MEMORY "mem-1"

const char *render_hw_id(const struct snapshot_device *device)
{
    return device->bdf[0] && device->uuid[0] ? device->uuid : device->key;
}

/* The labels that all have. The whole card: xpumd leaves the subdevice empty then. */
#define COMMON(device, name)                                                                                           \
    "pci_bdf", (device)->bdf, "hw_id", render_hw_id(device), "hw_name", (name), "com_intel_subdevice_id", ""

static bool has(const struct snapshot_device *device, enum metric metric)
{
    return device->measured && device->sample.missing[metric] == METRIC_THERE;
}

static double value(const struct snapshot_device *device, enum metric metric)
{
    return device->sample.values[metric];
}

#define EACH(snapshot, device)                                                                                         \
    for (const struct snapshot_device *device = (snapshot)->devices;                                                   \
         device < (snapshot)->devices + (snapshot)->n_devices; device++)

static void name_gpu(const struct snapshot_device *device, char *text, size_t size)
{
    snprintf(text, size, "gpu-%" PRIu32, device->id);
}

static void render_infos(struct text *text, const struct snapshot *snapshot)
{
    char name[24], id[16], tiles[16];

    text_begin(text, FAMILY_GPU);
    EACH(snapshot, device)
    {
        name_gpu(device, name, sizeof name);
        snprintf(id, sizeof id, "%04x", device->pci_device);
        snprintf(tiles, sizeof tiles, "%u", device->tiles);
        text_sample(text, 1, "pci_bdf", device->bdf, "hw_id", render_hw_id(device), "hw_name", name, "hw_model",
                    device->name, "hw_vendor", "Intel(R) Corporation", "pci_vendor_id", INTEL, "pci_device_id",
                    device->pci_device ? id : "", "com_intel_subdevice_count", tiles, NULL);
    }
    text_begin(text, FAMILY_DEVICE);
    EACH(snapshot, device)
    {
        snprintf(id, sizeof id, "%" PRIu32, device->id);
        text_sample(text, 1, "pci_bdf", device->bdf, "hw_id", render_hw_id(device), "id", id, "kernel_driver",
                    device->driver, "present", device->present ? "true" : "false", NULL);
    }
    text_begin(text, FAMILY_DEVICE_DRAINED);
    EACH(snapshot, device)
    text_sample(text, device->drained, "pci_bdf", device->bdf, "hw_id", render_hw_id(device), NULL);
}

/* ---- States ----------------------------------------------------------------------------------------------- */

static void render_health(struct text *text, const struct snapshot_device *device, const char *name)
{
    for (int health = DEVICE_HEALTHY; health <= DEVICE_CHANGED; health++)
        text_sample(text, device->health == (enum device_health)health, COMMON(device, name), "hw_type", "gpu",
                    "hw_state", health == DEVICE_HEALTHY ? "ok" : device_health_name((enum device_health)health), NULL);
    if (has(device, METRIC_RESET_REQUIRED))
        text_sample(text, value(device, METRIC_RESET_REQUIRED), COMMON(device, name), "hw_type", "gpu", "hw_state",
                    "reset_needed", NULL);
}

static void render_heat(struct text *text, const struct snapshot_device *device, const char *name, const char *where,
                        bool hot)
{
    text_sample(text, !hot, COMMON(device, name), "hw_sensor_location", where, "hw_type", "temperature", "hw_state",
                "ok", NULL);
    text_sample(text, hot, COMMON(device, name), "hw_sensor_location", where, "hw_type", "temperature", "hw_state",
                "warning", NULL);
}

static void render_states(struct text *text, const struct snapshot *snapshot)
{
    char name[24];

    text_begin(text, FAMILY_STATUS);
    EACH(snapshot, device)
    {
        name_gpu(device, name, sizeof name);
        render_health(text, device, name);
        if (has(device, METRIC_TEMPERATURE))
            render_heat(text, device, NAME_TEMPERATURE, "gpu", device->hot);
        if (has(device, METRIC_MEMORY_TEMPERATURE))
            render_heat(text, device, NAME_MEMORY_TEMPERATURE, "memory", device->memory_hot);
    }
}

/* ---- Measured --------------------------------------------------------------------------------------------- */

static void render_temperatures(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_TEMPERATURE);
    EACH(snapshot, device)
    {
        if (has(device, METRIC_TEMPERATURE))
            text_sample(text, value(device, METRIC_TEMPERATURE), COMMON(device, NAME_TEMPERATURE), "hw_sensor_location",
                        "gpu", "statistic", "max", NULL);
        if (has(device, METRIC_MEMORY_TEMPERATURE))
            text_sample(text, value(device, METRIC_MEMORY_TEMPERATURE), COMMON(device, NAME_MEMORY_TEMPERATURE),
                        "hw_sensor_location", "memory", "statistic", "max", NULL);
    }
}

/* xpumd says "gpu" where the driver does not name the domain; here it is the sum of a card's. */
static void render_power(struct text *text, const struct snapshot *snapshot)
{
    const struct {
        enum family_id family;
        enum metric metric;
    } kinds[] = {{FAMILY_POWER, METRIC_POWER}, {FAMILY_ENERGY, METRIC_ENERGY}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        text_begin(text, kinds[i].family);
        EACH(snapshot, device)
        if (has(device, kinds[i].metric))
            text_sample(text, value(device, kinds[i].metric), COMMON(device, NAME_POWER), "hw_sensor_location", "gpu",
                        NULL);
    }
}

static void render_frequency(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_FREQUENCY);
    EACH(snapshot, device)
    {
        const struct metric_summary *summary = &device->frequency;
        const struct {
            const char *word;
            double mhz;
        } parts[] = {{"min", summary->least}, {"avg", summary->mean}, {"max", summary->largest}};

        for (size_t i = 0; device->measured && summary->n > 0 && i < sizeof parts / sizeof *parts; i++)
            text_sample(text, parts[i].mhz * HERTZ_PER_MHZ, COMMON(device, NAME_FREQUENCY), "hw_frequency_domain",
                        "gpu", "aggregation", parts[i].word, NULL);
    }
    text_begin(text, FAMILY_FREQUENCY_LIMIT);
    EACH(snapshot, device)
    if (has(device, METRIC_FREQUENCY_LIMIT))
        text_sample(text, value(device, METRIC_FREQUENCY_LIMIT) * HERTZ_PER_MHZ, COMMON(device, NAME_FREQUENCY),
                    "hw_frequency_domain", "gpu", "hw_limit_type", "max", NULL);
}

static void render_throttle(struct text *text, const struct snapshot *snapshot)
{
    static const struct {
        unsigned reason;
        const char *word;
    } reasons[] = {
        {THROTTLE_AVERAGE_POWER, "ave_pwr_cap"}, {THROTTLE_BURST_POWER, "burst_pwr_cap"},
        {THROTTLE_CURRENT, "current_limit"},     {THROTTLE_THERMAL, "thermal_limit"},
        {THROTTLE_POWER_ALERT, "psu_alert"},     {THROTTLE_SOFTWARE_RANGE, "sw_range"},
        {THROTTLE_HARDWARE_RANGE, "hw_range"},
    };

    text_begin(text, FAMILY_THROTTLE);
    EACH(snapshot, device)
    {
        if (!has(device, METRIC_THROTTLE))
            continue;
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
            text_sample(text, ((unsigned)value(device, METRIC_THROTTLE) & reasons[i].reason) != 0,
                        COMMON(device, NAME_FREQUENCY), "hw_frequency_domain", "gpu", "com_intel_speed_throttle_reason",
                        reasons[i].word, NULL);
    }
}

static void render_utilisation(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_UTILISATION);
    EACH(snapshot, device)
    if (has(device, METRIC_UTILISATION))
        text_sample(text, value(device, METRIC_UTILISATION), COMMON(device, "engine-1-all"), "hw_gpu_task", "all",
                    NULL);
}

static void memory_sample(struct text *text, const struct snapshot_device *device, double number)
{
    text_sample(text, number, COMMON(device, NAME_MEMORY), "hw_memory_location", "device", NULL);
}

static void render_memory(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_MEMORY_SIZE);
    EACH(snapshot, device)
    if (device->memory_bytes > 0)
        memory_sample(text, device, (double)device->memory_bytes);
    text_begin(text, FAMILY_MEMORY_USAGE);
    EACH(snapshot, device)
    if (has(device, METRIC_MEMORY_USED))
        memory_sample(text, device, value(device, METRIC_MEMORY_USED));
    text_begin(text, FAMILY_MEMORY_UTILISATION);
    EACH(snapshot, device)
    if (has(device, METRIC_MEMORY_USED) && device->memory_bytes > 0)
        memory_sample(text, device, value(device, METRIC_MEMORY_USED) / (double)device->memory_bytes);
    text_begin(text, FAMILY_MEMORY_RATE);
    EACH(snapshot, device)
    if (has(device, METRIC_MEMORY_READ) && has(device, METRIC_MEMORY_WRITE))
        memory_sample(text, device, value(device, METRIC_MEMORY_READ) + value(device, METRIC_MEMORY_WRITE));
}

static void render_errors(struct text *text, const struct snapshot *snapshot)
{
    const struct {
        enum metric metric;
        const char *type;
    } kinds[] = {{METRIC_RAS_CORRECTABLE, "correctable"}, {METRIC_RAS_UNCORRECTABLE, "uncorrectable"}};
    char name[24];

    text_begin(text, FAMILY_ERRORS);
    EACH(snapshot, device)
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        name_gpu(device, name, sizeof name);
        if (has(device, kinds[i].metric))
            text_sample(text, value(device, kinds[i].metric), COMMON(device, name), "hw_type", "gpu", "error_type",
                        kinds[i].type, "error_category", "all", NULL);
    }
}

static void render_links(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_DEVICE_LINKS);
    EACH(snapshot, device)
    {
        if (!has(device, METRIC_LINKS) || !has(device, METRIC_LINKS_UP))
            continue;
        text_sample(text, value(device, METRIC_LINKS), "pci_bdf", device->bdf, "hw_id", render_hw_id(device), "links",
                    "expected", NULL);
        text_sample(text, value(device, METRIC_LINKS_UP), "pci_bdf", device->bdf, "hw_id", render_hw_id(device),
                    "links", "up", NULL);
    }
}

void render_devices(struct text *text, const struct snapshot *snapshot)
{
    render_infos(text, snapshot);
    render_links(text, snapshot);
    render_states(text, snapshot);
    render_temperatures(text, snapshot);
    render_power(text, snapshot);
    render_frequency(text, snapshot);
    render_throttle(text, snapshot);
    render_utilisation(text, snapshot);
    render_memory(text, snapshot);
    render_errors(text, snapshot);
}
