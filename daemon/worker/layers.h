/* Why there is no device: the first layer that fails, from the bus up to the driver. */
#ifndef ITEXD_WORKER_LAYERS_H
#define ITEXD_WORKER_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

struct layer {
    const char *name; /* "pci", "kernel-driver", "render-node", "permission", "loader", "driver-library", "driver" */
    char detail[512]; /* what was looked at, and what to do */
};

/* What the layers above the kernel said. */
struct layers_above {
    const char *loader_error; /* NULL: the loader could be opened */
    bool no_kernel;           /* the driver simulates or emulates: there is no card on the bus to look for */
    const char *driver_error; /* which call answered what; for a driver that was found and finds no device */
};

/* root is "" for the real tree. */
void layers_find(const char *root, const struct layers_above *above, struct layer *layer);

#endif
