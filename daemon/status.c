/* Collects the state of all parts. Degraded means: something is wrong that a person should look at. */
#include "daemon/status.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/enforcement.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/service.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_PROBLEMS 8
#define PROBLEM_SIZE 600

struct problems {
    char texts[MAX_PROBLEMS][PROBLEM_SIZE];
    char *lines[MAX_PROBLEMS];
    size_t n;
};

static void add(struct problems *problems, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct problems *problems, const char *format, ...)
{
    va_list arguments;

    if (problems->n == MAX_PROBLEMS)
        return;
    va_start(arguments, format);
    vsnprintf(problems->texts[problems->n], PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    problems->lines[problems->n] = problems->texts[problems->n];
    problems->n++;
}

/* A part says what is wrong with it, "" for nothing; one that has not started yet is not asked. */
static void collect_devices(const struct service *service, struct problems *problems)
{
    char text[PROBLEM_SIZE] = "";

    if (service->devices)
        devices_problem(service->devices, text, sizeof text);
    if (text[0])
        add(problems, "%s", text);
    text[0] = '\0';
    if (service->leases)
        leases_problem(service->leases, text, sizeof text);
    if (text[0])
        add(problems, "%s", text);
    text[0] = '\0';
    if (service->enforcement)
        enforcement_problem(service->enforcement, text, sizeof text);
    if (text[0])
        add(problems, "%s", text);
}

static void collect_problems(const struct service *service, const struct store_status *store, struct problems *problems)
{
    const struct rulesets *rulesets = &service->rulesets;
    uint64_t dropped = log_dropped();

    problems->n = 0;
    if (!store->recording)
        add(problems, "decisions are not recorded: %s", store->problem[0] ? store->problem : "see the log");
    else if (store->problem[0])
        add(problems, "database: %s", store->problem);
    if (store->moved_aside[0] && !rulesets->active->chosen)
        add(problems,
            "a corrupt database was moved to %s and the shipped rules are in force; activate a rule set to confirm "
            "(itexctl rules activate)",
            store->moved_aside);
    if (rulesets->problem[0])
        add(problems, "rules: %s", rulesets->problem);
    if (service->configuration_problem[0])
        add(problems, "configuration: %s", service->configuration_problem);
    collect_devices(service, problems);
    if (dropped > 0)
        add(problems, "%" PRIu64 " log lines were dropped, for nobody read them", dropped);
}

static void fill_rules(const struct service *service, Itexd__V1__Status *status, Itexd__V1__RuleSetName *active,
                       Itexd__V1__RuleSetName *waiting)
{
    const struct rulesets *rulesets = &service->rulesets;

    active->has_id = rulesets->active->id != 0;
    active->id = rulesets->active->id;
    active->name = rulesets->active->name;
    active->digest = (char *)rulesets->active->digest;
    status->ruleset = active;
    status->has_rules = true;
    status->rules = (uint32_t)rule_set_size(rules_compiled(rulesets->active->rules));
    if (rulesets->waiting_id == 0)
        return;
    waiting->has_id = true;
    waiting->id = rulesets->waiting_id;
    waiting->name = rulesets->waiting_name;
    waiting->digest = (char *)rulesets->waiting_digest;
    status->ruleset_waiting = waiting;
}

const char *status_policy(const struct service *service)
{
    if (service->options.policy != OPTION_POLICY_RULESET)
        return options_policy_name(service->options.policy);
    return rule_set_advises(rules_compiled(service->rulesets.active->rules)) ? "advise" : "enforce";
}

static void fill_service(const struct service *service, Itexd__V1__Status *status)
{
    status->version = (char *)ITEXD_VERSION;
    status->has_start_ms = true;
    status->start_ms = service->start_ms;
    status->socket = service->server.listener.path;
    status->durability = (char *)options_durability_name(service->options.durability);
    status->policy = (char *)status_policy(service);
    status->has_locked = true;
    status->locked = service->options.locked;
    status->has_peers = status->has_requests = status->has_refused = true;
    status->peers = (uint32_t)service->server.n_peers;
    status->requests = service->n_requests;
    status->refused = service->n_refused + service->server.refused;
}

static void fill_store(const struct service *service, const struct store_status *store, Itexd__V1__Status *status)
{
    status->database = (char *)service->options.database.text;
    status->has_recording = status->has_decisions = status->has_database_bytes = status->has_wal_bytes = true;
    status->recording = store->recording;
    status->decisions = store->decisions;
    status->database_bytes = store->database_bytes;
    status->wal_bytes = store->wal_bytes;
    status->has_queue = true;
    status->queue = (uint32_t)store_queued(service->store);
    status->moved_aside = store->moved_aside[0] ? (char *)store->moved_aside : NULL;
}

void status_reply(struct call *call)
{
    const struct service *service = call->service;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Status status = ITEXD__V1__STATUS__INIT;
    Itexd__V1__RuleSetName active = ITEXD__V1__RULE_SET_NAME__INIT, waiting = ITEXD__V1__RULE_SET_NAME__INIT;
    struct store_status store;
    struct problems problems;

    store_status(service->store, &store);
    collect_problems(service, &store, &problems);
    fill_service(service, &status);
    fill_store(service, &store, &status);
    fill_rules(service, &status, &active, &waiting);
    devices_status(service->devices, &status);
    leases_status(service->leases, &status);
    enforcement_status(service->enforcement, &status);
    status.state = (char *)(problems.n > 0 ? "degraded" : "ok");
    status.n_problems = problems.n;
    status.problems = problems.lines;
    reply.body_case = ITEXD__V1__REPLY__BODY_STATUS;
    reply.status = &status;
    call_reply(call, &reply);
}

bool status_degraded(const struct service *service)
{
    struct store_status store;
    struct problems problems;

    store_condition(service->store, &store);
    collect_problems(service, &store, &problems);
    return problems.n > 0;
}

void status_notify(struct service *service)
{
    struct store_status store;
    struct problems problems;

    store_status(service->store, &store);
    collect_problems(service, &store, &problems);
    notify_status("%s; rules %s (%.12s)", problems.n > 0 ? problems.lines[0] : "serving",
                  service->rulesets.active->name, service->rulesets.active->digest);
}
