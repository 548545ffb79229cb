/* The decision handle: what was answered, its application, and the two messages that follow it. */
#include "client/handles.h"

#include "client/core/apply.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

static itex_status fail(itex_decision *d, itex_status status, const char *text)
{
    snprintf(d->error, sizeof d->error, "%s", text);
    return status;
}

static void on_event(const Itexd__V1__Event *event, void *data)
{
    const itex_decision *d = data;

    if (d->on_event && event->kind)
        d->on_event(event->kind, event->text ? event->text : "", d->on_event_data);
}

itex_decision *decision_new(struct connection *connection, Itexd__V1__Reply *reply, unsigned timeout,
                            const uint8_t *request_id)
{
    itex_decision *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->owner = getpid();
    d->timeout = timeout;
    d->has_request_id = request_id != NULL;
    if (request_id)
        memcpy(d->request_id, request_id, REQUEST_ID_SIZE);
    d->connection = connection;
    d->reply = reply;
    d->message = reply->decision;
    connection_on_event(connection, on_event, d);
    return d;
}

void itex_decision_free(itex_decision *d)
{
    if (!d)
        return;
    connection_free(d->connection);
    itexd__v1__reply__free_unpacked(d->reply, NULL);
    free(d);
}

void itex_decision_disconnect(itex_decision *d)
{
    if (d)
        connection_close(d->connection);
}

/* ---- Reading it ---------------------------------------------------------------------------------- */

static const Itexd__V1__Outcome *outcome_of(const itex_decision *d)
{
    return d ? d->message->outcome : NULL;
}

const char *itex_decision_error(const itex_decision *d)
{
    return d ? d->error : "";
}

uint64_t itex_decision_id(const itex_decision *d)
{
    return d && d->message->has_recorded && d->message->recorded && d->message->has_id ? d->message->id : 0;
}

const char *itex_decision_mode(const itex_decision *d)
{
    return d ? outcome_of(d)->mode : NULL;
}

const char *itex_decision_verdict(const itex_decision *d)
{
    return d ? outcome_of(d)->verdict : NULL;
}

const char *itex_decision_predicted_mode(const itex_decision *d)
{
    return d ? outcome_of(d)->predicted_mode : NULL;
}

const char *itex_decision_predicted_outcome(const itex_decision *d)
{
    return d ? outcome_of(d)->predicted_outcome : NULL;
}

const char *itex_decision_ruleset_digest(const itex_decision *d)
{
    return d && d->message->ruleset ? d->message->ruleset->digest : NULL;
}

size_t itex_decision_env_count(const itex_decision *d)
{
    return d ? outcome_of(d)->n_env : 0;
}

itex_status itex_decision_env(const itex_decision *d, size_t index, const char **name, const char **value)
{
    if (!d || !name || !value || index >= outcome_of(d)->n_env)
        return ITEX_ERR_ARGUMENT;
    const Itexd__V1__Variable *variable = outcome_of(d)->env[index];
    *name = variable->name ? variable->name : "";
    *value = variable->value;
    return ITEX_OK;
}

size_t itex_decision_obligation_count(const itex_decision *d)
{
    return d ? outcome_of(d)->n_obligations : 0;
}

const char *itex_decision_obligation(const itex_decision *d, size_t index)
{
    return d && index < outcome_of(d)->n_obligations ? outcome_of(d)->obligations[index] : NULL;
}

size_t itex_decision_diagnostic_count(const itex_decision *d)
{
    return d ? outcome_of(d)->n_diagnostics : 0;
}

static void give(const char **where, const char *what)
{
    if (where)
        *where = what;
}

itex_status itex_decision_diagnostic(const itex_decision *d, size_t index, const char **rule, const char **severity,
                                     const char **message, const char **solution, int *applied)
{
    if (!d || index >= outcome_of(d)->n_diagnostics)
        return ITEX_ERR_ARGUMENT;
    const Itexd__V1__Diagnostic *diagnostic = outcome_of(d)->diagnostics[index];
    give(rule, diagnostic->rule);
    give(severity, diagnostic->severity);
    give(message, diagnostic->message);
    give(solution, diagnostic->solution);
    if (applied)
        *applied = diagnostic->has_applied && diagnostic->applied;
    return ITEX_OK;
}

/* ---- Devices ------------------------------------------------------------------------------------- */

size_t itex_decision_device_count(const itex_decision *d)
{
    return d ? d->message->n_devices : 0;
}

itex_status itex_decision_device(const itex_decision *d, size_t index, const char **bdf, const char **uuid, int *tile,
                                 const char **name)
{
    if (!d || index >= d->message->n_devices)
        return ITEX_ERR_ARGUMENT;
    const Itexd__V1__Device *device = d->message->devices[index];
    give(bdf, device->bdf);
    give(uuid, device->uuid);
    give(name, device->name);
    if (tile)
        *tile = device->has_tile ? (int)device->tile : -1;
    return ITEX_OK;
}

uint64_t itex_decision_lease(const itex_decision *d)
{
    return d && d->message->lease && d->message->lease->has_id ? d->message->lease->id : 0;
}

int itex_decision_local_device(const itex_decision *d)
{
    if (itex_decision_lease(d) == 0)
        return -1;
    return d->message->lease->has_local_device ? (int)d->message->lease->local_device : 0;
}

itex_status itex_decision_on_event(itex_decision *d, itex_event_fn function, void *data)
{
    if (!d)
        return ITEX_ERR_ARGUMENT;
    d->on_event = function;
    d->on_event_data = data;
    return ITEX_OK;
}

