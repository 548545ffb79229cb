/*
 * Requests that want devices: first the devices, then the decision.
 *
 * Until the first inventory has come nobody can be told anything, so everybody waits for it. Then a scheduler's job is
 * looked at and recorded, a retry finds its offer again, and everything else asks the leases, which may take as long as
 * the request would wait. Whoever waits hears of its place by an Event of kind "waiting"; when its connection ends it
 * has given up.
 */
#ifndef ITEXD_DAEMON_DECIDE_DEVICES_H
#define ITEXD_DAEMON_DECIDE_DEVICES_H

#include "daemon/decide.h"

/* Does the request want devices, of a service that manages them? */
bool decide_wants_devices(const struct service *service, const Itexd__V1__Resolve *request);
/* Were devices asked for that this service does not manage, by somebody who cannot do without? */
bool decide_lacks_devices(const struct service *service, const Itexd__V1__Resolve *request);

/* call is among the entry's waiters; all of them are answered, now or later. */
void decide_devices(struct call *call, struct request_entry *entry, const Itexd__V1__Resolve *request,
                    const struct subject *subject, bool advise);

/* The first inventory is there, or is not to be had: who waited for that goes on. */
void decide_devices_settled(struct service *service);
void decide_devices_peer_gone(struct service *service, const struct peer *peer);
/* Nobody waits any longer. */
void decide_devices_stop(struct service *service);

#endif
