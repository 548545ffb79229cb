/*
 * Merging: every card of the inventory gets its key, is found by it or made; what was present and was not found has
 * gone. Several inventories of the same cards give no changes.
 */
#include "daemon/devices/identity.h"
#include "daemon/devices/card.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The set ---------------------------------------------------------------------------------------------- */

void device_set_clear(struct device_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        device_free(set->items[i]);
    set->n = 0;
}

/* By address; those without one behind, in the driver's order, and the absent ones last. */
static int compare(const void *a, const void *b)
{
    const struct device *left = *(struct device *const *)a, *right = *(struct device *const *)b;
    int order = pci_compare(left->card->bdf, right->card->bdf);

    if (order != 0)
        return order;
    if ((left->position < 0) != (right->position < 0))
        return left->position < 0 ? 1 : -1;
    return left->position != right->position ? left->position - right->position : strcmp(left->key, right->key);
}

static void sort(struct device_set *set)
{
    qsort(set->items, set->n, sizeof set->items[0], compare);
}

int device_set_add(struct device_set *set, struct device *device)
{
    if (set->n == DEVICES_MAX) {
        device_free(device);
        return -ENOSPC;
    }
    set->items[set->n++] = device;
    sort(set);
    return 0;
}

struct device *device_set_find(const struct device_set *set, const char *key)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->items[i]->key, key) == 0)
            return set->items[i];
    return NULL;
}

static struct device *find_number(const struct device_set *set, const char *name)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    if (*name < '0' || *name > '9' || *end || number == 0)
        return NULL;
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i]->id == number)
            return set->items[i];
    return NULL;
}

/* A beginning of a UUID is four characters at least, so that it is not taken for a number. */
static struct device *find_uuid(const struct device_set *set, const char *name, bool *ambiguous)
{
    struct device *found = NULL;
    size_t length = strlen(name);

    for (size_t i = 0; length >= 4 && i < set->n; i++) {
        const char *uuid = set->items[i]->card->uuid;

        if (!uuid || strncasecmp(uuid, name, length) != 0)
            continue;
        *ambiguous = found != NULL;
        if (found)
            return NULL;
        found = set->items[i];
    }
    return found;
}

struct device *device_set_named(const struct device_set *set, const char *name, bool *ambiguous)
{
    char address[PCI_TEXT_SIZE];
    struct device *device = device_set_find(set, name);

    *ambiguous = false;
    if (!device && pci_normalise(name, address))
        device = device_set_find(set, address);
    if (!device)
        device = find_number(set, name);
    return device ? device : find_uuid(set, name, ambiguous);
}

/* ---- Changes ---------------------------------------------------------------------------------------------- */

