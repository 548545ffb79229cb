/*
 * itexctl devices reset: the service takes the device out of use, this process resets it as root, the service looks
 * again.
 *
 * The driver works in a child, which may hang or crash: it has a deadline, tells in shared memory where it is, and ends
 * by _exit. What began is always ended, so that the device does not stay out of use; the service also ends it when the
 * connection closes.
 */
#include "client/itexctl/commands_devices.h"
#include "client/itexctl/json_parts.h"
#include "daemon/worker/level_zero.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json_object.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 60000 /* a reset takes seconds, ten at most where it works */

struct reset_values {
    bool force;
};

/* Written by the child, read once it has ended. */
struct report {
    char call[LEVEL_ZERO_CALL_SIZE]; /* that it is in */
    char error[256];
    bool finished;
    bool done;
};

/* ---- The child -------------------------------------------------------------------------------------- */

static void reset_here(const char *bdf, bool force, struct report *report)
{
    struct level_zero lz = {.call = report->call};
    char text[64];
    /* Every card is looked at, whatever the caller's environment lets a job see. */
    unsetenv("ZE_AFFINITY_MASK");
    setenv("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE", 1);
    if (level_zero_open(&lz, report->error, sizeof(report->error)) < 0)
        return;
    ze_result_t result = level_zero_start(&lz, true);
    if (result != ZE_RESULT_SUCCESS && lz.sysman != LEVEL_ZERO_SYSMAN_ZES) {
        snprintf(report->error, sizeof(report->error), "the driver does not start: %s",
                 level_zero_result_text(result, text));
        return;
    }
    int r = level_zero_reset(&lz, bdf, force, report->error, sizeof(report->error));
    if (r == -ENODEV)
        snprintf(report->error, sizeof(report->error), "the driver knows no device at %.20s", bdf);
    report->done = r == 0;
}

__attribute__((noreturn)) static void child(struct connection *connection, const char *bdf, bool force,
                                            struct report *report)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    connection_free(connection); /* so that the service sees it if the parent ends */
    reset_here(bdf, force, report);
    report->finished = true;
    _exit(0);
}

/* ---- Waiting for it --------------------------------------------------------------------------------- */

/* Until the other end of the pipe is closed; false at the deadline. */
static bool wait_end(int fd)
{
    struct pollfd ending = {.fd = fd, .events = POLLIN};
    uint64_t deadline = clock_steady_ms() + DEADLINE_MS;
    for (uint64_t now = clock_steady_ms(); now < deadline; now = clock_steady_ms())
        if (poll(&ending, 1, (int)(deadline - now)) > 0)
            return true;
    return false;
}

static void describe_death(int status, bool in_time, struct report *report)
{
    const char *where = report->call[0] ? report->call : "the driver";
    if (report->finished)
        return;
    if (!in_time)
        snprintf(report->error, sizeof(report->error), "no answer in %d s from %.60s", DEADLINE_MS / 1000, where);
    else if (WIFSIGNALED(status))
        snprintf(report->error, sizeof(report->error), "killed by %.40s in %.60s", strsignal(WTERMSIG(status)), where);
    else
        snprintf(report->error, sizeof(report->error), "the driver ended the process in %.60s", where);
}

/* 0 with *report, or -errno where no child could be made. */
static int reset_in_child(struct connection *connection, const char *bdf, bool force, struct report *report)
{
    int ends[2], status = 0;
    struct report *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fflush(NULL);
    pid_t pid = fork();
    int error = errno;
    if (pid == 0)
        child(connection, bdf, force, shared);
    close(ends[1]);
    if (pid > 0) {
        bool in_time = wait_end(ends[0]);
        if (!in_time)
            kill(pid, SIGKILL);
        /* One that hangs in the kernel cannot be waited for. */
        if (in_time)
            waitpid(pid, &status, 0);
        *report = *shared;
        describe_death(status, in_time, report);
    }
    close(ends[0]);
    munmap(shared, sizeof(*shared));
    return pid < 0 ? -error : 0;
}

