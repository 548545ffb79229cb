/*
 * The leases as a whole: start and stop, what is done at the end of a turn, and what others want to know.
 *
 * At the end of each turn of the loop in which something changed: the queue is walked, the live file replaced, then
 * answers are given. So many ends and grants of one turn cost one write, and nobody is told what is not written down.
 */
#include "daemon/devices/devices.h"
#include "daemon/leases/leases_internal.h"
#include "daemon/leases/live_file.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The end of a turn ------------------------------------------------------------------------------------ */

void leases_touch(struct leases *leases)
{
    leases->dirty = true;
    event_active(leases->turn, EV_TIMEOUT, 0);
}

static bool save(struct leases *leases)
{
    static const struct timeval again = {.tv_sec = LEASES_RETRY_WRITE_MS / 1000,
                                         .tv_usec = LEASES_RETRY_WRITE_MS % 1000 * 1000};
    int error = leases->dirty ? live_save(leases) : 0;

    if (error == 0) {
        if (leases->problem[0])
            log_event(EVENT_LEASES_WRITTEN, LOG_TEXT(FIELD_DIRECTORY, leases->directory));
        leases->dirty = false;
        leases->problem[0] = '\0';
        return true;
    }
    if (!leases->problem[0])
        log_event(EVENT_LEASES_NOT_WRITTEN, LOG_TEXT(FIELD_DIRECTORY, leases->directory),
                  LOG_TEXT(FIELD_MESSAGE, strerror(-error)));
    snprintf(leases->problem, sizeof leases->problem,
             "no devices are leased, for live leases cannot be written to %.120s (%s); make room, or correct its owner",
             leases->directory, strerror(-error));
    evtimer_add(leases->retry_write, &again);
    return false;
}

size_t lease_cards(const struct lease *lease, const char *keys[POOL_MAX_UNITS])
{
    const struct pool *pool = &lease->leases->pool;
    size_t n = 0;

    for (size_t i = 0; i < lease->units.n; i++) {
        const char *key = pool->cards[lease->units.items[i].card].key;
        bool found = false;

        for (size_t j = 0; j < n; j++)
            found = found || keys[j] == key;
        if (!found)
            keys[n++] = key;
    }
    return n;
}

static void put_history(struct leases *leases, const struct lease *lease)
{
    struct store_unit units[POOL_MAX_UNITS];
    struct store_lease row = {
        .id = lease->id,
        .granted_ms = lease->granted_ms,
        .uid = lease->terms.uid,
        .shared = lease->terms.shared,
        .job = lease->terms.job,
        .units = units,
        .n_units = lease->units.n,
    };

    for (size_t i = 0; i < lease->units.n; i++)
        units[i] = (struct store_unit){.key = leases->pool.cards[lease->units.items[i].card].key,
                                       .tile = lease->units.items[i].tile};
    if (store_put_lease(leases->service->store, &row) < 0)
        leases->put_again = true;
    if (lease->accepted && store_set_lease(leases->service->store, lease->id, "accepted", lease->granted_ms) < 0)
        leases->put_again = true;
}

/* The database was away, or had no room: it is told once more what lives, and that all else has ended. */
static void put_history_again(struct leases *leases)
{
    struct store *store = leases->service->store;
    uint64_t *ids;
    size_t n = 0;
    struct lease *lease;

    leases->put_again = false;
    leases->interruptions = store_interruptions(store);
    TAILQ_FOREACH(lease, &leases->list, link)
    n++;
    ids = calloc(n + 1, sizeof *ids);
    if (!ids)
        return;
    n = 0;
    TAILQ_FOREACH(lease, &leases->list, link)
    if (!lease->recorded && !lease->ended) {
        put_history(leases, lease);
        ids[n++] = lease->id;
    }
    if (store_live_leases(store, ids, n, clock_wall_ms()) < 0)
        leases->put_again = true;
    free(ids);
}

