/* itexctl rules list, show, activate, rollback, reload: the service's rule sets. */
#include "client/itexctl/commands_rules.h"
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct show_values {
    bool files;
};
struct change_values {
    const char *comment;
};

/* ---- list -------------------------------------------------------------------------------------------- */

static int call_list(const struct context *context, Itexd__V1__Reply **reply, struct failure *failure)
{
    Itexd__V1__RulesList body = ITEXD__V1__RULES_LIST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_LIST;
    request.rules_list = &body;
    return service_once(context, &request, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_RULES_LIST, reply, failure);
}

static int add_set(struct table *table, const Itexd__V1__RuleSetInfo *set)
{
    char id[24], rules[16], created[TIME_TEXT_SIZE] = "", digest[13];
    snprintf(id, sizeof(id), "%" PRIu64, set->id);
    snprintf(rules, sizeof(rules), "%u", set->rules);
    snprintf(digest, sizeof(digest), "%s", set->digest ? set->digest : "");
    if (set->has_created_ms) {
        time_text(set->created_ms, created);
        created[10] = '\0'; /* the day */
    }
    return table_row(
        table, (const char *const[]){id, set->active ? "yes" : "no", set->origin, rules, created, digest, set->name});
}

static int print_sets(const struct context *context, const Itexd__V1__RulesListReply *list)
{
    static const struct table_column columns[] = {{"ID", true, 0, false},       {"ACTIVE", false, 0, false},
                                                  {"ORIGIN", false, 0, false},  {"RULES", true, 0, false},
                                                  {"CREATED", false, 0, false}, {"DIGEST", false, 0, false},
                                                  {"NAME", false, 0, true}};
    CLEANUP(table_freep) struct table *table = table_new(context, columns, LENGTH(columns), true);
    int r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < list->n_sets && r == 0; i++)
        r = add_set(table, list->sets[i]);
    return r == 0 ? table_print(table, stdout) : r;
}

/* One object per line, as query prints its own. */
static int print_sets_json(const Itexd__V1__RulesListReply *list)
{
    int r = 0;
    for (size_t i = 0; i < list->n_sets && r == 0; i++)
        r = json_print(stdout, json_rule_set(list->sets[i]));
    return r;
}

static int list_run(struct context *context, const struct operands *operands)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    if (call_list(context, &reply, &failure) < 0)
        return failure_report(&failure);
    const Itexd__V1__RulesListReply *list = reply->rules_list;
    int r = context->json ? print_sets_json(list) : print_sets(context, list);
    return r < 0 ? fail(EXIT_INTERNAL, "cannot print the sets: %s", strerror(-r)) : EXIT_DONE;
}

/* ---- show -------------------------------------------------------------------------------------------- */

static void print_files(const struct rule_files *files)
{
    for (size_t i = 0; i < files->n_files; i++) {
        const struct rule_file *file = &files->files[i];
        printf("%s# ==== %s ====\n", i ? "\n" : "", file->name);
        fwrite(file->text, 1, file->size, stdout);
        if (file->size > 0 && file->text[file->size - 1] != '\n')
            putchar('\n');
    }
}

static int print_rules(const struct context *context, const struct rule_set_def *set)
{
    static const struct table_column columns[] = {{"RULE", false, 0, false},
                                                  {"SEVERITY", false, 0, false},
                                                  {"OUTCOME", false, 0, false},
                                                  {"MESSAGE", false, 0, true}};
    CLEANUP(table_freep) struct table *table = table_new(context, columns, LENGTH(columns), true);
    int r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < set->n_rules && r == 0; i++)
        r = table_row(table, (const char *const[]){set->rules[i].id, severity_name(set->rules[i].severity),
                                                   outcome_name(set->rules[i].outcome), set->rules[i].message});
    return r == 0 ? table_print(table, stdout) : r;
}

static int print_set_json(const Itexd__V1__RuleSetInfo *info, const struct rule_set_def *set)
{
    struct json_object *object = json_rule_set(info);
    json_object_object_add(object, "definitions", json_rules(set));
    return json_print(stdout, object);
}

static int print_set(const struct context *context, const struct rule_files *files, const Itexd__V1__RuleSetInfo *info)
{
    const struct show_values *values = context->values;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    if (values->files) {
        print_files(files);
        return 0;
    }
    int r = rules_load(files, &rules, &messages);
    if (r < 0)
        return r;
    if (context->json)
        return print_set_json(info, rules_definitions(rules));
    char number[24] = ""; /* 0: the shipped files, while there is no database */
    if (info->id)
        snprintf(number, sizeof(number), "%" PRIu64 ", ", info->id);
    printf("rule set %s%s: %s, %s, digest %.12s\n", number, info->name ? info->name : "unnamed",
           info->origin ? info->origin : "?", info->active ? "active" : "not active",
           info->digest ? info->digest : "?");
    return print_rules(context, rules_definitions(rules));
}

static int show_run(struct context *context, const struct operands *operands)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__RuleSetInfo *info = NULL;
    int64_t id = 0;
    if (operands->n_items > 1 || (operands->n_items == 1 && !number_parse(operands->items[0], 1, INT64_MAX, &id)))
        return fail(EXIT_USAGE, "%s takes the number of one rule set; itexctl rules list has them",
                    context->command->name);
    if (service_open(context, &connection, &failure) < 0 ||
        service_rule_files(connection, (uint64_t)id, ADMIN_TIMEOUT_MS, &files, &info, &failure) < 0)
        return failure_report(&failure);
    int r = print_set(context, &files, info);
    itexd__v1__rule_set_info__free_unpacked(info, NULL);
    if (r == -EINVAL)
        return fail(EXIT_BAD_CONFIG, "this itexctl cannot read that rule set; --files shows it as it is");
    return r < 0 ? fail(EXIT_INTERNAL, "cannot print the set: %s", strerror(-r)) : EXIT_DONE;
}

