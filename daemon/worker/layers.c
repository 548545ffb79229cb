/*
 * The layers below a device, each looked at where the one before it is there.
 *
 * A layer counts as there when one card has it: a node whose one card works is not without devices, and this is asked
 * only where no card works. Where several cards fail at different layers, the highest that any card reaches is told.
 */
#include "daemon/worker/layers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRIVER_LIBRARY "libze_intel_gpu.so.1"

static bool missing(struct layer *layer, const char *name, const char *fix, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool missing(struct layer *layer, const char *name, const char *fix, const char *format, ...)
{
    va_list arguments;

    layer->name = name;
    layer->fix = fix;
    va_start(arguments, format);
    vsnprintf(layer->found, sizeof layer->found, format, arguments);
    va_end(arguments);
    snprintf(layer->detail, sizeof layer->detail, "%s: %s", layer->found, fix);
    return true;
}

/* May this process open it for reading and writing? Its error otherwise. */
static int try_node(const char *root, const char *node)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf(path, sizeof path, "%s%s", root, node) >= (int)sizeof path)
        return ENAMETOOLONG;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* ---- The kernel ------------------------------------------------------------------------------------------------ */

void layers_cards(const char *root, struct layers_cards *cards)
{
    static char bdfs[LAYERS_MAX_CARDS][SYSFS_BDF_SIZE];
    size_t n = sysfs_display_devices(root, bdfs, LAYERS_MAX_CARDS);

    cards->n = n < LAYERS_MAX_CARDS ? n : LAYERS_MAX_CARDS;
    for (size_t i = 0; i < cards->n; i++) {
        memcpy(cards->items[i].bdf, bdfs[i], sizeof bdfs[i]);
        sysfs_card(root, bdfs[i], &cards->items[i].sysfs);
    }
}

bool layers_pci_missing(const char *root, const struct layers_cards *cards, struct layer *layer)
{
    if (cards->n > 0)
        return false;
    return missing(layer, "pci", "this machine or container has no such GPU",
                   "no PCI display device of Intel in %.200s" SYSFS_PCI, root);
}

bool layers_is_gpu_driver(const char *name)
{
    return strcmp(name, "i915") == 0 || strcmp(name, "xe") == 0;
}

bool layers_kernel_driver_missing(const struct layers_cards *cards, struct layer *layer)
{
    const char *first = cards->items[0].bdf, *driver = cards->items[0].sysfs.kernel_driver;

    for (size_t i = 0; i < cards->n; i++)
        if (layers_is_gpu_driver(cards->items[i].sysfs.kernel_driver))
            return false;
    return missing(layer, "kernel-driver", "load i915 or xe (modprobe; dmesg says why one refuses the card)",
                   "no kernel driver for GPUs is bound to %s (%s has %s%s)",
                   cards->n == 1 ? first : "any Intel display device", first, driver[0] ? "" : "none", driver);
}

bool layers_render_node_missing(const char *root, const struct layers_cards *cards, struct layer *layer)
{
    size_t named = cards->n;

    for (size_t i = 0; i < cards->n; i++) {
        if (!cards->items[i].sysfs.render_node[0])
            continue;
        named = i;
        if (try_node(root, cards->items[i].sysfs.render_node) != ENOENT)
            return false;
    }
    if (named < cards->n)
        return missing(layer, "render-node", "give it to this container or unit, or let udev make it",
                       "%s of %s is not in /dev/dri", cards->items[named].sysfs.render_node, cards->items[named].bdf);
    return missing(layer, "render-node", "dmesg says why its start failed",
                   "the kernel driver of %s has made no render node (no renderD* in " SYSFS_PCI "/%s/drm)",
                   cards->items[0].bdf, cards->items[0].bdf);
}

bool layers_permission_missing(const char *root, const struct layers_cards *cards, struct layer *layer)
{
    int error = 0;
    const char *node = "";

    for (size_t i = 0; i < cards->n; i++) {
        const char *own = cards->items[i].sysfs.render_node;
        int one = own[0] ? try_node(root, own) : ENOENT;

        if (one == 0)
            return false;
        if (error == 0 || one != ENOENT) {
            error = one;
            node = own;
        }
    }
    return missing(layer, "permission",
                   "put the service's user into the group that owns it (render), or allow the device in the unit",
                   "uid %u may not open %s (%s)", (unsigned)geteuid(), node, strerror(error));
}

/* ---- The libraries ----------------------------------------------------------------------------------------------- */

void layers_loader_missing(const char *error, struct layer *layer)
{
    missing(layer, "loader", "install libze1 (level-zero)", "Level Zero's loader cannot be opened: %.300s", error);
}

/* Which library the loader was to take: an alternative one for tests, else Intel's. */
bool layers_driver_library_missing(struct layer *layer)
{
    const char *alternatives = getenv("ZE_ENABLE_ALT_DRIVERS");
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s", alternatives && *alternatives ? alternatives : DRIVER_LIBRARY);
    name[strcspn(name, ",")] = '\0';
    if (dlopen(name, RTLD_LAZY | RTLD_LOCAL))
        return false;
    return missing(layer, "driver-library", LAYERS_DRIVER_LIBRARY_FIX, "the driver library cannot be loaded: %.300s",
                   dlerror());
}

void layers_driver_failed(const char *error, struct layer *layer)
{
    missing(layer, "driver", "see dmesg, and whether the driver is new enough for the card",
            "the driver library is there and finds no GPU: %.300s", error ? error : "it lists no devices");
}

/* ---- The first that fails ------------------------------------------------------------------------------------------
 */

static bool kernel_layer(const char *root, struct layer *layer)
{
    static struct layers_cards cards;

    layers_cards(root, &cards);
    return layers_pci_missing(root, &cards, layer) || layers_kernel_driver_missing(&cards, layer) ||
           layers_render_node_missing(root, &cards, layer) || layers_permission_missing(root, &cards, layer);
}

void layers_find(const char *root, const struct layers_above *above, struct layer *layer)
{
    if (!above->no_kernel && kernel_layer(root, layer))
        return;
    if (above->loader_error)
        layers_loader_missing(above->loader_error, layer);
    else if (!layers_driver_library_missing(layer))
        layers_driver_failed(above->driver_error, layer);
}