/* What was granted in this turn is written down now. */
static void settle_fresh(struct leases *leases)
{
    struct lease *lease, *next;
    struct lease_member *member;
    const char *keys[POOL_MAX_UNITS];

    for (lease = TAILQ_FIRST(&leases->list); lease; lease = next) {
        next = TAILQ_NEXT(lease, link);
        TAILQ_FOREACH(member, &lease->members, link)
        member->fresh = false;
        if (!lease->fresh)
            continue;
        lease->fresh = false;
        if (lease->recorded)
            continue;
        const size_t n = lease_cards(lease, keys);
        log_event(EVENT_LEASE_GRANTED, LOG_NUMBER(FIELD_LEASE, lease->id), LOG_NUMBER(FIELD_UID, lease->terms.uid),
                  LOG_TEXT(FIELD_JOB, lease->terms.job), LOG_NUMBER(FIELD_UNITS, lease->units.n),
                  LOG_TEXTS(FIELD_DEVICE, keys, n));
        put_history(leases, lease);
        access_grant(lease);
    }
    if (leases->put_again || store_interruptions(leases->service->store) != leases->interruptions)
        put_history_again(leases);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct leases *leases = context;
    char why[sizeof leases->problem];

    (void)fd;
    (void)what;
    if (!leases->directory)
        return;
    if (leases->locked) {
        waits_expire(leases, leases->problem);
        waits_answer(leases);
        return;
    }
    /* After a failure the file must be writable before anything is granted. */
    if (!leases->problem[0] || save(leases))
        waits_grant(leases);
    if (save(leases)) {
        settle_fresh(leases);
    } else {
        snprintf(why, sizeof why, "%s", leases->problem);
        waits_fail_fresh(leases, why);
    }
    waits_expire(leases, leases->problem[0] ? leases->problem : NULL);
    waits_answer(leases);
    waits_tell_positions(leases);
}

static void on_retry_write(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    leases_touch(context);
}

/* ---- Start and stop --------------------------------------------------------------------------------------- */

static void load(struct leases *leases)
{
    uint64_t last = 0;
    int error;

    (void)mkdir(leases->directory, 0755); /* where it cannot be made, writing will say so */
    error = live_load(leases);
    if (store_last_lease(leases->service->store, &last) == 0 && leases->next_lease <= last)
        leases->next_lease = last + 1;
    leases->put_again = true;
    leases_touch(leases);
    if (error == 0 || error == -ENOTDIR)
        return;
    /* What lives is not known, so nothing can be known to be free. */
    leases->locked = true;
    snprintf(leases->problem, sizeof leases->problem,
             "no devices are leased, for the list of live leases in %.80s %s; restart itexd when no job uses a device",
             leases->directory,
             error == -EBADMSG ? "is damaged, or another version's (it is kept as leases.damaged)" : "cannot be read");
    log_event(EVENT_LEASES_NOT_READ, LOG_TEXT(FIELD_MESSAGE, leases->problem), LOG_TEXT(FIELD_WHY, strerror(-error)));
}

int leases_init(struct service *service, struct leases **out)
{
    struct leases *leases = calloc(1, sizeof *leases);

    if (!leases)
        return -ENOMEM;
    leases->service = service;
    leases->next_lease = 1;
    pool_init(&leases->pool, (unsigned)service->options.shared_limit);
    queue_init(&leases->queue);
    TAILQ_INIT(&leases->list);
    TAILQ_INIT(&leases->answers);
    leases->turn = event_new(service->base, -1, 0, on_turn, leases);
    leases->retry_write = evtimer_new(service->base, on_retry_write, leases);
    *out = leases;
    if (!leases->turn || !leases->retry_write)
        return -ENOMEM;
    if (service->options.devices == OPTION_DEVICES_OFF)
        return 0;
    leases->directory = strdup(service->options.runtime_directory.text);
    if (!leases->directory)
        return -ENOMEM;
    load(leases);
    return 0;
}

