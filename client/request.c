/* The request handle: what is asked, and the asking itself, which is the same state machine for both forms. */
#include "client/handles.h"

#include "client/core/device_view.h"
#include "client/core/job.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 2000u

__attribute__((format(printf, 3, 4))) static itex_status fail(itex_request *r, itex_status status, const char *format,
                                                              ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(r->error, sizeof r->error, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- Life ---------------------------------------------------------------------------------------- */

itex_request *itex_request_new(void)
{
    itex_request *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->owner = getpid();
    r->timeout = DEFAULT_TIMEOUT_MS;
    r->collect = true;
    return r;
}

static void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->items[i].name);
        free(settings->items[i].value);
    }
    free(settings->items);
}

void itex_request_free(itex_request *r)
{
    if (!r)
        return;
    connection_free(r->connection);
    settings_free(&r->facts);
    settings_free(&r->node_facts);
    settings_free(&r->variables);
    free(r->socket);
    free(r->policy);
    free(r->job);
    free(r->model);
    free(r->bind);
    free(r);
}

const char *itex_request_error(const itex_request *r)
{
    return r ? r->error : "";
}

/* ---- What is asked ------------------------------------------------------------------------------- */

/* Another question is another request: it must not be taken for a retry of the last one. */
static itex_status changed(itex_request *r)
{
    r->has_id = false;
    return ITEX_OK;
}

static itex_status set_string(itex_request *r, char **field, const char *value)
{
    if (resolve_request_string(field, value) < 0)
        return fail(r, ITEX_ERR_MEMORY, "out of memory");
    return changed(r);
}

static itex_status set_setting(itex_request *r, struct settings *settings, const char *name, const char *value)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return set_string(r, &settings->items[i].value, value);

    CLEANUP(freep) char *name_copy = strdup(name);
    CLEANUP(freep) char *value_copy = value ? strdup(value) : NULL;
    struct setting *grown = realloc(settings->items, (settings->count + 1) * sizeof *grown);
    if (grown)
        settings->items = grown;
    if (!grown || !name_copy || (value && !value_copy))
        return fail(r, ITEX_ERR_MEMORY, "out of memory");
    settings->items[settings->count++] = (struct setting){.name = TAKE_PTR(name_copy), .value = TAKE_PTR(value_copy)};
    return changed(r);
}

static bool is_fact_name(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

itex_status itex_request_set_socket(itex_request *r, const char *path)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!path || !*path)
        return fail(r, ITEX_ERR_ARGUMENT, "the path of the socket is empty");
    return set_string(r, &r->socket, path);
}

itex_status itex_request_set_timeout(itex_request *r, unsigned milliseconds)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (milliseconds == 0)
        return fail(r, ITEX_ERR_ARGUMENT, "a timeout of 0 ms would always be over: give at least 1");
    r->timeout = milliseconds;
    return ITEX_OK; /* how long to wait is not part of the question */
}

static itex_status set_fact(itex_request *r, struct settings *facts, const char *name, const char *value)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!name || !value)
        return fail(r, ITEX_ERR_ARGUMENT, "a fact needs a name and a value");
    if (!is_fact_name(name))
        return fail(r, ITEX_ERR_ARGUMENT, "'%.100s' cannot be the name of a fact: small letters, digits and _ only",
                    name);
    return set_setting(r, facts, name, value);
}

itex_status itex_request_set_fact(itex_request *r, const char *name, const char *value)
{
    return set_fact(r, r ? &r->facts : NULL, name, value);
}

itex_status itex_request_set_node_fact(itex_request *r, const char *name, const char *value)
{
    return set_fact(r, r ? &r->node_facts : NULL, name, value);
}

itex_status itex_request_set_variable(itex_request *r, const char *name, const char *value)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!name || !*name || strchr(name, '='))
        return fail(r, ITEX_ERR_ARGUMENT, "the name of a variable is empty or has '=' in it");
    return set_setting(r, &r->variables, name, value);
}

itex_status itex_request_set_collect(itex_request *r, int collect)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->collect = collect != 0;
    return changed(r);
}

itex_status itex_request_set_policy(itex_request *r, const char *policy)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!policy || (strcmp(policy, "enforce") != 0 && strcmp(policy, "advise") != 0))
        return fail(r, ITEX_ERR_ARGUMENT, "the policy is 'enforce' or 'advise', not '%.100s'", policy ? policy : "");
    return set_string(r, &r->policy, policy);
}

itex_status itex_request_set_apply_errors(itex_request *r, int errors_only)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->apply_errors = errors_only != 0;
    return changed(r);
}

itex_status itex_request_set_job(itex_request *r, const char *job)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!job || !*job)
        return fail(r, ITEX_ERR_ARGUMENT, "the job's id is empty");
    return set_string(r, &r->job, job);
}

