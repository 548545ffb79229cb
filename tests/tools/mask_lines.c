/*
 * mask-lines CARDS TILES: masks by the service's own rules, for tests that compare them with what a driver makes of
 * them. A line of stdin is answered by a line:
 *
 *   lease VISIBLE UNITS         the variables of such a lease, NAME=VALUE separated by tabs
 *   read VISIBLE HIERARCHY MASK the units that the mask selects, "0 1.0"; or "dies"
 *
 * VISIBLE is a hexadecimal number with a bit for each card; UNITS are separated by commas: "1" is a card, "1.0" a tile.
 * Cards are numbered by PCI address; the pool knows them in another order, which must not matter.
 */
#include "daemon/leases/mask.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned n_cards;

/* Of the pool's index, and back. */
static unsigned place_of(unsigned card)
{
    return n_cards - 1 - card;
}

static void fill_pool(struct pool *pool, unsigned tiles)
{
    struct pool_card cards[POOL_MAX_CARDS] = {0};

    for (unsigned place = 0; place < n_cards; place++) {
        cards[place] = (struct pool_card){.n_tiles = tiles, .order = place_of(place), .numa = -1, .grantable = true};
        snprintf(cards[place].key, sizeof cards[place].key, "card %u", place_of(place));
    }
    pool_init(pool, 1);
    if (pool_update(pool, cards, n_cards) < 0)
        abort();
}

static uint64_t visible_places(const char *text)
{
    uint64_t cards = strtoull(text, NULL, 16), places = 0;

    for (unsigned card = 0; card < n_cards; card++)
        places |= (cards >> card & 1) << place_of(card);
    return places;
}

static void read_units(char *text, struct units *units)
{
    units->n = 0;
    for (char *unit; (unit = strsep(&text, ","));) {
        unsigned card = 0;
        int tile = -1;

        if (sscanf(unit, "%u.%d", &card, &tile) < 1 || card >= n_cards)
            abort();
        units->items[units->n++] = (struct unit){.card = (uint8_t)place_of(card), .tile = (int8_t)tile};
    }
}

static void do_lease(const struct pool *pool, uint64_t visible, char *text)
{
    struct mask_variable variables[MASK_VARIABLES];
    bool rewritten;
    struct units units;
    int n;

    read_units(text, &units);
    n = mask_environment(pool, &units, visible, NULL, variables, &rewritten);
    if (n < 0)
        printf("error %s", strerror(-n));
    for (int i = 0; i < n; i++)
        printf("%s%s=%s", i > 0 ? "\t" : "", variables[i].name, variables[i].value);
    putchar('\n');
}

static void do_read(const struct pool *pool, uint64_t visible, char *text)
{
    const char *name = strsep(&text, " ");
    enum hierarchy hierarchy;
    struct units units;

    if (!text || !hierarchy_read(name, &hierarchy))
        abort();
    if (mask_read(pool, visible, hierarchy, true, text, &units) < 0) {
        puts("dies");
        return;
    }
    for (size_t i = 0; i < units.n; i++) {
        printf("%s%u", i > 0 ? " " : "", place_of(units.items[i].card));
        if (units.items[i].tile >= 0)
            printf(".%d", units.items[i].tile);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    CLEANUP(freep) char *line = NULL;
    static struct pool pool;
    size_t size = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: mask-lines CARDS TILES\n");
        return 2;
    }
    n_cards = (unsigned)atoi(argv[1]);
    fill_pool(&pool, (unsigned)atoi(argv[2]));
    while (getline(&line, &size, stdin) > 0) {
        char *rest = line;
        const char *word = strsep(&rest, " "), *visible = strsep(&rest, " ");

        if (!rest)
            return 2;
        rest[strcspn(rest, "\n")] = '\0';
        if (strcmp(word, "lease") == 0)
            do_lease(&pool, visible_places(visible), rest);
        else
            do_read(&pool, visible_places(visible), rest);
    }
    return 0;
}
