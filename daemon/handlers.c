/*
 * Every request of the protocol is one line of the table below. Whoever adds a request adds its body to itexd.proto,
 * a line here, and its function beside the others of its kind.
 */
#include "daemon/handlers.h"
#include "daemon/backup.h"
#include "daemon/decide_devices.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/past.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "daemon/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum right {
    RIGHT_ANYONE,        /* and what it touches is public */
    RIGHT_SELF,          /* anyone, but only about its own; the function sees to it */
    RIGHT_ADMINISTRATOR, /* root, the service's own user, the administrators' group */
};

/* fd is the function's to close where the request takes one. */
typedef void (*handler_fn)(struct call *call, const Itexd__V1__Request *request, int fd);

struct handler {
    const char *name;
    enum right right;
    bool takes_fd;
    handler_fn handle;
    bool of_devices; /* waits for the first inventory */
};

static void handle_resolve(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    decide(call, request->resolve);
}

static void handle_accept(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_accept(call, request->accept);
}

static void handle_report(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_report(call, request->report);
}

static void handle_explain(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_explain(call, request->explain);
}

static void handle_query(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_query(call, request->query);
}

static void handle_decision_rows(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_rows(call, request->decision_rows);
}

static void handle_decision_bodies(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    past_bodies(call, request->decision_bodies);
}

static void handle_status(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)request;
    (void)fd;
    status_reply(call);
}

static void handle_rules_list(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)request;
    (void)fd;
    rulesets_list(call);
}

static void handle_rules_show(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    rulesets_show(call, request->rules_show);
}

static void handle_rules_load(struct call *call, const Itexd__V1__Request *request, int fd)
{
    rulesets_load(call, request->rules_load, fd);
}

static void handle_rules_activate(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    rulesets_activate(call, request->rules_activate);
}

static void handle_rules_rollback(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    rulesets_rollback(call, request->rules_rollback);
}

static void handle_rules_history(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    rulesets_history(call, request->rules_history);
}

static void handle_reload(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)request;
    (void)fd;
    rulesets_reload(call->service, call);
}

static void handle_backup(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)request;
    backup(call, fd);
}

static void handle_leases(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    leases_list(call, request->leases);
}

static void handle_lease_release(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    leases_release(call, request->lease_release);
}

static void handle_devices_list(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    devices_list(call, request->devices);
}

static void handle_devices_show(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    devices_show(call, request->device_show);
}

static void handle_devices_drain(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    devices_drain(call, request->device_drain);
}

static void handle_devices_reset(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    devices_reset(call, request->device_reset);
}

static void handle_devices_restart_worker(struct call *call, const Itexd__V1__Request *request, int fd)
{
    (void)fd;
    devices_restart_worker(call, request->worker_restart);
}

#define BODY(name) ITEXD__V1__REQUEST__BODY_##name

