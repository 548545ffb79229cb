/*
 * Masks, written and read by the driver's own rules.
 *
 * Limits: a mask of every tile of every card fits in MASK_SIZE only for ordinary nodes; beyond it is -E2BIG, never cut.
 */
#include "daemon/leases/mask.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {
    [HIERARCHY_COMPOSITE] = "COMPOSITE", [HIERARCHY_FLAT] = "FLAT", [HIERARCHY_COMBINED] = "COMBINED"};

const char *hierarchy_name(enum hierarchy hierarchy)
{
    return names[hierarchy];
}

bool hierarchy_read(const char *text, enum hierarchy *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text && strcmp(text, names[i]) == 0) {
            *out = (enum hierarchy)i;
            return true;
        }
    return false;
}

static bool sees(const struct pool *pool, uint64_t visible, size_t card)
{
    return card < pool->n_cards && (visible >> card & 1) != 0 && !pool->cards[card].absent;
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

/* The number that a driver which sees `visible` gives the card. */
static unsigned number_of(const struct pool *pool, uint64_t visible, size_t card)
{
    unsigned number = 0;

    for (size_t i = 0; i < pool->n_cards; i++)
        if (sees(pool, visible, i) && pool->cards[i].order < pool->cards[card].order)
            number++;
    return number;
}

int mask_render(const struct pool *pool, const struct units *units, uint64_t visible, char text[MASK_SIZE])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < units->n; i++) {
        const struct unit unit = units->items[i];
        int size;

        if (!sees(pool, visible, unit.card))
            return -ENXIO;
        unsigned number = number_of(pool, visible, unit.card);
        if (unit.tile < 0 || pool->cards[unit.card].n_tiles == 1)
            size = snprintf(text + used, MASK_SIZE - used, "%s%u", i > 0 ? "," : "", number);
        else
            size = snprintf(text + used, MASK_SIZE - used, "%s%u.%d", i > 0 ? "," : "", number, unit.tile);
        if (size < 0 || (size_t)size >= MASK_SIZE - used)
            return -E2BIG;
        used += (size_t)size;
    }
    return 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

/* The cards in the order in which the driver numbers them. */
struct numbering {
    uint8_t cards[POOL_MAX_CARDS];
    size_t n;
};

static void number_cards(const struct pool *pool, uint64_t visible, bool by_pci, struct numbering *out)
{
    out->n = 0;
    for (size_t i = 0; i < pool->n_cards; i++) {
        size_t at = out->n;

        if (!sees(pool, visible, i))
            continue;
        for (; by_pci && at > 0 && pool->cards[out->cards[at - 1]].order > pool->cards[i].order; at--)
            out->cards[at] = out->cards[at - 1];
        out->cards[at] = (uint8_t)i;
        out->n++;
    }
}

/* What was named so far. A card that is named beats its tiles. */
struct named {
    bool whole[POOL_MAX_CARDS];
    uint8_t tiles[POOL_MAX_CARDS]; /* bits */
};

/* A number as std::stoul takes it with base 0, which dies of anything that does not begin with one; what follows is
 * ignored. The driver keeps 32 bits of it. */
