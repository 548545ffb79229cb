/*
 * Which card is which: an inventory of the worker merged into the devices that are known. Pure.
 *
 * The PCI address wins: a card at a known address is that device, whatever its UUID and its place in the driver's
 * order. A card without an address is its UUID; the second of that UUID is UUID/2, and so on in the driver's order; a
 * card with neither is card-N. A device keeps its key where only the address comes or goes (sysman, which may tell it,
 * crashed or works again) and the UUID says that it is the same: its leases hang on the key. Two cards at one address
 * cannot be: the second is left out, and said.
 *
 * A device that vanishes stays known, for leases and the database name it by its key.
 */
#ifndef ITEXD_DEVICES_IDENTITY_H
#define ITEXD_DEVICES_IDENTITY_H

#include "daemon/devices/device.h"

/* Devices by pointer, which stay where they are; in the order of their PCI addresses. */
struct device_set {
    struct device *items[DEVICES_MAX];
    size_t n;
};

enum identity_kind {
    IDENTITY_NEW,        /* never seen before */
    IDENTITY_SEEN,       /* known from before this start, and there as it was */
    IDENTITY_BACK,       /* had vanished */
    IDENTITY_GONE,       /* vanished */
    IDENTITY_CHANGED,    /* another card at its address, or other tiles or memory */
    IDENTITY_RENUMBERED, /* has another number in the driver's order */
    IDENTITY_REPEATED,   /* its UUID is another device's too */
    IDENTITY_REFUSED,    /* cannot be taken up; device is NULL, or the one that it repeats */
};

struct identity_change {
    enum identity_kind kind;
    struct device *device;
    char text[128]; /* what exactly */
};
#define IDENTITY_MAX_CHANGES (4 * DEVICES_MAX)
struct identity_changes {
    struct identity_change items[IDENTITY_MAX_CHANGES];
    size_t n;
};

void device_set_clear(struct device_set *set);
/* Takes the device. -ENOSPC (and frees it) where DEVICES_MAX are there. */
int device_set_add(struct device_set *set, struct device *device);
struct device *device_set_find(const struct device_set *set, const char *key);
/* What a person calls it: number, PCI address with or without its domain, UUID or its beginning, key. NULL: none is
 * called so, or, with *ambiguous, several are. */
struct device *device_set_named(const struct device_set *set, const char *name, bool *ambiguous);

/* Changes what devices are (card, present, position, last seen), never their health. The inventory is cleaned
 * (inventory_copy). 0, -ENOMEM: some cards are then as they were. */
int identity_merge(struct device_set *set, const Itexd__Child__Inventory *inventory, uint64_t now_ms,
                   struct identity_changes *changes);

#endif
