/* From a lease, or from a scheduler's allocation, to what a resolution is told of it. */
#include "daemon/grant.h"
#include "daemon/devices/devices.h"
#include "daemon/grant_own.h"
#include "daemon/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 512u
#define TEXT_MAX 95u
#define NODES_MAX 256u
#define N(array) (sizeof(array) / sizeof(array)[0])

void grant_clear(struct grant *grant)
{
    free(grant->values);
    *grant = (struct grant)GRANT_INIT;
}

void grant_note(struct grant *grant, const char *rule, const char *format, ...)
{
    struct grant_note *note;
    va_list arguments;

    if (grant->n_notes == GRANT_NOTES)
        return;
    note = &grant->notes[grant->n_notes++];
    note->rule = rule;
    va_start(arguments, format);
    vsnprintf(note->detail, sizeof note->detail, format, arguments);
    va_end(arguments);
}

/* ---- The job's own variables ------------------------------------------------------------------------------ */

/* As the job will have it: what its script sets beats the environment. */
static const char *own_variable(const Itexd__V1__Resolve *request, const char *name)
{
    for (size_t i = 0; i < request->n_script_env; i++)
        if (request->script_env[i]->name && strcmp(request->script_env[i]->name, name) == 0)
            return request->script_env[i]->value;
    for (size_t i = 0; i < request->n_env; i++)
        if (request->env[i]->name && strcmp(request->env[i]->name, name) == 0)
            return request->env[i]->value;
    return NULL;
}

static const char *look_up(void *context, const char *name)
{
    return own_variable(context, name);
}

/* ---- A lease ---------------------------------------------------------------------------------------------- */

static void set(struct grant *grant, const char *name, const char *value)
{
    grant->variables[grant->n_variables++] = (struct env_variable){.name = name, .value = value};
}

int grant_fill(struct grant *grant, const struct pool *pool, struct lease_member *member,
               const Itexd__V1__Resolve *request)
{
    static const char old_name[] = "ITEX_ENABLE_TILE_AS_DEVICE"; /* beats the new one where both are set */
    const char *selector = own_variable(request, "ONEAPI_DEVICE_SELECTOR");
    struct lease_view view = lease_view(member);
    bool rewritten = false;
    int n;

    grant->values = calloc(MASK_VARIABLES, sizeof *grant->values);
    if (!grant->values)
        return -ENOMEM;
    n = mask_environment(pool, view.units, view.visible, selector, grant->values, &rewritten);
    if (n < 0)
        return n;
    grant->member = member;
    for (int i = 0; i < n; i++) {
        set(grant, grant->values[i].name, grant->values[i].value);
        if (strcmp(grant->values[i].name, "ITEX_TILE_AS_DEVICE") == 0 && own_variable(request, old_name))
            set(grant, old_name, NULL);
    }
    if (rewritten)
        grant_note(grant, "selector-rewritten", "it was %.200s", selector);
    return 0;
}

/* ---- A scheduler's allocation ----------------------------------------------------------------------------- */

bool grant_scheduled(struct grant *grant, const struct pool *pool, const Itexd__V1__Resolve *request,
                     struct allocation *allocation)
{
    uint64_t visible = grant_visible(pool, request->devices);

    allocation_read(pool, visible, look_up, (void *)request, allocation);
    if (!allocation->found)
        return false;
    grant->scheduled = true;
    grant->none = allocation->units.n == 0;
    grant_note(grant, "scheduler-owns", "a job of %s", allocation->scheduler);
    if (allocation->differs[0])
        grant_note(grant, "view-differs", "%s", allocation->differs);
    if (allocation->units.n == 0)
        grant_note(grant, "no-device", "what %s gave to the job selects none that it can open", allocation->scheduler);
    if (allocation->emit)
        set(grant, "ZE_FLAT_DEVICE_HIERARCHY", hierarchy_name(allocation->hierarchy));
    return true;
}

/* ---- For the cache ---------------------------------------------------------------------------------------- */

