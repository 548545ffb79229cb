/* itexctl devices: the node's devices in a table, or one of them whole; drain, undrain and restart. */
#include "client/itexctl/commands_devices.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct devices_values {
    int64_t timeout;
};

struct drain_values {
    const char *reason;
};

/* ---- Shared ----------------------------------------------------------------------------------------- */

static int call_list(const struct context *context, int64_t timeout, Itexd__V1__Reply **reply, struct failure *failure)
{
    Itexd__V1__Devices body = ITEXD__V1__DEVICES__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_DEVICES;
    request.devices = &body;
    return service_once(context, &request, timeout, ITEXD__V1__REPLY__BODY_DEVICES, reply, failure);
}

const char *device_operand(const struct context *context, const struct operands *operands)
{
    if (operands->n_items > 1)
        fail_operand(context, operands->items[1]);
    else if (operands->n_items == 0 || !operands->items[0][0])
        fail_usage(context, "which device? By its number, PCI address or UUID; itexctl devices lists them");
    else
        return operands->items[0];
    return NULL;
}

int device_show(struct connection *connection, const char *device, int64_t timeout_ms, Itexd__V1__Reply **reply,
                struct failure *failure)
{
    Itexd__V1__DeviceShow body = ITEXD__V1__DEVICE_SHOW__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    body.device = (char *)device;
    request.body_case = ITEXD__V1__REQUEST__BODY_DEVICE_SHOW;
    request.device_show = &body;
    if (service_call(connection, &request, -1, timeout_ms, ITEXD__V1__REPLY__BODY_DEVICE_SHOW, reply, failure) < 0)
        return -1;
    if ((*reply)->device_show->device)
        return 0;
    return failure_set(failure, EXIT_UNAVAILABLE, "itexd answered with a device that says nothing");
}

void device_title(const Itexd__V1__DeviceShowReply *shown, char *text, size_t size)
{
    const Itexd__V1__DeviceInfo *device = shown->device;
    const char *mark = shown->substitute ? shown->substitute : "";
    const char *where = device->bdf ? device->bdf : device->key ? device->key : "?";
    if (device->has_id)
        snprintf(text, size, "%.20s%sdevice %u (%.80s)", mark, mark[0] ? " " : "", device->id, where);
    else
        snprintf(text, size, "%.20s%sdevice %.80s", mark, mark[0] ? " " : "", where);
}

/* ---- The table -------------------------------------------------------------------------------------- */

/* A cell of the table is short: a metric that is not there is "-". */
static const char *metric_cell(const Itexd__V1__DeviceInfo *device, const char *name, char text[METRIC_TEXT_SIZE])
{
    const Itexd__V1__Metric *metric = device_metric(device, name);
    return metric && metric->has_value ? metric_text(metric, metric->value, text) : NULL;
}

static const char *state_cell(const Itexd__V1__DeviceInfo *device, char *text, size_t size)
{
    const char *state = device->state ? device->state : "?";
    if (!device->drained)
        return state;
    if (strcmp(state, "healthy") == 0)
        return "drained";
    snprintf(text, size, "%.20s, drained", state);
    return text;
}

static int add_device(struct table *table, const Itexd__V1__DeviceInfo *device)
{
    char id[16] = "", tiles[24], memory[BYTES_TEXT_SIZE] = "", state[40], temperature[METRIC_TEXT_SIZE],
         power[METRIC_TEXT_SIZE], utilisation[METRIC_TEXT_SIZE];
    if (device->has_id)
        snprintf(id, sizeof(id), "%" PRIu32, device->id);
    snprintf(tiles, sizeof(tiles), "%zu", device->n_tiles);
    if (device->has_memory_bytes)
        bytes_text((double)device->memory_bytes, memory);
    const char *cells[] = {id,
                           device->name,
                           device->bdf ? short_address(device->bdf) : device->key,
                           device->n_tiles ? tiles : NULL,
                           memory,
                           state_cell(device, state, sizeof(state)),
                           device->holder,
                           metric_cell(device, "temperature", temperature),
                           metric_cell(device, "power", power),
                           metric_cell(device, "utilisation", utilisation)};
    return table_row(table, cells);
}

static int print_devices_table(const struct context *context, const Itexd__V1__DevicesReply *devices)
{
    static const struct table_column columns[] = {
        {"ID", true, 0, false},     {"NAME", false, 0, true},   {"PCI", false, 0, false},   {"TILES", true, 0, false},
        {"MEMORY", true, 0, false}, {"STATE", false, 0, false}, {"HOLDER", false, 0, true}, {"TEMP", true, 0, false},
        {"POWER", true, 0, false},  {"USE", true, 0, false},
    };
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    int r = printer_mark(&printer, devices->substitute);
    if (r < 0)
        return r;
    CLEANUP(table_freep) struct table *table = table_new_for(&printer, columns, LENGTH(columns), true);
    r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < devices->n_devices && r == 0; i++)
        r = add_device(table, devices->devices[i]);
    return r == 0 ? table_print(table, printer.out) : r;
}

static int list_devices(const struct context *context, int64_t timeout)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (call_list(context, timeout, &reply, &failure) < 0)
        return failure_report(&failure);
    const Itexd__V1__DevicesReply *devices = reply->devices;
    if (!context->json && devices->n_devices == 0) {
        note("no devices%s%s", devices->none ? ": " : "", devices->none ? devices->none : "");
        return EXIT_DONE;
    }
    int r = context->json ? json_print(stdout, json_devices(devices)) : print_devices_table(context, devices);
    return r < 0 ? fail(EXIT_INTERNAL, "cannot print the devices: %s", strerror(-r)) : EXIT_DONE;
}

