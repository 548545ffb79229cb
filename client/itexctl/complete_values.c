/*
 * What values of options and operands may be. Which of the kinds below a value is of follows from how the option is
 * called, or how usage and --help name the value, so that a new command is completed without another word.
 */
#include "client/itexctl/complete.h"
#include "client/itexctl/output.h"
#include "client/itexctl/rule_input.h"
#include "client/itexctl/service.h"
#include "daemon/resolver/facts.h"
#include "proto/cleanup.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 300 /* for each question to the service; all end with the patience of __complete */
#define PAGES 3    /* of recent decisions */

/* A description may say what an administrator must not run into: a job's name with escapes in it. */
static void print_harmless(const char *text)
{
    for (size_t length; *text; text += length ? length : 1) {
        length = steering(text);
        putchar(length || *text == '\t' ? '?' : *text);
    }
}

void complete_with(const struct completion *completion, const char *text, const char *description)
{
    if (strncmp(text, completion->word, strlen(completion->word)) != 0)
        return;
    for (const char *at = text; *at; at++)
        if (steering(at) > 0) /* nobody can type it */
            return;
    printf("%s%s", completion->prefix, text);
    if (description && description[0]) {
        putchar('\t');
        print_harmless(description);
    }
    putchar('\n');
}

__attribute__((format(printf, 3, 4))) static void complete_withf(const struct completion *completion, const char *text,
                                                                 const char *format, ...)
{
    char description[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(description, sizeof(description), format, arguments);
    va_end(arguments);
    complete_with(completion, text, description);
}

/* ---- From the service ------------------------------------------------------------------------------------ */

static int ask(const struct completion *completion, Itexd__V1__Request *request, Itexd__V1__Reply__BodyCase expected,
               Itexd__V1__Reply **reply)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    return service_once(completion->context, request, ASK_MS, expected, reply, &failure);
}

/* What was printed, so that it comes once. */
struct seen {
    char *texts[256];
    size_t n;
};

static bool is_new(struct seen *seen, const char *text)
{
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->texts[i], text) == 0)
            return false;
    if (seen->n == LENGTH(seen->texts))
        return false;
    seen->texts[seen->n] = strdup(text);
    return seen->texts[seen->n] && ++seen->n;
}

static void seen_clear(struct seen *seen)
{
    while (seen->n > 0)
        free(seen->texts[--seen->n]);
}

typedef void (*each_decision_fn)(const struct completion *completion, const Itexd__V1__Decision *decision,
                                 struct seen *seen);

static void recent_decisions(const struct completion *completion, each_decision_fn each)
{
    CLEANUP(seen_clear) struct seen seen = {.n = 0};
    Itexd__V1__Query query = ITEXD__V1__QUERY__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_QUERY;
    request.query = &query;
    bool more = true;
    for (int page = 0; page < PAGES && more; page++) {
        CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
        if (ask(completion, &request, ITEXD__V1__REPLY__BODY_QUERY, &reply) < 0)
            return;
        for (size_t i = 0; i < reply->query->n_decisions; i++)
            each(completion, reply->query->decisions[i], &seen);
        more = reply->query->has_before;
        query.has_before = more;
        query.before = reply->query->before;
    }
}

static void with_decision(const struct completion *completion, const Itexd__V1__Decision *decision, struct seen *seen)
{
    char id[24];
    const Itexd__V1__Outcome *outcome = decision->outcome;
    (void)seen;
    snprintf(id, sizeof(id), "%" PRIu64, decision->id);
    complete_withf(completion, id, "%s%s, %s, mode %s", decision->job ? "job " : "",
                   decision->job ? decision->job : "no job", outcome && outcome->verdict ? outcome->verdict : "?",
                   outcome && outcome->mode ? outcome->mode : "not reached");
}

static void with_job(const struct completion *completion, const Itexd__V1__Decision *decision, struct seen *seen)
{
    char time[TIME_TEXT_SIZE];
    if (decision->job && is_new(seen, decision->job))
        complete_withf(completion, decision->job, "decision %" PRIu64 ", %.16s", decision->id,
                       time_text(decision->time_ms, time));
}

static void with_version(const struct completion *completion, const Itexd__V1__Decision *decision, struct seen *seen)
{
    if (decision->itex && strcmp(decision->itex, "newest") != 0 && is_new(seen, decision->itex))
        complete_with(completion, decision->itex, "in recent decisions");
}

