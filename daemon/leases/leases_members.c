/*
 * Leases and their members: how they begin, are offered and accepted, and end. A member is held by a pidfd, which
 * becomes readable when the process ends, however that happens.
 */
#include "daemon/leases/leases_internal.h"
#include "daemon/log.h"
#include "daemon/process.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A lease ---------------------------------------------------------------------------------------------- */

struct lease *lease_new(struct leases *leases)
{
    struct lease *lease = calloc(1, sizeof *lease);

    if (!lease)
        return NULL;
    lease->leases = leases;
    lease->refs = 1;
    lease->fresh = true;
    TAILQ_INIT(&lease->members);
    return lease;
}

void lease_put(struct lease *lease)
{
    if (--lease->refs > 0)
        return;
    if (lease->look_again)
        event_free(lease->look_again);
    terms_clear(&lease->terms);
    free(lease);
}

/* The list has the reference that lease_new gave. */
void lease_list_add(struct lease *lease)
{
    TAILQ_INSERT_TAIL(&lease->leases->list, lease, link);
}

/* Its units are taken in the pool, as it is now. */
void lease_place(struct lease *lease)
{
    struct pool *pool = &lease->leases->pool;

    if (lease->recorded)
        pool_record(pool, &lease->units, true);
    else if (!lease->ended)
        pool_take(pool, &lease->units, &lease->want, lease->id);
    else if (!lease->want.shared) /* others may share the units, who are not to be disturbed */
        pool_hold(pool, &lease->units, true);
}

void lease_forget(struct lease *lease)
{
    struct leases *leases = lease->leases;

    if (!lease->recorded && !lease->want.shared)
        pool_hold(&leases->pool, &lease->units, false);
    TAILQ_REMOVE(&leases->list, lease, link);
    lease_put(lease);
    leases_touch(leases);
}

void lease_log_end(const struct lease *lease, enum log_event event, const char *why)
{
    const char *keys[POOL_MAX_UNITS];
    const size_t n = lease_cards(lease, keys);

    log_event(event, LOG_NUMBER(FIELD_LEASE, lease->id), LOG_NUMBER(FIELD_UID, lease->terms.uid),
              LOG_TEXT(FIELD_JOB, lease->terms.job), LOG_TEXT(FIELD_WHY, why), LOG_TEXTS(FIELD_DEVICE, keys, n));
}

void lease_end(struct lease *lease, const char *why)
{
    struct leases *leases = lease->leases;

    if (lease->ended)
        return;
    lease->ended = true;
    if (!lease->fresh && !lease->recorded &&
        store_set_lease(leases->service->store, lease->id, "released", clock_wall_ms()) < 0)
        leases->put_again = true;
    lease_log_end(lease, EVENT_LEASE_RELEASED, why);
    leases_touch(leases);
    if (lease->recorded) {
        pool_record(&leases->pool, &lease->units, false);
        lease_forget(lease);
        return;
    }
    pool_return(&leases->pool, &lease->units, &lease->want, lease->id);
    lease_place(lease);
    access_drain(lease);
}

/* ---- A member --------------------------------------------------------------------------------------------- */

struct event *watch_process(struct leases *leases, int pidfd, event_callback_fn ended, void *context)
{
    struct event *event = event_new(leases->service->base, pidfd, EV_READ, ended, context);

    if (event && event_add(event, NULL) < 0) {
        event_free(event);
        return NULL;
    }
    return event;
}

static void on_holder_ended(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    member_end(context, "its holder has ended");
}

static void on_unclaimed(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    member_end(context, "its offer was not accepted");
}

int lease_add_member(struct lease *lease, int32_t pid, uint64_t start, int pidfd, struct lease_member **out)
{
    struct leases *leases = lease->leases;
    struct lease_member *member = leases->n_members < LEASES_MAX_MEMBERS ? calloc(1, sizeof *member) : NULL;

    if (member)
        member->ended = watch_process(leases, pidfd, on_holder_ended, member);
    if (!member || !member->ended) {
        close(pidfd);
        free(member);
        return -ENOMEM;
    }
    member->lease = lease;
    member->fresh = true;
    member->pid = pid;
    member->start = start;
    member->pidfd = pidfd;
    member->uid = lease->terms.uid;
    lease->refs++;
    leases->n_members++;
    TAILQ_INSERT_TAIL(&lease->members, member, link);
    leases_touch(leases);
    *out = member;
    return 0;
}

static void member_free(struct lease_member *member)
{
    lease_put(member->lease);
    free(member);
}

void lease_undelivered(const struct lease *lease, uint64_t decision, const char *why)
{
    if (decision != 0)
        store_set_state(lease->leases->service->store, decision, STORE_UNDELIVERED);
    log_event(EVENT_DECISION_UNDELIVERED, LOG_ID(FIELD_DECISION, decision), LOG_NUMBER(FIELD_LEASE, lease->id),
              LOG_NUMBER(FIELD_UID, lease->terms.uid), LOG_TEXT(FIELD_WHY, why));
}

void member_end(struct lease_member *member, const char *why)
{
    struct lease *lease = member->lease;
    struct leases *leases = lease->leases;

    if (member->gone)
        return;
    member->gone = true;
    member->peer = NULL;
    TAILQ_REMOVE(&lease->members, member, link);
    leases->n_members--;
    event_free(member->ended);
    close(member->pidfd);
    if (member->unclaimed)
        event_free(member->unclaimed);
    member->unclaimed = NULL;
    if (!member->accepted && member->settled)
        lease_undelivered(lease, member->decision, why);
    leases_touch(leases);
    if (TAILQ_EMPTY(&lease->members))
        lease_end(lease, why);
    if (member->uses == 0)
        member_free(member);
}

