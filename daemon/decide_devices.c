/* An asking is a request entry on its way to its devices; it ends in decide_entry or decide_refuse. */
#include "daemon/decide_devices.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/leases.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TELL_MAX 64 /* connections on which one request waits; any more are told no position */

struct asking {
    LIST_ENTRY(asking) link;
    struct service *service;
    struct peer *peer; /* who asked first, or a retry that has taken over; while it lives it is asked for */
    struct request_entry *entry;
    const Itexd__V1__Resolve *request;
    Itexd__V1__Resolve *copy; /* what request is, once the packet is gone */
    struct lease_ask ask;
    struct lease_wait *wait; /* NULL: waits for the first inventory, or not at all */
    struct grant grant;
    bool advise;
};

static bool counts(const Itexd__V1__Resolve *request)
{
    return request->devices && request->devices->count > 0 && !request->launcher;
}

bool decide_wants_devices(const struct service *service, const Itexd__V1__Resolve *request)
{
    return counts(request) && devices_managed(service->devices);
}

bool decide_lacks_devices(const struct service *service, const Itexd__V1__Resolve *request)
{
    return counts(request) && !devices_managed(service->devices) && !request->devices->allow_none &&
           !request->devices->by_default;
}

static void asking_free(struct asking *asking)
{
    if (asking->ask.pidfd >= 0)
        close(asking->ask.pidfd);
    if (asking->copy)
        itexd__v1__resolve__free_unpacked(asking->copy, NULL);
    grant_clear(&asking->grant);
    free(asking);
}

/* ---- The end of an asking --------------------------------------------------------------------------------- */

/* Answering may end peers, and what they ask for: each end takes the asking out of the list first. */

static void refuse(struct asking *asking, enum refusal refusal, const char *detail)
{
    struct service *service = asking->service;
    struct request_entry *entry = asking->entry;
    char text[600];

    if (detail)
        snprintf(text, sizeof text, "%s", detail); /* it may be the asking's own */
    LIST_REMOVE(asking, link);
    asking_free(asking);
    decide_refuse(service, entry, refusal, detail ? text : NULL);
}

static void decide_asked(struct asking *asking)
{
    grant_see(&asking->grant, asking->service, asking->request->devices);
    LIST_REMOVE(asking, link);
    decide_entry(asking->service, asking->entry, asking->request, asking->advise, &asking->grant);
    asking_free(asking);
}

static void granted(struct asking *asking, struct lease_member *member)
{
    int error = grant_fill(&asking->grant, leases_pool(asking->service->leases), member, asking->request);

    if (error < 0) {
        lease_member_drop(member);
        grant_note(&asking->grant, "devices-busy", "its mask cannot be written: %s", strerror(-error));
        asking->grant.rejected = true;
    }
    decide_asked(asking);
}

static void on_answered(void *context, const struct lease_answered *answered)
{
    struct asking *asking = context;
    const char *detail = answered->detail ? answered->detail : "";

    asking->wait = NULL;
    switch (answered->answer) {
    case LEASE_GRANTED:
        granted(asking, answered->member);
        return;
    case LEASE_UNLIKE:
        refuse(asking, REFUSED_FIELD, detail);
        return;
    case LEASE_BUSY:
    case LEASE_FAILED:
        grant_note(&asking->grant, "devices-busy", "%s", detail);
        asking->grant.rejected = true;
        break;
    case LEASE_IMPOSSIBLE:
        grant_note(&asking->grant, "no-device", "%s", detail);
        asking->grant.rejected = true;
        break;
    case LEASE_NO_DEVICE:
        grant_note(&asking->grant, "no-device", "%s", detail);
        asking->grant.none = true;
        asking->grant.rejected = !asking->request->devices->allow_none;
        break;
    }
    decide_asked(asking);
}

/* Sending may end a peer, and with it the asking: so first who, then what. Peers stay in memory until the loop's next
 * turn. */
static void on_position(void *context, unsigned position)
{
    const struct asking *asking = context;
    const char *substitute = devices_substitute(asking->service->devices);
    uint8_t *buffer = asking->service->server.outbound;
    struct {
        struct peer *peer;
        uint64_t id;
    } waiters[TELL_MAX];
    const struct call *call;
    size_t n = 0;

    TAILQ_FOREACH(call, &asking->entry->waiters, waiting)
    if (call->peer && n < TELL_MAX) {
        waiters[n].peer = call->peer;
        waiters[n++].id = call->id;
    }
    for (size_t i = 0; i < n; i++)
        peer_send(waiters[i].peer, buffer, wire_waiting(buffer, waiters[i].id, position, substitute));
}

/* ---- Its way ---------------------------------------------------------------------------------------------- */

/* The request outlives its packet. */
static int keep_request(struct asking *asking)
{
    size_t size = itexd__v1__resolve__get_packed_size(asking->request);
    CLEANUP(freep) uint8_t *bytes = asking->copy ? NULL : malloc(size + 1);

    if (asking->copy)
        return 0;
    if (!bytes)
        return -ENOMEM;
    itexd__v1__resolve__pack(asking->request, bytes);
    asking->copy = itexd__v1__resolve__unpack(NULL, size, bytes);
    if (!asking->copy)
        return -ENOMEM;
    asking->request = asking->copy;
    asking->ask.job = asking->copy->job;
    asking->ask.step = asking->copy->step;
    asking->ask.devices = asking->copy->devices;
    return 0;
}

