/* itexctl explain ID: the story of a decision. */
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "client/itexctl/story.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

struct explain_values {
    int64_t timeout;
};

static int explain_run(struct context *context, const struct operands *operands)
{
    const struct explain_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__Explain body = ITEXD__V1__EXPLAIN__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    int64_t id;
    if (operands->n_items != 1 || !number_parse(operands->items[0], 1, INT64_MAX, &id))
        return fail(EXIT_USAGE, "explain takes the number of one decision; itexctl query lists them");
    body.has_decision = 1;
    body.decision = (uint64_t)id;
    request.body_case = ITEXD__V1__REQUEST__BODY_EXPLAIN;
    request.explain = &body;
    if (service_open(context, &connection, &failure) < 0 ||
        service_call(connection, &request, -1, values->timeout > 0 ? values->timeout : DEFAULT_TIMEOUT_MS,
                     ITEXD__V1__REPLY__BODY_DECISION, &reply, &failure) < 0)
        return failure_report(&failure);
    if (context->json)
        return json_print(stdout, json_decision(reply->decision)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    if (!reply->decision->outcome)
        return fail(EXIT_UNAVAILABLE, "itexd answered with a decision that says nothing");
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    if (printer_mark(&printer, decision_mark(reply->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    print_story(&printer, reply->decision);
    return EXIT_DONE;
}

static const struct option_def options[] = {
    {"timeout", OPTION_DURATION, offsetof(struct explain_values, timeout), "T",
     "wait that long for the service; default 2s", NULL, 1},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_explain = {
    .name = "explain",
    .summary = "tell the story of a decision",
    .usage = "[OPTION...] DECISION",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct explain_values),
    .run = explain_run,
};
