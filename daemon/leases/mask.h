/*
 * Units as the environment of a job, and masks read back. Pure.
 *
 * What is delivered means the same to every driver: ZE_AFFINITY_MASK in COMPOSITE numbers with
 * ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE beside it (a driver that does not know that variable knows no other hierarchy) and
 * ZE_ENABLE_PCI_ID_DEVICE_ORDER=1. Whole cards: ITEX_TILE_AS_DEVICE and SYCL_TILE_AS_DEVICE 0 where a card has tiles;
 * tiles: both 1. So N asked is N XPUs seen.
 *
 * Numbers count the cards that the job can open (`visible`), in the order of their PCI addresses.
 */
#ifndef ITEXD_LEASES_MASK_H
#define ITEXD_LEASES_MASK_H

#include "daemon/leases/pool.h"

#define MASK_SIZE 2048

enum hierarchy { HIERARCHY_COMPOSITE, HIERARCHY_FLAT, HIERARCHY_COMBINED };
const char *hierarchy_name(enum hierarchy hierarchy); /* "COMPOSITE" ... */
/* As the driver reads ZE_FLAT_DEVICE_HIERARCHY; false for anything it does not know. */
bool hierarchy_read(const char *text, enum hierarchy *out);

/* COMPOSITE. A card with one tile is written as the card. 0; -ENXIO where a unit's card is not visible; -E2BIG. */
int mask_render(const struct pool *pool, const struct units *units, uint64_t visible, char text[MASK_SIZE]);
/*
 * What a mask selects, by the driver's rules: ordinals beyond the end select nothing, in FLAT and COMBINED `X.Y` is
 * ignored and X counts tiles, "" selects everything. by_pci: ordinals follow `order`, else the pool's. -EINVAL for a
 * text that the driver would die of.
 */
int mask_read(const struct pool *pool, uint64_t visible, enum hierarchy hierarchy, bool by_pci, const char *text,
              struct units *out);

struct mask_variable {
    const char *name;
    char value[MASK_SIZE];
};
#define MASK_VARIABLES 6
/*
 * Everything of the job's environment that a lease decides. selector: the job's own ONEAPI_DEVICE_SELECTOR or NULL;
 * where it names devices by number, which count after the mask, it is made level_zero:* and *selector_rewritten set.
 * Returns how many variables, or what mask_render returns.
 */
int mask_environment(const struct pool *pool, const struct units *units, uint64_t visible, const char *selector,
                     struct mask_variable out[MASK_VARIABLES], bool *selector_rewritten);

#endif
