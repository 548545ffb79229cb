/* Copying by way of the wire format is slower than a copier by hand would be, and cannot forget a field. */
#include "daemon/devices/card.h"
#include "daemon/leases/pool.h"
#include "proto/cleanup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 96
#define PATH_SIZE 64
#define CPUS_SIZE 512
#define DETAIL_SIZE 400
#define MAX_FIRMWARE 16

/* Five digits: a domain behind a volume management device. */
#define PCI_MAX_DOMAIN 0xfffff

static bool parse_pci(const char *text, unsigned part[4])
{
    int end = 0;

    if (sscanf(text, "%6x:%2x:%2x.%1x%n", &part[0], &part[1], &part[2], &part[3], &end) != 4 || text[end]) {
        part[0] = 0;
        end = 0;
        if (sscanf(text, "%2x:%2x.%1x%n", &part[1], &part[2], &part[3], &end) != 3 || text[end])
            return false;
    }
    return part[0] <= PCI_MAX_DOMAIN && part[2] < 32 && part[3] < 8;
}

bool pci_normalise(const char *text, char out[PCI_TEXT_SIZE])
{
    unsigned part[4];

    /* sscanf alone would also take signs, blanks and 0x. */
    if (!text || text[strspn(text, "0123456789abcdefABCDEF:.")] || !parse_pci(text, part))
        return false;
    snprintf(out, PCI_TEXT_SIZE, "%04x:%02x:%02x.%x", part[0], part[1], part[2], part[3]);
    return true;
}

int pci_compare(const char *a, const char *b)
{
    unsigned left[4], right[4];
    bool has_left = a && parse_pci(a, left), has_right = b && parse_pci(b, right);

    if (!has_left || !has_right)
        return (int)has_right - (int)has_left;
    for (int i = 0; i < 4; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

bool uuid_normalise(const char *text, char out[UUID_TEXT_SIZE])
{
    bool any = false;

    if (!text || strlen(text) != UUID_TEXT_SIZE - 1)
        return false;
    for (int i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
        any |= !dash && text[i] != '0';
        out[i] = (char)tolower((unsigned char)text[i]);
    }
    out[UUID_TEXT_SIZE - 1] = '\0';
    return any;
}

void text_clean(char *text, size_t size)
{
    size_t n = 0;

    if (!text)
        return;
    for (; text[n] && n + 1 < size; n++)
        if (text[n] < ' ' || text[n] > '~')
            text[n] = '?';
    text[n] = '\0';
}

/* ---- Cleaning in place ------------------------------------------------------------------------------------ */

static void drop(char **text)
{
    free(*text);
    *text = NULL;
}

static void clean_uuid(char **uuid)
{
    char good[UUID_TEXT_SIZE];

    if (*uuid && uuid_normalise(*uuid, good))
        memcpy(*uuid, good, sizeof good);
    else
        drop(uuid);
}

/* The normalised text may be longer by its domain. */
static void clean_pci(char **address)
{
    char good[PCI_TEXT_SIZE];
    bool usable = *address && pci_normalise(*address, good);

    drop(address);
    if (usable)
        *address = strdup(good);
}

static void clean_tiles(Itexd__Child__Card *card)
{
    while (card->n_tiles > POOL_MAX_TILES)
        itexd__child__tile__free_unpacked(card->tiles[--card->n_tiles], NULL);
    for (size_t i = 0; i < card->n_tiles; i++)
        clean_uuid(&card->tiles[i]->uuid);
}

static void clean_links(Itexd__Child__Card *card)
{
    size_t kept = 0;

    for (size_t i = 0; i < card->n_links; i++) {
        char *link = card->links[i];

        clean_pci(&link);
        if (link && kept < POOL_MAX_CARDS)
            card->links[kept++] = link;
        else
            free(link);
    }
    card->n_links = kept;
}

static void clean_firmware(Itexd__Child__Card *card)
{
    while (card->n_firmware > MAX_FIRMWARE)
        itexd__child__firmware__free_unpacked(card->firmware[--card->n_firmware], NULL);
    for (size_t i = 0; i < card->n_firmware; i++) {
        text_clean(card->firmware[i]->name, PATH_SIZE);
        text_clean(card->firmware[i]->version, PATH_SIZE);
    }
}

static void clean_card(Itexd__Child__Card *card)
{
    clean_pci(&card->bdf);
    clean_uuid(&card->uuid);
    text_clean(card->name, NAME_SIZE);
    text_clean(card->kernel_driver, PATH_SIZE);
    text_clean(card->render_node, PATH_SIZE);
    text_clean(card->card_node, PATH_SIZE);
    text_clean(card->cpus, CPUS_SIZE);
    clean_tiles(card);
    clean_links(card);
    clean_firmware(card);
}

Itexd__Child__Card *card_copy(const Itexd__Child__Card *card)
{
    size_t size = itexd__child__card__get_packed_size(card);
    CLEANUP(freep) uint8_t *buffer = malloc(size + 1);
    Itexd__Child__Card *copy;

    if (!buffer)
        return NULL;
    copy = itexd__child__card__unpack(NULL, itexd__child__card__pack(card, buffer), buffer);
    if (copy)
        clean_card(copy);
    return copy;
}

Itexd__Child__Inventory *inventory_copy(const Itexd__Child__Inventory *inventory)
{
    size_t size = itexd__child__inventory__get_packed_size(inventory);
    CLEANUP(freep) uint8_t *buffer = malloc(size + 1);
    Itexd__Child__Inventory *copy;

    if (!buffer)
        return NULL;
    copy = itexd__child__inventory__unpack(NULL, itexd__child__inventory__pack(inventory, buffer), buffer);
    if (!copy)
        return NULL;
    text_clean(copy->layer, PATH_SIZE);
    text_clean(copy->detail, DETAIL_SIZE);
    text_clean(copy->loader_version, PATH_SIZE);
    text_clean(copy->driver_version, PATH_SIZE);
    text_clean(copy->api_version, PATH_SIZE);
    text_clean(copy->sysman, DETAIL_SIZE);
    text_clean(copy->substitute, PATH_SIZE);
    for (size_t i = 0; i < copy->n_cards; i++)
        clean_card(copy->cards[i]);
    return copy;
}
