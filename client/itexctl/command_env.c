/*
 * itexctl env: the decision for a shell to eval, or for what else starts the job.
 *
 * Whatever goes wrong, the eval must fail too: instead of changes one command of the same status is printed, or what is
 * nearest to that in a format that is not a shell's.
 */
#include "client/core/apply.h"
#include "client/itexctl/decide.h"
#include "client/itexctl/env_format.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/output.h"
#include "client/itexctl/plan.h"
#include "proto/cleanup.h"

#include <string.h>

/* format: -1 for JSON, which has the whole decision anyway. */
static int refuse(int format, int status)
{
    if (format >= 0)
        env_format_refuse(stdout, (enum env_format)format, status);
    return status;
}

static int print_changes(struct decided *decided, const struct ask *ask, int format)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    const char *socket = decided->connection ? connection_path(decided->connection) : NULL;
    if (plan_build(decided, ask, &plan, &failure) < 0)
        return refuse(format, failure_report(&failure));
    if (format < 0 && json_print(stdout, json_decision(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    if (format >= 0 && env_format_print(stdout, (enum env_format)format, &plan, socket, &failure) < 0)
        return refuse(format, failure_report(&failure));
    if (fflush(stdout) != 0)
        return EXIT_INTERNAL; /* main says why */
    decided_accept(decided);
    return EXIT_DONE;
}

static int print_unmanaged(const struct ask *ask, int format, const struct failure *why)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    note("going on without a decision, the environment stays as it is: %s", why->text);
    if (format < 0)
        return EXIT_DONE;
    if (plan_unmanaged(ask, &plan) < 0)
        return EXIT_INTERNAL;
    if (env_format_print(stdout, (enum env_format)format, &plan, NULL, &failure) < 0)
        return refuse(format, failure_report(&failure));
    return EXIT_DONE;
}

static int reject(const struct decided *decided, int format)
{
    decided_report_rejection(decided, "");
    if (format < 0 && json_print(stdout, json_decision(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    return refuse(format, decided_status(decided));
}

/* The format may not have been understood: then as fish is told, which every shell understands. */
static void env_refused(const struct context *context, int status)
{
    int format = context->format ? env_format_by_name(context->format) : ENV_FISH;
    if (!context->json)
        refuse(format < 0 ? ENV_FISH : format, status);
}

static int env_run(struct context *context, const struct operands *operands)
{
    const struct ask *ask = context->values;
    int format = context->json ? -1 : env_format_by_name(context->format);
    CLEANUP(examined_clear) struct examined examined = EXAMINED_INIT;
    CLEANUP(decided_clear) struct decided decided = DECIDED_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items > 0)
        return refuse(format, fail_operand(context, operands->items[0]));
    if (examine_named(ask, &examined, &failure) < 0)
        return refuse(format, failure_report(&failure));
    if (decide(context, ask, ASK_FOR_HOLDER, &examined, &decided, &failure) < 0) {
        if (failure.unavailable && !ask->require)
            return print_unmanaged(ask, format, &failure);
        return refuse(format, failure_report(&failure));
    }
    if (decided_status(&decided) != EXIT_DONE)
        return reject(&decided, format);
    return print_changes(&decided, ask, format);
}

static const char *const formats[] = {"sh", "fish", "csh", "docker", "apptainer", "systemd", "json", NULL};
static const struct option_group groups[] = {
    ASK_GROUPS,
    {"Environment", ask_clean_option, LENGTH(ask_clean_option), NULL},
};

const struct command command_env = {
    .name = "env",
    .summary = "print the decision for eval, or for a container",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct ask),
    .run = env_run,
    .refused = env_refused,
};
