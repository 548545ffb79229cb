/* What the files of grant share. */
#ifndef ITEXD_DAEMON_GRANT_OWN_H
#define ITEXD_DAEMON_GRANT_OWN_H

#include "daemon/grant.h"

/* Cards that the job can open, by its own word; devices NULL: all. */
uint64_t grant_visible(const struct pool *pool, const Itexd__V1__DeviceRequest *devices);

#endif
