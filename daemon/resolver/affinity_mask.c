/*
 * ZE_AFFINITY_MASK: a list of cards N and tiles N.M.
 *
 * The driver takes each number by std::stoul with base 0: blanks before it, a sign and 0x are read, what follows is
 * ignored, and what does not begin with a number ends the process. A mask that is read but does not look like what is
 * read is `odd`.
 */
#include "daemon/resolver/gpus.h"
#include "daemon/resolver/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 64

/* ---- Its grammar ------------------------------------------------------------------------------------------ */

struct mask_entry {
    uint32_t card;
    uint32_t tile;
    bool whole;
    bool nothing; /* selects nothing, wherever it points */
    bool odd;
};

static bool looks_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return size == 1 || (size > 1 && *text != '0');
}

/* False where the driver dies. */
static bool read_number(const char *text, size_t size, uint32_t *number, bool *odd)
{
    char copy[DIGITS_MAX];
    char *end;

    *odd |= !looks_plain(text, size);
    for (; size && (*text == ' ' || (*text >= '\t' && *text <= '\r')); size--)
        text++;
    if (size >= sizeof copy)
        size = sizeof copy - 1;
    memcpy(copy, text, size);
    copy[size] = '\0';
    errno = 0;
    *number = (uint32_t)strtoul(copy, &end, 0);
    return end != copy && errno == 0;
}

/* A third part, behind the second dot: an engine of the tile. Number 0 is the tile itself, number 1 an engine, which
 * the driver cannot make a device of and dies; others are none. A fourth part is more than the driver takes. */
static bool read_engine(const char *text, size_t size, struct mask_entry *entry)
{
    const char *dot = memchr(text, '.', size);
    size_t first = dot ? (size_t)(dot - text) : size;
    uint32_t engine = 0;

    entry->odd = true;
    if (dot && first + 1 < size)
        return false;
    if (size > 0 && !read_number(text, first, &engine, &entry->odd))
        return false;
    entry->nothing = engine > 1;
    return engine != 1;
}

/* One entry between commas. False where the driver dies. */
static bool read_entry(const char *text, size_t size, struct mask_entry *entry)
{
    const char *end = text + size;
    const char *dot = memchr(text, '.', size);

    *entry = (struct mask_entry){.whole = !dot || dot + 1 == end, .odd = dot && dot + 1 == end};
    if (!read_number(text, (size_t)((dot ? dot : end) - text), &entry->card, &entry->odd))
        return false;
    if (entry->whole)
        return true;
    text = dot + 1;
    dot = memchr(text, '.', (size_t)(end - text));
    if (!read_number(text, (size_t)((dot ? dot : end) - text), &entry->tile, &entry->odd))
        return false;
    return !dot || read_engine(dot + 1, (size_t)(end - dot - 1), entry);
}

/* Cuts the next entry off; a comma at the very end is not followed by one. */
static bool next_entry(const char **at, const char **text, size_t *size)
{
    if (**at == '\0')
        return false;
    *text = *at;
    *size = strcspn(*at, ",");
    *at += *size + (*(*at + *size) == ',');
    return true;
}

static bool takes_everything(const char *mask)
{
    return *mask == '\0' || strcmp(mask, "default") == 0;
}

unsigned parse_affinity_mask(const char *value)
{
    const char *at = value, *text;
    struct mask_entry entry;
    bool odd = *value && value[strlen(value) - 1] == ',';
    size_t size;

    if (takes_everything(value))
        return MASK_EMPTY;
    while (next_entry(&at, &text, &size)) {
        if (!read_entry(text, size, &entry))
            return MASK_INVALID;
        odd |= entry.odd;
    }
    return odd ? MASK_ODD : MASK_VALID;
}

/* ---- What it leaves --------------------------------------------------------------------------------------- */

bool gpus_read(const char *text, struct gpus *cards)
{
    *cards = (struct gpus){.exact = true};
    for (;;) {
        char *end;
        unsigned long tiles = strtoul(text, &end, 10);

        if (!looks_plain(text, (size_t)(end - text)) || tiles == 0 || tiles > UINT8_MAX || cards->n == GPUS_MAX)
            return false;
        cards->tiles[cards->n++] = (uint8_t)tiles;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}

/* What a mask names, card by card. */
struct named {
    uint32_t tiles[GPUS_MAX]; /* bits; a card may have more tiles than bits, which no card has */
};

static uint32_t all_tiles(unsigned n)
{
    return n >= 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1;
}

static void name_tile(const struct gpus *cards, uint32_t number, struct named *named)
{
    for (unsigned i = 0; i < cards->n; i++) {
        if (number < cards->tiles[i]) {
            named->tiles[i] |= number < 32 ? UINT32_C(1) << number : 0;
            return;
        }
        number -= cards->tiles[i];
    }
}

static void name_entry(const struct gpus *cards, enum tree tree, const struct mask_entry *entry, struct named *named)
{
    if (entry->nothing)
        return;
    if (tree == TREE_TILES) {
        if (entry->whole) /* N.M is passed over */
            name_tile(cards, entry->card, named);
    } else if (entry->card < cards->n) {
        uint32_t all = all_tiles(cards->tiles[entry->card]);

        named->tiles[entry->card] |= entry->whole ? all : entry->tile < 32 ? all & UINT32_C(1) << entry->tile : 0;
    }
}

static void put(struct gpus *listed, unsigned tiles)
{
    if (listed->n < GPUS_MAX)
        listed->tiles[listed->n++] = tiles > 1 ? (uint8_t)tiles : 0;
}

static void list_named(const struct gpus *cards, enum tree tree, const struct named *named, struct gpus *listed)
{
    *listed = (struct gpus){.exact = true};
    for (unsigned i = 0; i < cards->n; i++) {
        unsigned n = (unsigned)__builtin_popcount(named->tiles[i]);

        if (tree == TREE_CARDS && n > 0)
            put(listed, n);
        for (unsigned j = 0; tree == TREE_TILES && j < n; j++)
            put(listed, 1);
    }
}

/* Without knowing the cards: no more than the mask has different numbers of cards, or of tiles. */
static void count_named(const char *mask, struct gpus *listed)
{
    uint32_t seen[GPUS_MAX];
    const char *at = mask, *text;
    struct mask_entry entry;
    size_t size;

    *listed = (struct gpus){.exact = false};
    while (next_entry(&at, &text, &size) && read_entry(text, size, &entry)) {
        bool again = entry.nothing;

        for (unsigned i = 0; i < listed->n; i++)
            again |= seen[i] == entry.card;
        if (again)
            continue;
        if (listed->n == GPUS_MAX) {
            listed->n = UINT32_MAX;
            return;
        }
        seen[listed->n++] = entry.card;
    }
}

void gpus_mask(const struct gpus *cards, enum tree tree, const char *mask, struct gpus *listed)
{
    bool everything = !mask || takes_everything(mask);
    struct named named = {.tiles = {0}};
    const char *at = mask, *text;
    struct mask_entry entry;
    size_t size;

    if (!cards->exact || tree == TREE_UNKNOWN) {
        *listed = (struct gpus){.exact = false, .n = UINT32_MAX};
        if (!everything)
            count_named(mask, listed);
        return;
    }
    for (unsigned i = 0; everything && i < cards->n; i++)
        named.tiles[i] = all_tiles(cards->tiles[i]);
    while (!everything && next_entry(&at, &text, &size) && read_entry(text, size, &entry))
        name_entry(cards, tree, &entry, &named);
    list_named(cards, tree, &named, listed);
}
