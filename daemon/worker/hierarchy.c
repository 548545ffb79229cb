/* Drivers of API 1.6 and newer read ZE_FLAT_DEVICE_HIERARCHY. Of older ones some do; up to a known build none does. */
#include "daemon/worker/hierarchy.h"

#include <stddef.h>
#include <stdio.h>

#define LAST_BUILD_WITHOUT 24595

const char *hierarchy_of_driver(const char *api_version, const char *driver_version, bool flat_by_default)
{
    unsigned major, minor, build;

    if (!api_version || sscanf(api_version, "%u.%u", &major, &minor) != 2)
        return NULL;
    if (major == 1 && minor < 6)
        return driver_version && sscanf(driver_version, "%*u.%*u.%u", &build) == 1 && build <= LAST_BUILD_WITHOUT
                   ? "none"
                   : NULL;
    return flat_by_default ? "flat" : "composite";
}