int itex_decision_fd(const itex_decision *d)
{
    return d && d->owner == getpid() ? connection_fd(d->connection) : -1;
}

itex_status itex_decision_dispatch(itex_decision *d)
{
    if (!d)
        return ITEX_ERR_ARGUMENT;
    if (d->owner != getpid())
        return fail(d, ITEX_ERR_ARGUMENT, "this decision belongs to the process that was forked from");
    int result = connection_events(d->connection);
    if (result == CALL_AGAIN)
        return ITEX_OK;
    if (result == CALL_LOST)
        return fail(d, ITEX_ERR_ABSENT, connection_error(d->connection));
    return status_of_call(result, NULL, d->connection, d->error);
}

/* ---- Putting it in force ------------------------------------------------------------------------- */

itex_status itex_decision_apply(itex_decision *d)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;

    if (!d)
        return ITEX_ERR_ARGUMENT;
    switch (apply_plan_build(&plan, d->message, d->error, sizeof d->error)) {
    case APPLY_OK:
        break;
    case APPLY_REJECTED:
        return ITEX_ERR_REJECTED;
    case -ENOMEM:
        return ITEX_ERR_MEMORY;
    default:
        return ITEX_ERR_ENVIRONMENT;
    }
    int r = apply_plan_setenv(&plan);
    return r < 0 ? fail(d, ITEX_ERR_ENVIRONMENT, "the environment could not be changed: out of memory; it is as it was")
                 : ITEX_OK;
}

/* One call on the decision's connection; *reply only with ITEX_OK. */
static itex_status call(itex_decision *d, Itexd__V1__Request *request, Itexd__V1__Reply__BodyCase expected,
                        Itexd__V1__Reply **reply)
{
    d->error[0] = '\0';
    if (d->owner != getpid())
        return fail(d, ITEX_ERR_ARGUMENT, "this decision belongs to the process that was forked from");
    int result = connection_call(d->connection, request, -1, d->timeout, reply);
    itex_status status = status_of_call(result, *reply, d->connection, d->error);
    if (status == ITEX_OK && (*reply)->body_case != expected)
        status = fail(d, ITEX_ERR_SERVICE, "itexd answered with a message of another kind than was asked for");
    if (status != ITEX_OK) {
        itexd__v1__reply__free_unpacked(*reply, NULL);
        *reply = NULL;
    }
    return status;
}

itex_status itex_decision_accept(itex_decision *d)
{
    Itexd__V1__Accept accept = ITEXD__V1__ACCEPT__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__Reply *reply = NULL;

    if (!d)
        return ITEX_ERR_ARGUMENT;
    accept.has_request_id = d->has_request_id;
    accept.request_id = (ProtobufCBinaryData){.len = REQUEST_ID_SIZE, .data = d->request_id};
    accept.has_decision = itex_decision_id(d) != 0;
    accept.decision = itex_decision_id(d);
    accept.has_lease = itex_decision_lease(d) != 0;
    accept.lease = itex_decision_lease(d);
    request.body_case = ITEXD__V1__REQUEST__BODY_ACCEPT;
    request.accept = &accept;
    itex_status status = call(d, &request, ITEXD__V1__REPLY__BODY_DONE, &reply);
    itexd__v1__reply__free_unpacked(reply, NULL);
    return status;
}

itex_status itex_decision_release(itex_decision *d)
{
    Itexd__V1__LeaseRelease release = ITEXD__V1__LEASE_RELEASE__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__Reply *reply = NULL;

    if (!d)
        return ITEX_ERR_ARGUMENT;
    if (itex_decision_lease(d) == 0)
        return ITEX_OK;
    if (!d->has_request_id)
        return fail(d, ITEX_ERR_ARGUMENT, "it is not known for which request the lease was given");
    release.has_request_id = 1;
    release.request_id = (ProtobufCBinaryData){.len = REQUEST_ID_SIZE, .data = d->request_id};
    request.body_case = ITEXD__V1__REQUEST__BODY_LEASE_RELEASE;
    request.lease_release = &release;
    itex_status status = call(d, &request, ITEXD__V1__REPLY__BODY_LEASE_RELEASE, &reply);
    itexd__v1__reply__free_unpacked(reply, NULL);
    return status;
}

itex_status itex_decision_report(itex_decision *d, const char *mode, unsigned devices, int *match)
{
    Itexd__V1__Report report = ITEXD__V1__REPORT__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__Reply *reply = NULL;

    if (!d)
        return ITEX_ERR_ARGUMENT;
    if (!mode || !*mode)
        return fail(d, ITEX_ERR_ARGUMENT, "the observed mode is missing; on the CPU it is 'none'");
    if (itex_decision_id(d) == 0)
        return fail(d, ITEX_ERR_ARGUMENT, "the decision is not recorded: there is nothing to compare with");
    CLEANUP(freep) char *mode_copy = strdup(mode);
    if (!mode_copy)
        return fail(d, ITEX_ERR_MEMORY, "out of memory");
    report.has_decision = report.has_devices = 1;
    report.decision = itex_decision_id(d);
    report.mode = mode_copy;
    report.devices = devices;
    request.body_case = ITEXD__V1__REQUEST__BODY_REPORT;
    request.report = &report;
    itex_status status = call(d, &request, ITEXD__V1__REPLY__BODY_REPORT, &reply);
    if (status == ITEX_OK && match)
        *match = reply->report->has_match && reply->report->match;
    itexd__v1__reply__free_unpacked(reply, NULL);
    return status;
}