/* Writes where out is not NULL; returns the size. Texts end with their zero, and a value is marked by one byte. */
static size_t write_key(const struct grant *grant, uint8_t *out)
{
    const char *texts[2 * N(grant->variables) + 2 * GRANT_NOTES + 3];
    size_t n = 0, size = 1;

    for (size_t i = 0; i < grant->n_variables; i++) {
        texts[n++] = grant->variables[i].name;
        texts[n++] = grant->variables[i].value ? grant->variables[i].value : "\x01";
    }
    for (size_t i = 0; i < grant->n_notes; i++) {
        texts[n++] = grant->notes[i].rule;
        texts[n++] = grant->notes[i].detail;
    }
    texts[n++] = grant->devices ? grant->devices : "";
    texts[n++] = grant->driver_hierarchy ? grant->driver_hierarchy : "";
    texts[n++] = grant->cards;
    if (out)
        out[0] = (uint8_t)(grant->rejected | grant->none << 1);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(texts[i]) + 1;

        if (out)
            memcpy(out + size, texts[i], length);
        size += length;
    }
    return size;
}

size_t grant_key_size(const struct grant *grant)
{
    return write_key(grant, NULL);
}

void grant_key(const struct grant *grant, uint8_t *out)
{
    write_key(grant, out);
}

/* ---- Devices for the answer ------------------------------------------------------------------------------- */

static const Itexd__Child__Card *card_of(const struct service *service, const char *key)
{
    const struct device *device = devices_find(service->devices, key);

    return device ? device->card : NULL;
}

static const char *uuid_of(const Itexd__Child__Card *card, int tile)
{
    return tile >= 0 && (size_t)tile < card->n_tiles ? card->tiles[tile]->uuid : card->uuid;
}

/* Copies a text behind the units; NULL stays NULL. */
static const char *put_text(char **at, const char *text)
{
    const char *copy = *at;

    if (!text)
        return NULL;
    *at = stpcpy(*at, text) + 1;
    return copy;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

struct store_unit *grant_units(const struct service *service, const struct units *units)
{
    const struct pool *pool = leases_pool(service->leases);
    size_t size = sizeof(struct store_unit) * (units->n + 1);
    struct store_unit *out;
    char *at;

    for (size_t i = 0; i < units->n; i++) {
        const char *key = pool->cards[units->items[i].card].key;
        const Itexd__Child__Card *card = card_of(service, key);

        size += text_size(key);
        if (card)
            size += text_size(card->bdf) + text_size(uuid_of(card, units->items[i].tile)) + text_size(card->name);
    }
    out = calloc(1, size);
    if (!out)
        return NULL;
    at = (char *)(out + units->n);
    for (size_t i = 0; i < units->n; i++) {
        const char *key = pool->cards[units->items[i].card].key;
        const Itexd__Child__Card *card = card_of(service, key);

        out[i].key = put_text(&at, key);
        out[i].tile = units->items[i].tile;
        if (!card)
            continue;
        out[i].bdf = put_text(&at, card->bdf);
        out[i].uuid = put_text(&at, uuid_of(card, units->items[i].tile));
        out[i].name = put_text(&at, card->name);
    }
    return out;
}

/* ---- The request ------------------------------------------------------------------------------------------ */

static const char *check_texts(const Itexd__V1__DeviceRequest *devices)
{
    if (devices->model && (!*devices->model || strlen(devices->model) > TEXT_MAX))
        return "the model of the devices must be a part of their name, of 1 to 95 bytes";
    if (devices->bind && strcmp(devices->bind, "node") != 0 && strcmp(devices->bind, "rank") != 0)
        return "devices are bound by node or by rank; nothing else is known";
    if (devices->n_render_nodes > NODES_MAX)
        return "more than 256 render nodes are listed; list those that the job can open";
    for (size_t i = 0; i < devices->n_render_nodes; i++)
        if (strlen(devices->render_nodes[i]) > TEXT_MAX)
            return "the name of a render node is longer than 95 bytes";
    return NULL;
}

const char *grant_check(const Itexd__V1__DeviceRequest *devices)
{
    if (devices->count > COUNT_MAX)
        return "more than 512 devices are asked for; a process can have 1 to 512";
    if (devices->has_local_size != devices->has_local_rank)
        return "of local size and local rank only one is told; both are needed";
    if (devices->has_local_size && (devices->local_size == 0 || devices->local_size > COUNT_MAX))
        return "the local size must be 1 to 512 processes";
    if (devices->has_local_size && devices->local_rank >= devices->local_size)
        return "the local rank is not below the local size; ranks count from 0";
    if (devices->bind && strcmp(devices->bind, "rank") == 0 && !devices->has_local_size)
        return "devices are bound by rank only in a group of ranks; tell local size and rank, or bind by node";
    if (devices->has_memory_bytes && devices->memory_bytes == 0)
        return "the memory that the devices must have is 0; leave it out for any";
    return check_texts(devices);
}