static void complete_decisions(const struct completion *completion)
{
    recent_decisions(completion, with_decision);
}

static void complete_jobs(const struct completion *completion)
{
    recent_decisions(completion, with_job);
}

static void complete_versions(const struct completion *completion)
{
    complete_with(completion, "newest", NULL);
    recent_decisions(completion, with_version);
}

static int ask_for_devices(const struct completion *completion, Itexd__V1__Reply **reply)
{
    Itexd__V1__Devices body = ITEXD__V1__DEVICES__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_DEVICES;
    request.devices = &body;
    return ask(completion, &request, ITEXD__V1__REPLY__BODY_DEVICES, reply);
}

static void complete_devices(const struct completion *completion)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    if (ask_for_devices(completion, &reply) < 0)
        return;
    for (size_t i = 0; i < reply->devices->n_devices; i++) {
        const Itexd__V1__DeviceInfo *device = reply->devices->devices[i];
        char id[16];
        snprintf(id, sizeof(id), "%" PRIu32, device->id);
        if (device->has_id)
            complete_withf(completion, id, "%s, %s%s", device->name ? device->name : "?",
                           device->bdf ? device->bdf : "no address", device->drained ? ", drained" : "");
        if (device->bdf && completion->word[0])
            complete_with(completion, device->bdf, device->name);
    }
}

static void complete_models(const struct completion *completion)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(seen_clear) struct seen seen = {.n = 0};
    if (ask_for_devices(completion, &reply) < 0)
        return;
    for (size_t i = 0; i < reply->devices->n_devices; i++)
        if (reply->devices->devices[i]->name && is_new(&seen, reply->devices->devices[i]->name))
            complete_with(completion, reply->devices->devices[i]->name, NULL);
}

static void complete_leases(const struct completion *completion)
{
    Itexd__V1__Leases body = ITEXD__V1__LEASES__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    request.body_case = ITEXD__V1__REQUEST__BODY_LEASES;
    request.leases = &body;
    if (ask(completion, &request, ITEXD__V1__REPLY__BODY_LEASES, &reply) < 0)
        return;
    for (size_t i = 0; i < reply->leases->n_leases; i++) {
        const Itexd__V1__LeaseInfo *lease = reply->leases->leases[i];
        char id[24];
        snprintf(id, sizeof(id), "%" PRIu64, lease->id);
        complete_withf(completion, id, "%s%s, %zu device%s", lease->job ? "job " : "",
                       lease->job ? lease->job : "no job shown", lease->n_devices, lease->n_devices == 1 ? "" : "s");
    }
}

static void complete_rule_sets(const struct completion *completion)
{
    Itexd__V1__RulesList body = ITEXD__V1__RULES_LIST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_LIST;
    request.rules_list = &body;
    if (ask(completion, &request, ITEXD__V1__REPLY__BODY_RULES_LIST, &reply) < 0)
        return;
    for (size_t i = 0; i < reply->rules_list->n_sets; i++) {
        const Itexd__V1__RuleSetInfo *set = reply->rules_list->sets[i];
        char id[24];
        snprintf(id, sizeof(id), "%" PRIu64, set->id);
        complete_withf(completion, id, "%s, %u rules%s", set->name ? set->name : "unnamed", set->rules,
                       set->active ? ", in force" : "");
    }
}

/* Of the set in force. */
static void complete_rules(const struct completion *completion)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    if (service_open(completion->context, &connection, &failure) < 0 ||
        service_rule_files(connection, 0, ASK_MS, &files, NULL, &failure) < 0 ||
        compile_rules(&files, &rules, &failure) < 0)
        return;
    const struct rule_set_def *set = rules_definitions(rules);
    for (size_t i = 0; i < set->n_rules; i++)
        complete_withf(completion, set->rules[i].id, "%s: %s", severity_name(set->rules[i].severity),
                       outcome_name(set->rules[i].outcome));
}

/* ---- Without it -------------------------------------------------------------------------------------------- */

static void complete_files(const struct completion *completion)
{
    (void)completion;
    puts(":files");
}

static void complete_rules_of(const struct completion *completion)
{
    complete_rule_sets(completion);
    puts(":files");
}

