/* The life of a request between its decoding and its answer. */
#include "daemon/call.h"
#include "daemon/devices/devices.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void peer_refuse(struct service *service, struct peer *peer, uint64_t id, enum refusal refusal, const char *detail)
{
    uint8_t *buffer = service->server.outbound;
    char text[512];

    service->n_refused++;
    service->counts.refusals[refusal]++;
    refusal_text(refusal, detail, text, sizeof text);
    log_event(EVENT_REFUSED, LOG_NUMBER(FIELD_UID, peer->who.uid), LOG_NUMBER(FIELD_PID, peer->who.pid),
              LOG_TEXT(FIELD_WHY, text));
    peer_send(peer, buffer, wire_refusal(buffer, id, refusal, detail));
}

struct call *call_begin(struct service *service, struct peer *peer, uint64_t id, unsigned kind)
{
    struct call *call;
    char limit[24];

    if (!quota_charge(peer->user, QUOTA_REQUESTS, 1)) {
        snprintf(limit, sizeof limit, "%" PRIu64, peer->user->quota->limits.requests);
        peer_refuse(service, peer, id, REFUSED_REQUESTS, limit);
        return NULL;
    }
    call = calloc(1, sizeof *call);
    if (!call) {
        quota_release(peer->user, QUOTA_REQUESTS, 1);
        peer_refuse(service, peer, id, REFUSED_INTERNAL, "out of memory");
        return NULL;
    }
    *call = (struct call){.service = service,
                          .peer = peer,
                          .user = peer->user,
                          .who = peer->who,
                          .id = id,
                          .kind = kind,
                          .began_us = service->server.packet_us};
    LIST_INSERT_HEAD(&peer->calls, call, link);
    service->open_calls++;
    return call;
}

static void call_free(struct call *call)
{
    if (call->peer)
        LIST_REMOVE(call, link);
    if (call->waits_on)
        TAILQ_REMOVE(call->waits_on, call, waiting);
    if (call->free_state)
        call->free_state(call->state);
    call->service->open_calls--;
    if (call->reads)
        quota_release(call->user, QUOTA_READS, 1);
    quota_release(call->user, QUOTA_REQUESTS, 1);
    counts_latency(&call->service->counts, call->kind, clock_steady_us() - call->began_us);
    free(call);
}

/* The call waits for nothing any more: if sending the answer ends the peer, the call is only cut off from it. */
static void settle(struct call *call)
{
    if (call->waits_on)
        TAILQ_REMOVE(call->waits_on, call, waiting);
    call->waits_on = NULL;
    call->ticket = 0;
}

void call_packet(struct call *call, size_t size)
{
    settle(call);
    if (size == 0) {
        call_refuse(call, REFUSED_REPLY_SIZE, NULL);
        return;
    }
    if (call->peer)
        peer_send(call->peer, call->service->server.outbound, size);
    call_free(call);
}

void call_reply(struct call *call, Itexd__V1__Reply *reply)
{
    call_packet(call, wire_reply(call->service->server.outbound, call->id, reply));
}

void call_done(struct call *call)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Done done = ITEXD__V1__DONE__INIT;

    reply.body_case = ITEXD__V1__REPLY__BODY_DONE;
    reply.done = &done;
    call_reply(call, &reply);
}

/* Were devices asked for? Only looked at where they are no real GPUs. */
static bool asked_for_devices(const struct store_decision *row)
{
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, row->facts.size, row->facts.data);
    bool asked = row->lease != 0 || (facts && facts->devices && facts->devices->count > 0);

    itexd__v1__facts__free_unpacked(facts, NULL);
    return asked;
}

void call_decision(struct call *call, const struct store_decision *row)
{
    const char *substitute = devices_substitute(call->service->devices);

    if (substitute && !asked_for_devices(row))
        substitute = NULL;
    call_packet(call, wire_decision(call->service->server.outbound, call->id, row, substitute));
}

void call_refuse(struct call *call, enum refusal refusal, const char *detail)
{
    settle(call);
    if (call->peer)
        peer_refuse(call->service, call->peer, call->id, refusal, detail);
    call_free(call);
}

bool call_may_read(struct call *call)
{
    if (quota_charge(call->user, QUOTA_READS, 1)) {
        call->reads = true;
        return true;
    }
    call_refuse(call, REFUSED_READS, NULL);
    return false;
}

void call_wait(struct call *call, struct call_list *list)
{
    call->waits_on = list;
    TAILQ_INSERT_TAIL(list, call, waiting);
}

void call_peer_gone(struct call *call)
{
    if (call->ticket != 0) {
        store_cancel(call->service->store, call->ticket);
        call_free(call);
        return;
    }
    LIST_REMOVE(call, link);
    call->peer = NULL;
}

static bool administrates(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

bool peer_is_administrator(const struct service *service, struct peer *peer)
{
    if (administrates(peer->who.uid))
        return true;
    if (!service->has_administrators)
        return false;
    if (peer->administrator < 0)
        peer->administrator = process_peer_has_group(peer->fd, peer->who.gid, service->administrators) == 1;
    return peer->administrator > 0;
}

bool call_is_administrator(struct call *call)
{
    return call->peer ? peer_is_administrator(call->service, call->peer) : administrates(call->who.uid);
}
