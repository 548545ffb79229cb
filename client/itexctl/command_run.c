/*
 * itexctl run -- COMMAND: decides, applies the decision, and becomes the command.
 *
 * It execs, so that signals, status and the process id are the command's own. Without a service the command runs as it
 * is, after one line on stderr (fail-open). Around a launcher only what holds for all ranks alike is set: the mode.
 */
#include "client/itexctl/decide.h"
#include "client/itexctl/output.h"
#include "client/itexctl/plan.h"
#include "client/itexctl/quote.h"
#include "client/itexctl/supervise.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

struct run_values {
    struct ask ask;
    bool dry_run, quiet, supervise;
};

/* ---- Launchers -------------------------------------------------------------------------------------- */

/* NULL where the command is none. */
static const char *launcher_of(char *const *command)
{
    static const char *const launchers[] = {"mpirun",     "mpiexec", "mpiexec.hydra", "orterun", "srun",
                                            "horovodrun", "prun",    "aprun",         "jsrun"};
    const char *base = strrchr(command[0], '/');
    base = base ? base + 1 : command[0];
    for (size_t i = 0; i < LENGTH(launchers); i++)
        if (strcmp(base, launchers[i]) == 0)
            return launchers[i];
    bool flux_runs =
        strcmp(base, "flux") == 0 && command[1] &&
        (strcmp(command[1], "run") == 0 || strcmp(command[1], "submit") == 0 || strcmp(command[1], "mini") == 0);
    return flux_runs ? "flux run" : NULL;
}

/* ---- Saying what was decided ------------------------------------------------------------------------- */

static void print_summary_changes(FILE *out, const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_env; i++) {
        const Itexd__V1__Variable *variable = outcome->env[i];
        fprintf(out, "; %s%s%s%s", variable->value ? "" : "unset ", variable->name, variable->value ? "=" : "",
                variable->value ? variable->value : "");
    }
    for (size_t i = 0; i < outcome->n_obligations; i++)
        fprintf(out, "%s%s", i ? ", " : "; the job must: ", outcome->obligations[i]);
}

/* Nothing was done about these; what they advise is longer than a line. */
static void print_summary_advice(FILE *out, const Itexd__V1__Outcome *outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        if (outcome->diagnostics[i]->rule && outcome->diagnostics[i]->solution)
            fprintf(out, "%s%s", n++ ? ", " : "; left as it is: ", outcome->diagnostics[i]->rule);
}

/* One line, only where there is something to know. */
static void summarise(const struct decided *decided)
{
    const Itexd__V1__Outcome *outcome = decided->decision->outcome;
    char *text = NULL, mark[MARK_SIZE];
    size_t size;
    if (!outcome->verdict || strcmp(outcome->verdict, "ok") == 0)
        return;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    mark_prefix(decision_mark(decided->decision), mark);
    fprintf(out, "%s%s: mode %s", mark, outcome->verdict, outcome->mode ? outcome->mode : "unchanged");
    print_summary_changes(out, outcome);
    if (strcmp(outcome->verdict, "advised") == 0)
        print_summary_advice(out, outcome);
    if (decided->decision->has_id && decided->decision->id)
        fprintf(out, " (itexctl explain %llu)", (unsigned long long)decided->decision->id);
    fclose(out);
    for (char *byte = text; *byte; byte++)
        *byte = *byte == '\n' ? ' ' : *byte;
    note("%s", text);
    free(text);
}

static int reject(const struct decided *decided)
{
    char more[80] = "; the command was not started";
    size_t used = strlen(more);
    if (decided->decision->has_id && decided->decision->id)
        snprintf(more + used, sizeof(more) - used, "; see itexctl explain %llu",
                 (unsigned long long)decided->decision->id);
    decided_report_rejection(decided, more);
    return decided_status(decided);
}

/* ---- Running ---------------------------------------------------------------------------------------- */

static int execute(char **command)
{
    fflush(NULL);
    execvp(command[0], command);
    int error = errno;
    return fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", command[0],
                error == ENOENT ? "command not found" : strerror(error));
}