static void free_lease(struct lease *lease)
{
    struct lease_member *member;

    while ((member = TAILQ_FIRST(&lease->members))) {
        TAILQ_REMOVE(&lease->members, member, link);
        event_free(member->ended);
        if (member->unclaimed)
            event_free(member->unclaimed);
        close(member->pidfd);
        member->unclaimed = NULL;
        member->gone = true; /* a decision that is still being made may hold it: it outlives the leases */
        if (member->uses == 0) {
            lease->refs--;
            free(member);
        }
    }
    TAILQ_REMOVE(&lease->leases->list, lease, link);
    lease->leases = NULL;
    lease->refs -= lease->outstanding; /* answers that will not come: enforcement is freed next */
    lease_put(lease);
}

/* After peers and calls have gone, and the loop has ended. */
void leases_free(struct leases *leases)
{
    struct lease *lease;

    if (!leases)
        return;
    if (leases->turn) {
        waits_free(leases);
        if (leases->directory && !leases->locked && leases->dirty)
            live_save(leases);
        while ((lease = TAILQ_FIRST(&leases->list)))
            free_lease(lease);
        event_free(leases->turn);
    }
    if (leases->retry_write)
        event_free(leases->retry_write);
    free(leases->directory);
    free(leases);
}

void leases_apply_options(struct leases *leases)
{
    leases->pool.shared_limit = (unsigned)leases->service->options.shared_limit;
    leases_touch(leases);
}

void leases_check_history(struct leases *leases)
{
    if (leases->directory && store_interruptions(leases->service->store) != leases->interruptions)
        leases_touch(leases);
}

void leases_set_cards(struct leases *leases, const struct pool_card *cards, size_t n_cards)
{
    struct lease *lease;

    if (pool_update(&leases->pool, cards, n_cards) == -E2BIG)
        log_event(EVENT_TOO_MANY_CARDS, LOG_NUMBER(FIELD_CARDS, n_cards), LOG_NUMBER(FIELD_LIMIT, POOL_MAX_CARDS));
    /* A card may have another number of tiles than it had, or be known at all only now. */
    pool_empty(&leases->pool);
    TAILQ_FOREACH(lease, &leases->list, link)
    lease_place(lease);
    leases_touch(leases);
}

const struct pool *leases_pool(const struct leases *leases)
{
    return &leases->pool;
}

/* ---- A scheduler's ---------------------------------------------------------------------------------------- */

static bool same_units(const struct units *a, const struct units *b)
{
    return a->n == b->n && memcmp(a->items, b->items, a->n * sizeof a->items[0]) == 0;
}

static struct lease *find_recorded(struct leases *leases, const struct lease_ask *ask, const struct units *units)
{
    const char *job = ask->job ? ask->job : "";
    struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (lease->recorded && lease->terms.uid == ask->uid && same_units(&lease->units, units) &&
        strcmp(lease->terms.job ? lease->terms.job : "", job) == 0)
        return lease;
    return NULL;
}

static struct lease *record(struct leases *leases, const struct lease_ask *ask, const struct units *units)
{
    struct lease *lease = lease_new(leases);

    if (!lease)
        return NULL;
    lease->terms = (struct terms){.uid = ask->uid, .count = (unsigned)units->n, .numa = -1};
    lease->terms.job = ask->job ? strdup(ask->job) : NULL;
    lease->terms.step = ask->step ? strdup(ask->step) : NULL;
    lease->recorded = lease->accepted = true;
    lease->id = leases->next_lease++;
    lease->granted_ms = clock_wall_ms();
    lease->units = *units;
    lease_list_add(lease);
    lease_place(lease);
    return lease;
}

struct lease_member *leases_record(struct leases *leases, const struct lease_ask *ask,
                                   const struct allocation *allocation)
{
    struct lease *lease = find_recorded(leases, ask, &allocation->units);
    struct lease_member *member = NULL;
    int pidfd;

    if (!leases->directory || allocation->units.n == 0)
        return NULL;
    pidfd = fcntl(ask->pidfd, F_DUPFD_CLOEXEC, 3);
    if (pidfd >= 0 && !lease)
        lease = record(leases, ask, &allocation->units);
    if (!lease || pidfd < 0) {
        if (pidfd >= 0)
            close(pidfd);
        return NULL;
    }
    if (lease_add_member(lease, ask->pid, ask->start, pidfd, &member) < 0) {
        if (TAILQ_EMPTY(&lease->members))
            lease_end(lease, "nobody could be made its holder");
        return NULL;
    }
    member->uses = 1;
    member->accepted = true; /* the job has it, whatever becomes of our answer */
    member->peer = ask->peer;
    member->visible = UINT64_MAX;
    memcpy(member->request_id, ask->request_id, sizeof member->request_id);
    return member;
}

