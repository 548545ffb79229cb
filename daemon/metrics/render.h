/* A snapshot as text. In the metrics thread; it looks at files (sizes, /proc/self), never at the service. */
#ifndef ITEXD_METRICS_RENDER_H
#define ITEXD_METRICS_RENDER_H

#include "daemon/metrics/snapshot.h"
#include "daemon/metrics/text.h"

/* What the thread adds of its own. */
struct render_own {
    const char *database; /* path */
    uint64_t scrapes;
};

/* text is empty, with its format set; text->failed where memory was short. */
void render(struct text *text, const struct snapshot *snapshot, const struct render_own *own);

/* render_devices.c */
void render_devices(struct text *text, const struct snapshot *snapshot);
/* What xpumd calls hw.id: the UUID, which drivers repeat; so of a device without an address, its key. */
const char *render_hw_id(const struct snapshot_device *device);

#endif