static int read_number(const char *text, size_t size, unsigned long *out)
{
    char copy[64], *end;

    while (size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    if (size >= sizeof copy)
        size = sizeof copy - 1;
    memcpy(copy, text, size);
    copy[size] = '\0';
    errno = 0;
    *out = (uint32_t)strtoul(copy, &end, 0);
    return errno == 0 && end != copy ? 0 : -EINVAL;
}

static void name_flat(const struct pool *pool, const struct numbering *numbering, unsigned long ordinal,
                      struct named *named)
{
    for (size_t i = 0; i < numbering->n; i++) {
        uint8_t card = numbering->cards[i];
        unsigned n_tiles = pool->cards[card].n_tiles;

        if (ordinal < n_tiles) {
            named->tiles[card] |= (uint8_t)(1u << ordinal);
            return;
        }
        ordinal -= n_tiles;
    }
}

/* CARD.TILE.ENGINE, of which a dot at the end adds nothing. */
#define PARTS_MAX 3

struct parts {
    unsigned long numbers[PARTS_MAX];
    size_t n;
};

static int read_parts(const char *text, size_t size, struct parts *parts)
{
    parts->n = 0;
    do {
        const char *dot = memchr(text, '.', size);
        size_t part = dot ? (size_t)(dot - text) : size, behind = dot ? part + 1 : part;

        if (parts->n == PARTS_MAX || read_number(text, part, &parts->numbers[parts->n++]) < 0)
            return -EINVAL;
        text += behind;
        size -= behind;
    } while (size > 0);
    return 0;
}

/* Where tiles are devices, what has more than one part is passed over, unread. */
static int read_flat(const struct pool *pool, const struct numbering *numbering, const char *text, size_t size,
                     struct named *named)
{
    const char *dot = memchr(text, '.', size);
    unsigned long ordinal;

    if (read_number(text, dot ? (size_t)(dot - text) : size, &ordinal) < 0)
        return -EINVAL;
    if (!dot || dot + 1 == text + size)
        name_flat(pool, numbering, ordinal, named);
    return 0;
}

static int read_composite(const struct pool *pool, const struct numbering *numbering, const char *text, size_t size,
                          struct named *named)
{
    struct parts parts;

    if (read_parts(text, size, &parts) < 0)
        return -EINVAL;
    /* Engine 0 is the tile itself; the driver dies of number 1 and has no others. */
    if (parts.n == PARTS_MAX && parts.numbers[2] != 0)
        return parts.numbers[2] == 1 ? -EINVAL : 0;
    if (parts.numbers[0] >= numbering->n)
        return 0;
    uint8_t card = numbering->cards[parts.numbers[0]];
    if (parts.n == 1)
        named->whole[card] = true;
    else if (parts.numbers[1] < pool->cards[card].n_tiles)
        named->tiles[card] |= (uint8_t)(1u << parts.numbers[1]);
    return 0;
}

static int read_entries(const struct pool *pool, const struct numbering *numbering, enum hierarchy hierarchy,
                        const char *text, struct named *named)
{
    while (*text) {
        size_t size = strcspn(text, ",");
        int error = hierarchy == HIERARCHY_COMPOSITE ? read_composite(pool, numbering, text, size, named)
                                                     : read_flat(pool, numbering, text, size, named);

        if (error < 0)
            return error;
        text += size;
        if (*text)
            text++;
    }
    return 0;
}

static void name_everything(const struct pool *pool, const struct numbering *numbering, enum hierarchy hierarchy,
                            struct named *named)
{
    for (size_t i = 0; i < numbering->n; i++) {
        uint8_t card = numbering->cards[i];

        if (hierarchy == HIERARCHY_COMPOSITE)
            named->whole[card] = true;
        else
            named->tiles[card] = (uint8_t)((1u << pool->cards[card].n_tiles) - 1);
    }
}

int mask_read(const struct pool *pool, uint64_t visible, enum hierarchy hierarchy, bool by_pci, const char *text,
              struct units *out)
{
    struct numbering numbering;
    struct named named = {.whole = {false}};
    int error = 0;

    number_cards(pool, visible, by_pci, &numbering);
    if (*text && strcmp(text, "default") != 0)
        error = read_entries(pool, &numbering, hierarchy, text, &named);
    else
        name_everything(pool, &numbering, hierarchy, &named);
    out->n = 0;
    for (size_t i = 0; error == 0 && i < numbering.n; i++) {
        uint8_t card = numbering.cards[i];

        if (named.whole[card] || (named.tiles[card] && pool->cards[card].n_tiles == 1))
            out->items[out->n++] = (struct unit){.card = card, .tile = -1};
        else
            for (int8_t tile = 0; tile < POOL_MAX_TILES; tile++)
                if (named.tiles[card] >> tile & 1)
                    out->items[out->n++] = (struct unit){.card = card, .tile = tile};
    }
    return error;
}

/* ---- The environment -------------------------------------------------------------------------------------- */

/* Does one term of ONEAPI_DEVICE_SELECTOR, "backend:devices", name Level Zero's devices by number? */
static bool counts(const char *term, size_t size)
{
    const char *colon = memchr(term, ':', size);
    size_t backend = colon ? (size_t)(colon - term) : size;

    while (backend > 0 && (isspace((unsigned char)*term) || *term == '!')) {
        term++;
        backend--;
        size--;
    }
    if (!colon || !((backend == 1 && *term == '*') ||
                    (backend >= strlen("level_zero") && strncasecmp(term, "level_zero", strlen("level_zero")) == 0)))
        return false;
    for (const char *c = colon; c < term + size; c++)
        if (isdigit((unsigned char)*c))
            return true;
    return false;
}

static bool selector_counts(const char *selector)
{
    while (*selector) {
        size_t size = strcspn(selector, ";");

        if (counts(selector, size))
            return true;
        selector += size;
        if (*selector)
            selector++;
    }
    return false;
}

static void set(struct mask_variable *variable, const char *name, const char *value)
{
    variable->name = name;
    snprintf(variable->value, sizeof variable->value, "%s", value);
}

/* "1" where tiles are to be devices, "0" where cards with tiles are, NULL where it does not matter. */
static const char *tile_as_device(const struct pool *pool, const struct units *units)
{
    const char *value = NULL;

    for (size_t i = 0; i < units->n; i++) {
        if (pool->cards[units->items[i].card].n_tiles == 1)
            continue;
        if (units->items[i].tile >= 0)
            return "1";
        value = "0";
    }
    return value;
}

int mask_environment(const struct pool *pool, const struct units *units, uint64_t visible, const char *selector,
                     struct mask_variable out[MASK_VARIABLES], bool *selector_rewritten)
{
    const char *tiles = tile_as_device(pool, units);
    int n = 1, error = mask_render(pool, units, visible, out[0].value);

    *selector_rewritten = selector && selector_counts(selector);
    if (error < 0)
        return error;
    out[0].name = "ZE_AFFINITY_MASK";
    set(&out[n++], "ZE_FLAT_DEVICE_HIERARCHY", hierarchy_name(HIERARCHY_COMPOSITE));
    set(&out[n++], "ZE_ENABLE_PCI_ID_DEVICE_ORDER", "1");
    if (tiles) {
        set(&out[n++], "ITEX_TILE_AS_DEVICE", tiles);
        set(&out[n++], "SYCL_TILE_AS_DEVICE", tiles);
    }
    if (*selector_rewritten)
        set(&out[n++], "ONEAPI_DEVICE_SELECTOR", "level_zero:*");
    return n;
}