/* ---- One device ------------------------------------------------------------------------------------- */

static int show_device(const struct context *context, const char *device, int64_t timeout)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (service_open(context, &connection, &failure) < 0 ||
        device_show(connection, device, timeout, &reply, &failure) < 0)
        return failure_report(&failure);
    int r;
    if (context->json) {
        r = json_print(stdout, json_device_show(reply->device_show));
    } else {
        CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
        r = printer_mark(&printer, reply->device_show->substitute);
        if (r == 0)
            r = print_device(&printer, reply->device_show);
    }
    return r < 0 ? fail(EXIT_INTERNAL, "cannot print the device: %s", strerror(-r)) : EXIT_DONE;
}

static int devices_run(struct context *context, const struct operands *operands)
{
    const struct devices_values *values = context->values;
    int64_t timeout = values->timeout > 0 ? values->timeout : DEFAULT_TIMEOUT_MS;
    if (operands->n_items == 0)
        return list_devices(context, timeout);
    const char *device = device_operand(context, operands);
    return device ? show_device(context, device, timeout) : EXIT_USAGE;
}

/* ---- drain, undrain --------------------------------------------------------------------------------- */

static void report_drained(const Itexd__V1__DeviceShowReply *shown, bool drain)
{
    const Itexd__V1__DeviceInfo *device = shown->device;
    bool held = device->holder && device->holder[0];
    char title[160];
    device_title(shown, title, sizeof(title));
    if (drain)
        print_linef("%s is drained: it gets no new lease%s%s", title, held ? "; still held by " : "",
                    held ? device->holder : "");
    else
        print_linef("%s is no longer drained; it is %s", title, device->state ? device->state : "?");
}

static int set_drained(struct context *context, const struct operands *operands, bool drain, const char *reason)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *done = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *shown = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__DeviceDrain body = ITEXD__V1__DEVICE_DRAIN__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    const char *device = device_operand(context, operands);
    if (!device)
        return EXIT_USAGE;
    body.device = (char *)device;
    body.has_drain = 1;
    body.drain = drain;
    body.reason = (char *)reason;
    request.body_case = ITEXD__V1__REQUEST__BODY_DEVICE_DRAIN;
    request.device_drain = &body;
    if (service_open(context, &connection, &failure) < 0 ||
        service_call(connection, &request, -1, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_DONE, &done, &failure) < 0 ||
        device_show(connection, device, ADMIN_TIMEOUT_MS, &shown, &failure) < 0)
        return failure_report(&failure);
    if (context->json)
        return json_print(stdout, json_device_show(shown->device_show)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    report_drained(shown->device_show, drain);
    return EXIT_DONE;
}

static int drain_run(struct context *context, const struct operands *operands)
{
    const struct drain_values *values = context->values;
    return set_drained(context, operands, true, values->reason);
}

static int undrain_run(struct context *context, const struct operands *operands)
{
    return set_drained(context, operands, false, NULL);
}

/* ---- restart ---------------------------------------------------------------------------------------- */

static int restart_run(struct context *context, const struct operands *operands)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__WorkerRestart body = ITEXD__V1__WORKER_RESTART__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    request.body_case = ITEXD__V1__REQUEST__BODY_WORKER_RESTART;
    request.worker_restart = &body;
    if (service_once(context, &request, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_DONE, &reply, &failure) < 0)
        return failure_report(&failure);
    puts("the device worker is started anew; itexctl status says how it is");
    return EXIT_DONE;
}

/* ---- The commands ----------------------------------------------------------------------------------- */

static const struct option_def options[] = {
    {"timeout", OPTION_DURATION, offsetof(struct devices_values, timeout), "T",
     "wait that long for the service; default 2s", NULL, 1},
};
static const struct option_def drain_options[] = {
    {"reason", OPTION_TEXT, offsetof(struct drain_values, reason), "TEXT", "why, for whoever wonders later"},
};
static const char *const table_formats[] = {"table", "json", NULL};
static const char *const text_formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};
static const struct option_group drain_groups[] = {{"Options", drain_options, LENGTH(drain_options), NULL}};
static const struct command *const commands[] = {
    &command_devices_drain, &command_devices_undrain, &command_devices_reset, &command_devices_restart, NULL,
};

const struct command command_devices = {
    .name = "devices",
    .summary = "show the node's devices; drain, reset them",
    .usage = "[OPTION...] [DEVICE | COMMAND ...]",
    .formats = table_formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct devices_values),
    .run = devices_run,
    .commands = commands,
};

const struct command command_devices_drain = {
    .name = "devices drain",
    .summary = "give no new lease of a device",
    .usage = "[OPTION...] DEVICE",
    .formats = text_formats,
    .groups = drain_groups,
    .n_groups = LENGTH(drain_groups),
    .values_size = sizeof(struct drain_values),
    .run = drain_run,
};

const struct command command_devices_undrain = {
    .name = "devices undrain",
    .summary = "give leases of a drained device again",
    .usage = "[OPTION...] DEVICE",
    .formats = text_formats,
    .run = undrain_run,
};

const struct command command_devices_restart = {
    .name = "devices restart",
    .summary = "start the device worker anew and read the hardware again",
    .usage = "[OPTION...]",
    .run = restart_run,
};
