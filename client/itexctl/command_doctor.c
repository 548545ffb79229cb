/*
 * itexctl doctor: what is wrong with this node, or for this user on it, from the bus up to itexd. Needs neither a GPU
 * nor a Python nor the service: that they are missing is what it finds.
 */
#include "client/itexctl/doctor/doctor.h"
#include "client/itexctl/doctor/package_version.h"
#include "client/itexctl/errors.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

static int refuse(const struct context *context, const struct doctor_options *options)
{
    if (options->node && (options->user || options->python || options->itex))
        return fail_usage(context, "--node looks at the node alone: --user, --python and --itex do not go with it");
    struct package_version version;
    if (options->itex && strcmp(options->itex, "newest") != 0 && package_version_read(options->itex, &version) < 0)
        return fail_usage(context, "--itex takes a version such as 2.15.0.3, or newest, not \"%.60s\"", options->itex);
    if (options->device_root && options->device_root[0] != '/')
        return fail_usage(context, "--device-root takes an absolute path, not \"%.60s\"", options->device_root);
    return EXIT_DONE;
}

static int not_run(const struct context *context, const struct doctor_options *options, int error)
{
    if (error == -ENOENT)
        return fail_usage(context, "--user %.60s: there is no such user", options->user);
    if (error == -ETIMEDOUT)
        return fail(EXIT_TRY_AGAIN, "--user %.60s: the user database does not answer", options->user);
    return fail(EXIT_INTERNAL, "cannot look: %s", strerror(-error));
}

static int doctor_command_run(struct context *context, const struct operands *operands)
{
    const struct doctor_options *options = context->values;
    CLEANUP(doctor_clear) struct doctor doctor = {.context = context, .options = options};
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    int status = refuse(context, options);
    if (status != EXIT_DONE)
        return status;
    int r = doctor_run(&doctor);
    if (r < 0)
        return not_run(context, options, r);
    if (doctor_show(&doctor) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    size_t bad = doctor_count(&doctor, DOCTOR_ERROR) + (options->strict ? doctor_count(&doctor, DOCTOR_WARNING) : 0);
    return bad > 0 ? EXIT_NEGATIVE : EXIT_DONE;
}

#define VALUE(name) offsetof(struct doctor_options, name)
static const struct option_def options_table[] = {
    {"user", OPTION_TEXT, VALUE(user), "NAME", "whose job it is about; default: the caller's"},
    {"python", OPTION_TEXT, VALUE(python), "PATH",
     "the job's Python or its environment; default: the active one, or PATH's"},
    {"itex", OPTION_TEXT, VALUE(itex), "VERSION",
     "version of intel-extension-for-tensorflow that is wanted; default: the installed one"},
    {"strict", OPTION_FLAG, VALUE(strict), NULL, "a warning, too, makes the status 1"},
    {"node", OPTION_FLAG, VALUE(node), NULL, "only what concerns the node, in one line, for a scheduler"},
    {"timeout", OPTION_DURATION, VALUE(timeout), "T", "of the whole run; default 30s, with --node 10s", NULL, 1},
    {"device-root", OPTION_TEXT, VALUE(device_root), "PATH", "sys, dev and proc are below this directory"},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options_table, LENGTH(options_table), NULL}};

const struct command command_doctor = {
    .name = "doctor",
    .summary = "find out what is wrong with this node or installation",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct doctor_options),
    .run = doctor_command_run,
};
