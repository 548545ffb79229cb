/* itexctl rules check, test, diff, reference: what can be done with rule files themselves. */
#include "client/itexctl/commands_rules.h"
#include "client/itexctl/rule_diff.h"
#include "client/itexctl/rule_input.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

static void print_messages(const struct yaml_messages *messages)
{
    fflush(stdout);
    for (size_t i = 0; i < messages->n_items; i++)
        fprintf(stderr, "%s\n", messages->items[i].text);
}

/* Reads, checks and prints what is wrong. The status, with *rules where it is EXIT_DONE. */
static int load_operands(const struct operands *operands, struct rules **rules)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (read_rule_files((const char *const *)operands->items, (size_t)operands->n_items, &files, &failure) < 0)
        return failure_report(&failure);
    int r = rules_load(&files, rules, &messages);
    print_messages(&messages);
    if (r == -EINVAL)
        return fail(EXIT_BAD_CONFIG, "%zu mistake%s", messages.n_errors, messages.n_errors == 1 ? "" : "s");
    return r < 0 ? fail(EXIT_INTERNAL, "cannot check the rules: %s", strerror(-r)) : EXIT_DONE;
}

static int check_run(struct context *context, const struct operands *operands)
{
    (void)context;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    int status = load_operands(operands, &rules);
    if (status == EXIT_DONE)
        printf("%zu rules, no mistakes, digest %s\n", rules_definitions(rules)->n_rules, rules_digest(rules));
    return status;
}

static int test_run(struct context *context, const struct operands *operands)
{
    (void)context;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    int status = load_operands(operands, &rules);
    if (status != EXIT_DONE)
        return status;
    size_t ran = rules_run_examples(rules, &messages);
    printf("%zu rules, %zu examples, %zu failed\n", rules_definitions(rules)->n_rules, ran, messages.n_errors);
    print_messages(&messages);
    return messages.n_errors > 0 ? EXIT_NEGATIVE : EXIT_DONE;
}

/* ---- diff -------------------------------------------------------------------------------------------- */

/* A number is a set of the service, "active" the one in force, anything else a file or folder. */
static int open_side(const struct context *context, const char *text, struct rules **rules, struct failure *failure)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    int64_t id = 0;
    if (strcmp(text, "active") != 0 && !number_parse(text, 1, INT64_MAX, &id))
        return read_rules(text, rules, failure);
    if (service_open(context, &connection, failure) < 0 ||
        service_rule_files(connection, (uint64_t)id, ADMIN_TIMEOUT_MS, &files, NULL, failure) < 0)
        return -1;
    if (rules_load(&files, rules, &messages) < 0)
        return failure_set(failure, EXIT_BAD_CONFIG, "rule set %s cannot be read by this itexctl", text);
    return 0;
}

static void print_change(enum rule_change change, const struct rule_def *rule, const char *what, void *data)
{
    size_t *count = data;
    (*count)++;
    switch (change) {
    case RULE_ADDED:
        printf("added    %s (%s)\n", rule->id, severity_name(rule->severity));
        break;
    case RULE_REMOVED:
        printf("removed  %s (%s)\n", rule->id, severity_name(rule->severity));
        break;
    case RULE_CHANGED:
        printf("changed  %s: %s\n", rule->id, what);
        break;
    case RULE_MOVED:
        printf("order    %s now comes where %s did\n", rule->id, what);
        break;
    }
}

static int diff_run(struct context *context, const struct operands *operands)
{
    CLEANUP(rules_freep) struct rules *from = NULL;
    CLEANUP(rules_freep) struct rules *to = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    size_t count = 0;
    if (operands->n_items != 2)
        return fail(EXIT_USAGE, "rules diff takes two rule sets: numbers of the service's, active, files or folders");
    if (open_side(context, operands->items[0], &from, &failure) < 0 ||
        open_side(context, operands->items[1], &to, &failure) < 0)
        return failure_report(&failure);
    if (rule_diff(rules_definitions(from), rules_definitions(to), print_change, &count) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    if (count == 0)
        printf("no difference\n");
    return EXIT_DONE;
}

static int reference_run(struct context *context, const struct operands *operands)
{
    (void)context;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    char *shipped[] = {(char *)shipped_rules_path()};
    const struct operands from = operands->n_items > 0 ? *operands : (struct operands){shipped, 1};
    int status = load_operands(&from, &rules);
    if (status != EXIT_DONE)
        return status;
    if (rules_write_reference(rules, stdout) < 0)
        return fail(EXIT_INTERNAL, "cannot write the reference");
    return EXIT_DONE;
}

const struct command command_rules_check = {
    .name = "rules check",
    .summary = "check rule files, without the service",
    .usage = "FILE...",
    .run = check_run,
};
const struct command command_rules_test = {
    .name = "rules test",
    .summary = "run the examples in rule files, without the service",
    .usage = "FILE...",
    .run = test_run,
};
const struct command command_rules_diff = {
    .name = "rules diff",
    .summary = "show which rules two sets differ in",
    .usage = "RULES RULES",
    .run = diff_run,
};
const struct command command_rules_reference = {
    .name = "rules reference",
    .summary = "print the rules for people, as Markdown",
    .usage = "[FILE...]",
    .run = reference_run,
};
