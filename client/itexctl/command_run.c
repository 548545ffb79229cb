/*
 * itexctl run -- COMMAND: decides, applies the decision, and becomes the command.
 *
 * What the command is and what is known of its script is found out first (examine.h), so that facts need not be
 * declared. It execs, so that signals, status and the process id are the command's own. Where the script's Python has
 * no hook, the bundled runner is put in front of the script. Without a service the command runs as it is, after one
 * line on stderr (fail-open). Around a launcher only what holds for all ranks alike is set: the mode. Of the ranks of a
 * node only the first one talks.
 */
#include "client/core/job.h"
#include "client/itexctl/decide.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/output.h"
#include "client/itexctl/plan.h"
#include "client/itexctl/run_say.h"
#include "client/itexctl/run_show.h"
#include "client/itexctl/supervise.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct run_values {
    struct ask ask;
    bool dry_run, quiet, supervise, no_check, require_mode;
};

struct job {
    const struct context *context;
    const struct run_values *values;
    char **command; /* as given */
    bool talks;     /* of its node's ranks the first */
    struct examined examined;
    struct hook hook;
    struct decided decided;
    struct apply_plan plan;
    struct script_command rewritten;
};

static void job_clear(struct job *job)
{
    examined_clear(&job->examined);
    hook_clear(&job->hook);
    decided_clear(&job->decided);
    apply_plan_free(&job->plan);
    script_command_clear(&job->rewritten);
}

/* ---- The command ------------------------------------------------------------------------------------ */

static int execute(char **command)
{
    fflush(NULL);
    execvp(command[0], command);
    int error = errno;
    return fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", command[0],
                error == ENOENT ? "command not found" : strerror(error));
}

/* With the runner, where there is a decision for it to see to. */
static int rewrite(struct job *job)
{
    const char *runner = job->decided.decision ? job->hook.runner : NULL;
    return script_rewrite(&job->examined.script, runner, &job->plan, &job->rewritten);
}

static char **final_command(const struct job *job)
{
    return job->rewritten.argv ? job->rewritten.argv : job->command;
}

static int start(struct job *job)
{
    int r = rewrite(job);
    if (r >= 0)
        r = apply_plan_setenv(&job->plan);
    if (r < 0)
        return fail(EXIT_INTERNAL, "cannot change the environment: %s", strerror(-r));
    if (job->decided.decision && !job->decided.request->launcher) /* the ranks ask and accept for themselves */
        decided_accept(&job->decided);
    return job->values->supervise ? supervise(final_command(job), job->decided.connection)
                                  : execute(final_command(job));
}

/* ---- Without a decision ------------------------------------------------------------------------------- */

static int show_unmanaged(struct job *job, const struct failure *failure)
{
    if (plan_unmanaged(&job->values->ask, &job->plan) < 0 || rewrite(job) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    const struct run_shown shown = {&job->examined, &job->hook, &job->plan, final_command(job)};
    return run_show_unmanaged(job->context, failure, &shown);
}

static int run_unmanaged(struct job *job, const struct failure *failure)
{
    if (job->talks) {
        note("running the command without a decision, its environment stays as it is: %s", failure->text);
        say_findings(&job->decided, &job->examined, NULL, job->values->quiet);
    }
    decided_clear(&job->decided);
    if (plan_unmanaged(&job->values->ask, &job->plan) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    return start(job);
}

static int undecided(struct job *job, const struct failure *failure)
{
    if (!failure->unavailable || job->values->ask.require)
        return failure_report(failure);
    return job->values->dry_run ? show_unmanaged(job, failure) : run_unmanaged(job, failure);
}

/* ---- With one ------------------------------------------------------------------------------------------ */

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

static int plan_decided(struct job *job, struct failure *failure)
{
    if (plan_build(&job->decided, &job->values->ask, &job->plan, failure) < 0)
        return -1;
    if ((job->values->require_mode && plan_require_mode(&job->plan) < 0) || rewrite(job) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    return 0;
}

static int show(struct job *job)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (decided_status(&job->decided) == EXIT_DONE && plan_decided(job, &failure) < 0)
        return failure_report(&failure);
    const struct run_shown shown = {&job->examined, &job->hook, &job->plan, final_command(job)};
    return run_show(job->context, &job->decided, &shown);
}

static int run_decided(struct job *job)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    const struct run_values *values = job->values;
    if (decided_status(&job->decided) != EXIT_DONE)
        return reject(&job->decided);
    if (plan_build(&job->decided, &values->ask, &job->plan, &failure) < 0)
        return failure_report(&failure);
    if (values->require_mode && plan_require_mode(&job->plan) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    if (job->talks && (!values->quiet || values->require_mode))
        say_hook(&job->examined, &job->hook, values->require_mode);
    if (job->talks && !job->examined.script.nested)
        say_findings(&job->decided, &job->examined, &job->hook, values->quiet);
    if (job->talks && !values->quiet)
        say_decision(&job->decided, &job->examined);
    return start(job);
}

/* ---- All of it ------------------------------------------------------------------------------------------ */

static int examine(struct job *job, struct failure *failure)
{
    const struct run_values *values = job->values;
    if (values->no_check && values->ask.script)
        return failure_set(failure, EXIT_USAGE, "--no-check and --script exclude each other");
    if (examine_command(&values->ask, job->command, !values->no_check, &job->examined, failure) < 0)
        return -1;
    if (hook_find(&job->examined, !values->no_check, &job->hook) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    return 0;
}

static int run_run(struct context *context, const struct operands *operands)
{
    CLEANUP(job_clear)
    struct job job = {.context = context,
                      .values = context->values,
                      .command = operands->items,
                      .talks = job_first_rank(environ),
                      .examined = EXAMINED_INIT,
                      .decided = DECIDED_INIT};
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items == 0)
        return fail(EXIT_USAGE, "which command? For example: itexctl run -- python train.py");
    if (examine(&job, &failure) < 0)
        return failure_report(&failure);
    const char *launcher = job.examined.script.launcher;
    if (launcher && !job.values->quiet)
        note("%s is a launcher: only mode variables are set; to decide for each rank: %s ... itexctl run -- "
             "PROGRAM",
             launcher, launcher);
    if (decide(context, &job.values->ask, launcher ? ASK_FOR_LAUNCHER : ASK_FOR_COMMAND, &job.examined, &job.decided,
               &failure) < 0)
        return undecided(&job, &failure);
    return job.values->dry_run ? show(&job) : run_decided(&job);
}

static const struct option_def options[] = {
    {"dry-run", OPTION_FLAG, offsetof(struct run_values, dry_run), NULL, "show what would be done, run nothing"},
    {"quiet", OPTION_FLAG, offsetof(struct run_values, quiet), NULL, "say nothing about a decision that works out"},
    {"no-check", OPTION_FLAG, offsetof(struct run_values, no_check), NULL,
     "do not look at the script, and put no hook into it"},
    {"require-mode", OPTION_FLAG, offsetof(struct run_values, require_mode), NULL,
     "the job ends with status 65 if it gets another mode than was decided"},
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
