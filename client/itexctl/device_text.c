/* One device as text: what it is, how it is, what is measured, what happened. Nothing that is unknown is a zero. */
#include "client/itexctl/commands_devices.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Values ----------------------------------------------------------------------------------------- */

const char *bytes_text(double bytes, char text[BYTES_TEXT_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (bytes >= 1023.95 && unit + 1 < LENGTH(units)) {
        bytes /= 1024;
        unit++;
    }
    bool whole = bytes >= 99.95 || fabs(bytes - round(bytes)) < 0.05;
    snprintf(text, BYTES_TEXT_SIZE, "%.*f %s", whole ? 0 : 1, bytes, units[unit]);
    return text;
}

const char *short_address(const char *bdf)
{
    return bdf && strncmp(bdf, "0000:", 5) == 0 ? bdf + 5 : bdf;
}

static const char *throttle_text(unsigned reasons, char text[METRIC_TEXT_SIZE])
{
    static const char *const words[] = {"average power", "burst power",    "current",       "heat",
                                        "power alert",   "software range", "hardware range"};
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < LENGTH(words) && used < METRIC_TEXT_SIZE; i++)
        if (reasons & 1u << i)
            used += (size_t)snprintf(text + used, METRIC_TEXT_SIZE - used, "%s%s", used ? ", " : "", words[i]);
    return used ? text : "no";
}

const char *metric_text(const Itexd__V1__Metric *metric, double value, char text[METRIC_TEXT_SIZE])
{
    const char *name = metric->name ? metric->name : "", *unit = metric->unit ? metric->unit : "";
    char bytes[BYTES_TEXT_SIZE];
    if (!metric->has_value)
        return metric->missing ? metric->missing : "not available";
    if (strcmp(name, "throttle") == 0)
        return throttle_text((unsigned)value, text);
    if (strcmp(name, "reset_required") == 0)
        return value > 0 ? "yes" : "no";
    if (strcmp(name, "utilisation") == 0)
        snprintf(text, METRIC_TEXT_SIZE, "%.0f%%", value * 100);
    else if (strcmp(unit, "B") == 0 || strcmp(unit, "bytes") == 0 || strcmp(unit, "B/s") == 0)
        snprintf(text, METRIC_TEXT_SIZE, "%s%s", bytes_text(value, bytes), strcmp(unit, "B/s") == 0 ? "/s" : "");
    else
        snprintf(text, METRIC_TEXT_SIZE, "%.*f%s%s", fabs(value) < 10 && value != round(value) ? 1 : 0, value,
                 unit[0] ? " " : "", unit);
    return text;
}

const Itexd__V1__Metric *device_metric(const Itexd__V1__DeviceInfo *device, const char *name)
{
    for (size_t i = 0; i < device->n_metrics; i++)
        if (device->metrics[i]->name && strcmp(device->metrics[i]->name, name) == 0)
            return device->metrics[i];
    return NULL;
}

/* ---- What it is ------------------------------------------------------------------------------------- */

static void print_hardware(const struct printer *printer, const Itexd__V1__DeviceInfo *device)
{
    char memory[BYTES_TEXT_SIZE];
    print_field(printer, "address", device->bdf ? device->bdf : "none: it is not on a PCI bus");
    if (device->uuid)
        print_field(printer, "uuid", device->uuid);
    if (device->has_memory_bytes)
        print_field(printer, "memory", bytes_text((double)device->memory_bytes, memory));
    if (device->n_tiles == 0)
        print_field(printer, "tiles", "none");
    for (size_t i = 0; i < device->n_tiles; i++) {
        const Itexd__V1__TileInfo *tile = device->tiles[i];
        bool sized = tile->has_memory_bytes;
        print_fieldf(printer, i ? "" : "tiles", "%zu: %s%s%s", i, tile->uuid ? tile->uuid : "no uuid",
                     sized ? ", " : "", sized ? bytes_text((double)tile->memory_bytes, memory) : "");
    }
    if (device->has_eus)
        print_fieldf(printer, "engines", "%u EUs", device->eus);
    if (device->has_pci_device)
        print_fieldf(printer, "pci id", "8086:%04x", device->pci_device & 0xffff);
    for (size_t i = 0; i < device->n_links; i++)
        print_field(printer, i ? "" : "links", device->links[i]);
}

static void print_place(const struct printer *printer, const Itexd__V1__DeviceInfo *device)
{
    if (device->kernel_driver)
        print_field(printer, "kernel", device->kernel_driver);
    if (device->render_node || device->card_node)
        print_fieldf(printer, "nodes", "%s%s%s", device->render_node ? device->render_node : "",
                     device->render_node && device->card_node ? ", " : "", device->card_node ? device->card_node : "");
    if (device->has_numa_node && device->numa_node >= 0)
        print_fieldf(printer, "numa", "node %d%s%s", device->numa_node, device->cpus ? ", processors " : "",
                     device->cpus ? device->cpus : "");
    if (device->driver_version)
        print_fieldf(printer, "driver", "%s%s%s", device->driver_version, device->api_version ? ", Level Zero " : "",
                     device->api_version ? device->api_version : "");
    for (size_t i = 0; i < device->n_firmware; i++)
        print_fieldf(printer, i ? "" : "firmware", "%s %s", device->firmware[i]->name ? device->firmware[i]->name : "?",
                     device->firmware[i]->version ? device->firmware[i]->version : "?");
}

