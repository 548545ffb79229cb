/* itexctl leases: who holds which devices, who waits for some and why; and taking a lease away. */
#include "client/itexctl/commands_devices.h"
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct leases_values {
    bool mine;
    int64_t timeout;
};

struct release_values {
    bool dry_run;
};

static int call_list(const struct context *context, bool mine, int64_t timeout, Itexd__V1__Reply **reply,
                     struct failure *failure)
{
    Itexd__V1__Leases body = ITEXD__V1__LEASES__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    body.has_mine = body.mine = mine;
    request.body_case = ITEXD__V1__REQUEST__BODY_LEASES;
    request.leases = &body;
    return service_once(context, &request, timeout, ITEXD__V1__REPLY__BODY_LEASES, reply, failure);
}

/* ---- Cells ------------------------------------------------------------------------------------------ */

/* "3a:00.0 4a:00.0", with tiles "3a:00.0/0 3a:00.0/1"; from malloc, NULL without memory. */
static char *devices_text(const Itexd__V1__LeaseInfo *lease)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < lease->n_devices; i++) {
        const Itexd__V1__Device *device = lease->devices[i];
        const char *name = device->bdf ? short_address(device->bdf) : device->uuid ? device->uuid : "?";
        fprintf(out, "%s%s", i ? " " : "", name);
        if (device->has_tile)
            fprintf(out, "/%u", device->tile);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* "4711 python, 4712 python"; from malloc, NULL without memory. */
static char *holders_text(const Itexd__V1__LeaseInfo *lease)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < lease->n_holders; i++) {
        const Itexd__V1__LeaseHolder *holder = lease->holders[i];
        fprintf(out, "%s%d%s%s", i ? ", " : "", holder->pid, holder->command ? " " : "",
                holder->command ? holder->command : "");
    }
    return fclose(out) == 0 ? text : NULL;
}

static int add_lease(struct table *table, const Itexd__V1__LeaseInfo *lease)
{
    char id[24], uid[16] = "";
    CLEANUP(freep) char *devices = devices_text(lease);
    CLEANUP(freep) char *holders = holders_text(lease);
    if (!devices || !holders)
        return -ENOMEM;
    snprintf(id, sizeof(id), "%" PRIu64, lease->id);
    if (lease->has_uid)
        snprintf(uid, sizeof(uid), "%u", lease->uid);
    return table_row(table, (const char *const[]){lease->has_id && lease->id ? id : NULL, lease->state, lease->sharing,
                                                  uid, lease->job, devices, holders});
}

/* ---- Printing --------------------------------------------------------------------------------------- */

static int print_held(const struct printer *printer, const Itexd__V1__LeasesReply *leases)
{
    static const struct table_column columns[] = {
        {"LEASE", true, 0, false}, {"STATE", false, 0, false},  {"SHARING", false, 0, false}, {"UID", true, 0, false},
        {"JOB", false, 0, true},   {"DEVICES", false, 0, true}, {"HOLDERS", false, 0, true},
    };
    if (leases->n_leases == 0)
        return 0;
    CLEANUP(table_freep) struct table *table = table_new_for(printer, columns, LENGTH(columns), true);
    int r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < leases->n_leases && r == 0; i++)
        r = add_lease(table, leases->leases[i]);
    return r == 0 ? table_print(table, printer->out) : r;
}

static void print_waiter(const struct printer *printer, const Itexd__V1__LeaseWaiting *waiting, uint64_t now)
{
    char who[48] = "somebody else", process[32] = "";
    uint64_t since = waiting->has_since_ms && now > waiting->since_ms ? (now - waiting->since_ms) / 1000 : 0;
    uint64_t left = waiting->has_until_ms && waiting->until_ms > now ? (waiting->until_ms - now) / 1000 : 0;
    if (waiting->has_uid)
        snprintf(who, sizeof(who), "uid %u", waiting->uid);
    if (waiting->has_pid)
        snprintf(process, sizeof(process), ", process %d", waiting->pid);
    print_paragraphf(printer, 2, "%u. %s%s%s%s: %s, for %" PRIu64 " s, %" PRIu64 " s at most from now; %s",
                     waiting->position, who, process, waiting->job ? ", job " : "", waiting->job ? waiting->job : "",
                     waiting->wants ? waiting->wants : "devices", since, left,
                     waiting->why ? waiting->why : "waits for its turn");
}

static int print_leases(const struct printer *printer, const Itexd__V1__LeasesReply *leases)
{
    uint64_t now = clock_wall_ms();
    int r = print_held(printer, leases);
    if (r < 0)
        return r;
    if (leases->n_waiting > 0 && leases->n_leases > 0)
        fputc('\n', printer->out);
    if (leases->n_waiting > 0)
        print_heading(printer, TONE_BOLD, "Waiting, in this order:");
    for (size_t i = 0; i < leases->n_waiting; i++)
        print_waiter(printer, leases->waiting[i], now);
    if (leases->omitted > 0)
        print_paragraphf(printer, 0, "and %u more", leases->omitted);
    return 0;
}

