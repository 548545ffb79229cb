/*
 * The layers below a device, each looked at where the one before it is there.
 *
 * A layer counts as there when one card has it: a node whose one card works is not without devices, and this is asked
 * only where no card works. Where several cards fail at different layers, the highest that any card reaches is told.
 */
#include "daemon/worker/layers.h"
#include "daemon/worker/sysfs.h"

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

#define MAX_CARDS 64
#define DRIVER_LIBRARY "libze_intel_gpu.so.1"

static bool found(struct layer *layer, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool found(struct layer *layer, const char *name, const char *format, ...)
{
    va_list arguments;

    layer->name = name;
    va_start(arguments, format);
    vsnprintf(layer->detail, sizeof layer->detail, format, arguments);
    va_end(arguments);
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

static bool kernel_driver_missing(const struct sysfs_card *cards, char (*bdfs)[SYSFS_BDF_SIZE], size_t n,
                                  struct layer *layer)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(cards[i].kernel_driver, "i915") == 0 || strcmp(cards[i].kernel_driver, "xe") == 0)
            return false;
    return found(
        layer, "kernel-driver",
        "no kernel driver for GPUs is bound to %s (%s has %s%s): load i915 or xe (modprobe; dmesg says why one "
        "refuses the card)",
        n == 1 ? bdfs[0] : "any Intel display device", bdfs[0], cards[0].kernel_driver[0] ? "" : "none",
        cards[0].kernel_driver);
}

static bool render_node_missing(const char *root, const struct sysfs_card *cards, char (*bdfs)[SYSFS_BDF_SIZE],
                                size_t n, struct layer *layer)
{
    size_t named = n;

    for (size_t i = 0; i < n; i++) {
        if (!cards[i].render_node[0])
            continue;
        named = i;
        if (try_node(root, cards[i].render_node) != ENOENT)
            return false;
    }
    if (named < n)
        return found(layer, "render-node",
                     "%s of %s is not in /dev/dri: give it to this container or unit, or let udev make it",
                     cards[named].render_node, bdfs[named]);
    return found(layer, "render-node",
                 "the kernel driver of %s has made no render node (no renderD* in " SYSFS_PCI
                 "/%s/drm): dmesg says why its start failed",
                 bdfs[0], bdfs[0]);
}

static bool permission_missing(const char *root, const struct sysfs_card *cards, size_t n, struct layer *layer)
{
    int error = 0;
    const char *node = "";

    for (size_t i = 0; i < n; i++) {
        int one = cards[i].render_node[0] ? try_node(root, cards[i].render_node) : ENOENT;

        if (one == 0)
            return false;
        if (error == 0 || one != ENOENT) {
            error = one;
            node = cards[i].render_node;
        }
    }
    return found(layer, "permission",
                 "uid %u may not open %s (%s): put the service's user into the group that owns it (render), or allow "
                 "the device in the unit",
                 (unsigned)geteuid(), node, strerror(error));
}

/* Which library the loader was to take: an alternative one for tests, else Intel's. */
static bool driver_library_missing(struct layer *layer)
{
    const char *alternatives = getenv("ZE_ENABLE_ALT_DRIVERS");
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s", alternatives && *alternatives ? alternatives : DRIVER_LIBRARY);
    name[strcspn(name, ",")] = '\0';
    if (dlopen(name, RTLD_LAZY | RTLD_LOCAL))
        return false;
    return found(layer, "driver-library",
                 "the driver library cannot be loaded: %.300s: install Intel's compute runtime "
                 "(intel-level-zero-gpu, or intel-opencl-icd where that contains it)",
                 dlerror());
}

static bool kernel_layer(const char *root, struct layer *layer)
{
    static char bdfs[MAX_CARDS][SYSFS_BDF_SIZE];
    static struct sysfs_card cards[MAX_CARDS];
    size_t n = sysfs_display_devices(root, bdfs, MAX_CARDS);

    if (n == 0)
        return found(layer, "pci",
                     "no PCI display device of Intel in %s" SYSFS_PCI ": this machine or container has no such GPU",
                     root);
    if (n > MAX_CARDS)
        n = MAX_CARDS;
    for (size_t i = 0; i < n; i++)
        sysfs_card(root, bdfs[i], &cards[i]);
    return kernel_driver_missing(cards, bdfs, n, layer) || render_node_missing(root, cards, bdfs, n, layer) ||
           permission_missing(root, cards, n, layer);
}

void layers_find(const char *root, const struct layers_above *above, struct layer *layer)
{
    if (!above->no_kernel && kernel_layer(root, layer))
        return;
    if (above->loader_error) {
        found(layer, "loader", "Level Zero's loader cannot be opened: %.300s: install libze1 (level-zero)",
              above->loader_error);
        return;
    }
    if (driver_library_missing(layer))
        return;
    found(layer, "driver",
          "the driver library is there and finds no GPU: %s: see dmesg, and whether the driver is new enough for the "
          "card",
          above->driver_error ? above->driver_error : "it lists no devices");
}
