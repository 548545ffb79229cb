/*
 * Who can open a leased card, and when a card that was leased may be leased again. The keeper does both, by
 * enforcement.h; where there is none, a grant is answered at once and an ended lease's cards are free at once.
 *
 * Each answer that is waited for holds the lease in memory. Answers may come within the call.
 */
#include "daemon/leases/enforcement.h"
#include "daemon/leases/leases_internal.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 200

static struct enforcement *keeper(const struct leases *leases)
{
    return leases->service->enforcement;
}

bool access_enforced(const struct leases *leases)
{
    return keeper(leases) && enforcement_on(keeper(leases));
}

/* ---- Whose a card is -------------------------------------------------------------------------------------- */

static uint64_t cards_of(const struct lease *lease)
{
    uint64_t cards = 0;

    for (size_t i = 0; i < lease->units.n; i++)
        cards |= UINT64_C(1) << lease->units.items[i].card;
    return cards;
}

static bool holds_card(const struct lease *lease, unsigned card)
{
    return !lease->ended && !lease->recorded && lease_has_card(lease, card);
}

/* The users of the live leases of a card, each once; at most max. */
static size_t users_of(const struct leases *leases, unsigned card, uint32_t *uids, size_t max)
{
    const struct lease *lease;
    size_t n = 0;

    TAILQ_FOREACH(lease, &leases->list, link)
    {
        size_t i = 0;

        if (!holds_card(lease, card))
            continue;
        while (i < n && uids[i] != lease->terms.uid)
            i++;
        if (i == n && n < max)
            uids[n++] = lease->terms.uid;
    }
    return n;
}

enum card_owner { CARD_NOBODYS, CARD_OWN, CARD_OTHERS };

static enum card_owner owner_of(const struct leases *leases, unsigned card, uint32_t uid)
{
    enum card_owner owner = CARD_NOBODYS;
    const struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    {
        if (!holds_card(lease, card))
            continue;
        if (lease->terms.uid == uid)
            return CARD_OWN;
        owner = CARD_OTHERS;
    }
    return owner;
}

uint64_t access_told(const struct leases *leases, uint32_t uid, uint64_t told)
{
    bool any = false;

    if (!access_enforced(leases) || uid == 0)
        return told;
    for (unsigned i = 0; i < leases->pool.n_cards; i++) {
        const struct pool_card *card = &leases->pool.cards[i];

        if (card->absent || !card->render_node[0] || owner_of(leases, i, uid) != CARD_NOBODYS)
            continue;
        if (!(told >> i & 1))
            return told;
        any = true;
    }
    return any ? UINT64_MAX : told;
}

uint64_t access_visible(const struct leases *leases, uint32_t uid, uint64_t told)
{
    if (!access_enforced(leases) || uid == 0)
        return told;
    for (unsigned i = 0; i < leases->pool.n_cards; i++) {
        if (!leases->pool.cards[i].render_node[0])
            continue;
        switch (owner_of(leases, i, uid)) {
        case CARD_OWN:
            told |= UINT64_C(1) << i;
            break;
        case CARD_OTHERS:
            told &= ~(UINT64_C(1) << i);
            break;
        case CARD_NOBODYS:
            break;
        }
    }
    return told;
}

/* ---- The keeper's answers --------------------------------------------------------------------------------- */

static void look(struct lease *lease);

static void on_look_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    look(context);
}

static void tell_timeout(const struct lease *lease, const char *message)
{
    const char *keys[POOL_MAX_UNITS];
    const size_t n = lease_cards(lease, keys);

    log_event(EVENT_DRAIN_TIMEOUT, LOG_NUMBER(FIELD_LEASE, lease->id), LOG_NUMBER(FIELD_UID, lease->terms.uid),
              LOG_TEXT(FIELD_MESSAGE, message), LOG_TEXTS(FIELD_DEVICE, keys, n));
}

