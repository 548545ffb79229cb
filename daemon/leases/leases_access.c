/*
 * Who can open a leased card, and when a card that was leased may be leased again.
 */
#include "daemon/leases/leases_internal.h"

bool access_enforced(const struct leases *leases)
{
    (void)leases;
    return false;
}

bool access_grant(struct lease *lease)
{
    return lease->outstanding == 0;
}

void access_drain(struct lease *lease)
{
    lease_forget(lease);
}

uint64_t access_visible(const struct leases *leases, uint32_t uid, uint64_t told)
{
    (void)leases;
    (void)uid;
    return told;
}
