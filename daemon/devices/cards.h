/* The devices as the leases see them. Pure. */
#ifndef ITEXD_DEVICES_CARDS_H
#define ITEXD_DEVICES_CARDS_H

#include "daemon/devices/identity.h"
#include "daemon/leases/pool.h"

/* The present devices, in the order of their PCI addresses, which is what the numbers of a mask count by. Devices that
 * are not present are not among them: a job's driver does not see them, so no number stands for them. */
size_t cards_of_devices(const struct device_set *set, struct pool_card cards[POOL_MAX_CARDS]);

#endif