/* ---- Others ----------------------------------------------------------------------------------------------- */

bool lease_has_card(const struct lease *lease, unsigned card)
{
    for (size_t i = 0; i < lease->units.n; i++)
        if (lease->units.items[i].card == card)
            return true;
    return false;
}

bool leases_hold(const struct leases *leases, const char *key)
{
    int card = pool_find(&leases->pool, key);
    const struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (lease_has_card(lease, (unsigned)card))
        return true;
    return false;
}

#define TELL_MAX 256

/* Sending may end a peer, and with it members: so first who, then what. */
static size_t find_peers(const struct lease *lease, struct peer **peers, size_t n)
{
    const struct lease_member *member;

    TAILQ_FOREACH(member, &lease->members, link)
    {
        bool known = false;

        for (size_t i = 0; i < n; i++)
            known |= peers[i] == member->peer;
        if (member->peer && !known && n < TELL_MAX)
            peers[n++] = member->peer;
    }
    return n;
}

static void tell(struct leases *leases, struct peer **peers, size_t n, const char *text)
{
    uint8_t *buffer = leases->service->server.outbound;

    for (size_t i = 0; i < n; i++)
        if (peers[i]->state == PEER_READY)
            peer_send(peers[i], buffer, wire_event(buffer, "device", text));
}

void lease_tell(struct lease *lease, const char *text)
{
    struct peer *peers[TELL_MAX];

    tell(lease->leases, peers, find_peers(lease, peers, 0), text);
}

unsigned leases_tell_holders(struct leases *leases, const char *key, const char *text)
{
    int card = pool_find(&leases->pool, key);
    struct peer *peers[TELL_MAX];
    const struct lease *lease;
    unsigned n_leases = 0;
    size_t n = 0;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (!lease->ended && lease_has_card(lease, (unsigned)card)) {
        n = find_peers(lease, peers, n);
        n_leases++;
    }
    tell(leases, peers, n, text);
    return n_leases;
}

void leases_holder_text(const struct leases *leases, const char *key, bool sees_all, uint32_t seer, char *text,
                        size_t size)
{
    int card = pool_find(&leases->pool, key);
    const struct lease *lease, *one = NULL;
    unsigned n = 0;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (lease_has_card(lease, (unsigned)card)) {
        one = lease;
        n++;
    }
    text[0] = '\0';
    if (n > 1)
        snprintf(text, size, "%u leases", n);
    else if (one && one->ended)
        snprintf(text, size, "draining");
    else if (one && !sees_all && one->terms.uid != seer)
        snprintf(text, size, "another user");
    else if (one)
        snprintf(text, size, "uid %" PRIu32 "%s%s%s", one->terms.uid, one->terms.job ? " job " : "",
                 one->terms.job ? one->terms.job : "", one->recorded ? " (scheduler)" : "");
}

uint64_t leases_of_process(const struct leases *leases, const char *key, int32_t pid, uint64_t start)
{
    int card = pool_find(&leases->pool, key);
    const struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (lease_has_card(lease, (unsigned)card) && lease_ancestor(lease, pid, start))
        return lease->id;
    return 0;
}

void leases_status(const struct leases *leases, Itexd__V1__Status *status)
{
    const struct lease *lease;

    if (!leases->directory)
        return;
    status->has_n_leases = status->has_n_waiting = true;
    status->n_leases = 0;
    TAILQ_FOREACH(lease, &leases->list, link)
    status->n_leases += !lease->ended;
    status->n_waiting = (uint32_t)leases->queue.n;
}

void leases_problem(const struct leases *leases, char *text, size_t size)
{
    snprintf(text, size, "%s", leases->problem);
}