static int run_unmanaged(const struct run_values *values, char **command, const struct failure *failure)
{
    const struct ask *ask = &values->ask;
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    note("running the command without a decision, its environment stays as it is: %s", failure->text);
    if (plan_unmanaged(ask, &plan) < 0 || apply_plan_setenv(&plan) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    return values->supervise ? supervise(command, NULL) : execute(command);
}

static int run_decided(const struct run_values *values, struct decided *decided, char **command)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (plan_build(decided, &values->ask, &plan, &failure) < 0)
        return failure_report(&failure);
    int r = apply_plan_setenv(&plan);
    if (r < 0)
        return fail(EXIT_INTERNAL, "cannot change the environment: %s", strerror(-r));
    if (!values->quiet)
        summarise(decided);
    if (!decided->request->launcher) /* the ranks ask and accept for themselves */
        decided_accept(decided);
    return values->supervise ? supervise(command, decided->connection) : execute(command);
}

/* On one line, so that it can be copied. */
static void print_command(const struct printer *printer, char *const *command)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    for (size_t i = 0; command[i]; i++) {
        fputs(i ? " " : "", out);
        shell_word(out, command[i]);
    }
    fclose(out);
    const struct printer wide = {.out = printer->out, .width = INT_MAX};
    print_paragraph(&wide, 2, text);
    free(text);
}

static int show_unmanaged(const struct context *context, char *const *command, const struct failure *failure)
{
    struct printer printer = printer_open(context, stdout);
    note("%s", failure->text);
    printf("Without a decision the command would run with its environment as it is:\n");
    print_command(&printer, command);
    return EXIT_DONE;
}

static int show(const struct context *context, const struct run_values *values, const struct decided *decided,
                char **command)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    int status = decided_status(decided);
    if (context->json)
        return json_print(stdout, json_decision(decided->decision)) < 0 ? EXIT_INTERNAL : status;
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    if (printer_mark(&printer, decision_mark(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    print_decision(&printer, decided->decision);
    if (status != EXIT_DONE) {
        CLEANUP(freep) char *text = decided_rejection(decided);
        print_heading(&printer, TONE_BAD, "The command would not be started:");
        print_paragraph(&printer, 2, text ? text : "rejected");
        return status;
    }
    if (plan_build(decided, &values->ask, &plan, &failure) < 0)
        return failure_report(&failure);
    print_heading(&printer, TONE_PLAIN, "The command would run with:");
    for (size_t i = 0; i < plan.n_changes; i++)
        print_paragraphf(&printer, 2, "%s%s%s%s", plan.changes[i].value ? "" : "unset ", plan.changes[i].name,
                         plan.changes[i].value ? "=" : "", plan.changes[i].value ? plan.changes[i].value : "");
    print_command(&printer, command);
    return EXIT_DONE;
}

static int run_run(struct context *context, const struct operands *operands)
{
    const struct run_values *values = context->values;
    CLEANUP(decided_clear) struct decided decided = DECIDED_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items == 0)
        return fail(EXIT_USAGE, "which command? For example: itexctl run --keras 3 -- python train.py");
    char **command = operands->items;
    const char *launcher = launcher_of(command);
    if (launcher && !values->quiet)
        note("%s is a launcher: only mode variables are set; to decide for each rank: %s ... itexctl run -- "
             "PROGRAM",
             launcher, launcher);
    if (decide(context, &values->ask, launcher ? ASK_FOR_LAUNCHER : ASK_FOR_COMMAND, &decided, &failure) < 0) {
        if (failure.unavailable && !values->ask.require && values->dry_run)
            return show_unmanaged(context, command, &failure);
        if (failure.unavailable && !values->ask.require)
            return run_unmanaged(values, command, &failure);
        return failure_report(&failure);
    }
    if (values->dry_run)
        return show(context, values, &decided, command);
    if (decided_status(&decided) != EXIT_DONE)
        return reject(&decided);
    return run_decided(values, &decided, command);
}

static const struct option_def options[] = {
    {"dry-run", OPTION_FLAG, offsetof(struct run_values, dry_run), NULL, "show what would be done, run nothing"},
    {"quiet", OPTION_FLAG, offsetof(struct run_values, quiet), NULL, "say nothing about a decision that works out"},
    {"supervise", OPTION_FLAG, offsetof(struct run_values, supervise), NULL,
     "stay as the command's parent until all it started has ended"},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {
    {"Running", options, LENGTH(options), NULL},
    ASK_GROUPS,
};

const struct command command_run = {
    .name = "run",
    .summary = "run a command under the node's decision",
    .usage = "[OPTION...] -- COMMAND [ARGUMENT...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct run_values),
    .runs_program = true,
    .run = run_run,
};
