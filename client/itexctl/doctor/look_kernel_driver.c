/*
 * Layer kernel-driver: i915 or xe bound to each card, and which version. Where none is: whether a module knows the card
 * at all, is loaded, is kept from being loaded, or has refused the card.
 */
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/doctor/modules.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Bound ----------------------------------------------------------------------------------------------------- */

static void tell_bound(struct doctor *doctor, const char *name, size_t n)
{
    char path[64], version[64], release[128];
    snprintf(path, sizeof(path), "/sys/module/%.20s/version", name);
    bool outside = machine_line(doctor, version, sizeof(version), path);
    modules_release(doctor, release, sizeof(release));
    doctor_found(doctor, DOCTOR_OK, "kernel-driver-bound", "%s has %zu of %zu card%s; %s%s%sLinux %s", name, n,
                 doctor->machine->cards.n, doctor->machine->cards.n == 1 ? "" : "s", outside ? "version " : "",
                 outside ? version : "", outside ? ", " : "", release);
}

static size_t count_bound(const struct layers_cards *cards, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < cards->n; i++)
        n += strcmp(cards->items[i].sysfs.kernel_driver, name) == 0;
    return n;
}

/* The state of a hang is kept until somebody reads it: by i915 in "error", by xe as a core dump. */
static void look_for_hang(struct doctor *doctor, const char *bdf, const struct sysfs_card *card)
{
    char path[PATH_MAX], line[64] = "";
    const char *name = strrchr(card->card_node, '/');
    if (!name)
        return;
    snprintf(path, sizeof(path), SYSFS_PCI "/%s/drm/%.20s/error", bdf, name + 1);
    bool hung = machine_line(doctor, line, sizeof(line), path) && strncmp(line, "No error state", 14) != 0;
    if (!hung && doctor_path(doctor, path, SYSFS_PCI "/%s/devcoredump", bdf))
        hung = access(path, F_OK) == 0;
    if (!hung)
        return;
    doctor_found(doctor, DOCTOR_WARNING, "kernel-driver-hang", "the kernel keeps the record of a hang of %s", bdf);
    doctor_fix(doctor,
               "dmesg says when; a job may have caused it; if it comes again, report it with that record (%s), "
               "which writing to it clears",
               line[0] ? "drm/card*/error" : "devcoredump/data");
}

/* ---- Not bound --------------------------------------------------------------------------------------------------- */

static void tell_refused(struct doctor *doctor, enum doctor_level level, const char *bdf, const struct card_module *own)
{
    if (own->forced_off[0]) {
        doctor_found(doctor, level, "kernel-driver-blocked", "%s is loaded and may not take %s: %s", own->name, bdf,
                     own->forced_off);
        doctor_fix(doctor, "take that away, and start the machine again");
        return;
    }
    doctor_found(doctor, level, "kernel-driver-refused", "%s is loaded and has not taken %s (device %s)", own->name,
                 bdf, own->device);
    doctor_fix(doctor,
               "see why in dmesg; a card that is newer than the kernel wants %s.force_probe=%s on the kernel's "
               "command line",
               own->name, own->device);
}

static void tell_unbound(struct doctor *doctor, enum doctor_level level, const char *bdf)
{
    struct card_module own;
    modules_for_card(doctor, bdf, &own);
    if (own.loaded) {
        tell_refused(doctor, level, bdf, &own);
    } else if (own.blocked[0]) {
        doctor_found(doctor, level, "kernel-driver-blocked", "%s, which knows %s, is kept from being loaded: %s",
                     own.name, bdf, own.blocked);
        doctor_fix(doctor, "take that away, then modprobe %s", own.name);
    } else if (own.known == MODULE_KNOWS) {
        doctor_found(doctor, level, "kernel-driver-absent",
                     "%s has no kernel driver, and %s, which knows it, is not "
                     "loaded",
                     bdf, own.name);
        doctor_fix(doctor, "modprobe %s (in a container: on the host); dmesg says what it makes of the card", own.name);
    } else if (own.known == MODULE_KNOWS_NOT) {
        doctor_found(doctor, level, "kernel-driver-too-old", "no module of Linux %s knows %s (device %s)", own.release,
                     bdf, own.device);
        doctor_fix(doctor, "take a newer kernel, or Intel's own package of i915 (intel-i915-dkms)");
    } else {
        doctor_found(doctor, level, "kernel-driver-absent",
                     "%s has no kernel driver; the modules of Linux %s are not "
                     "here to look at",
                     bdf, own.release);
        doctor_fix(doctor, "on the host: modprobe i915 or xe; dmesg says why one refuses the card");
    }
}

/* One card that does not work is a risk, none that does a failure. */
static void look_at_card(struct doctor *doctor, enum doctor_level level, const char *bdf, const char *driver)
{
    if (layers_is_gpu_driver(driver))
        return;
    if (driver[0]) {
        doctor_found(doctor, level, "kernel-driver-other", "%s is bound to %s, which is no driver for computing", bdf,
                     driver);
        doctor_fix(doctor,
                   "where it is not meant for a virtual machine: driverctl unset-override %s, or unbind it and "
                   "load i915 or xe",
                   bdf);
        return;
    }
    tell_unbound(doctor, level, bdf);
}

void machine_look_kernel_driver(struct doctor *doctor)
{
    const struct layers_cards *cards = &doctor->machine->cards;
    struct layer layer;
    if (cards->n == 0) {
        doctor_found(doctor, DOCTOR_SKIPPED, "not-applicable", "there is no card on the bus");
        return;
    }
    enum doctor_level level = layers_kernel_driver_missing(cards, &layer) ? DOCTOR_ERROR : DOCTOR_WARNING;
    static const char *const names[] = {"i915", "xe"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        size_t n = count_bound(cards, names[i]);
        if (n > 0)
            tell_bound(doctor, names[i], n);
    }
    for (size_t i = 0; i < cards->n; i++)
        look_at_card(doctor, level, cards->items[i].bdf, cards->items[i].sysfs.kernel_driver);
    for (size_t i = 0; i < cards->n; i++)
        look_for_hang(doctor, cards->items[i].bdf, &cards->items[i].sysfs);
}
