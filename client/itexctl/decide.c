/* Asking for a decision: see decide.h. */
#include "client/itexctl/decide.h"
#include "client/core/resolve_request.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

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

/* On a terminal one line that is written anew, else a line for each change. */
struct waiting {
    bool terminal;
    bool shown; /* the cursor stands behind it */
};

static void on_event(const Itexd__V1__Event *event, void *data)
{
    struct waiting *waiting = data;
    char own[80];
    if (!event->kind || strcmp(event->kind, "waiting") != 0)
        return;
    snprintf(own, sizeof(own), "waiting for devices, position %u in the queue", event->position);
    if (waiting->terminal)
        fputs("\r\033[K", stderr);
    waiting->shown = waiting->terminal;
    note_part(event->text && event->text[0] ? event->text : own, waiting->terminal ? "" : "\n");
}

static void waiting_end(struct waiting *waiting)
{
    if (waiting->shown)
        fputc('\n', stderr);
}

static int ask_service(const struct context *context, const struct ask *ask, struct decided *decided,
                       struct failure *failure)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    int64_t timeout = ask->timeout > 0 ? ask->timeout : DEFAULT_TIMEOUT_MS;
    const char *terminal = getenv("TERM");
    CLEANUP(waiting_end)
    struct waiting waiting = {.terminal = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0};
    if (service_open(context, &decided->connection, failure) < 0)
        return -1;
    connection_on_event(decided->connection, on_event, &waiting);
    request.body_case = ITEXD__V1__REQUEST__BODY_RESOLVE;
    request.resolve = decided->request;
    int r = service_call(decided->connection, &request, -1, timeout + (ask->wait > 0 ? ask->wait : 0),
                         ITEXD__V1__REPLY__BODY_DECISION, &reply, failure);
    connection_on_event(decided->connection, NULL, NULL);
    if (r < 0)
        return -1;
    decided->decision = TAKE_PTR(reply->decision);
    if (decided->decision->outcome)
        return 0;
    return failure_set(failure, EXIT_UNAVAILABLE, "itexd answered with a decision that says nothing");
}

int decide(const struct context *context, const struct ask *ask, enum ask_for whom, const struct examined *examined,
           struct decided *decided, struct failure *failure)
{
    if (ask_request(ask, whom, examined, &decided->request, failure) < 0)
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
    accept.has_lease = decided->decision->lease && decided->decision->lease->has_id;
    accept.lease = accept.has_lease ? decided->decision->lease->id : 0;
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

/* What the service says about the devices that could not be had; NULL: nothing. */
static const Itexd__V1__Diagnostic *cause_of_no_devices(const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        if (diagnostic->rule && diagnostic->message &&
            (strcmp(diagnostic->rule, "devices-busy") == 0 || strcmp(diagnostic->rule, "no-device") == 0))
            return diagnostic;
    }
    return NULL;
}

/* "1 device asked for": what could not be had, and what else could be done. */
static int describe_no_devices(const struct decided *decided, char **text)
{
    const Itexd__V1__DeviceRequest *devices = decided->request->devices;
    const Itexd__V1__Diagnostic *cause = cause_of_no_devices(decided->decision->outcome);
    const char *unit = devices->tiles ? "tile" : "device";
    const char *why = cause                 ? cause->message
                      : decided->connection ? "this service has no devices"
                                            : "only a service has any to give";
    bool busy = cause && strcmp(cause->rule, "devices-busy") == 0;
    const char *advice = busy && !devices->wait_ms ? "; --wait T waits for them"
                         : busy                    ? ""
                         : devices->by_default     ? "; --gpus 0 goes without"
                                                   : "; go without --gpus";
    int length = sentence_length(why); /* that begins a sentence, and is the middle of one here */
    return asprintf(text, "rejected: %u %s%s asked for, but %c%.*s%s", devices->count, unit,
                    devices->count == 1 ? "" : "s", tolower((unsigned char)why[0]), length - 1, why + 1, advice);
}

char *decided_rejection(const struct decided *decided)
{
    const Itexd__V1__DeviceRequest *devices = decided->request->devices;
    const Itexd__V1__Diagnostic *cause = cause_of_rejection(decided->decision->outcome);
    char *text = NULL;
    int r;
    if (devices && devices->count > 0 && !decided->decision->lease && reaches_nothing(decided))
        r = describe_no_devices(decided, &text);
    else if (cause)
        r = asprintf(&text, "rejected by %s: %.*s", cause->rule ? cause->rule : "a rule",
                     sentence_length(cause->message), cause->message ? cause->message : "");
    else
        r = asprintf(&text, "rejected: no valid mode can be reached");
    return r < 0 ? NULL : text;
}

void decided_report_rejection(const struct decided *decided, const char *more)
{
    CLEANUP(freep) char *text = decided_rejection(decided);
    char mark[MARK_SIZE];
    mark_prefix(decision_mark(decided->decision), mark);
    note("%s%s%s", mark, text ? text : "rejected", more);
}
