/* Asking for a decision: see decide.h. */
#include "client/itexctl/decide.h"
#include "client/core/resolve_request.h"
#include "proto/cleanup.h"

#include <string.h>

/* The reply to accept says only that it arrived; a job that is about to start does not wait long for that. */
#define ACCEPT_TIMEOUT_MS 500

void decided_clear(struct decided *decided)
{
    if (decided->decision)
        itexd__v1__decision__free_unpacked(decided->decision, NULL);
    if (decided->request)
        itexd__v1__resolve__free_unpacked(decided->request, NULL);
    connection_free(decided->connection);
    *decided = (struct decided)DECIDED_INIT;
}

static void on_event(const Itexd__V1__Event *event, void *data)
{
    (void)data;
    if (event->kind && strcmp(event->kind, "waiting") == 0)
        note("waiting for devices, position %u in the queue", event->position);
}

static int ask_service(const struct context *context, const struct ask *ask, struct decided *decided,
                       struct failure *failure)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    int64_t timeout = ask->timeout > 0 ? ask->timeout : DEFAULT_TIMEOUT_MS;
    if (service_open(context, &decided->connection, failure) < 0)
        return -1;
    connection_on_event(decided->connection, on_event, NULL);
    request.body_case = ITEXD__V1__REQUEST__BODY_RESOLVE;
    request.resolve = decided->request;
    if (service_call(decided->connection, &request, -1, timeout + (ask->wait > 0 ? ask->wait : 0),
                     ITEXD__V1__REPLY__BODY_DECISION, &reply, failure) < 0)
        return -1;
    decided->decision = TAKE_PTR(reply->decision);
    if (decided->decision->outcome)
        return 0;
    return failure_set(failure, EXIT_UNAVAILABLE, "itexd answered with a decision that says nothing");
}

int decide(const struct context *context, const struct ask *ask, bool launcher, struct decided *decided,
           struct failure *failure)
{
    if (ask_request(ask, launcher, &decided->request, failure) < 0)
        return -1;
    if (ask->offline)
        return decide_offline(ask, decided->request, &decided->decision, failure);
    if (ask_service(context, ask, decided, failure) < 0)
        return -1;
    return ask->alternatives ? decide_alternatives(decided->connection, decided->decision, failure) : 0;
}

void decided_accept(struct decided *decided)
{
    Itexd__V1__Accept accept = ITEXD__V1__ACCEPT__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (!decided->connection)
        return;
    accept.has_request_id = 1;
    accept.request_id = decided->request->request_id;
    accept.has_decision = decided->decision->has_id;
    accept.decision = decided->decision->id;
    request.body_case = ITEXD__V1__REQUEST__BODY_ACCEPT;
    request.accept = &accept;
    service_call(decided->connection, &request, -1, ACCEPT_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_DONE, &reply, &failure);
}

static bool is_rejected(const struct decided *decided)
{
    const char *verdict = decided->decision->outcome->verdict;
    return verdict && strcmp(verdict, "rejected") == 0;
}

static bool reaches_nothing(const struct decided *decided)
{
    const char *mode = decided->decision->outcome->mode;
    return mode && strcmp(mode, "none") == 0;
}

int decided_status(const struct decided *decided)
{
    if (!is_rejected(decided))
        return EXIT_DONE;
    return reaches_nothing(decided) ? EXIT_TRY_AGAIN : EXIT_NEGATIVE;
}

/* The first rule that still forbids the mode. */
static const Itexd__V1__Diagnostic *cause_of_rejection(const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        bool forbids = diagnostic->severity &&
                       (strcmp(diagnostic->severity, "error") == 0 || strcmp(diagnostic->severity, "unsupported") == 0);
        if (forbids && !diagnostic->applied)
            return diagnostic;
    }
    return NULL;
}

/* Without the full stop: the line may go on. */
static int sentence_length(const char *message)
{
    size_t length = message ? strlen(message) : 0;
    return (int)(length > 0 && message[length - 1] == '.' ? length - 1 : length);
}

char *decided_rejection(const struct decided *decided)
{
    const Itexd__V1__DeviceRequest *devices = decided->request->devices;
    const Itexd__V1__Outcome *outcome = decided->decision->outcome;
    char *text = NULL;
    int r;
    const Itexd__V1__Diagnostic *cause = cause_of_rejection(outcome);
    if (devices && devices->count > 0 && !decided->decision->lease)
        r = asprintf(&text, "rejected: %u device%s asked for, but %s; go without --gpus", devices->count,
                     devices->count == 1 ? "" : "s",
                     decided->connection ? "this service has no devices" : "only a service has any to give");
    else if (cause)
        r = asprintf(&text, "rejected by %s: %.*s", cause->rule ? cause->rule : "a rule",
                     sentence_length(cause->message), cause->message ? cause->message : "");
    else
        r = asprintf(&text, "rejected: no valid mode can be reached");
    return r < 0 ? NULL : text;
}