/* Everything was answered: the units are free, or somebody is on them still. */
static void drained(struct lease *lease)
{
    static const struct timeval again = {.tv_usec = LOOK_AGAIN_MS * 1000};

    lease->lingers = lease->in_use;
    if ((lease->in_use || lease->unseen) && clock_steady_ms() < lease->drain_until_ms) {
        if (!lease->look_again)
            lease->look_again = evtimer_new(lease->leases->service->base, on_look_again, lease);
        if (lease->look_again && evtimer_add(lease->look_again, &again) == 0)
            return;
    }
    if (lease->in_use)
        tell_timeout(lease, "processes of the ended lease still use its devices, which are given again");
    else if (lease->unseen)
        tell_timeout(lease, "the ended lease's devices are given again, though the keeper could not be asked who uses "
                            "them");
    lease_forget(lease);
}

/* One answer less to wait for; the reference that was taken for it goes. */
static void answered(struct lease *lease)
{
    lease->outstanding--;
    if (lease->outstanding == 0) {
        if (lease->ended && !lease->drained) {
            lease->drained = true;
            drained(lease);
        } else if (!lease->ended) {
            leases_touch(lease->leases);
        }
    }
    lease_put(lease);
}

static void expect_answer(struct lease *lease)
{
    lease->refs++;
    lease->outstanding++;
}

static void on_set(void *context, int error, const char *why)
{
    struct lease *lease = context;

    if (error < 0) {
        if (!lease->ended && !lease->accepted) /* what a job has already, it keeps; status says what is wrong */
            snprintf(lease->failed, sizeof lease->failed, "access to the devices could not be given: %s",
                     why ? why : strerror(-error));
        log_event(EVENT_ACCESS_NOT_SET, LOG_NUMBER(FIELD_LEASE, lease->id),
                  LOG_TEXT(FIELD_MESSAGE, why ? why : strerror(-error)));
    }
    answered(lease);
}

/* Says of each of the lease's cards whose it is now. */
static void set_access(struct lease *lease)
{
    struct leases *leases = lease->leases;
    uint32_t uids[POOL_MAX_UNITS];

    for (uint64_t rest = cards_of(lease); rest; rest &= rest - 1) {
        unsigned card = (unsigned)__builtin_ctzll(rest);
        size_t n = users_of(leases, card, uids, POOL_MAX_UNITS);
        int error;

        expect_answer(lease);
        error = enforcement_set(keeper(leases), leases->pool.cards[card].key, uids, n, on_set, lease);
        if (error < 0)
            on_set(lease, error, NULL);
    }
}

void access_grant(struct lease *lease)
{
    if (!access_enforced(lease->leases))
        return;
    expect_answer(lease);
    set_access(lease);
    answered(lease);
}

/* ---- Draining --------------------------------------------------------------------------------------------- */

static void on_used(void *context, int processes)
{
    struct lease *lease = context;

    lease->in_use |= processes > 0;
    lease->unseen |= processes == -EAGAIN;
    answered(lease);
}

/* Where the user has another lease of the card, its processes cannot be told from this one's. */
static void look_at_cards(struct lease *lease)
{
    struct leases *leases = lease->leases;
    const char *keys[POOL_MAX_CARDS];
    size_t n = 0;

    for (uint64_t rest = cards_of(lease); rest; rest &= rest - 1) {
        unsigned card = (unsigned)__builtin_ctzll(rest);

        if (owner_of(leases, card, lease->terms.uid) != CARD_OWN)
            keys[n++] = leases->pool.cards[card].key;
    }
    if (n == 0)
        return;
    expect_answer(lease);
    int error = enforcement_used(keeper(leases), keys, n, lease->terms.uid, on_used, lease);
    if (error < 0)
        on_used(lease, error);
}

static void look(struct lease *lease)
{
    lease->in_use = lease->unseen = lease->drained = false;
    expect_answer(lease);
    look_at_cards(lease);
    answered(lease);
}

bool access_giving_back(const struct lease *lease)
{
    return lease->ended && !lease->drained && !lease->lingers;
}

void access_drain(struct lease *lease)
{
    struct leases *leases = lease->leases;

    if (!keeper(leases) || lease->fresh) {
        lease_forget(lease);
        return;
    }
    lease->in_use = lease->unseen = lease->drained = false;
    lease->drain_until_ms = clock_steady_ms() + leases->service->options.drain_timeout;
    expect_answer(lease);
    if (access_enforced(leases))
        set_access(lease);
    if (!lease->want.shared && !lease->cut)
        look_at_cards(lease);
    answered(lease);
}