static const struct handler handlers[] = {
    [BODY(HELLO)] = {"hello", RIGHT_ANYONE, false, NULL}, /* see greet */
    [BODY(RESOLVE)] = {"resolve", RIGHT_SELF, false, handle_resolve},
    [BODY(ACCEPT)] = {"accept", RIGHT_SELF, false, handle_accept},
    [BODY(REPORT)] = {"report", RIGHT_SELF, false, handle_report},
    [BODY(EXPLAIN)] = {"explain", RIGHT_SELF, false, handle_explain},
    [BODY(QUERY)] = {"query", RIGHT_SELF, false, handle_query},
    [BODY(STATUS)] = {"status", RIGHT_ANYONE, false, handle_status},
    [BODY(RULES_LIST)] = {"rules list", RIGHT_ANYONE, false, handle_rules_list},
    [BODY(RULES_SHOW)] = {"rules show", RIGHT_ANYONE, false, handle_rules_show},
    [BODY(RULES_LOAD)] = {"rules load", RIGHT_ADMINISTRATOR, true, handle_rules_load},
    [BODY(RULES_ACTIVATE)] = {"rules activate", RIGHT_ADMINISTRATOR, false, handle_rules_activate},
    [BODY(RULES_ROLLBACK)] = {"rules rollback", RIGHT_ADMINISTRATOR, false, handle_rules_rollback},
    [BODY(RELOAD)] = {"reload", RIGHT_ADMINISTRATOR, false, handle_reload},
    [BODY(BACKUP)] = {"backup", RIGHT_ADMINISTRATOR, true, handle_backup},
    [BODY(DEVICES)] = {"devices list", RIGHT_ANYONE, false, handle_devices_list, true},
    [BODY(DEVICE_SHOW)] = {"devices show", RIGHT_ANYONE, false, handle_devices_show, true},
    [BODY(DEVICE_DRAIN)] = {"devices drain", RIGHT_ADMINISTRATOR, false, handle_devices_drain, true},
    [BODY(DEVICE_RESET)] = {"devices reset", RIGHT_ADMINISTRATOR, false, handle_devices_reset, true},
    [BODY(WORKER_RESTART)] = {"devices restart", RIGHT_ADMINISTRATOR, false, handle_devices_restart_worker},
    [BODY(LEASES)] = {"leases", RIGHT_ANYONE, false, handle_leases}, /* others' blanked */
    [BODY(LEASE_RELEASE)] = {"lease release", RIGHT_SELF, false, handle_lease_release},
    [BODY(DECISION_ROWS)] = {"decision rows", RIGHT_SELF, false, handle_decision_rows},
    [BODY(DECISION_BODIES)] = {"decision bodies", RIGHT_SELF, false, handle_decision_bodies},
    [BODY(RULES_HISTORY)] = {"rules history", RIGHT_ANYONE, false, handle_rules_history},
};
#define N_HANDLERS (sizeof handlers / sizeof handlers[0])
_Static_assert(N_HANDLERS <= COUNT_WITH_DEVICES, "every request has its counter");

const char *handlers_name(size_t body)
{
    return body < N_HANDLERS ? handlers[body].name : NULL;
}

/* ---- Hello ------------------------------------------------------------------------------------------------ */

/* One error, and the connection ends. */
static void refuse_and_finish(struct service *service, struct peer *peer, uint64_t id, enum refusal refusal,
                              const char *detail)
{
    peer_refuse(service, peer, id, refusal, detail);
    peer_finish(peer);
}

static void reply_hello(struct service *service, struct peer *peer, uint64_t id)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__HelloReply hello = ITEXD__V1__HELLO_REPLY__INIT;
    uint8_t *buffer = service->server.outbound;

    hello.name = (char *)"itexd";
    hello.has_major = hello.has_minor = hello.has_minimum_major = hello.has_max_packet = true;
    hello.major = ITEXD_PROTOCOL_MAJOR;
    hello.minor = ITEXD_PROTOCOL_MINOR;
    hello.minimum_major = ITEXD_PROTOCOL_MINIMUM_MAJOR;
    hello.version = (char *)ITEXD_VERSION;
    hello.max_packet = ITEXD_MAX_PACKET;
    reply.body_case = ITEXD__V1__REPLY__BODY_HELLO;
    reply.hello = &hello;
    peer_send(peer, buffer, wire_reply(buffer, id, &reply));
}

static void greet(struct service *service, struct peer *peer, uint64_t id, const Itexd__V1__Hello *hello)
{
    uint32_t minimum = hello->has_minimum_major ? hello->minimum_major : hello->major;
    char text[160];

    if (peer->state != PEER_NEW) {
        peer_refuse(service, peer, id, REFUSED_SECOND_HELLO, NULL);
        return;
    }
    if (!hello->has_major) {
        refuse_and_finish(service, peer, id, REFUSED_FIELD, "hello needs the client's major version of the protocol");
        return;
    }
    if (hello->major < ITEXD_PROTOCOL_MINIMUM_MAJOR || minimum > ITEXD_PROTOCOL_MAJOR) {
        snprintf(text, sizeof text,
                 "the client speaks protocol %" PRIu32 " to %" PRIu32 ", this itexd %u to %u; %s must be upgraded",
                 minimum, hello->major, ITEXD_PROTOCOL_MINIMUM_MAJOR, ITEXD_PROTOCOL_MAJOR,
                 minimum > ITEXD_PROTOCOL_MAJOR ? "itexd" : "the client");
        refuse_and_finish(service, peer, id, REFUSED_INCOMPATIBLE, text);
        return;
    }
    log_event(EVENT_HELLO, LOG_NUMBER(FIELD_UID, peer->who.uid), LOG_NUMBER(FIELD_PID, peer->who.pid),
              LOG_TEXT(FIELD_CLIENT, hello->name));
    server_greeted(peer);
    reply_hello(service, peer, id);
}

