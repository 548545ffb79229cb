/* Why there is no device: the first layer that fails, from the bus up to the driver. */
#ifndef ITEXD_WORKER_LAYERS_H
#define ITEXD_WORKER_LAYERS_H

#include "daemon/worker/sysfs.h"

#include <stdbool.h>
#include <stddef.h>

struct layer {
    const char *name; /* "pci", "kernel-driver", "render-node", "permission", "loader", "driver-library", "driver" */
    char found[384];  /* what was looked at, and is not as it should be */
    const char *fix;  /* what to do */
    char detail[512]; /* both, in a sentence */
};

/* What the layers above the kernel said. */
struct layers_above {
    const char *loader_error; /* NULL: the loader could be opened */
    bool no_kernel;           /* the driver simulates or emulates: there is no card on the bus to look for */
    const char *driver_error; /* which call answered what; for a driver that was found and finds no device */
};

/* root is "" for the real tree. */
void layers_find(const char *root, const struct layers_above *above, struct layer *layer);

/* ---- One by one ------------------------------------------------------------------------------------------------ */

#define LAYERS_MAX_CARDS 64

/* The cards of the bus, sorted by their addresses. */
struct layers_cards {
    struct {
        char bdf[SYSFS_BDF_SIZE];
        struct sysfs_card sysfs;
    } items[LAYERS_MAX_CARDS];
    size_t n;
};
void layers_cards(const char *root, struct layers_cards *cards);

/* Whether no card has what the layer is about; then *layer says so. Each for where those before it are there. */
bool layers_pci_missing(const char *root, const struct layers_cards *cards, struct layer *layer);
bool layers_kernel_driver_missing(const struct layers_cards *cards, struct layer *layer);
bool layers_render_node_missing(const char *root, const struct layers_cards *cards, struct layer *layer);
bool layers_permission_missing(const char *root, const struct layers_cards *cards, struct layer *layer);
/* error is what dlopen said. */
void layers_loader_missing(const char *error, struct layer *layer);
/* Loads the library that the loader would take, which may crash; it is never unloaded. */
bool layers_driver_library_missing(struct layer *layer);
/* error may be NULL: it lists no devices. */
void layers_driver_failed(const char *error, struct layer *layer);

#define LAYERS_DRIVER_LIBRARY_FIX                                                                                      \
    "install Intel's compute runtime (intel-level-zero-gpu, or intel-opencl-icd where that contains it)"

/* A kernel driver for GPUs: i915, xe. */
bool layers_is_gpu_driver(const char *name);

#endif