static void note(struct identity_changes *changes, enum identity_kind kind, struct device *device, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

static void note(struct identity_changes *changes, enum identity_kind kind, struct device *device, const char *format,
                 ...)
{
    struct identity_change *change = &changes->items[changes->n];
    va_list arguments;

    if (changes->n == IDENTITY_MAX_CHANGES)
        return;
    changes->n++;
    change->kind = kind;
    change->device = device;
    va_start(arguments, format);
    vsnprintf(change->text, sizeof change->text, format, arguments);
    va_end(arguments);
}

static const char *or_none(const char *text)
{
    return text ? text : "none";
}

static bool differ(const char *a, const char *b)
{
    return (a || b) && (!a || !b || strcmp(a, b) != 0);
}

/* Only what was known before and is known now can differ: a driver that tells less is not another card. */
static bool describe_change(const Itexd__Child__Card *old, const Itexd__Child__Card *now, char *text, size_t size)
{
    size_t old_tiles = old->n_tiles > 1 ? old->n_tiles : 1, tiles = now->n_tiles > 1 ? now->n_tiles : 1;

    if (old->has_pci_device && now->has_pci_device && old->pci_device != now->pci_device)
        snprintf(text, size, "another card: device id %04" PRIx32 ", before %04" PRIx32, now->pci_device,
                 old->pci_device);
    else if (old->uuid && now->uuid && differ(old->uuid, now->uuid))
        snprintf(text, size, "another card: UUID %s, before %s", now->uuid, old->uuid);
    else if (old_tiles != tiles)
        snprintf(text, size, "%zu tiles, before %zu", tiles, old_tiles);
    else if (old->has_memory_bytes && now->has_memory_bytes && old->memory_bytes != now->memory_bytes)
        snprintf(text, size, "%" PRIu64 " bytes of memory, before %" PRIu64, now->memory_bytes, old->memory_bytes);
    else
        return false;
    return true;
}

/* ---- Keys ------------------------------------------------------------------------------------------------- */

static unsigned earlier_with_uuid(const Itexd__Child__Inventory *inventory, size_t index, bool without_address)
{
    unsigned n = 0;

    for (size_t i = 0; i < index; i++)
        if (inventory->cards[i]->uuid && !(without_address && inventory->cards[i]->bdf) &&
            strcmp(inventory->cards[i]->uuid, inventory->cards[index]->uuid) == 0)
            n++;
    return n;
}

static void new_key(const Itexd__Child__Inventory *inventory, size_t index, char key[DEVICE_KEY_SIZE])
{
    const Itexd__Child__Card *card = inventory->cards[index];
    unsigned before;

    if (card->bdf) {
        snprintf(key, DEVICE_KEY_SIZE, "%s", card->bdf);
        return;
    }
    if (!card->uuid) {
        snprintf(key, DEVICE_KEY_SIZE, "card-%zu", index);
        return;
    }
    before = earlier_with_uuid(inventory, index, true);
    if (before == 0)
        snprintf(key, DEVICE_KEY_SIZE, "%s", card->uuid);
    else
        snprintf(key, DEVICE_KEY_SIZE, "%s/%u", card->uuid, before + 1);
}

static struct device *at_address(const struct device_set *set, const char *bdf)
{
    struct device *device = device_set_find(set, bdf);

    for (size_t i = 0; !device && i < set->n; i++)
        if (!differ(set->items[i]->card->bdf, bdf))
            device = set->items[i];
    return device;
}

static bool address_is_listed(const Itexd__Child__Inventory *inventory, const char *bdf)
{
    for (size_t i = 0; bdf && i < inventory->n_cards; i++)
        if (!differ(inventory->cards[i]->bdf, bdf))
            return true;
    return false;
}

/* The one device of this UUID, of one card of the inventory; NULL where it is not one to one. Two addresses are two
 * cards, whatever they say. */
static struct device *same_uuid(const struct device_set *set, const Itexd__Child__Inventory *inventory,
                                const Itexd__Child__Card *card)
{
    struct device *found = NULL;
    size_t cards = 0, devices = 0;

    for (size_t i = 0; i < inventory->n_cards; i++)
        cards += !differ(inventory->cards[i]->uuid, card->uuid);
    for (size_t i = 0; i < set->n; i++) {
        if (differ(set->items[i]->card->uuid, card->uuid))
            continue;
        found = set->items[i];
        devices++;
    }
    if (cards != 1 || devices != 1 || (card->bdf && found->card->bdf) || address_is_listed(inventory, found->card->bdf))
        return NULL;
    return found;
}

/* A driver that does not tell a card's address now, but did, or did not, but does, makes no other card of it. */
static void key_of(const struct device_set *set, const Itexd__Child__Inventory *inventory, size_t index,
                   char key[DEVICE_KEY_SIZE])
{
    const Itexd__Child__Card *card = inventory->cards[index];
    const struct device *device = card->bdf ? at_address(set, card->bdf) : NULL;

    if (!device && card->uuid)
        device = same_uuid(set, inventory, card);
    if (device)
        snprintf(key, DEVICE_KEY_SIZE, "%s", device->key);
    else
        new_key(inventory, index, key);
}

/* ---- Merging ---------------------------------------------------------------------------------------------- */

struct merge {
    struct device_set *set;
    const Itexd__Child__Inventory *inventory;
    uint64_t now_ms;
    struct identity_changes *changes;
    bool was_present[DEVICES_MAX]; /* by index of the set as it was */
    int was_position[DEVICES_MAX];
    struct device *before[DEVICES_MAX];
    size_t n_before;
};

/* There is no room: the device that has been away longest goes. */
static bool make_room(struct device_set *set)
{
    size_t oldest = DEVICES_MAX;

    if (set->n < DEVICES_MAX)
        return true;
    for (size_t i = 0; i < set->n; i++)
        if (!set->items[i]->present && !set->items[i]->resetting &&
            (oldest == DEVICES_MAX || set->items[i]->last_seen_ms < set->items[oldest]->last_seen_ms))
            oldest = i;
    if (oldest == DEVICES_MAX)
        return false;
    device_free(set->items[oldest]);
    set->items[oldest] = set->items[--set->n];
    return true;
}

static int add_card(struct merge *merge, const char *key, Itexd__Child__Card *card, struct device **out)
{
    struct device *device;

    *out = NULL;
    if (!make_room(merge->set)) {
        note(merge->changes, IDENTITY_REFUSED, NULL, "more than %d devices: %s is left out", DEVICES_MAX, key);
        itexd__child__card__free_unpacked(card, NULL);
        return 0;
    }
    device = device_new(key, card);
    if (!device)
        return -ENOMEM;
    device->first_seen_ms = merge->now_ms;
    merge->set->items[merge->set->n++] = device;
    note(merge->changes, IDENTITY_NEW, device, "%s, %u tile%s", device_name(device), device_tiles(device),
         device_tiles(device) == 1 ? "" : "s");
    *out = device;
    return 0;
}

static void move_text(char **from, char **to)
{
    if (*to)
        return;
    *to = *from;
    *from = NULL;
}

/* What follows from an address that was known holds as long as nothing else is told. */
static void keep_address(Itexd__Child__Card *old, Itexd__Child__Card *now)
{
    if (now->bdf)
        return;
    move_text(&old->bdf, &now->bdf);
    move_text(&old->kernel_driver, &now->kernel_driver);
    move_text(&old->render_node, &now->render_node);
    move_text(&old->card_node, &now->card_node);
    move_text(&old->cpus, &now->cpus);
    now->has_numa_node = old->has_numa_node;
    now->numa_node = old->numa_node;
}

static void renew_card(struct merge *merge, struct device *device, bool was_present, int was_position,
                       Itexd__Child__Card *card, int position)
{
    char how[128];

    if (describe_change(device->card, card, how, sizeof how))
        note(merge->changes, IDENTITY_CHANGED, device, "%s", how);
    if (!was_present)
        note(merge->changes, device->health == DEVICE_LOST ? IDENTITY_BACK : IDENTITY_SEEN, device, "%s",
             card->name ? card->name : "(no name)");
    else if (was_position != position)
        note(merge->changes, IDENTITY_RENUMBERED, device, "number %d in the driver's order, before %d", position,
             was_position);
    keep_address(device->card, card);
    itexd__child__card__free_unpacked(device->card, NULL);
    device->card = card;
}

static int merge_card(struct merge *merge, size_t index)
{
    char key[DEVICE_KEY_SIZE];
    struct device *device;
    Itexd__Child__Card *card;
    size_t old = 0;
    int error;

    key_of(merge->set, merge->inventory, index, key);
    device = device_set_find(merge->set, key);
    if (device && device->position >= 0) {
        note(merge->changes, IDENTITY_REFUSED, device,
             "the driver gives two cards this address; the second, %s, is left out",
             or_none(merge->inventory->cards[index]->uuid));
        return 0;
    }
    card = card_copy(merge->inventory->cards[index]);
    if (!card)
        return -ENOMEM;
    if (device) {
        while (merge->before[old] != device)
            old++;
        renew_card(merge, device, merge->was_present[old], merge->was_position[old], card, (int)index);
    } else {
        error = add_card(merge, key, card, &device);
        if (error < 0 || !device)
            return error;
    }
    device->present = true;
    device->position = (int)index;
    device->last_seen_ms = merge->now_ms;
    return 0;
}

static void note_repeated(struct merge *merge)
{
    struct device_set *set = merge->set;

    for (size_t i = 0; i < set->n; i++) {
        struct device *device = set->items[i];
        bool repeated = false;

        for (size_t j = 0; device->present && device->card->uuid && j < set->n; j++)
            repeated |= j != i && set->items[j]->present && !differ(set->items[j]->card->uuid, device->card->uuid);
        if (repeated && !device->repeated)
            note(merge->changes, IDENTITY_REPEATED, device,
                 "the driver gives UUID %s to several cards; the device is known as %s", device->card->uuid,
                 device->key);
        device->repeated = repeated;
    }
}

int identity_merge(struct device_set *set, const Itexd__Child__Inventory *inventory, uint64_t now_ms,
                   struct identity_changes *changes)
{
    struct merge merge = {.set = set, .inventory = inventory, .now_ms = now_ms, .changes = changes, .n_before = set->n};
    int error = 0;

    changes->n = 0;
    for (size_t i = 0; i < set->n; i++) {
        merge.before[i] = set->items[i];
        merge.was_present[i] = set->items[i]->present;
        merge.was_position[i] = set->items[i]->position;
        set->items[i]->position = -1;
    }
    for (size_t i = 0; i < inventory->n_cards && error == 0; i++)
        error = merge_card(&merge, i);
    for (size_t i = 0; i < merge.n_before; i++) {
        if (!merge.was_present[i] || merge.before[i]->position >= 0)
            continue;
        merge.before[i]->present = false;
        note(changes, IDENTITY_GONE, merge.before[i], "%s",
             inventory->layer ? inventory->layer : "not in the inventory");
    }
    note_repeated(&merge);
    sort(set);
    return error;
}