void member_release(struct lease_member *member)
{
    member->uses--;
    if (member->uses == 0 && member->gone)
        member_free(member);
}

struct lease_member *lease_ancestor(const struct lease *lease, int32_t pid, uint64_t start)
{
    struct lease_member *member;
    uint64_t ticks;
    pid_t parent;

    for (int i = 0; i <= PROCESS_MAX_GENERATIONS && pid > 0; i++) {
        if (process_read_stat(pid, &ticks, &parent) < 0 || (i == 0 && start != 0 && ticks != start))
            return NULL;
        TAILQ_FOREACH(member, &lease->members, link)
        if (member->pid == pid && (member->start == 0 || member->start == ticks))
            return member;
        pid = parent;
    }
    return NULL;
}

/* ---- Its offer -------------------------------------------------------------------------------------------- */

/* Nobody is there to accept it; somebody may come and ask the same again. */
static void expect_retry(struct lease_member *member)
{
    static const struct timeval limit = {.tv_sec = LEASE_RETRY_MS / 1000, .tv_usec = LEASE_RETRY_MS % 1000 * 1000};

    if (member->gone || member->accepted || !member->settled || member->peer)
        return;
    if (!member->unclaimed)
        member->unclaimed = evtimer_new(member->lease->leases->service->base, on_unclaimed, member);
    if (!member->unclaimed || evtimer_add(member->unclaimed, &limit) < 0)
        member_end(member, "its offer was not accepted");
}

void lease_member_settle(struct lease_member *member, uint64_t decision)
{
    struct leases *leases = member->lease->leases;

    if (leases && member->gone && !member->accepted && !member->settled)
        lease_undelivered(member->lease, decision, "its holder has ended");
    member->settled = true;
    member->decision = decision;
    if (!member->gone)
        leases_touch(leases);
    if (member->uses == 1)
        expect_retry(member);
    member_release(member);
}

void lease_member_drop(struct lease_member *member)
{
    /* One that was settled before has a decision that may still be accepted. */
    if (!member->settled)
        member_end(member, "its decision could not be made");
    else if (member->uses == 1)
        expect_retry(member);
    member_release(member);
}

struct lease_member *member_of_request(const struct leases *leases, const uint8_t request_id[16], const uint32_t *uid)
{
    static const uint8_t none[16];
    struct lease *lease;
    struct lease_member *member;

    if (memcmp(request_id, none, sizeof none) == 0)
        return NULL;
    TAILQ_FOREACH(lease, &leases->list, link)
    TAILQ_FOREACH(member, &lease->members, link)
    if ((!uid || member->uid == *uid) && memcmp(member->request_id, request_id, sizeof member->request_id) == 0)
        return member;
    return NULL;
}

struct lease_member *leases_find_request(struct leases *leases, const uint8_t request_id[16], uint32_t uid,
                                         struct peer *peer)
{
    struct lease_member *member = member_of_request(leases, request_id, &uid);

    if (!member || member->lease->recorded || member->fresh)
        return NULL;
    member->peer = peer;
    member->uses++;
    if (member->unclaimed)
        evtimer_del(member->unclaimed);
    return member;
}

void lease_member_sees(struct lease_member *member, const Itexd__V1__DeviceRequest *devices)
{
    const struct leases *leases = member->lease->leases;

    member->visible = access_told(leases, member->uid, cards_visible(leases, devices));
}

bool leases_accept(struct leases *leases, const uint8_t request_id[16], const uint32_t *uid)
{
    struct lease_member *member = member_of_request(leases, request_id, uid);

    if (!member)
        return false;
    if (member->accepted)
        return true;
    member->accepted = true;
    if (member->unclaimed)
        evtimer_del(member->unclaimed);
    if (!member->lease->accepted && !member->lease->recorded &&
        store_set_lease(leases->service->store, member->lease->id, "accepted", clock_wall_ms()) < 0)
        leases->put_again = true;
    member->lease->accepted = true;
    leases_touch(leases);
    return true;
}

void leases_peer_gone(struct leases *leases, struct peer *peer)
{
    struct lease *lease, *next_lease;
    struct lease_member *member, *next;

    for (lease = TAILQ_FIRST(&leases->list); lease; lease = next_lease) {
        next_lease = TAILQ_NEXT(lease, link);
        lease->refs++; /* it may end with its members */
        for (member = TAILQ_FIRST(&lease->members); member; member = next) {
            next = TAILQ_NEXT(member, link);
            if (member->peer != peer)
                continue;
            member->peer = NULL;
            if (member->uses == 0)
                expect_retry(member);
        }
        lease_put(lease);
    }
}

struct lease_view lease_view(const struct lease_member *member)
{
    const struct lease *lease = member->lease;
    struct leases *leases = lease->leases;
    struct lease_view view = {
        .id = lease->recorded ? 0 : lease->id,
        .shared = lease->terms.shared,
        .state = member->accepted ? "accepted" : "offered",
        .units = &lease->units,
        .local_device = lease->units.n > 0 ? member->place.first % (unsigned)lease->units.n : 0,
        .visible = access_visible(leases, member->uid, member->visible),
    };

    if (member->place.only == 0)
        return view;
    leases->scratch.n = 0;
    for (size_t i = 0; i < member->place.only && view.local_device + i < lease->units.n; i++)
        leases->scratch.items[leases->scratch.n++] = lease->units.items[view.local_device + i];
    view.units = &leases->scratch;
    view.local_device = 0;
    return view;
}
