/*
 * Which devices a process sees: the mask, the hierarchy and the order, read as Intel's driver reads them.
 *
 * Latched at the first initialisation, as there: a card that comes later is never seen.
 * COMPOSITE: `X` is a card, `X.Y` a tile of it; a card of which one tile is left is that tile. FLAT and COMBINED: X
 * counts tiles, `X.Y` is ignored. `X.Y.Z`: engine Z of the tile. Ordinals beyond the end select nothing; a text that is
 * no number ends the process.
 */
#include "tests/simze/simze.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool initialised;
    enum hierarchy hierarchy;
    unsigned tiles;               /* of every card, 1 at least */
    unsigned order[MAX_CARDS], n; /* cards, as numbered */
    unsigned seen[MAX_CARDS];     /* of the card: a bit a tile */
} visible;

static bool is_on(const char *name)
{
    const char *value = getenv(name);

    return value && strcmp(value, "1") == 0;
}

static unsigned list_cards(const struct control *control, bool by_pci, unsigned order[MAX_CARDS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < control->cards; i++) {
        unsigned card = control->reversed && !by_pci ? control->cards - 1 - i : i;

        if (!control->card[card].gone)
            order[n++] = card;
    }
    return n;
}

static enum hierarchy hierarchy_of(const struct control *control)
{
    static const char *const names[] = {"COMPOSITE", "FLAT", "COMBINED"};
    const char *value = getenv("ZE_FLAT_DEVICE_HIERARCHY");

    if (control->old)
        return COMPOSITE;
    for (unsigned i = 0; value && i < 3; i++)
        if (strcmp(value, names[i]) == 0)
            return (enum hierarchy)i;
    return control->hierarchy;
}

/* ---- The mask --------------------------------------------------------------------------------------------- */

static void die(const char *text)
{
    fprintf(stderr, "simze: ZE_AFFINITY_MASK cannot be read at \"%s\": the real driver dies of it, too\n", text);
    abort();
}

/* The number before a dot or the end; what follows it there is passed over. */
static unsigned long ordinal(const char *text)
{
    unsigned long value;
    char *end;

    errno = 0;
    value = (uint32_t)strtoul(text, &end, 0);
    if (end == text || errno != 0)
        die(text);
    return value;
}

/* What follows the first dot; NULL: nothing does. */
static const char *behind_dot(const char *text)
{
    const char *dot = strchr(text, '.');

    return dot && dot[1] ? dot + 1 : NULL;
}

/* An engine behind the tile: 0 is the tile itself, of 1 the driver cannot make a device, there are no others. */
static bool selects_no_engine(const char *text)
{
    unsigned long engine = ordinal(text);

    if (engine == 1 || behind_dot(text))
        die(text);
    return engine != 0;
}

static void select_composite(const char *entry)
{
    const char *second = behind_dot(entry), *third = second ? behind_dot(second) : NULL;
    unsigned long card = ordinal(entry), tile = second ? ordinal(second) : 0;

    if ((third && selects_no_engine(third)) || card >= visible.n)
        return;
    if (!second)
        visible.seen[visible.order[card]] = (1U << visible.tiles) - 1;
    else if (tile < visible.tiles)
        visible.seen[visible.order[card]] |= 1U << tile;
}

static void select_flat(unsigned long tile)
{
    if (tile < (unsigned long)visible.n * visible.tiles)
        visible.seen[visible.order[tile / visible.tiles]] |= 1U << tile % visible.tiles;
}

static void select_mask(const char *mask)
{
    char entry[64];

    while (*mask) {
        size_t length = strcspn(mask, ",");

        snprintf(entry, sizeof entry, "%.*s", (int)length, mask);
        if (visible.hierarchy == COMPOSITE)
            select_composite(entry);
        else if (!behind_dot(entry))
            select_flat(ordinal(entry));
        else
            ordinal(entry);
        mask += length + (mask[length] == ',');
    }
}

bool visibility_init(const struct control *control)
{
    const char *mask = getenv("ZE_AFFINITY_MASK");
    struct object devices[MAX_CARDS * MAX_TILES];

    if (!visible.initialised) {
        visible.initialised = true;
        visible.tiles = identity_tiles(control);
        visible.hierarchy = hierarchy_of(control);
        visible.n = list_cards(control, is_on("ZE_ENABLE_PCI_ID_DEVICE_ORDER"), visible.order);
        if (mask && *mask && strcmp(mask, "default") != 0)
            select_mask(mask);
        else
            for (unsigned i = 0; i < visible.n; i++)
                visible.seen[visible.order[i]] = (1U << visible.tiles) - 1;
    }
    return visibility_devices(devices) > 0;
}

/* ---- What is seen ----------------------------------------------------------------------------------------- */

static uint32_t tiles_of(unsigned card, struct object *out)
{
    uint32_t n = 0;

    for (unsigned tile = 0; tile < visible.tiles; tile++)
        if (visible.seen[card] & (1U << tile))
            out[n++] = (struct object){.kind = KIND_DEVICE, .card = card, .tile = visible.tiles > 1 ? (int)tile : -1};
    return n;
}

uint32_t visibility_devices(struct object *out)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < visible.n; i++) {
        unsigned card = visible.order[i];
        uint32_t tiles = tiles_of(card, out + n);

        if (visible.hierarchy == COMPOSITE && tiles > 1) {
            out[n] = (struct object){.kind = KIND_DEVICE, .card = card, .tile = -1};
            tiles = 1;
        }
        n += tiles;
    }
    return n;
}

uint32_t visibility_tiles(const struct object *device, struct object out[MAX_TILES])
{
    if (device->tile >= 0 || visible.tiles == 1)
        return 0;
    return tiles_of(device->card, out);
}

bool visibility_is_subdevice(const struct object *device)
{
    struct object tiles[MAX_TILES];

    if (device->tile < 0 || visible.hierarchy == FLAT)
        return false;
    return visible.hierarchy == COMBINED || tiles_of(device->card, tiles) > 1;
}

bool visibility_root(const struct object *device, struct object *out)
{
    *out = *device;
    out->tile = -1;
    return visibility_is_subdevice(device);
}

uint32_t visibility_cards(const struct control *control, struct object out[MAX_CARDS])
{
    static unsigned order[MAX_CARDS], n;
    static bool listed;

    if (!listed) {
        listed = true;
        n = list_cards(control, false, order);
    }
    for (unsigned i = 0; i < n; i++)
        out[i] = (struct object){.kind = KIND_DEVICE, .card = order[i], .tile = -1};
    return n;
}
