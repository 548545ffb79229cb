/*
 * Which GPUs a job is left with: the node's cards, then ZE_AFFINITY_MASK as the driver reads it, then
 * ONEAPI_DEVICE_SELECTOR as the SYCL runtime does. Pure; each follows its reader, odd corners included, as observed
 * with driver 22.43 and the runtime 2025.0 (docs/itex.md).
 */
#ifndef ITEXD_RESOLVER_GPUS_H
#define ITEXD_RESOLVER_GPUS_H

#include <stdbool.h>
#include <stdint.h>

#define GPUS_MAX 512

/* What the driver lists, in its order. */
struct gpus {
    bool exact;              /* false: n is the most that there can be, and tiles are not known */
    unsigned n;              /* UINT32_MAX with !exact: nothing is known */
    uint8_t tiles[GPUS_MAX]; /* of each, where it has several; else 0 */
};

/* How tiles are listed. OLD: the driver knows no hierarchies and always gives cards. */
enum tree { TREE_UNKNOWN, TREE_CARDS, TREE_TILES };

/* Cards told as the number of tiles of each, "2,2". False for anything else, no card included. */
bool gpus_read(const char *text, struct gpus *cards);
/* What is listed of the cards under a mask (NULL: none) that the driver takes. cards may be inexact. */
void gpus_mask(const struct gpus *cards, enum tree tree, const char *mask, struct gpus *listed);

enum left { LEFT_UNKNOWN, LEFT_NONE, LEFT_SOME };
struct selected {
    enum left level_zero;
    bool opencl;     /* OpenCL's GPUs are accepted */
    enum left tiles; /* is a card among them that lists its tiles below itself? */
};
/* What a selector (NULL: none) that the runtime takes leaves of what is listed. */
void gpus_select(const struct gpus *listed, const char *selector, struct selected *out);

#endif