/* The local ones: others could take a directory server minutes to list. */
static void complete_users(const struct completion *completion)
{
    FILE *users = fopen("/etc/passwd", "re");
    const struct passwd *user;
    while (users && (user = fgetpwent(users)))
        complete_with(completion, user->pw_name, NULL);
    if (users)
        fclose(users);
}

static void complete_times(const struct completion *completion)
{
    static const char *const times[] = {"today", "yesterday", "1h", "24h", "7d"};
    for (size_t i = 0; i < LENGTH(times); i++)
        complete_with(completion, times[i], NULL);
}

static void complete_fact_values(const struct completion *completion, const struct fact_info *fact)
{
    char text[128];
    for (int value = 1; fact->type != FACT_TYPE_TEXT && value < fact->n_values; value++) {
        snprintf(text, sizeof(text), "%s=%s", fact->name, fact->values[value]);
        complete_with(completion, text, NULL);
    }
}

static void complete_facts(const struct completion *completion)
{
    bool named = strchr(completion->word, '=');
    for (size_t i = 0; i < FACT_COUNT; i++) {
        const struct fact_info *fact = &fact_table[facts_by_name[i]];
        char text[96];
        snprintf(text, sizeof(text), "%s=", fact->name);
        if (fact->origin == FACT_DECLARED && named)
            complete_fact_values(completion, fact);
        else if (fact->origin == FACT_DECLARED)
            complete_with(completion, text, NULL);
    }
}

static void complete_variables(const struct completion *completion)
{
    char text[128];
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        snprintf(text, sizeof(text), "%s=", fact_variables[i].name);
        complete_with(completion, text, NULL);
    }
}

/* ---- Which of them ------------------------------------------------------------------------------------------ */

struct kind {
    const char *option;   /* NULL: any, and operands */
    const char *argument; /* as --help and usage call it; NULL: any */
    void (*complete)(const struct completion *completion);
};

/* The first that fits. */
static const struct kind kinds[] = {
    {"job", NULL, complete_jobs},      {"rule", NULL, complete_rules},     {"itex", NULL, complete_versions},
    {"user", NULL, complete_users},    {"fact", NULL, complete_facts},     {"env", NULL, complete_variables},
    {"model", NULL, complete_models},  {NULL, "DEVICE", complete_devices}, {NULL, "LEASE", complete_leases},
    {NULL, "SET", complete_rule_sets}, {NULL, "RULES", complete_rules_of}, {NULL, "DECISION", complete_decisions},
    {NULL, "TIME", complete_times},    {NULL, "FILE", complete_files},     {NULL, "PATH", complete_files},
    {NULL, "FOLDER", complete_files},
};

static void complete_kind(const struct completion *completion, const char *option, const char *argument, size_t length)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        const struct kind *kind = &kinds[i];
        bool called = !kind->option || (option && strcmp(kind->option, option) == 0);
        bool named =
            !kind->argument || (strlen(kind->argument) == length && strncmp(kind->argument, argument, length) == 0);
        if (called && named) {
            kind->complete(completion);
            return;
        }
    }
}

void complete_option_value(const struct completion *completion, const struct option_def *option)
{
    const char *const *choices = option->choices;
    if (strcmp(option->name, "format") == 0)
        choices = completion->command ? completion->command->formats : NULL;
    for (const char *const *choice = choices; choice && *choice; choice++)
        complete_with(completion, *choice, NULL);
    if (!option->choices)
        complete_kind(completion, option->name, option->argument, strlen(option->argument));
}

/* A usage names its operands in capitals: "[OPTION...] FILE...", "[OPTION...] [DEVICE | COMMAND ...]". */
void complete_operand(const struct completion *completion, int position)
{
    const char *last = NULL, *rest = completion->command->usage;
    size_t length = 0;
    int n = 0;
    while (*rest && n <= position) {
        rest += strcspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
        size_t name = strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        bool option = rest[0] == '-' || strncmp(rest, "OPTION", 6) == 0;
        if (name > 0 && !option) {
            last = rest;
            length = name;
            n++;
        }
        rest += option ? strcspn(rest, " ]") : name;
    }
    bool repeated = last && strncmp(last + length, "...", 3) == 0;
    if (last && (n > position || repeated))
        complete_kind(completion, NULL, last, length);
}
