/* itexctl rules history: who stored and activated which rules, when and why. */
#include "client/itexctl/commands_rules.h"
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#define NAME_SIZE 64

struct history_values {
    int64_t limit;
};

/* The user's name on this machine, else the number. */
static const char *user_name(uint32_t uid, char text[NAME_SIZE])
{
    const struct passwd *user = getpwuid(uid);
    if (user)
        snprintf(text, NAME_SIZE, "%s", user->pw_name);
    else
        snprintf(text, NAME_SIZE, "%u", uid);
    return text;
}

static const char *what_words(const char *what)
{
    static const struct {
        const char *what, *words;
    } known[] = {
        {"loaded", "loaded"},
        {"stored", "shipped, stored"},
        {"activated", "activated"},
        {"rollback", "rolled back to"},
        {"shipped", "shipped, activated by itself"},
        {"carried", "carried into a new database"},
    };
    for (size_t i = 0; what && i < LENGTH(known); i++)
        if (strcmp(known[i].what, what) == 0)
            return known[i].words;
    return what; /* of a newer itexd */
}

static int add_event(struct table *table, const Itexd__V1__RulesEvent *event)
{
    char time[TIME_TEXT_SIZE] = "", user[NAME_SIZE] = "", id[24] = "";
    const Itexd__V1__RuleSetName *set = event->ruleset;
    if (event->has_time_ms)
        time_text(event->time_ms, time);
    if (event->has_uid)
        user_name(event->uid, user);
    if (set && set->has_id)
        snprintf(id, sizeof(id), "%" PRIu64, set->id);
    return table_row(
        table, (const char *const[]){time, user, what_words(event->what), id, set ? set->name : NULL, event->comment});
}

static int print_events(const struct context *context, const Itexd__V1__RulesHistoryReply *history)
{
    static const struct table_column columns[] = {{"TIME", false, 0, false}, {"USER", false, 0, false},
                                                  {"WHAT", false, 0, false}, {"SET", true, 0, false},
                                                  {"NAME", false, 0, true},  {"COMMENT", false, 0, true}};
    CLEANUP(table_freep) struct table *table = table_new(context, columns, LENGTH(columns), true);
    int r = table ? 0 : -ENOMEM;
    for (size_t i = 0; i < history->n_events && r == 0; i++)
        r = add_event(table, history->events[i]);
    return r == 0 ? table_print(table, stdout) : r;
}

static struct json_object *json_event(const Itexd__V1__RulesEvent *event)
{
    char time[TIME_TEXT_SIZE], user[NAME_SIZE];
    const Itexd__V1__RuleSetName *set = event->ruleset;
    struct json_object *object = json_object_new_object(), *rules = json_object_new_object();
    json_object_object_add(object, "time", event->has_time_ms ? json_text(time_text(event->time_ms, time)) : NULL);
    json_object_object_add(object, "uid", event->has_uid ? json_object_new_uint64(event->uid) : NULL);
    json_object_object_add(object, "user", event->has_uid ? json_text(user_name(event->uid, user)) : NULL);
    json_object_object_add(object, "what", json_text(event->what));
    json_object_object_add(rules, "id", set && set->has_id ? json_object_new_uint64(set->id) : NULL);
    json_object_object_add(rules, "name", json_text(set ? set->name : NULL));
    json_object_object_add(rules, "digest", json_text(set ? set->digest : NULL));
    json_object_object_add(rules, "origin", json_text(event->origin));
    json_object_object_add(object, "ruleset", rules);
    json_object_object_add(object, "comment", json_text(event->comment));
    return object;
}

/* One object per line, as query prints its own. */
static int print_events_json(const Itexd__V1__RulesHistoryReply *history)
{
    int r = 0;
    for (size_t i = 0; i < history->n_events && r == 0; i++)
        r = json_print(stdout, json_event(history->events[i]));
    return r;
}

static int history_run(struct context *context, const struct operands *operands)
{
    const struct history_values *values = context->values;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__RulesHistory body = ITEXD__V1__RULES_HISTORY__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    body.has_limit = values->limit > 0;
    body.limit = (uint32_t)values->limit;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_HISTORY;
    request.rules_history = &body;
    if (service_once(context, &request, ADMIN_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_RULES_HISTORY, &reply, &failure) < 0)
        return failure_report(&failure);
    int r = context->json ? print_events_json(reply->rules_history) : print_events(context, reply->rules_history);
    if (r < 0)
        return fail(EXIT_INTERNAL, "cannot print the history: %s", strerror(-r));
    if (reply->rules_history->more)
        note("there are older ones%s", values->limit > 0 ? "" : "; --limit shows more, 500 at most");
    return EXIT_DONE;
}

static const struct option_def options[] = {
    {"limit", OPTION_NUMBER, offsetof(struct history_values, limit), "N", "the newest N, 500 at most; default 100",
     NULL, 1, 500},
};
static const char *const formats[] = {"table", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_rules_history = {
    .name = "rules history",
    .summary = "show who stored and activated rules, when and why",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct history_values),
    .run = history_run,
};