itex_status itex_request_set_devices(itex_request *r, unsigned count, int tiles, int shared, unsigned wait)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->devices = count;
    r->tiles = tiles != 0;
    r->shared = shared != 0;
    r->wait = count > 0 ? wait : 0;
    return changed(r);
}

itex_status itex_request_set_memory(itex_request *r, uint64_t bytes)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->memory = bytes;
    return changed(r);
}

itex_status itex_request_set_model(itex_request *r, const char *model)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!model || !*model)
        return fail(r, ITEX_ERR_ARGUMENT, "the model of the devices is empty");
    return set_string(r, &r->model, model);
}

itex_status itex_request_set_bind(itex_request *r, const char *bind)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!bind || (strcmp(bind, "node") != 0 && strcmp(bind, "rank") != 0))
        return fail(r, ITEX_ERR_ARGUMENT, "devices are bound to 'node' or 'rank', not '%.100s'", bind ? bind : "");
    return set_string(r, &r->bind, bind);
}

itex_status itex_request_set_numa(itex_request *r, int node)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (node < 0)
        return fail(r, ITEX_ERR_ARGUMENT, "NUMA nodes are numbered from 0");
    r->numa = node;
    r->has_numa = true;
    return changed(r);
}

itex_status itex_request_set_allow_none(itex_request *r, int allow)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->allow_none = allow != 0;
    return changed(r);
}

itex_status itex_request_set_holder(itex_request *r, pid_t process)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (process <= 0)
        return fail(r, ITEX_ERR_ARGUMENT, "the holder is a process id, from 1");
    r->holder = process;
    return changed(r);
}

itex_status itex_request_on_waiting(itex_request *r, itex_waiting_fn function, void *data)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    r->on_waiting = function;
    r->on_waiting_data = data;
    return ITEX_OK; /* who is told is not part of the question */
}

/* ---- The message --------------------------------------------------------------------------------- */

static int add_environment(const itex_request *r, Itexd__V1__Resolve *message)
{
    CLEANUP(environment_free) struct environment environment = ENVIRONMENT_INIT;
    int result = r->collect ? environment_collect(&environment, environ) : 0;

    for (size_t i = 0; i < r->variables.count && result == 0; i++)
        result = environment_override(&environment, r->variables.items[i].name, r->variables.items[i].value);
    if (result == 0)
        result = environment_read_flags_file(&environment, NULL);
    return result == 0 ? resolve_request_environment(message, &environment) : result;
}

static int add_devices(const itex_request *r, Itexd__V1__Resolve *message)
{
    if (r->devices == 0)
        return 0;
    Itexd__V1__DeviceRequest *devices = resolve_request_devices(message);
    if (!devices)
        return -ENOMEM;
    devices->has_count = devices->has_tiles = devices->has_shared = devices->has_wait_ms = 1;
    devices->count = r->devices;
    devices->tiles = r->tiles;
    devices->shared = r->shared;
    devices->wait_ms = r->wait;
    devices->has_memory_bytes = r->memory > 0;
    devices->memory_bytes = r->memory;
    devices->has_numa = r->has_numa;
    devices->numa = r->numa;
    devices->has_allow_none = devices->allow_none = r->allow_none;
    int result = resolve_request_string(&devices->model, r->model);
    if (result == 0)
        result = resolve_request_string(&devices->bind, r->bind);
    return result == 0 ? device_view_add(devices, environ) : result;
}

static int fill_message(const itex_request *r, Itexd__V1__Resolve *message)
{
    struct job_id scheduler = job_find(environ);
    int result = add_environment(r, message);

    for (size_t i = 0; i < r->facts.count && result == 0; i++)
        result = resolve_request_fact(message, r->facts.items[i].name, r->facts.items[i].value, "declared");
    for (size_t i = 0; i < r->node_facts.count && result == 0; i++)
        result = resolve_request_fact(message, r->node_facts.items[i].name, r->node_facts.items[i].value, "node");
    if (result == 0)
        result = resolve_request_policy(message, r->policy);
    if (result == 0)
        result = r->job ? resolve_request_job(message, r->job, NULL)
                        : resolve_request_job(message, scheduler.job, scheduler.step);
    if (result == 0)
        result = add_devices(r, message);
    if (result == 0 && r->holder)
        result = resolve_request_holder(message, r->holder);
    if (result == 0)
        result = resolve_request_inherited(message, environ);
    message->has_apply_errors = message->apply_errors = r->apply_errors;
    return result == 0 ? resolve_request_fit(message) : result;
}

/* ---- Asking -------------------------------------------------------------------------------------- */

