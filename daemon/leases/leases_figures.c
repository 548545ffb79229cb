/* Leases in numbers, and who has what, for metrics. */
#include "daemon/leases/leases_internal.h"
#include "proto/clock.h"

const char *lease_phase_name(enum lease_phase phase)
{
    static const char *const names[LEASE_PHASES] = {"offered", "accepted", "draining"};

    return names[phase];
}

const char *lease_sharing_name(enum lease_sharing sharing)
{
    static const char *const names[LEASE_SHARINGS] = {"exclusive", "shared", "recorded"};

    return names[sharing];
}

static enum lease_phase phase_of(const struct lease *lease)
{
    return lease->ended ? LEASE_DRAINING : lease->accepted ? LEASE_ACCEPTED : LEASE_OFFERED;
}

static enum lease_sharing sharing_of(const struct lease *lease)
{
    return lease->recorded ? LEASE_RECORDED : lease->terms.shared ? LEASE_SHARED : LEASE_EXCLUSIVE;
}

void leases_figures(const struct leases *leases, struct lease_figures *figures)
{
    const struct queue_entry *first = TAILQ_FIRST(&leases->queue.entries);
    const struct lease *lease;
    uint64_t now = clock_wall_ms();

    *figures = (struct lease_figures){.members = leases->n_members, .queue = leases->queue.n};
    TAILQ_FOREACH(lease, &leases->list, link)
    figures->leases[phase_of(lease)][sharing_of(lease)]++;
    if (first && now > ((const struct entry *)first)->since_ms)
        figures->longest_ms = now - ((const struct entry *)first)->since_ms;
}

void leases_each_unit(const struct leases *leases, lease_unit_fn each, void *context)
{
    const struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    for (size_t i = 0; i < lease->units.n; i++) {
        const struct unit *unit = &lease->units.items[i];
        const struct lease_unit_shown shown = {.lease = lease->id,
                                               .job = lease->terms.job,
                                               .key = leases->pool.cards[unit->card].key,
                                               .tile = unit->tile,
                                               .phase = phase_of(lease),
                                               .sharing = sharing_of(lease)};

        if (!each(context, &shown))
            return;
    }
}