static int leases_run(struct context *context, const struct operands *operands)
{
    const struct leases_values *values = context->values;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    if (call_list(context, values->mine, values->timeout > 0 ? values->timeout : DEFAULT_TIMEOUT_MS, &reply, &failure) <
        0)
        return failure_report(&failure);
    const Itexd__V1__LeasesReply *leases = reply->leases;
    if (context->json)
        return json_print(stdout, json_leases(leases)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    if (leases->n_leases + leases->n_waiting + leases->omitted == 0) {
        note("no lease, and nobody waits for one");
        return EXIT_DONE;
    }
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    int r = printer_mark(&printer, leases->substitute);
    if (r == 0)
        r = print_leases(&printer, leases);
    return r < 0 ? fail(EXIT_INTERNAL, "cannot print the leases: %s", strerror(-r)) : EXIT_DONE;
}

/* ---- release ---------------------------------------------------------------------------------------- */

static void report_released(const Itexd__V1__LeaseInfo *lease, const char *mark, bool dry_run)
{
    char prefix[MARK_SIZE], owner[48] = "";
    CLEANUP(freep) char *devices = devices_text(lease);
    CLEANUP(freep) char *holders = holders_text(lease);
    mark_prefix(mark, prefix);
    if (lease->has_uid)
        snprintf(owner, sizeof(owner), ", uid %u", lease->uid);
    const char *then = lease->n_holders == 0 ? ""
                       : dry_run             ? "; its processes would go on: "
                                             : "; its processes go on: ";
    print_linef("%slease %" PRIu64 " (%s%s%s%s) %s%s%s", prefix, lease->id, devices ? devices : "?", owner,
                lease->job ? ", job " : "", lease->job ? lease->job : "", dry_run ? "would be released" : "is released",
                then, lease->n_holders > 0 && holders ? holders : "");
}

static int release_run(struct context *context, const struct operands *operands)
{
    const struct release_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__LeaseRelease body = ITEXD__V1__LEASE_RELEASE__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    char mark[MARK_SIZE];
    int64_t id;
    if (operands->n_items != 1 || !number_parse(operands->items[0], 1, INT64_MAX, &id))
        return fail_usage(context, "release takes the number of one lease; itexctl leases lists them");
    body.has_lease = body.has_dry_run = 1;
    body.lease = (uint64_t)id;
    body.dry_run = values->dry_run;
    request.body_case = ITEXD__V1__REQUEST__BODY_LEASE_RELEASE;
    request.lease_release = &body;
    if (service_open(context, &connection, &failure) < 0 ||
        service_call(connection, &request, -1, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_LEASE_RELEASE, &reply,
                     &failure) < 0)
        return failure_report(&failure);
    if (!reply->lease_release->lease)
        return fail(EXIT_UNAVAILABLE, "itexd answered with a lease that says nothing");
    if (context->json)
        return json_print(stdout, json_lease_info(reply->lease_release->lease)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    service_mark(connection, mark);
    report_released(reply->lease_release->lease, mark[0] ? mark : NULL, values->dry_run);
    return EXIT_DONE;
}

/* ---- The commands ----------------------------------------------------------------------------------- */

static const struct option_def options[] = {
    {"mine", OPTION_FLAG, offsetof(struct leases_values, mine), NULL, "only the caller's own"},
    {"timeout", OPTION_DURATION, offsetof(struct leases_values, timeout), "T",
     "wait that long for the service; default 2s", NULL, 1},
};
static const struct option_def release_options[] = {
    {"dry-run", OPTION_FLAG, offsetof(struct release_values, dry_run), NULL,
     "say what would be released, change nothing"},
};
static const char *const table_formats[] = {"table", "json", NULL};
static const char *const text_formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};
static const struct option_group release_groups[] = {{"Options", release_options, LENGTH(release_options), NULL}};

static const struct command command_leases_release = {
    .name = "leases release",
    .summary = "take a lease away from its holders, for administrators",
    .usage = "[OPTION...] LEASE",
    .formats = text_formats,
    .groups = release_groups,
    .n_groups = LENGTH(release_groups),
    .values_size = sizeof(struct release_values),
    .run = release_run,
};
static const struct command *const commands[] = {&command_leases_release, NULL};

const struct command command_leases = {
    .name = "leases",
    .summary = "show who holds devices and who waits; release",
    .usage = "[OPTION...] | release ...",
    .formats = table_formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct leases_values),
    .run = leases_run,
    .commands = commands,
};