/* -errno into a status. */
static itex_status fail_errno(itex_request *r, int error)
{
    if (error == -ESRCH)
        return fail(r, ITEX_ERR_ARGUMENT, "there is no process %d to hold the devices", (int)r->holder);
    if (error == -EMSGSIZE)
        return fail(r, ITEX_ERR_ARGUMENT, "the request does not fit into a packet: it declares too much");
    return fail(r, ITEX_ERR_MEMORY, "cannot make a request: %s", strerror(-error));
}

static void on_event(const Itexd__V1__Event *event, void *data)
{
    const itex_request *r = data;

    if (r->on_waiting && event->kind && strcmp(event->kind, "waiting") == 0)
        r->on_waiting(event->has_position ? event->position : 0, r->on_waiting_data);
}

static itex_status start_call(itex_request *r)
{
    CLEANUP(resolve_request_freep) Itexd__V1__Resolve *message = resolve_request_new(r->id);
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;

    if (!message)
        return fail_errno(r, -ENOMEM);
    int result = fill_message(r, message);
    if (result == 0)
        result = connection_new(&r->connection, r->socket, "libitexclient");
    if (result < 0)
        return fail_errno(r, result);
    connection_on_event(r->connection, on_event, r);
    request.body_case = ITEXD__V1__REQUEST__BODY_RESOLVE;
    request.resolve = message;
    result = connection_start(r->connection, &request, -1, clock_steady_ms() + r->timeout + r->wait);
    return status_of_call(result, NULL, r->connection, r->error);
}

static itex_status end_call(itex_request *r, itex_status status)
{
    connection_free(r->connection);
    r->connection = NULL;
    return status;
}

itex_status itex_resolve_start(itex_request *r)
{
    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (r->owner != getpid())
        return fail(r, ITEX_ERR_ARGUMENT, "this request belongs to the process that was forked from: make a new one");
    r->error[0] = '\0';
    end_call(r, ITEX_OK); /* one that was started before is given up */
    if (!r->has_id) {
        int result = request_id_new(r->id);
        if (result < 0)
            return fail_errno(r, result);
        r->has_id = true;
    }
    itex_status status = start_call(r);
    return status == ITEX_OK ? ITEX_OK : end_call(r, status);
}

int itex_request_fd(const itex_request *r)
{
    return r && r->connection ? connection_fd(r->connection) : -1;
}

short itex_request_events(const itex_request *r)
{
    return r && r->connection ? POLLIN : 0;
}

/* A reply came: makes the decision, which takes the connection over. */
static itex_status finish_call(itex_request *r, Itexd__V1__Reply *reply, itex_decision **decision)
{
    itex_status status = status_of_call(CALL_OK, reply, r->connection, r->error);

    if (status == ITEX_OK && (reply->body_case != ITEXD__V1__REPLY__BODY_DECISION || !reply->decision->outcome))
        status = fail(r, ITEX_ERR_SERVICE,
                      "itexd at %s answered, but not with a decision: is it newer than this "
                      "library?",
                      connection_path(r->connection));
    if (status == ITEX_OK) {
        *decision = decision_new(r->connection, reply, r->timeout, r->id);
        if (!*decision)
            status = fail_errno(r, -ENOMEM);
    }
    if (status != ITEX_OK) {
        itexd__v1__reply__free_unpacked(reply, NULL);
        return end_call(r, status);
    }
    r->connection = NULL;
    r->has_id = false;
    return ITEX_OK;
}

itex_status itex_dispatch(itex_request *r, itex_decision **decision)
{
    Itexd__V1__Reply *reply = NULL;

    if (!r)
        return ITEX_ERR_ARGUMENT;
    if (!decision)
        return fail(r, ITEX_ERR_ARGUMENT, "there is no place for the decision: NULL");
    if (r->owner != getpid())
        return fail(r, ITEX_ERR_ARGUMENT, "this request belongs to the process that was forked from: make a new one");
    if (!r->connection)
        return fail(r, ITEX_ERR_ARGUMENT, "nothing is under way: call itex_resolve_start first");

    int result = connection_dispatch(r->connection, &reply);
    if (result == CALL_AGAIN)
        return ITEX_AGAIN;
    if (result == CALL_OK)
        return finish_call(r, reply, decision);
    return end_call(r, status_of_call(result, NULL, r->connection, r->error));
}

itex_status itex_resolve(itex_request *r, itex_decision **decision)
{
    if (r && !decision)
        return fail(r, ITEX_ERR_ARGUMENT, "there is no place for the decision: NULL");

    itex_status status = itex_resolve_start(r);
    while (status == ITEX_OK || status == ITEX_AGAIN) {
        struct pollfd due = {.fd = itex_request_fd(r), .events = itex_request_events(r)};
        poll(&due, 1, -1); /* the deadline is among what it waits for */
        status = itex_dispatch(r, decision);
        if (status == ITEX_OK)
            break;
    }
    return status;
}
