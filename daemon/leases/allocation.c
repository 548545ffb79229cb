/*
 * Reads the mask that a scheduler set, without knowing the scheduler's configuration: what the mask counts is inferred
 * from the mask itself, then from the driver's default.
 */
#include "daemon/leases/allocation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scheduler {
    const char *name;
    const char *job;      /* the variable that is set in its jobs */
    const char *lists[2]; /* what it says it gave, the narrower first; NULL: nothing */
} schedulers[] = {
    {"Slurm", "SLURM_JOB_ID", {"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}},
    {"PBS", "PBS_JOBID", {NULL}},
    {"LSF", "LSB_JOBID", {NULL}},
    {"Flux", "FLUX_JOB_ID", {NULL}},
};

/* What is looked at while one allocation is read. */
struct reading {
    const struct pool *pool;
    uint64_t visible;
    allocation_lookup_fn lookup;
    void *context;
    const struct scheduler *scheduler;
    const char *mask;          /* NULL: not set */
    unsigned n_cards, n_tiles; /* that the job can open */
};

static const char *find(const struct reading *reading, const char *name)
{
    return name ? reading->lookup(reading->context, name) : NULL;
}

static void count_visible(struct reading *reading)
{
    for (size_t i = 0; i < reading->pool->n_cards; i++) {
        const struct pool_card *card = &reading->pool->cards[i];

        if (card->absent || !(reading->visible >> i & 1))
            continue;
        reading->n_cards++;
        reading->n_tiles += card->n_tiles;
    }
}

/* ---- The mask --------------------------------------------------------------------------------------------- */

static unsigned long largest_ordinal(const char *mask)
{
    unsigned long largest = 0;

    for (const char *entry = mask; *entry; entry += strcspn(entry, ","), entry += *entry == ',') {
        unsigned long ordinal = (uint32_t)strtoul(entry, NULL, 0);

        if (ordinal > largest)
            largest = ordinal;
    }
    return largest;
}

static bool flat_by_default(const struct reading *reading)
{
    for (size_t i = 0; i < reading->pool->n_cards; i++)
        if ((reading->visible >> i & 1) && !reading->pool->cards[i].absent && reading->pool->cards[i].flat_by_default)
            return true;
    return false;
}

/* What the mask counts. The job's own word is never set anew. */
static void find_hierarchy(const struct reading *reading, struct allocation *out)
{
    bool own = hierarchy_read(find(reading, "ZE_FLAT_DEVICE_HIERARCHY"), &out->hierarchy);

    out->emit = !own && reading->mask && *reading->mask;
    if (own)
        return;
    out->hierarchy = flat_by_default(reading) ? HIERARCHY_FLAT : HIERARCHY_COMPOSITE;
    if (!reading->mask || !*reading->mask)
        return;
    if (strchr(reading->mask, '.'))
        out->hierarchy = HIERARCHY_COMPOSITE;
    else if (largest_ordinal(reading->mask) >= reading->n_cards)
        out->hierarchy = HIERARCHY_FLAT;
}

static void read_mask(const struct reading *reading, struct allocation *out)
{
    const char *order = find(reading, "ZE_ENABLE_PCI_ID_DEVICE_ORDER");
    bool by_pci = order && strcmp(order, "1") == 0;
    unsigned limit = out->hierarchy == HIERARCHY_COMPOSITE ? reading->n_cards : reading->n_tiles;
    const char *mask = reading->mask ? reading->mask : "";

    if (mask_read(reading->pool, reading->visible, out->hierarchy, by_pci, mask, &out->units) < 0)
        snprintf(out->differs, sizeof out->differs,
                 "ZE_AFFINITY_MASK=%.60s is no list of numbers, and the driver would end the process", mask);
    else if (*mask && largest_ordinal(mask) >= limit)
        snprintf(out->differs, sizeof out->differs,
                 "ZE_AFFINITY_MASK=%.60s counts beyond the %u %s that the job can open", mask, limit,
                 out->hierarchy == HIERARCHY_COMPOSITE ? "cards" : "tiles");
}

/* ---- The scheduler's own list ----------------------------------------------------------------------------- */

/* How many devices "0,2-3" names; 0: it is no such list. */
static unsigned count_list(const char *list)
{
    unsigned n = 0;

    while (*list) {
        char *end;
        unsigned long first, last;

        if (!isdigit((unsigned char)*list))
            return 0;
        first = last = strtoul(list, &end, 10);
        if (*end == '-' && isdigit((unsigned char)end[1]))
            last = strtoul(end + 1, &end, 10);
        if ((*end && *end != ',') || last < first || last - first >= POOL_MAX_UNITS)
            return 0;
        n += (unsigned)(last - first) + 1;
        list = *end ? end + 1 : end;
    }
    return n;
}

/* What the scheduler counts is its administrator's choice: devices as the mask has them, cards, or tiles. */
static bool fits(const struct pool *pool, const struct units *units, unsigned count)
{
    uint64_t cards = 0;
    unsigned tiles = 0;

    for (size_t i = 0; i < units->n; i++) {
        cards |= UINT64_C(1) << units->items[i].card;
        tiles += units->items[i].tile < 0 ? pool->cards[units->items[i].card].n_tiles : 1;
    }
    return count == units->n || count == (unsigned)__builtin_popcountll(cards) || count == tiles;
}

static void compare_list(const struct reading *reading, struct allocation *out)
{
    const char *name = NULL, *list = NULL;

    for (size_t i = 0; i < 2 && !list; i++) {
        name = reading->scheduler->lists[i];
        list = find(reading, name);
    }
    unsigned count = list ? count_list(list) : 0;
    if (count == 0 || fits(reading->pool, &out->units, count))
        return;
    snprintf(out->differs, sizeof out->differs, "%s=%.60s is %u, but %s%.60s selects %zu of the %u cards it can open",
             name, list, count, reading->mask ? "ZE_AFFINITY_MASK=" : "the job, without a mask,",
             reading->mask ? reading->mask : "", out->units.n, reading->n_cards);
}

void allocation_read(const struct pool *pool, uint64_t visible, allocation_lookup_fn lookup, void *context,
                     struct allocation *out)
{
    struct reading reading = {.pool = pool, .visible = visible, .lookup = lookup, .context = context};

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof schedulers / sizeof schedulers[0] && !reading.scheduler; i++)
        if (find(&reading, schedulers[i].job))
            reading.scheduler = &schedulers[i];
    if (!reading.scheduler)
        return;
    out->found = true;
    out->scheduler = reading.scheduler->name;
    reading.mask = find(&reading, "ZE_AFFINITY_MASK");
    count_visible(&reading);
    find_hierarchy(&reading, out);
    read_mask(&reading, out);
    if (!out->differs[0] && reading.n_cards > 0)
        compare_list(&reading, out);
    if (out->differs[0])
        out->emit = false;
}
