/* How a driver lists the tiles of its cards where the environment does not say. */
#ifndef ITEXD_WORKER_HIERARCHY_H
#define ITEXD_WORKER_HIERARCHY_H

#include <stdbool.h>

/* "composite", "flat", "none" (it does not read ZE_FLAT_DEVICE_HIERARCHY: cards always); NULL: not known. Versions as
 * an inventory has them, NULL or "" where they are not known; flat_by_default: some card of it is. */
const char *hierarchy_of_driver(const char *api_version, const char *driver_version, bool flat_by_default);

#endif
