/*
 * itexctl check FILE...: what is wrong with training scripts, before they wait in a queue. The job's own Python parses
 * them and executes nothing; what they come to is resolved here. Needs neither a GPU nor the service.
 */
#include "client/itexctl/analyser.h"
#include "client/itexctl/check_report.h"
#include "client/itexctl/check_rules.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/output.h"
#include "proto/cleanup.h"

#include <json-c/json_object.h>
#include <stdlib.h>

struct check_values {
    struct ask ask;
    bool strict, fix, write;
};

/* The worse of two: a script that could not be analysed counts more than one with errors. */
static int worse(int a, int b)
{
    return a > b ? a : b;
}

static void decision_freep(Itexd__V1__Decision **decision)
{
    if (*decision)
        itexd__v1__decision__free_unpacked(*decision, NULL);
}

static int report(const struct context *context, const struct check_rules *rules, const struct examined *examined)
{
    const struct check_values *values = context->values;
    CLEANUP(decision_freep) Itexd__V1__Decision *decision = NULL;
    CLEANUP(check_report_clear) struct check_report made = CHECK_REPORT_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (check_rules_decide(rules, &values->ask, examined, &decision, &failure) < 0)
        return failure_report(&failure);
    made.file = examined->file;
    made.examined = examined;
    made.rules = rules;
    made.decision = decision;
    if (check_report_make(&made) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    if (context->json) {
        if (json_print(stdout, check_report_json(&made)) < 0)
            return fail(EXIT_INTERNAL, "out of memory");
    } else {
        const struct printer printer = printer_open(context, stdout);
        check_report_print(&made, &printer);
    }
    return made.errors > 0 || (values->strict && made.warnings > 0) ? EXIT_NEGATIVE : EXIT_DONE;
}

/* The analyser prints the diff; with --write it has also changed the file. */
static int fix(const struct check_values *values, const char *file)
{
    CLEANUP(examined_clear) struct examined examined = EXAMINED_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct analyser_question question;
    if (examine_file(&values->ask, file, false, &examined, &failure) < 0)
        return failure_report(&failure);
    examined_question(&values->ask, &examined, &question);
    question.fix = true;
    question.write = values->write;
    if (analyser_run(&question, &answer, &failure) < 0)
        return failure_report(&failure);
    fwrite(answer.text ? answer.text : "", 1, answer.size, stdout);
    return EXIT_DONE;
}

static int check_file(const struct context *context, const struct check_rules *rules, const char *file)
{
    const struct check_values *values = context->values;
    CLEANUP(examined_clear) struct examined examined = EXAMINED_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (examine_file(&values->ask, file, true, &examined, &failure) < 0)
        return failure_report(&failure);
    if (!examined.known)
        return fail(EXIT_INTERNAL, "%s", examined.problem ? examined.problem : "out of memory");
    return report(context, rules, &examined);
}

/* What --write has put right is followed by what is left. */
static int check_or_fix(const struct context *context, const struct check_rules *rules, const char *file)
{
    const struct check_values *values = context->values;
    int status = values->fix ? fix(values, file) : EXIT_DONE;
    bool checks = !values->fix || (values->write && status == EXIT_DONE);
    return checks ? check_file(context, rules, file) : status;
}

static int check_run(struct context *context, const struct operands *operands)
{
    const struct check_values *values = context->values;
    CLEANUP(check_rules_clear) struct check_rules rules = CHECK_RULES_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    int status = EXIT_DONE;
    if (operands->n_items == 0)
        return fail_usage(context, "which FILE?");
    if (values->write && !values->fix)
        return fail_usage(context, "--write goes with --fix, which shows what it would write");
    if (values->fix && context->json)
        return fail_usage(context, "--fix prints a diff, which is no JSON");
    bool checks = !values->fix || values->write;
    if (checks && check_rules_open(context, &values->ask, &rules, &failure) < 0)
        return failure_report(&failure);
    for (int i = 0; i < operands->n_items; i++)
        status = worse(status, check_or_fix(context, &rules, operands->items[i]));
    return status;
}

#define VALUE(name) offsetof(struct check_values, name)
static const char *const bind_values[] = {"node", "rank", NULL};
static const struct option_def options[] = {
    {"strict", OPTION_FLAG, VALUE(strict), NULL, "a warning, too, makes the status 1"},
    {"fix", OPTION_FLAG, VALUE(fix), NULL, "show as a diff what can be put right with certainty"},
    {"write", OPTION_FLAG, VALUE(write), NULL, "with --fix: also change the files"},
    {"python", OPTION_TEXT, VALUE(ask.python), "PATH", "the Python it is analysed with; default: its own"},
    {"itex", OPTION_TEXT, VALUE(ask.itex), "VERSION", "version of intel-extension-for-tensorflow, or newest"},
    {"bind", OPTION_CHOICE, VALUE(ask.bind), "node|rank", "how run is going to bind ranks to devices", bind_values},
    {"fact", OPTION_LIST, VALUE(ask.facts), "NAME=VALUE", "declare any other fact; itexctl(1) lists them"},
    {"env", OPTION_LIST, VALUE(ask.env), "NAME=VALUE",
     "a variable as the job will have it, instead of the caller's own"},
    {"clean-env", OPTION_FLAG, VALUE(ask.clean_env), NULL, "leave the caller's own variables out"},
    {"no-cache", OPTION_FLAG, VALUE(ask.no_cache), NULL, "analyse anew, and keep nothing"},
    {"check-timeout", OPTION_DURATION, VALUE(ask.check_timeout), "T", "wait that long for the analysis; default 30s",
     NULL, 1},
};
static const struct option_def rule_options[] = {
    {"offline", OPTION_FLAG, VALUE(ask.offline), NULL, "do not ask the service for its rules"},
    {"rules", OPTION_TEXT, VALUE(ask.rules), "PATH", "rule file or folder for --offline; default: shipped"},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {
    {"Checking", options, LENGTH(options), NULL},
    {"Which rules", rule_options, LENGTH(rule_options), NULL},
};

const struct command command_check = {
    .name = "check",
    .summary = "find out what is wrong with training scripts",
    .usage = "[OPTION...] FILE...",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct check_values),
    .run = check_run,
};
