/* itexctl status: how the service is. */
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct status_values {
    int64_t timeout;
};

static void print_rule_set(const struct printer *printer, const char *label, const Itexd__V1__RuleSetName *set)
{
    if (!set)
        return;
    if (set->has_id)
        print_fieldf(printer, label, "%" PRIu64 ", %s, digest %.12s", set->id, set->name ? set->name : "unnamed",
                     set->digest ? set->digest : "?");
    else
        print_fieldf(printer, label, "%s, digest %.12s, from the shipped files", set->name ? set->name : "unnamed",
                     set->digest ? set->digest : "?");
}

static void print_store(const struct printer *printer, const Itexd__V1__Status *status)
{
    if (status->database)
        print_field(printer, "database", status->database);
    print_fieldf(printer, "recording", "%s, durability %s", status->recording ? "yes" : "no",
                 status->durability ? status->durability : "?");
    print_fieldf(printer, "decisions", "%" PRIu64 " stored in %.1f MB, log %.1f MB, %u waiting to be written",
                 status->decisions, (double)status->database_bytes / 1e6, (double)status->wal_bytes / 1e6,
                 status->queue);
    if (status->moved_aside)
        print_fieldf(printer, "moved aside", "a damaged database is kept as %s", status->moved_aside);
}

static void print_status(const struct printer *printer, const Itexd__V1__Status *status)
{
    char started[TIME_TEXT_SIZE];
    const char *state = status->state ? status->state : "?";
    bool good = strcmp(state, "ok") == 0;
    fprintf(printer->out, "%s%s%s: itexd %s\n", tone_start(printer, good ? TONE_GOOD : TONE_WARN), state,
            tone_end(printer), status->version ? status->version : "?");
    for (size_t i = 0; i < status->n_problems; i++)
        print_field(printer, i ? "" : "problems", status->problems[i]);
    if (status->has_start_ms)
        print_field(printer, "since", time_text(status->start_ms, started));
    if (status->socket)
        print_field(printer, "socket", status->socket);
    print_rule_set(printer, "rule set", status->ruleset);
    print_rule_set(printer, "waiting", status->ruleset_waiting);
    print_fieldf(printer, "rules", "%u, policy %s%s", status->rules, status->policy ? status->policy : "?",
                 status->locked ? ", locked" : "");
    print_store(printer, status);
    print_fieldf(printer, "requests", "%" PRIu64 " answered, %" PRIu64 " refused, %u connected", status->requests,
                 status->refused, status->peers);
}

static void print_worker(const struct printer *printer, const Itexd__V1__WorkerStatus *worker)
{
    char read[TIME_TEXT_SIZE];
    if (worker->has_pid && worker->pid > 0)
        print_fieldf(printer, "worker", "%s, process %d, %u restarts", worker->state ? worker->state : "?", worker->pid,
                     worker->restarts);
    else
        print_fieldf(printer, "worker", "%s, %u restarts", worker->state ? worker->state : "?", worker->restarts);
    if (worker->last_death)
        print_fieldf(printer, "", "last death: %s", worker->last_death);
    if (worker->has_next_start_ms)
        print_fieldf(printer, "", "next start in %.1f s", (double)worker->next_start_ms / 1000);
    if (worker->driver_version || worker->loader_version)
        print_fieldf(printer, "driver", "%s, Level Zero %s, loader %s",
                     worker->driver_version ? worker->driver_version : "not known",
                     worker->api_version ? worker->api_version : "not known",
                     worker->loader_version ? worker->loader_version : "not known");
    if (worker->sysman)
        print_fieldf(printer, "sysman", "%s", worker->sysman);
    if (worker->layer)
        print_fieldf(printer, "no device", "%s%s%s", worker->layer, worker->detail ? ": " : "",
                     worker->detail ? worker->detail : "");
    else if (worker->detail)
        print_field(printer, "left out", worker->detail);
    if (worker->has_inventory_ms)
        print_fieldf(printer, "inventory", "of %s", time_text(worker->inventory_ms, read));
}

/* Every line of it is about the devices, so that every line is marked where they are no real ones. */
static int print_devices_part(const struct context *context, const Itexd__V1__Status *status)
{
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    if (printer_mark(&printer, status->substitute) < 0)
        return -ENOMEM;
    if (status->devices)
        print_field(&printer, "devices", status->devices);
    if (!status->worker)
        return 0;
    if (!status->devices)
        print_fieldf(&printer, "devices", "%u", status->n_devices);
    print_worker(&printer, status->worker);
    print_fieldf(&printer, "leases", "%u live, %u waiting, access %s", status->n_leases, status->n_waiting,
                 status->enforcement ? "for their holders only" : "not restricted");
    if (status->foreign_use)
        print_fieldf(&printer, "foreign use", "%u process%s without a lease; %s", status->n_foreign,
                     status->n_foreign == 1 ? "" : "es", status->foreign_use);
    else
        print_field(&printer, "foreign use", "not watched");
    return 0;
}

static int status_run(struct context *context, const struct operands *operands)
{
    const struct status_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    if (service_open(context, &connection, &failure) < 0 ||
        service_call(connection, &request, -1, values->timeout > 0 ? values->timeout : DEFAULT_TIMEOUT_MS,
                     ITEXD__V1__REPLY__BODY_STATUS, &reply, &failure) < 0)
        return failure_report(&failure);
    if (context->json)
        return json_print(stdout, json_status(reply->status)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    struct printer printer = printer_open(context, stdout);
    print_status(&printer, reply->status);
    if (print_devices_part(context, reply->status) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    return EXIT_DONE;
}

static const struct option_def options[] = {
    {"timeout", OPTION_DURATION, offsetof(struct status_values, timeout), "T",
     "wait that long for the service; default 2s", NULL, 1},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_status = {
    .name = "status",
    .summary = "show how the service is",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct status_values),
    .run = status_run,
};