/* ---- The command ------------------------------------------------------------------------------------ */

static int call_reset(struct connection *connection, Itexd__V1__DeviceReset *body, Itexd__V1__Reply__BodyCase expected,
                      Itexd__V1__Reply **reply, struct failure *failure)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_DEVICE_RESET;
    request.device_reset = body;
    return service_call(connection, &request, -1, ADMIN_TIMEOUT_MS, expected, reply, failure);
}

static void report_reset(const struct context *context, const Itexd__V1__DeviceShowReply *shown,
                         const Itexd__V1__DeviceResetReply *begun, const struct report *report)
{
    char title[160];
    device_title(shown, title, sizeof(title));
    if (context->json) {
        struct json_object *object = json_object_new_object();
        json_add(object, "bdf", json_text(begun->bdf));
        json_add(object, "reset", json_boolean(report->done));
        json_add(object, "error", json_text(report->done ? NULL : report->error));
        json_add(object, "cut", json_texts(begun->held_by, begun->n_held_by));
        json_add(object, "substitute", json_text(shown->substitute));
        json_print(stdout, object);
    } else {
        for (size_t i = 0; i < begun->n_held_by; i++)
            print_linef("%s was held: %s has been cut", title, begun->held_by[i]);
        if (report->done)
            print_linef("%s has been reset", title);
    }
    if (!report->done)
        note("%s could not be reset: %s", title, report->error);
}

static int reset_begun(const struct context *context, struct connection *connection,
                       const Itexd__V1__DeviceShowReply *shown, const Itexd__V1__DeviceResetReply *begun, bool force)
{
    struct report report = {.done = false};
    CLEANUP(service_reply_freep) Itexd__V1__Reply *ended = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__DeviceReset end = ITEXD__V1__DEVICE_RESET__INIT;
    int r = begun->bdf ? reset_in_child(connection, begun->bdf, force, &report) : 0;
    if (r < 0)
        snprintf(report.error, sizeof(report.error), "%s", strerror(-r));
    else if (!begun->bdf)
        snprintf(report.error, sizeof(report.error), "it has no PCI address to find it by");
    else if (!report.done && !report.error[0])
        snprintf(report.error, sizeof(report.error), "the driver does not say why");
    end.device = begun->key ? begun->key : shown->device->key;
    end.has_end = end.end = 1;
    end.result = report.done ? NULL : report.error;
    r = call_reset(connection, &end, ITEXD__V1__REPLY__BODY_DONE, &ended, &failure);
    report_reset(context, shown, begun, &report);
    if (r < 0)
        return failure_report(&failure);
    return report.done ? EXIT_DONE : EXIT_NEGATIVE;
}

static int reset_run(struct context *context, const struct operands *operands)
{
    const struct reset_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *shown = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *begun = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__DeviceReset begin = ITEXD__V1__DEVICE_RESET__INIT;
    const char *device = device_operand(context, operands);
    if (!device)
        return EXIT_USAGE;
    if (geteuid() != 0)
        return fail(EXIT_NOT_PERMITTED, "a device is reset by root only: the kernel lets nobody else");
    begin.device = (char *)device;
    begin.has_force = 1;
    begin.force = values->force;
    if (service_open(context, &connection, &failure) < 0 ||
        device_show(connection, device, ADMIN_TIMEOUT_MS, &shown, &failure) < 0 ||
        call_reset(connection, &begin, ITEXD__V1__REPLY__BODY_DEVICE_RESET, &begun, &failure) < 0)
        return failure_report(&failure);
    return reset_begun(context, connection, shown->device_show, begun->device_reset, values->force);
}

static const struct option_def options[] = {
    {"force", OPTION_FLAG, offsetof(struct reset_values, force), NULL, "also while it is leased: its leases are cut"},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_devices_reset = {
    .name = "devices reset",
    .summary = "reset a device that nobody holds, as root",
    .usage = "[OPTION...] DEVICE",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct reset_values),
    .run = reset_run,
};