/* ---- Other requests --------------------------------------------------------------------------------------- */

/* Sees to fd, whatever becomes of the request. */
static void begin(struct service *service, struct peer *peer, const struct handler *handler,
                  const Itexd__V1__Request *request, int fd)
{
    struct call *call = call_begin(service, peer, request->id, (unsigned)(handler - handlers));

    if (call && handler->right == RIGHT_ADMINISTRATOR && !call_is_administrator(call)) {
        call_refuse(call, REFUSED_RIGHTS, service->options.group.text);
        call = NULL;
    }
    if (fd >= 0 && (!call || !handler->takes_fd)) {
        close(fd);
        fd = -1;
    }
    if (call && !(handler->of_devices && devices_early(call, request, handler->handle)))
        handler->handle(call, request, fd);
}

static void name_unknown(const Itexd__V1__Request *request, char *text, size_t size)
{
    if (request->base.n_unknown_fields > 0)
        snprintf(text, size, "number %" PRIu32, request->base.unknown_fields[0].tag);
    else
        snprintf(text, size, "(the packet has none)");
}

static void dispatch(struct service *service, struct peer *peer, const Itexd__V1__Request *request, int fd)
{
    const struct handler *handler = NULL;
    char unknown[48];

    service->n_requests++;
    if ((size_t)request->body_case < N_HANDLERS) {
        handler = &handlers[request->body_case];
        service->counts.requests[request->body_case]++;
    }
    if (!handler || !handler->name)
        name_unknown(request, unknown, sizeof unknown);

    if (!request->has_id || request->id == 0)
        peer_refuse(service, peer, 0, REFUSED_FIELD, "the request has no id; an id other than 0 is needed");
    else if (handler && handler->name && !handler->handle)
        greet(service, peer, request->id, request->hello);
    else if (peer->state == PEER_NEW)
        refuse_and_finish(service, peer, request->id, REFUSED_NO_HELLO,
                          handler && handler->name ? handler->name : unknown);
    else if (!handler || !handler->name)
        peer_refuse(service, peer, request->id, REFUSED_UNKNOWN_REQUEST, unknown);
    else {
        begin(service, peer, handler, request, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
}

static void on_packet(void *context, struct peer *peer, const uint8_t *data, size_t size, int fd)
{
    struct service *service = context;
    Itexd__V1__Request *request = itexd__v1__request__unpack(&service->memory.allocator, size, data);

    if (request) {
        dispatch(service, peer, request, fd);
    } else {
        if (fd >= 0)
            close(fd);
        refuse_and_finish(service, peer, 0, REFUSED_UNDECODABLE, "it cannot be decoded");
    }
    memory_reset(&service->memory);
}

/* The requests that take a descriptor are for administrators. Anybody else's stays out of this process: it may belong
 * to a file system of the sender's own, and closing it would wait for that. */
static bool on_trust(void *context, struct peer *peer)
{
    return peer_is_administrator(context, peer);
}

static void on_bad_packet(void *context, struct peer *peer, int error)
{
    if (error == -EMSGSIZE)
        refuse_and_finish(context, peer, 0, REFUSED_OVERSIZED, "65536");
    else
        refuse_and_finish(context, peer, 0, REFUSED_UNDECODABLE, "more than one descriptor came with it");
}

static void on_gone(void *context, struct peer *peer)
{
    struct service *service = context;
    struct call *call;

    while ((call = LIST_FIRST(&peer->calls)))
        call_peer_gone(call);
    decide_devices_peer_gone(service, peer); /* before the leases: who waits gives up first */
    devices_peer_gone(service->devices, peer);
    leases_peer_gone(service->leases, peer);
}

struct server_callbacks handlers_callbacks(struct service *service)
{
    return (struct server_callbacks){
        .context = service, .packet = on_packet, .trusted = on_trust, .bad_packet = on_bad_packet, .gone = on_gone};
}
