/*
 * Inside the simulated driver: handles, what every function does first, and what the process may see.
 *
 * A handle is an address in a reserved range that encodes what it stands for, so one that the driver never gave out is
 * recognised. For one thread at a time, as the device worker and simze-show use it.
 */
#ifndef SIMZE_SIMZE_H
#define SIMZE_SIMZE_H

#include "tests/simze/control.h"

#include <level_zero/ze_api.h>

enum object_kind {
    KIND_DRIVER,
    KIND_DEVICE,
    KIND_POWER,
    KIND_FREQUENCY,
    KIND_ENGINE,
    KIND_TEMPERATURE,
    KIND_MEMORY,
    KIND_RAS,
    KIND_PORT,
    KIND_FIRMWARE,
    KINDS
};

#define MAX_INDEX 64 /* of the components of one kind on one device: a card may have a port to each other one */

struct object {
    enum object_kind kind;
    unsigned card;
    int tile; /* -1: the card */
    unsigned index;
};
void *object_handle(struct object object);
bool object_of(const void *handle, enum object_kind kind, struct object *out);

/* ---- call.c: what every function does first ----------------------------------------------------------------- */

enum {
    CALL_SYSMAN = 1,   /* needs sysman to be on */
    CALL_LOST_TOO = 2, /* answers for a lost card as well: what it is, and how to repair it */
};

struct call {
    const struct control *control;
    const struct card_control *card;
    struct object object;
    const struct fault *count; /* NULL: the truth */
    bool garbage, garbled;
};
/* Does what the control file says of the function. Anything but success is to be returned. */
ze_result_t call_enter(struct call *call, const char *function, enum object_kind kind, const void *handle,
                       unsigned flags);
/* For functions without a handle. */
ze_result_t call_enter_global(struct call *call, const char *function);
/* Of an object that is given away, the i-th of several; of nothing where the control file says so. */
void *call_handle(const struct call *call, struct object object, unsigned i);
/* The two-call idiom. */
ze_result_t call_enumerate(const struct call *call, uint32_t *count, void **handles, const struct object *objects,
                           uint32_t n);
/* The same for structs that have no handle: says how many of the n to fill. */
uint32_t call_count(const struct call *call, uint32_t *count, bool wants_items, uint32_t n);
/* Overwrites what was answered where the control file says so; the first `header` bytes stay. */
void call_scribble(const struct call *call, void *out, size_t size, size_t header);
/* The same for one string: to its last byte, without an end. */
void call_garble(const struct call *call, char *text, size_t size);
/* Of a metric: success, not supported, not permitted. */
ze_result_t call_reading(const struct call *call, enum metric metric, double *value);

#define STRUCT_HEADER 16 /* stype and pNext */

/* ---- visibility.c: which devices this process sees ------------------------------------------------------------- */

/* Reads ZE_AFFINITY_MASK, ZE_FLAT_DEVICE_HIERARCHY and ZE_ENABLE_PCI_ID_DEVICE_ORDER, once in a process. False where
 * nothing is visible. */
bool visibility_init(const struct control *control);
/* The devices of zeDeviceGet: cards, or tiles. Room for MAX_CARDS x MAX_TILES. */
uint32_t visibility_devices(struct object *out);
uint32_t visibility_tiles(const struct object *device, struct object out[MAX_TILES]);
/* Does the process see this tile as part of a card? */
bool visibility_is_subdevice(const struct object *device);
/* The card of a tile where the hierarchy knows one. */
bool visibility_root(const struct object *device, struct object *out);
/* All cards, for sysman, which knows neither masks nor orders. Once in a process. */
uint32_t visibility_cards(const struct control *control, struct object out[MAX_CARDS]);

/* ---- meters.c: counters that rise with time --------------------------------------------------------------------- */

struct meters {
    double energy_joules, active_seconds, read_bytes, written_bytes; /* of the whole card, since the start */
};
/* Up to now at the values that hold now; *microseconds is the time of it. */
const struct meters *meters_of(const struct control *control, unsigned card, uint64_t *microseconds);
/* Whatever has passed, passed at the values of before. */
void meters_changing(const struct control *before);

/* ---- identity.c: what a card and its tiles are ------------------------------------------------------------------ */

struct pci_address {
    uint32_t domain, bus;
};
struct pci_address identity_pci(unsigned card);
void identity_device(const struct control *control, const struct object *device, ze_device_properties_t *out);
unsigned identity_tiles(const struct control *control); /* 1 at least */

/* ---- sysman.c ------------------------------------------------------------------------------------------------------
 */

bool sysman_on(void);
void sysman_enable(void);
void sysman_changing(const struct control *before, const struct control *now);

#endif