static void print_use(const struct printer *printer, const Itexd__V1__DeviceInfo *device)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    print_field(printer, "holder", device->holder && device->holder[0] ? device->holder : "nobody");
    for (size_t i = 0; i < device->n_foreign; i++) {
        const Itexd__V1__ForeignUse *use = device->foreign[i];
        char bytes[BYTES_TEXT_SIZE] = "", process[80] = "a process of somebody else";
        if (use->has_pid)
            snprintf(process, sizeof(process), "process %d (%.40s) of uid %u", use->pid,
                     use->command ? use->command : "?", use->uid);
        print_fieldf(printer, i ? "" : "foreign", "%s, without a lease%s%s", process,
                     use->has_memory_bytes ? ", memory " : "",
                     use->has_memory_bytes ? bytes_text((double)use->memory_bytes, bytes) : "");
    }
    if (device->has_first_seen_ms && device->has_last_seen_ms)
        print_fieldf(printer, "seen", "first %s, last %s", time_text(device->first_seen_ms, first),
                     time_text(device->last_seen_ms, last));
}

static enum tone state_tone(const Itexd__V1__DeviceInfo *device)
{
    const char *state = device->state ? device->state : "?";
    if (strcmp(state, "lost") == 0)
        return TONE_BAD;
    return strcmp(state, "healthy") == 0 && !device->drained ? TONE_GOOD : TONE_WARN;
}

/* ---- What is measured and what happened --------------------------------------------------------------- */

static int add_metric(struct table *table, const Itexd__V1__Metric *metric)
{
    char name[64], now[METRIC_TEXT_SIZE], mean[METRIC_TEXT_SIZE], highest[METRIC_TEXT_SIZE];
    snprintf(name, sizeof(name), "%s", metric->name ? metric->name : "?");
    for (char *at = name; *at; at++)
        *at = *at == '_' ? ' ' : *at;
    return table_row(table,
                     (const char *const[]){name, metric_text(metric, metric->value, now),
                                           metric->has_mean ? metric_text(metric, metric->mean, mean) : NULL,
                                           metric->has_highest ? metric_text(metric, metric->highest, highest) : NULL});
}

static bool something_is_not_permitted(const Itexd__V1__DeviceInfo *device)
{
    for (size_t i = 0; i < device->n_metrics; i++)
        if (device->metrics[i]->missing && strcmp(device->metrics[i]->missing, "not permitted") == 0)
            return true;
    return false;
}

static int print_metrics(const struct printer *printer, const Itexd__V1__DeviceInfo *device)
{
    static const struct table_column columns[] = {{"METRIC", false, 0, false},
                                                  {"NOW", false, 0, false},
                                                  {"MEAN OF THE HOUR", false, 0, false},
                                                  {"HIGHEST", false, 0, true}};
    char sampled[TIME_TEXT_SIZE];
    if (device->n_metrics == 0)
        return 0;
    fputc('\n', printer->out);
    if (device->has_sampled_ms) {
        char heading[TIME_TEXT_SIZE + 16];
        snprintf(heading, sizeof(heading), "Measured at %s", time_text(device->sampled_ms, sampled));
        print_heading(printer, TONE_BOLD, heading);
    } else {
        print_heading(printer, TONE_BOLD, "Not measured yet");
    }
    CLEANUP(table_freep) struct table *table = table_new_for(printer, columns, LENGTH(columns), true);
    int r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < device->n_metrics && r == 0; i++)
        r = add_metric(table, device->metrics[i]);
    if (r == 0)
        r = table_print(table, printer->out);
    if (r == 0 && something_is_not_permitted(device))
        print_paragraphf(printer, 0,
                         "Not permitted: the driver refuses it to itexd. What it takes CAP_PERFMON for is given by the "
                         "unit's drop-in telemetry.conf, see docs/systemd.md");
    return r;
}

/* What of the text is behind the mark, which stands at the beginning of the line already. */
static const char *unmarked(const char *text, const char *mark)
{
    size_t length = mark ? strlen(mark) : 0;
    if (length > 0 && strncmp(text, mark, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    return text;
}

static void print_events(const struct printer *printer, const Itexd__V1__DeviceShowReply *shown)
{
    char time[TIME_TEXT_SIZE];
    if (shown->n_events == 0)
        return;
    fputc('\n', printer->out);
    print_heading(printer, TONE_BOLD, "What happened, newest first");
    for (size_t i = 0; i < shown->n_events; i++) {
        const Itexd__V1__DeviceEvent *event = shown->events[i];
        const char *text = event->text ? unmarked(event->text, shown->substitute) : "";
        print_paragraphf(printer, 2, "%s %s%s%s", event->has_time_ms ? time_text(event->time_ms, time) : "",
                         event->kind ? event->kind : "", event->kind && text[0] ? ": " : "", text);
    }
}

static void print_title(const struct printer *printer, const Itexd__V1__DeviceInfo *device)
{
    char title[512], number[32] = "";
    if (device->has_id)
        snprintf(number, sizeof(number), "device %u, ", device->id);
    snprintf(title, sizeof(title), "%.40s: %s%.300s%s", device->state ? device->state : "?", number,
             device->name ? device->name : "without a name", device->drained ? ", drained: it gets no new lease" : "");
    print_heading(printer, state_tone(device), title);
}

int print_device(const struct printer *printer, const Itexd__V1__DeviceShowReply *shown)
{
    const Itexd__V1__DeviceInfo *device = shown->device;
    print_title(printer, device);
    if (device->cause && device->cause[0])
        print_field(printer, "because", device->cause);
    print_hardware(printer, device);
    print_place(printer, device);
    print_use(printer, device);
    int r = print_metrics(printer, device);
    if (r == 0)
        print_events(printer, shown);
    return r;
}
