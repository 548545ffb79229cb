/* What a request asks for, and who asks for the same. */
#include "daemon/leases/leases_internal.h"
#include "daemon/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void terms_clear(struct terms *terms)
{
    free(terms->job);
    free(terms->step);
    free(terms->model);
    free(terms->group);
    *terms = (struct terms){.uid = terms->uid};
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool terms_alike(const struct terms *a, const struct terms *b)
{
    return a->count == b->count && a->tiles == b->tiles && a->shared == b->shared && a->by_rank == b->by_rank &&
           a->local_size == b->local_size && a->memory_bytes == b->memory_bytes && same_text(a->model, b->model);
}

/* The ranks of a step are a group, by their job or else by the process that started them; without ranks the processes
 * of a job that ask alike. */
static int name_group(const struct lease_ask *ask, struct terms *terms)
{
    const char *step = ask->step ? ask->step : "";
    uint64_t start = 0;
    pid_t parent = 0;
    int size = 0;

    if (terms->local_size == 0 && terms->job)
        size = asprintf(&terms->group, "job %" PRIu32 " %u%c%c %" PRIu64 " %s/%s", ask->uid, terms->count,
                        terms->tiles ? 't' : 'c', terms->shared ? 's' : 'e', terms->memory_bytes,
                        terms->model ? terms->model : "", terms->job);
    else if (terms->local_size > 0 && terms->job)
        size = asprintf(&terms->group, "ranks %" PRIu32 " %u %s/%s", ask->uid, terms->local_size, terms->job, step);
    else if (terms->local_size > 0 && process_read_stat(ask->pid, NULL, &parent) == 0 &&
             process_read_stat(parent, &start, NULL) == 0)
        size = asprintf(&terms->group, "ranks of %d %" PRIu64 " %" PRIu32 " %u %s", (int)parent, start, ask->uid,
                        terms->local_size, step);
    if (size >= 0)
        return 0;
    terms->group = NULL;
    return -ENOMEM;
}

static char *copy(const char *text, bool *failed)
{
    char *mine = text && *text ? strdup(text) : NULL;

    if (text && *text && !mine)
        *failed = true;
    return mine;
}

int terms_read(const struct lease_ask *ask, struct terms *out)
{
    const Itexd__V1__DeviceRequest *devices = ask->devices;
    bool ranks = devices->has_local_size && devices->has_local_rank && devices->local_size > 0;
    bool failed = false;

    *out = (struct terms){
        .uid = ask->uid,
        .job = copy(ask->job, &failed),
        .step = copy(ask->step, &failed),
        .model = copy(devices->model, &failed),
        .count = devices->count > 0 ? devices->count : 1,
        .local_size = ranks ? devices->local_size : 0,
        .tiles = devices->tiles,
        .shared = devices->shared,
        .by_rank = ranks && devices->bind && strcmp(devices->bind, "rank") == 0,
        .memory_bytes = devices->memory_bytes,
        .numa = devices->has_numa ? devices->numa : -1,
    };
    if (!failed && name_group(ask, out) == 0)
        return 0;
    terms_clear(out);
    return -ENOMEM;
}

struct want terms_want(const struct terms *terms, uint64_t visible)
{
    uint64_t count = (uint64_t)terms->count * (terms->local_size > 0 ? terms->local_size : 1);

    return (struct want){
        /* More than a node can have is asked for in vain, whatever the number. */
        .count = count <= POOL_MAX_UNITS ? (unsigned)count : POOL_MAX_UNITS + 1,
        .tiles = terms->tiles,
        .shared = terms->shared,
        .memory_bytes = terms->memory_bytes,
        .model = terms->model,
        .numa = terms->numa,
        .visible = visible,
    };
}

struct place terms_place(const struct terms *terms, unsigned local_rank)
{
    return (struct place){
        .local_rank = local_rank,
        .first = local_rank * terms->count,
        .only = terms->by_rank ? terms->count : 0,
    };
}

void terms_text(const struct terms *terms, char *text, size_t size)
{
    unsigned ranks = terms->local_size > 0 ? terms->local_size : 1;
    int used =
        snprintf(text, size, "%" PRIu64 " %s%s, %s", (uint64_t)terms->count * ranks, terms->tiles ? "tile" : "card",
                 terms->count * ranks == 1 ? "" : "s", terms->shared ? "shared" : "exclusive");

    if (terms->memory_bytes > 0 && used > 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, ", %" PRIu64 " MiB each", terms->memory_bytes >> 20);
    if (terms->model && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", model %.40s", terms->model);
}

uint64_t cards_visible(const struct leases *leases, const Itexd__V1__DeviceRequest *devices)
{
    uint64_t visible = 0;

    if (!devices->render_nodes_told)
        return UINT64_MAX; /* those too that come while it waits */
    for (size_t i = 0; i < leases->pool.n_cards; i++) {
        const char *node = leases->pool.cards[i].render_node;
        const char *base = strrchr(node, '/');
        bool can = !*node;

        base = base ? base + 1 : node;
        for (size_t j = 0; j < devices->n_render_nodes && !can; j++)
            can = strcmp(devices->render_nodes[j], base) == 0;
        visible |= (uint64_t)can << i;
    }
    return visible;
}
