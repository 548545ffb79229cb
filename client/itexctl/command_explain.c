/* itexctl explain DECISION: the story of a decision, or of the newest one of a job. */
#include "client/itexctl/output.h"
#include "client/itexctl/rule_input.h"
#include "client/itexctl/service.h"
#include "client/itexctl/story.h"
#include "client/itexctl/words.h"
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>

struct explain_values {
    const char *job;
    int64_t timeout;
    bool now;
};

static int64_t timeout_of(const struct explain_values *values)
{
    return values->timeout > 0 ? values->timeout : DEFAULT_TIMEOUT_MS;
}

/* ---- Which decision ------------------------------------------------------------------------------------- */

static int newest_of_job(const struct explain_values *values, struct connection *connection, uint64_t *id,
                         struct failure *failure)
{
    Itexd__V1__Query body = ITEXD__V1__QUERY__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    body.job = (char *)values->job;
    body.has_limit = body.limit = 1;
    request.body_case = ITEXD__V1__REQUEST__BODY_QUERY;
    request.query = &body;
    if (service_call(connection, &request, -1, timeout_of(values), ITEXD__V1__REPLY__BODY_QUERY, &reply, failure) < 0)
        return -1;
    if (reply->query->n_decisions == 0)
        return failure_set(failure, EXIT_NEGATIVE, "no decision of job %.80s that you may see is kept", values->job);
    *id = reply->query->decisions[0]->id;
    return 0;
}

static int read_id(struct context *context, const struct operands *operands, uint64_t *id)
{
    const struct explain_values *values = context->values;
    int64_t number = 0;
    if (values->job && operands->n_items == 0)
        return EXIT_DONE;
    if (values->job)
        return fail_usage(context, "explain takes a decision or --job, not both");
    if (operands->n_items != 1 || !number_parse(operands->items[0], 1, INT64_MAX, &number))
        return fail(EXIT_USAGE, "explain takes the number of one decision, or --job; itexctl query lists them");
    *id = (uint64_t)number;
    return EXIT_DONE;
}

static int fetch_decision(const struct explain_values *values, struct connection *connection, uint64_t id,
                          Itexd__V1__Reply **reply, struct failure *failure)
{
    Itexd__V1__Explain body = ITEXD__V1__EXPLAIN__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    if (values->job && newest_of_job(values, connection, &id, failure) < 0)
        return -1;
    body.has_decision = 1;
    body.decision = id;
    request.body_case = ITEXD__V1__REQUEST__BODY_EXPLAIN;
    request.explain = &body;
    return service_call(connection, &request, -1, timeout_of(values), ITEXD__V1__REPLY__BODY_DECISION, reply, failure);
}

/* ---- What is told besides ------------------------------------------------------------------------------- */

static int fetch_status(const struct explain_values *values, struct connection *connection, Itexd__V1__Reply **reply,
                        struct failure *failure)
{
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    return service_call(connection, &request, -1, timeout_of(values), ITEXD__V1__REPLY__BODY_STATUS, reply, failure);
}

static void outcome_freep(Itexd__V1__Outcome **outcome)
{
    if (*outcome)
        itexd__v1__outcome__free_unpacked(*outcome, NULL);
}

static int outcome_of(const struct resolution *resolution, Itexd__V1__Outcome **outcome, struct failure *failure)
{
    CLEANUP(freep) uint8_t *data = NULL;
    size_t size = 0;
    if (decision_pack_outcome(resolution, NULL, 0, &data, &size) == 0)
        *outcome = itexd__v1__outcome__unpack(NULL, size, data);
    return *outcome ? 0 : failure_set(failure, EXIT_INTERNAL, "out of memory");
}

/* Resolved here, from what was kept of the job: a question to the service would be another decision. */
static int decide_now(struct connection *connection, const Itexd__V1__Decision *decision, Itexd__V1__Outcome **now,
                      struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    CLEANUP(resolution_free) struct resolution resolution = RESOLUTION_INIT;
    char error[512] = "";
    if (!decision->facts)
        return failure_set(failure, EXIT_UNAVAILABLE, "itexd did not say which facts it decided by");
    if (service_rule_files(connection, 0, ADMIN_TIMEOUT_MS, &files, NULL, failure) < 0 ||
        compile_rules(&files, &rules, failure) < 0)
        return -1;
    int r =
        decision_replay(rules_compiled(rules), decision->facts, decision->policy, &resolution, error, sizeof(error));
    if (r == -ENOMEM)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    if (r < 0)
        return failure_set(failure, EXIT_NEGATIVE, "what the rules in force now would decide cannot be told: %s",
                           error);
    return outcome_of(&resolution, now, failure);
}

static int tell(struct context *context, struct connection *connection, const Itexd__V1__Decision *decision,
                struct failure *failure)
{
    const struct explain_values *values = context->values;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *status = NULL;
    CLEANUP(outcome_freep) Itexd__V1__Outcome *now = NULL;
    if (!decision->outcome)
        return failure_set(failure, EXIT_UNAVAILABLE, "itexd answered with a decision that says nothing");
    if (fetch_status(values, connection, &status, failure) < 0 ||
        (values->now && decide_now(connection, decision, &now, failure) < 0))
        return -1;
    const struct story_extras extras = {.in_force = status->status->ruleset, .now = now};
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    if (printer_mark(&printer, decision_mark(decision)) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    print_story(&printer, decision, &extras);
    return 0;
}

static int explain_run(struct context *context, const struct operands *operands)
{
    const struct explain_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    uint64_t id = 0;
    int status = read_id(context, operands, &id);
    if (status != EXIT_DONE)
        return status;
    if (values->now && context->json)
        return fail_usage(context, "--now is for people; as JSON there is itexctl replay");
    if (service_open(context, &connection, &failure) < 0 ||
        fetch_decision(values, connection, id, &reply, &failure) < 0)
        return failure_report(&failure);
    if (context->json)
        return json_print(stdout, json_decision(reply->decision)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    return tell(context, connection, reply->decision, &failure) < 0 ? failure_report(&failure) : EXIT_DONE;
}

static const struct option_def options[] = {
    {"job", OPTION_TEXT, offsetof(struct explain_values, job), "ID", "the newest decision of this job"},
    {"now", OPTION_FLAG, offsetof(struct explain_values, now), NULL,
     "also tell what the rule set in force now would decide"},
    {"timeout", OPTION_DURATION, offsetof(struct explain_values, timeout), "T",
     "wait that long for the service; default 2s", NULL, 1},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_explain = {
    .name = "explain",
    .summary = "tell the story of a decision",
    .usage = "[OPTION...] [DECISION]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct explain_values),
    .run = explain_run,
};
