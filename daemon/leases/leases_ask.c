/* Asking: who joins a lease, who is told at once that nothing can be had, who waits, and what each is answered. */
#include "daemon/devices/devices.h"
#include "daemon/leases/leases_internal.h"
#include "daemon/log.h"
#include "daemon/process.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A wait ----------------------------------------------------------------------------------------------- */

static void wait_say(struct lease_wait *wait, enum lease_answer answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wait_say(struct lease_wait *wait, enum lease_answer answer, const char *format, ...)
{
    va_list arguments;

    wait->answer = answer;
    va_start(arguments, format);
    vsnprintf(wait->detail, sizeof wait->detail, format, arguments);
    va_end(arguments);
}

static void count_answer(const struct lease_wait *wait, enum lease_answer answer)
{
    struct counts *counts = &wait->leases->service->counts;

    counts->lease_answers[answer]++;
    if (answer == LEASE_GRANTED)
        histogram_add(&counts->lease_waits, histogram_waits, clock_steady_ms() - wait->since_ms);
}

static void stop_watching(struct lease_wait *wait)
{
    if (wait->timer)
        event_free(wait->timer);
    if (wait->ended)
        event_free(wait->ended);
    wait->timer = wait->ended = NULL;
}

static void entry_free(struct entry *entry)
{
    terms_clear(&entry->terms);
    free(entry);
}

/* An entry without waits leaves the queue. */
static void leave_entry(struct lease_wait *wait)
{
    struct leases *leases = wait->leases;
    struct entry *entry = wait->entry;

    wait->entry = NULL;
    TAILQ_REMOVE(&entry->waits, wait, link);
    leases->changes++;
    leases_touch(leases);
    if (!TAILQ_EMPTY(&entry->waits))
        return;
    queue_remove(&leases->queue, &entry->queue);
    entry_free(entry);
}

static void to_answers(struct lease_wait *wait)
{
    if (wait->entry)
        leave_entry(wait);
    stop_watching(wait);
    TAILQ_INSERT_TAIL(&wait->leases->answers, wait, link);
    leases_touch(wait->leases);
}

static void wait_free(struct lease_wait *wait)
{
    stop_watching(wait);
    if (wait->ask.pidfd >= 0)
        close(wait->ask.pidfd);
    wait->leases->n_waits--;
    wait->leases->changes++;
    free(wait);
}

static struct lease_wait *wait_new(struct leases *leases, const struct lease_ask *ask)
{
    struct lease_wait *wait = calloc(1, sizeof *wait);

    if (!wait)
        return NULL;
    wait->leases = leases;
    wait->ask = *ask;
    wait->ask.job = wait->ask.step = NULL;
    wait->ask.devices = NULL;
    wait->ask.pidfd = fcntl(ask->pidfd, F_DUPFD_CLOEXEC, 3);
    wait->place.local_rank = ask->devices->has_local_rank ? ask->devices->local_rank : 0;
    wait->wait_ms = ask->devices->wait_ms;
    wait->since_ms = clock_steady_ms();
    wait->visible = access_told(leases, ask->uid, cards_visible(leases, ask->devices));
    leases->n_waits++;
    if (wait->ask.pidfd >= 0)
        return wait;
    wait_free(wait);
    return NULL;
}

void leases_give_up(struct lease_wait *wait)
{
    wait->leases->service->counts.lease_answers[COUNT_GAVE_UP]++;
    if (wait->entry) {
        leave_entry(wait);
    } else {
        TAILQ_REMOVE(&wait->leases->answers, wait, link);
        if (wait->member) {
            member_end(wait->member, "it was given up");
            member_release(wait->member);
        }
    }
    wait_free(wait);
}

void leases_hand_over(struct lease_wait *wait, struct peer *peer)
{
    wait->ask.peer = peer;
    if (wait->member && !wait->member->gone)
        wait->member->peer = peer;
}

/* ---- Joining ---------------------------------------------------------------------------------------------- */

/* Makes the asker a member; the answer follows when that is written down. */
static int join(struct lease_wait *wait, struct lease *lease)
{
    struct lease_member *member;
    int pidfd = wait->ask.pidfd, error;

    stop_watching(wait); /* before its descriptor is the member's, or closed */
    wait->ask.pidfd = -1;
    error = lease_add_member(lease, wait->ask.pid, wait->ask.start, pidfd, &member);
    if (error < 0) {
        wait_say(wait, LEASE_FAILED, "the service can watch no more processes; try again when others have ended");
        return error;
    }
    member->uses = 1;
    member->uid = wait->ask.uid;
    member->peer = wait->ask.peer;
    member->place = wait->place;
    member->visible = wait->visible;
    memcpy(member->request_id, wait->ask.request_id, sizeof member->request_id);
    wait->member = member;
    return 0;
}

/* The asker runs under a lease already, and has the place of whom it descends from; but ranks that were started under
 * a lease of no ranks have places of their own in it. */
static struct lease *find_inherited(struct leases *leases, struct lease_wait *wait, const struct terms *terms)
{
    const struct lease_member *member;
    struct lease *lease;

    if (wait->ask.inherited != 0)
        TAILQ_FOREACH(lease, &leases->list, link)
        {
            if (lease->id != wait->ask.inherited || lease->ended || lease->recorded ||
                lease->terms.uid != wait->ask.uid)
                continue;
            member = lease_ancestor(lease, wait->ask.pid, wait->ask.start);
            if (member && (terms->local_size == 0 || lease->terms.local_size > 0))
                wait->place = member->place;
            return member ? lease : NULL;
        }
    return NULL;
}

static struct lease *find_group(struct leases *leases, const char *group)
{
    struct lease *lease;

    if (group)
        TAILQ_FOREACH(lease, &leases->list, link)
    if (!lease->ended && lease->terms.group && strcmp(lease->terms.group, group) == 0)
        return lease;
    return NULL;
}

static struct entry *find_waiting(struct leases *leases, const char *group)
{
    struct queue_entry *at;

    if (group)
        TAILQ_FOREACH(at, &leases->queue.entries, link)
        {
            struct entry *entry = (struct entry *)at;

            if (entry->terms.group && strcmp(entry->terms.group, group) == 0)
                return entry;
        }
    return NULL;
}

static void say_unlike(struct lease_wait *wait, const struct terms *asked, const struct terms *group)
{
    char mine[96], theirs[96];

    terms_text(asked, mine, sizeof mine);
    terms_text(group, theirs, sizeof theirs);
    wait_say(wait, LEASE_UNLIKE,
             "this rank asks otherwise than the other ranks of its step (%s; they: %s, in all); let all ask alike",
             mine, theirs);
}

/* ---- What can be said at once ----------------------------------------------------------------------------- */

static bool any_card(const struct pool *pool, uint64_t among)
{
    for (size_t i = 0; i < pool->n_cards; i++)
        if (!pool->cards[i].absent && (among >> i & 1))
            return true;
    return false;
}

static bool possible(struct lease_wait *wait, const struct terms *terms, const struct want *want)
{
    const struct leases *leases = wait->leases;
    char text[96];

    if (!any_card(&leases->pool, UINT64_MAX)) {
        wait_say(wait, LEASE_NO_DEVICE, "%s", devices_none_detail(leases->service->devices));
        return false;
    }
    if (!any_card(&leases->pool, want->visible)) {
        wait_say(
            wait, LEASE_NO_DEVICE,
            "the job can open none of the node's render nodes; put its user into the group that owns /dev/dri/render*");
        return false;
    }
    if (pool_could(&leases->pool, want, false))
        return true;
    terms_text(terms, text, sizeof text);
    wait_say(wait, LEASE_IMPOSSIBLE,
             "%s is more than the devices that this job can open could ever serve; itexctl devices lists them", text);
    return false;
}

/* ---- Waiting ---------------------------------------------------------------------------------------------- */

void wait_why(const struct leases *leases, const struct entry *entry, char *text, size_t size)
{
    const struct want *want = &entry->queue.want;
    struct units units;

    if (!pool_could(&leases->pool, want, true))
        snprintf(text, size, "of the devices that suit too few are in a state to be leased");
    else if (pool_choose(&leases->pool, want, 0, &units))
        snprintf(text, size, "who asked before is served first");
    else
        snprintf(text, size, "the devices that suit are leased");
}

static void say_busy(struct lease_wait *wait)
{
    char why[120], wants[96];

    if (wait->leases->problem[0]) {
        wait_say(wait, LEASE_FAILED, "%s", wait->leases->problem);
        return;
    }
    wait_why(wait->leases, wait->entry, why, sizeof why);
    terms_text(&wait->entry->terms, wants, sizeof wants);
    wait_say(wait, LEASE_BUSY, "%s: %s", wants, why);
}

static void on_wait_over(evutil_socket_t fd, short what, void *context)
{
    struct lease_wait *wait = context;

    (void)fd;
    (void)what;
    say_busy(wait);
    to_answers(wait);
}

static void on_asker_ended(evutil_socket_t fd, short what, void *context)
{
    struct lease_wait *wait = context;

    (void)fd;
    (void)what;
    wait_say(wait, LEASE_FAILED, "the process that would hold the devices has ended");
    to_answers(wait);
}

static int start_waiting(struct lease_wait *wait, struct entry *entry)
{
    struct leases *leases = wait->leases;
    uint32_t wait_ms = wait->wait_ms > 0 ? wait->wait_ms : LEASES_GIVING_BACK_MS;
    struct timeval limit = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

    wait->ended = watch_process(leases, wait->ask.pidfd, on_asker_ended, wait);
    wait->timer = evtimer_new(leases->service->base, on_wait_over, wait);
    if (!wait->ended || !wait->timer || evtimer_add(wait->timer, &limit) < 0)
        return -ENOMEM;
    wait->until_ms = clock_wall_ms() + wait->wait_ms;
    wait->entry = entry;
    TAILQ_INSERT_TAIL(&entry->waits, wait, link);
    leases_touch(leases);
    return 0;
}

static int enqueue(struct lease_wait *wait, struct terms *terms)
{
    struct leases *leases = wait->leases;
    struct entry *entry = calloc(1, sizeof *entry);
    int error;

    if (!entry)
        return -ENOMEM;
    TAILQ_INIT(&entry->waits);
    entry->since_ms = clock_wall_ms();
    entry->queue.want = terms_want(terms, access_enforced(leases) ? UINT64_MAX : wait->visible);
    error = start_waiting(wait, entry);
    if (error < 0) {
        free(entry);
        return error;
    }
    entry->terms = *terms;
    *terms = (struct terms){.uid = terms->uid};
    queue_add(&leases->queue, &entry->queue);
    return 0;
}

/* 1: waits, or joined; 0: the answer is in wait; -ENOMEM. */
static int settle_ask(struct lease_wait *wait, struct terms *terms)
{
    struct leases *leases = wait->leases;
    struct lease *lease, *inherited;
    struct want want = terms_want(terms, access_enforced(leases) ? UINT64_MAX : wait->visible);
    struct entry *entry;
    int error;

    wait->place = terms_place(terms, wait->place.local_rank);
    inherited = find_inherited(leases, wait, terms);
    lease = inherited ? inherited : find_group(leases, terms->group);
    if (lease && !inherited && !terms_alike(terms, &lease->terms)) {
        say_unlike(wait, terms, &lease->terms);
        return 0;
    }
    if (lease) {
        if (join(wait, lease) < 0)
            return 0;
        to_answers(wait);
        return 1;
    }
    entry = find_waiting(leases, terms->group);
    if (entry && !terms_alike(terms, &entry->terms)) {
        say_unlike(wait, terms, &entry->terms);
        return 0;
    }
    if (!entry && !possible(wait, terms, &want))
        return 0;
    error = entry ? start_waiting(wait, entry) : enqueue(wait, terms);
    return error < 0 ? error : 1;
}

int leases_ask(struct leases *leases, const struct lease_ask *ask, lease_answered_fn answered,
               lease_position_fn position, void *context, struct lease_wait **out)
{
    struct lease_wait *wait = wait_new(leases, ask);
    struct terms terms = {.uid = ask->uid};
    struct lease_answered answer;
    int result = wait ? terms_read(ask, &terms) : -ENOMEM;

    *out = NULL;
    if (result == 0) {
        wait->answered = answered;
        wait->position = position;
        wait->context = context;
        result = settle_ask(wait, &terms);
    }
    terms_clear(&terms);
    if (result > 0) {
        *out = wait;
        return 0;
    }
    if (result == 0) {
        answer = (struct lease_answered){.answer = wait->answer, .detail = wait->detail};
        count_answer(wait, wait->answer);
        answered(context, &answer);
    }
    if (wait)
        wait_free(wait);
    return result;
}

/* ---- Granting --------------------------------------------------------------------------------------------- */

static struct lease *make_lease(struct leases *leases, struct entry *entry, const struct units *units)
{
    struct lease *lease = lease_new(leases);

    if (!lease)
        return NULL;
    lease->id = leases->next_lease++;
    lease->granted_ms = clock_wall_ms();
    lease->units = *units;
    lease->want = entry->queue.want;
    lease->terms = entry->terms; /* and its texts */
    entry->terms = (struct terms){.uid = lease->terms.uid};
    lease_list_add(lease);
    lease_place(lease);
    return lease;
}

/* The entry goes with its last wait. */
static void grant(struct leases *leases, struct entry *entry, const struct units *units)
{
    struct lease *lease = make_lease(leases, entry, units);
    struct lease_wait *wait, *next;

    for (wait = TAILQ_FIRST(&entry->waits); wait; wait = next) {
        next = TAILQ_NEXT(wait, link);
        if (lease)
            join(wait, lease);
        else
            wait_say(wait, LEASE_FAILED, "out of memory");
        to_answers(wait);
    }
    if (lease && TAILQ_EMPTY(&lease->members))
        lease_end(lease, "nobody could be made its holder");
}

void waits_grant(struct leases *leases)
{
    struct queue_entry *next;
    struct units units;

    while ((next = queue_next(&leases->queue, &leases->pool, &units)))
        grant(leases, (struct entry *)next, &units);
}

void waits_fail_fresh(struct leases *leases, const char *why)
{
    struct lease_wait *wait;

    TAILQ_FOREACH(wait, &leases->answers, link)
    {
        struct lease_member *member = wait->member;

        if (!member || !member->fresh)
            continue;
        wait->member = NULL;
        wait_say(wait, LEASE_FAILED, "%s", why);
        member_end(member, why);
        member_release(member);
    }
}

static bool any_given_back(const struct leases *leases)
{
    const struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (access_giving_back(lease))
        return true;
    return false;
}

void waits_expire(struct leases *leases, const char *problem)
{
    struct queue_entry *at, *next_entry;
    struct lease_wait *wait, *next;

    if (!problem && any_given_back(leases))
        return; /* comes again when it is */
    for (at = TAILQ_FIRST(&leases->queue.entries); at; at = next_entry) {
        next_entry = TAILQ_NEXT(at, link);
        for (wait = TAILQ_FIRST(&((struct entry *)at)->waits); wait; wait = next) {
            next = TAILQ_NEXT(wait, link);
            if (wait->wait_ms > 0)
                continue;
            if (problem)
                wait_say(wait, LEASE_FAILED, "%s", problem);
            else
                say_busy(wait);
            to_answers(wait); /* with the last one the entry goes, and next is NULL then */
        }
    }
}

/* ---- Answering -------------------------------------------------------------------------------------------- */

/* May it be answered? A grant waits until it is written down, and for the keeper. */
static bool ready(const struct lease_wait *wait)
{
    return !wait->member || wait->member->gone || (!wait->member->fresh && wait->member->lease->outstanding == 0);
}

static void answer(struct lease_wait *wait)
{
    struct lease_member *member = wait->member;
    struct lease_answered answered = {.answer = wait->answer, .detail = wait->detail};
    lease_answered_fn done = wait->answered;
    void *context = wait->context;
    char detail[LEASES_DETAIL_SIZE];

    if (member && !member->gone && member->lease->failed[0]) {
        wait_say(wait, LEASE_FAILED, "%s", member->lease->failed);
        member_end(member, member->lease->failed);
    } else if (member && member->gone) {
        wait_say(wait, LEASE_FAILED, "the process that would hold the devices has ended");
    } else if (member) {
        answered = (struct lease_answered){.answer = LEASE_GRANTED, .member = member};
        wait->member = NULL; /* its use is the callee's now */
    }
    if (wait->member)
        member_release(wait->member);
    if (!answered.member) {
        snprintf(detail, sizeof detail, "%s", wait->detail);
        answered.answer = wait->answer;
        answered.detail = detail;
    }
    TAILQ_REMOVE(&wait->leases->answers, wait, link);
    count_answer(wait, answered.answer);
    wait_free(wait);
    done(context, &answered);
}

void waits_answer(struct leases *leases)
{
    struct lease_wait *wait = TAILQ_FIRST(&leases->answers), *next;

    while (wait) {
        uint64_t changes;

        next = TAILQ_NEXT(wait, link);
        if (!ready(wait)) {
            wait = next;
            continue;
        }
        changes = leases->changes + 1; /* its own going is one */
        answer(wait);
        wait = leases->changes == changes ? next : TAILQ_FIRST(&leases->answers);
    }
}

void waits_tell_positions(struct leases *leases)
{
    struct queue_entry *at;
    uint64_t changes;
    unsigned position;

again:
    changes = leases->changes;
    position = 0;
    TAILQ_FOREACH(at, &leases->queue.entries, link)
    {
        struct lease_wait *wait;

        ((struct entry *)at)->position = ++position;
        TAILQ_FOREACH(wait, &((struct entry *)at)->waits, link)
        {
            if (wait->told == position || wait->wait_ms == 0)
                continue;
            wait->told = position;
            wait->position(wait->context, position);
            if (leases->changes != changes)
                goto again; /* telling one may end another */
        }
    }
}

void waits_free(struct leases *leases)
{
    struct queue_entry *at;

    while ((at = TAILQ_FIRST(&leases->queue.entries)))
        leases_give_up(TAILQ_FIRST(&((struct entry *)at)->waits));
    while (!TAILQ_EMPTY(&leases->answers))
        leases_give_up(TAILQ_FIRST(&leases->answers));
}
