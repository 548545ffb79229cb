/*
 * itexctl env: the decision as commands for a shell to eval.
 *
 * Whatever goes wrong, the eval must fail too: instead of changes one command of the same status is printed.
 */
#include "client/core/apply.h"
#include "client/itexctl/decide.h"
#include "client/itexctl/output.h"
#include "client/itexctl/plan.h"
#include "client/itexctl/quote.h"
#include "proto/cleanup.h"

#include <string.h>

static int refuse(int shell, int status)
{
    if (shell >= 0)
        shell_status(stdout, (enum shell)shell, status);
    return status;
}

static int print_plan(struct decided *decided, const struct ask *ask, int shell)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (plan_build(decided, ask, &plan, &failure) < 0)
        return refuse(shell, failure_report(&failure));
    if (shell < 0 && json_print(stdout, json_decision(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    for (size_t i = 0; shell >= 0 && i < plan.n_changes; i++)
        shell_change(stdout, (enum shell)shell, plan.changes[i].name, plan.changes[i].value);
    if (fflush(stdout) != 0)
        return EXIT_INTERNAL; /* main says why */
    decided_accept(decided);
    return EXIT_DONE;
}

static int print_unmanaged(const struct ask *ask, int shell, const struct failure *failure)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    note("going on without a decision, the environment stays as it is: %s", failure->text);
    if (shell < 0 || plan_unmanaged(ask, &plan) < 0)
        return shell < 0 ? EXIT_DONE : EXIT_INTERNAL;
    for (size_t i = 0; i < plan.n_changes; i++)
        shell_change(stdout, (enum shell)shell, plan.changes[i].name, plan.changes[i].value);
    return EXIT_DONE;
}

static int reject(const struct decided *decided, int shell)
{
    decided_report_rejection(decided, "");
    if (shell < 0 && json_print(stdout, json_decision(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    return refuse(shell, decided_status(decided));
}

/* The format may not have been understood: then as fish is told, which every shell understands. */
static void env_refused(const struct context *context, int status)
{
    int shell = context->format ? shell_by_name(context->format) : SHELL_FISH;
    if (!context->json)
        refuse(shell < 0 ? SHELL_FISH : shell, status);
}

static int env_run(struct context *context, const struct operands *operands)
{
    const struct ask *ask = context->values;
    int shell = context->json ? -1 : shell_by_name(context->format);
    CLEANUP(decided_clear) struct decided decided = DECIDED_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items > 0)
        return refuse(shell, fail_operand(context, operands->items[0]));
    if (decide(context, ask, ASK_FOR_HOLDER, &decided, &failure) < 0) {
        if (failure.unavailable && !ask->require)
            return print_unmanaged(ask, shell, &failure);
        return refuse(shell, failure_report(&failure));
    }
    if (decided_status(&decided) != EXIT_DONE)
        return reject(&decided, shell);
    return print_plan(&decided, ask, shell);
}

static const char *const formats[] = {"sh", "fish", "csh", "json", NULL};
static const struct option_group groups[] = {
    ASK_GROUPS,
    {"Environment", ask_clean_option, LENGTH(ask_clean_option), NULL},
};

const struct command command_env = {
    .name = "env",
    .summary = "print the decision as shell commands, for eval",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct ask),
    .run = env_run,
    .refused = env_refused,
};