/* A scheduler's allocation is never fought, only written down. */
static bool scheduled(struct asking *asking)
{
    struct leases *leases = asking->service->leases;
    struct allocation allocation;

    if (!grant_scheduled(&asking->grant, leases_pool(leases), asking->request, &allocation))
        return false;
    if (!allocation.differs[0] && allocation.units.n > 0)
        asking->grant.member = leases_record(leases, &asking->ask, &allocation);
    decide_asked(asking);
    return true;
}

static void ask(struct asking *asking)
{
    struct leases *leases = asking->service->leases;
    struct lease_member *member;
    struct lease_wait *wait = NULL;
    int error;

    if (scheduled(asking))
        return;
    member = leases_find_request(leases, asking->ask.request_id, asking->ask.uid, asking->peer);
    if (member) {
        lease_member_sees(member, asking->request->devices);
        granted(asking, member);
        return;
    }
    error = leases_ask(leases, &asking->ask, on_answered, on_position, asking, &wait);
    if (error < 0) {
        refuse(asking, REFUSED_INTERNAL, strerror(-error));
        return;
    }
    if (!wait)
        return; /* answered, and gone */
    asking->wait = wait;
    if (keep_request(asking) < 0) {
        leases_give_up(wait);
        refuse(asking, REFUSED_INTERNAL, "out of memory");
    }
}

/* The holder, by a descriptor that no other process can come to mean. -errno. */
static int open_holder(const struct call *call, const struct subject *subject)
{
    if (subject->named)
        return process_open(subject->key.pid, subject->key.start);
    return process_open_peer(call->peer->fd, &call->who);
}

static struct asking *make_asking(struct call *call, struct request_entry *entry, const Itexd__V1__Resolve *request,
                                  const struct subject *subject, bool advise)
{
    struct asking *asking = calloc(1, sizeof *asking);

    if (!asking)
        return NULL;
    *asking = (struct asking){
        .service = call->service,
        .peer = call->peer,
        .entry = entry,
        .request = request,
        .advise = advise,
        .ask =
            {
                .uid = subject->owner,
                .pid = subject->key.pid,
                .start = subject->key.start,
                .pidfd = -1,
                .job = request->job,
                .step = request->step,
                .devices = request->devices,
                .inherited = request->lease,
                .peer = call->peer,
            },
        .grant = GRANT_INIT,
    };
    memcpy(asking->ask.request_id, subject->key.id, sizeof asking->ask.request_id);
    LIST_INSERT_HEAD(&call->service->decider.askings, asking, link);
    return asking;
}

void decide_devices(struct call *call, struct request_entry *entry, const Itexd__V1__Resolve *request,
                    const struct subject *subject, bool advise)
{
    struct service *service = call->service;
    struct asking *asking = make_asking(call, entry, request, subject, advise);

    if (!asking) {
        decide_refuse(service, entry, REFUSED_INTERNAL, "out of memory");
        return;
    }
    asking->ask.pidfd = open_holder(call, subject);
    if (asking->ask.pidfd < 0)
        refuse(
            asking, REFUSED_FIELD,
            "the process that would hold the devices has ended, or cannot be seen from here (another pid namespace)");
    else if (devices_settled(service->devices))
        ask(asking);
    else if (keep_request(asking) < 0)
        refuse(asking, REFUSED_INTERNAL, "out of memory");
}

void decide_devices_settled(struct service *service)
{
    struct asking *asking;

    /* The oldest was put in last; each that is asked leaves this state, so it ends. */
    for (;;) {
        struct asking *oldest = NULL;

        LIST_FOREACH(asking, &service->decider.askings, link)
        if (!asking->wait)
            oldest = asking;
        if (!oldest)
            return;
        ask(oldest);
    }
}

/* ---- Giving up -------------------------------------------------------------------------------------------- */

static void give_up(struct asking *asking)
{
    if (asking->wait)
        leases_give_up(asking->wait);
    asking->wait = NULL;
    refuse(asking, REFUSED_STOPPING, NULL);
}

/* A retry that waits for the same answer takes over, and keeps the place in the queue. */
static bool hand_over(struct asking *asking)
{
    const struct call *call;

    TAILQ_FOREACH(call, &asking->entry->waiters, waiting)
    {
        if (!call->peer)
            continue;
        asking->peer = asking->ask.peer = call->peer;
        if (asking->wait)
            leases_hand_over(asking->wait, call->peer);
        return true;
    }
    return false;
}

void decide_devices_peer_gone(struct service *service, const struct peer *peer)
{
    struct asking *asking, *next;

    for (asking = LIST_FIRST(&service->decider.askings); asking; asking = next) {
        next = LIST_NEXT(asking, link);
        if (asking->peer == peer && !hand_over(asking))
            give_up(asking); /* nobody is there to be told */
    }
}

void decide_devices_stop(struct service *service)
{
    struct asking *asking;

    while ((asking = LIST_FIRST(&service->decider.askings)))
        give_up(asking);
}