/* ---- activate, rollback, reload ------------------------------------------------------------------------ */

static int do_simple(const struct context *context, Itexd__V1__Request *request, const char *said)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (service_once(context, request, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_DONE, &reply, &failure) < 0)
        return failure_report(&failure);
    printf("%s\n", said);
    return EXIT_DONE;
}

static void say_set(const char *what, const Itexd__V1__RuleSetName *set)
{
    if (set->has_id)
        print_linef("%s rule set %" PRIu64 " (%s, digest %.12s)", what, set->id, set->name ? set->name : "unnamed",
                    set->digest ? set->digest : "?");
    else
        print_linef("%s the shipped files (digest %.12s)", what, set->digest ? set->digest : "?");
}

/* What was there before, and the way back. An older itexd does not say. */
static void say_activated(const Itexd__V1__Done *done)
{
    const Itexd__V1__RuleSetName *now = done->ruleset, *before = done->ruleset_before;
    if (!now) {
        printf("done; itexctl rules list shows what is active\n");
        return;
    }
    say_set("active:", now);
    if (!before || (before->has_id && before->id == now->id)) {
        printf("it was active before\n");
        return;
    }
    say_set("before:", before);
    if (before->has_id)
        printf("To go back: itexctl rules rollback (or rules activate %" PRIu64 ")\n", before->id);
}

/* What would have changed is best seen before, but it can still be seen. */
static void suggest_replay(const Itexd__V1__Done *done)
{
    const Itexd__V1__RuleSetName *now = done->ruleset, *before = done->ruleset_before;
    if (now && now->has_id && before && before->has_id && before->id != now->id)
        printf("To see what it changes: itexctl replay --rules %" PRIu64 " --against %" PRIu64
               " --since \"7 days ago\"\n",
               now->id, before->id);
}

static int change_active(const struct context *context, Itexd__V1__Request *request, bool suggest)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (service_once(context, request, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_DONE, &reply, &failure) < 0)
        return failure_report(&failure);
    say_activated(reply->done);
    if (suggest)
        suggest_replay(reply->done);
    return EXIT_DONE;
}

static int activate_run(struct context *context, const struct operands *operands)
{
    const struct change_values *values = context->values;
    Itexd__V1__RulesActivate body = ITEXD__V1__RULES_ACTIVATE__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    int64_t id;
    if (operands->n_items != 1 || !number_parse(operands->items[0], 1, INT64_MAX, &id))
        return fail(EXIT_USAGE, "%s takes the number of one rule set; itexctl rules list has them",
                    context->command->name);
    body.has_id = 1;
    body.id = (uint64_t)id;
    body.comment = (char *)values->comment;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_ACTIVATE;
    request.rules_activate = &body;
    return change_active(context, &request, true);
}

static int rollback_run(struct context *context, const struct operands *operands)
{
    const struct change_values *values = context->values;
    Itexd__V1__RulesRollback body = ITEXD__V1__RULES_ROLLBACK__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    body.comment = (char *)values->comment;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_ROLLBACK;
    request.rules_rollback = &body;
    return change_active(context, &request, false);
}

static int reload_run(struct context *context, const struct operands *operands)
{
    Itexd__V1__Reload body = ITEXD__V1__RELOAD__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    request.body_case = ITEXD__V1__REQUEST__BODY_RELOAD;
    request.reload = &body;
    return do_simple(context, &request, "configuration and shipped rules are read again");
}

static const struct option_def show_options[] = {
    {"files", OPTION_FLAG, offsetof(struct show_values, files), NULL, "the rule files as they were loaded"},
};
static const struct option_group show_groups[] = {{"Options", show_options, LENGTH(show_options), NULL}};
static const struct option_def change_options[] = {
    {"comment", OPTION_TEXT, offsetof(struct change_values, comment), "TEXT", "why, for rules history"},
};
static const struct option_group change_groups[] = {{"Options", change_options, LENGTH(change_options), NULL}};
static const char *const list_formats[] = {"table", "json", NULL};

const struct command command_rules_list = {
    .name = "rules list",
    .summary = "list the rule sets",
    .usage = "[OPTION...]",
    .formats = list_formats,
    .run = list_run,
};
const struct command command_rules_show = {
    .name = "rules show",
    .summary = "show a rule set, by default the active one",
    .usage = "[OPTION...] [SET]",
    .formats = list_formats,
    .groups = show_groups,
    .n_groups = LENGTH(show_groups),
    .values_size = sizeof(struct show_values),
    .run = show_run,
};
const struct command command_rules_activate = {
    .name = "rules activate",
    .summary = "make a rule set the one in force",
    .usage = "[OPTION...] SET",
    .groups = change_groups,
    .n_groups = LENGTH(change_groups),
    .values_size = sizeof(struct change_values),
    .run = activate_run,
};
const struct command command_rules_rollback = {
    .name = "rules rollback",
    .summary = "go back to the set that was active before",
    .usage = "[OPTION...]",
    .groups = change_groups,
    .n_groups = LENGTH(change_groups),
    .values_size = sizeof(struct change_values),
    .run = rollback_run,
};
const struct command command_rules_reload = {
    .name = "rules reload",
    .summary = "let the service read its configuration again",
    .usage = "",
    .run = reload_run,
};
