/* Layer render-node: each card has a node in /dev/dri, and it is the one that the kernel means. */
#include "client/itexctl/doctor/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The number that the kernel gives the node; false where it does not say. */
static bool kernel_number(const struct doctor *doctor, const char *bdf, const char *node, unsigned *major_out,
                          unsigned *minor_out)
{
    char path[128], text[32];
    snprintf(path, sizeof(path), SYSFS_PCI "/%s/drm/%s/dev", bdf, strrchr(node, '/') + 1);
    return machine_line(doctor, text, sizeof(text), path) && sscanf(text, "%u:%u", major_out, minor_out) == 2;
}

static void tell_absent(struct doctor *doctor, enum doctor_level level, const char *bdf, const char *node, int error)
{
    if (!node[0]) {
        doctor_found(doctor, level, "render-node-not-made", "the kernel driver of %s has made no render node", bdf);
        doctor_fix(doctor,
                   "dmesg says why its start failed (firmware that is missing: install firmware-misc-nonfree or "
                   "linux-firmware)");
        return;
    }
    doctor_found(doctor, level, "render-node-missing", "%s of %s: %s", node, bdf, strerror(error));
    doctor_fix(doctor, "give it to this container (--device /dev/dri) or unit (no PrivateDevices=); else let udev make "
                       "it: udevadm trigger --subsystem-match=drm");
}

/* True where there is something to open. */
static bool look_at_node(struct doctor *doctor, enum doctor_level level, const char *bdf, const char *node)
{
    char path[PATH_MAX];
    struct stat status;
    unsigned number_major, number_minor;
    if (!node[0] || !doctor_path(doctor, path, "%s", node) || stat(path, &status) < 0) {
        tell_absent(doctor, level, bdf, node, errno);
        return false;
    }
    if (!S_ISCHR(status.st_mode)) {
        doctor_found(doctor, level, "render-node-wrong", "%s is no device but a %s", node,
                     S_ISDIR(status.st_mode) ? "directory" : "file");
        doctor_fix(doctor, "remove it, and let udev make the node: udevadm trigger --subsystem-match=drm");
        return false;
    }
    if (kernel_number(doctor, bdf, node, &number_major, &number_minor) &&
        makedev(number_major, number_minor) != status.st_rdev) {
        doctor_found(doctor, level, "render-node-wrong", "%s is device %u:%u, but the kernel's number for %s is %u:%u",
                     node, major(status.st_rdev), minor(status.st_rdev), bdf, number_major, number_minor);
        doctor_fix(doctor, "start the container again: it has the nodes of before the driver was loaded anew");
        return false;
    }
    return true;
}

static bool is_there(const struct doctor *doctor, const char *node)
{
    char path[PATH_MAX];
    struct stat status;
    return node[0] && doctor_path(doctor, path, "%s", node) && stat(path, &status) == 0;
}

void machine_look_render_node(struct doctor *doctor)
{
    struct doctor_machine *machine = doctor->machine;
    const struct layers_cards *cards = &machine->cards;
    size_t n = 0;
    enum doctor_level level = DOCTOR_ERROR;
    if (cards->n == 0) {
        doctor_found(doctor, DOCTOR_SKIPPED, "not-applicable", "there is no card on the bus");
        return;
    }
    for (size_t i = 0; i < cards->n; i++)
        if (is_there(doctor, cards->items[i].sysfs.render_node))
            level = DOCTOR_WARNING; /* not all of them, but one */
    for (size_t i = 0; i < cards->n; i++) {
        if (!layers_is_gpu_driver(cards->items[i].sysfs.kernel_driver))
            continue;
        machine->nodes[i].there = look_at_node(doctor, level, cards->items[i].bdf, cards->items[i].sysfs.render_node);
        n += machine->nodes[i].there;
    }
    if (n > 0)
        doctor_found(doctor, DOCTOR_OK, "render-node-found", "%zu in /dev/dri", n);
}
