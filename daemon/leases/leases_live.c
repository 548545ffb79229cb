/* The leases as the live file has them, and what of a file still lives. */
#include "daemon/leases/leases_internal.h"
#include "daemon/leases/live_file.h"
#include "daemon/log.h"
#include "daemon/process.h"
#include "daemon/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Writing ---------------------------------------------------------------------------------------------- */

/* Everything that is packed, in one piece of memory per kind. */
struct image {
    Itexd__Leases__Lease *leases;
    Itexd__Leases__Unit *units;
    Itexd__Leases__Member *members;
    void **pointers; /* to all of them, in the order in which they are packed */
    size_t n_leases, n_units, n_members, n_pointers;
};

static void image_clear(struct image *image)
{
    free(image->leases);
    free(image->units);
    free(image->members);
    free(image->pointers);
}

static int image_make(const struct leases *leases, struct image *image)
{
    const struct lease *lease;
    size_t n_leases = 1, n_units = 1;

    TAILQ_FOREACH(lease, &leases->list, link)
    {
        n_leases++;
        n_units += lease->units.n;
    }
    image->leases = calloc(n_leases, sizeof *image->leases);
    image->units = calloc(n_units, sizeof *image->units);
    image->members = calloc(leases->n_members + 1, sizeof *image->members);
    image->pointers = calloc(n_leases + n_units + leases->n_members + 1, sizeof *image->pointers);
    return image->leases && image->units && image->members && image->pointers ? 0 : -ENOMEM;
}

static void put_units(const struct lease *lease, struct image *image, Itexd__Leases__Lease *out)
{
    out->n_units = lease->units.n;
    out->units = (Itexd__Leases__Unit **)(image->pointers + image->n_pointers);
    for (size_t i = 0; i < lease->units.n; i++) {
        Itexd__Leases__Unit *unit = &image->units[image->n_units++];

        itexd__leases__unit__init(unit);
        unit->key = (char *)lease->leases->pool.cards[lease->units.items[i].card].key;
        unit->has_tile = true;
        unit->tile = lease->units.items[i].tile;
        image->pointers[image->n_pointers++] = unit;
    }
}

static void put_members(const struct lease *lease, struct image *image, Itexd__Leases__Lease *out)
{
    struct lease_member *member;

    out->members = (Itexd__Leases__Member **)(image->pointers + image->n_pointers);
    TAILQ_FOREACH(member, &lease->members, link)
    {
        Itexd__Leases__Member *mine = &image->members[image->n_members++];

        itexd__leases__member__init(mine);
        mine->has_pid = mine->has_start_time = mine->has_decision = mine->has_accepted = mine->has_local_rank = true;
        mine->has_request_id = mine->has_uid = true;
        mine->pid = member->pid;
        mine->start_time = member->start;
        mine->decision = member->decision;
        mine->accepted = member->accepted;
        mine->local_rank = member->place.local_rank;
        mine->has_first = mine->has_only = true;
        mine->first = member->place.first;
        mine->only = member->place.only;
        mine->request_id = (ProtobufCBinaryData){.len = sizeof member->request_id, .data = member->request_id};
        mine->uid = member->uid;
        image->pointers[image->n_pointers++] = mine;
        out->n_members++;
    }
}

static void put_lease(const struct lease *lease, Itexd__Leases__Lease *out)
{
    const struct terms *terms = &lease->terms;

    itexd__leases__lease__init(out);
    out->has_id = out->has_uid = out->has_recorded = out->has_shared = out->has_memory_bytes = true;
    out->has_granted_ms = out->has_draining = out->has_count = out->has_tiles = out->has_by_rank = true;
    out->id = lease->id;
    out->uid = terms->uid;
    out->job = terms->job;
    out->step = terms->step;
    out->recorded = lease->recorded;
    out->shared = terms->shared;
    out->memory_bytes = terms->memory_bytes;
    out->granted_ms = lease->granted_ms;
    out->draining = lease->ended;
    out->has_local_size = terms->local_size > 0;
    out->local_size = terms->local_size;
    out->count = terms->count;
    out->tiles = terms->tiles;
    out->model = terms->model;
    out->by_rank = terms->by_rank;
    out->group = terms->group;
}

int live_save(struct leases *leases)
{
    CLEANUP(image_clear) struct image image = {.n_leases = 0};
    Itexd__Leases__Live live = ITEXD__LEASES__LIVE__INIT;
    const struct lease *lease;
    size_t at = 0;

    if (image_make(leases, &image) < 0)
        return -ENOMEM;
    TAILQ_FOREACH(lease, &leases->list, link)
    image.pointers[image.n_pointers++] = &image.leases[image.n_leases++];
    live.leases = (Itexd__Leases__Lease **)image.pointers;
    live.n_leases = image.n_leases;
    TAILQ_FOREACH(lease, &leases->list, link)
    {
        Itexd__Leases__Lease *out = &image.leases[at++];

        put_lease(lease, out);
        put_units(lease, &image, out);
        put_members(lease, &image, out);
    }
    live.has_next_lease = true;
    live.next_lease = leases->next_lease;
    return live_file_write(leases->directory, &live);
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

/* A card that the file names; until an inventory has it, it is absent. -1: there are too many. */
static int find_card(struct pool *pool, const char *key)
{
    int card = pool_find(pool, key);

    if (card >= 0 || pool->n_cards == POOL_MAX_CARDS || strlen(key) >= sizeof pool->cards[0].key)
        return card;
    card = (int)pool->n_cards++;
    pool->cards[card] = (struct pool_card){.n_tiles = 1, .numa = -1, .order = UINT_MAX, .absent = true};
    strcpy(pool->cards[card].key, key);
    return card;
}

static int take_units(struct lease *lease, const Itexd__Leases__Lease *in)
{
    for (size_t i = 0; i < in->n_units; i++) {
        int card = find_card(&lease->leases->pool, in->units[i]->key);

        if (card < 0 || in->units[i]->tile >= POOL_MAX_TILES || lease->units.n == POOL_MAX_UNITS)
            return -EBADMSG;
        lease->units.items[lease->units.n++] =
            (struct unit){.card = (uint8_t)card, .tile = in->units[i]->tile < 0 ? -1 : (int8_t)in->units[i]->tile};
    }
    return 0;
}

static bool still_runs(int pidfd)
{
    struct pollfd state = {.fd = pidfd, .events = POLLIN};

    return poll(&state, 1, 0) == 0;
}

/* The process that was the holder, not another one that got its pid. -1: it has ended. */
static int open_holder(pid_t pid, uint64_t start)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    uint64_t ticks;

    if (pidfd < 0)
        return -1;
    if (process_read_stat(pid, &ticks, NULL) == 0 && ticks == start && still_runs(pidfd))
        return pidfd;
    close(pidfd);
    return -1;
}

static void take_member(struct lease *lease, const Itexd__Leases__Member *in)
{
    struct lease_member *member;
    int pidfd = open_holder(in->pid, in->start_time);

    if (pidfd < 0 || lease_add_member(lease, in->pid, in->start_time, pidfd, &member) < 0) {
        if (!in->accepted && in->decision != 0)
            lease_undelivered(lease, in->decision, "its holder had ended when itexd was started again");
        return;
    }
    member->fresh = false;
    member->settled = true; /* an offer that was never accepted stays until its holder ends */
    member->accepted = in->accepted;
    member->decision = in->decision;
    member->place = terms_place(&lease->terms, in->local_rank);
    if (in->has_first)
        member->place.first = in->first;
    if (in->has_only)
        member->place.only = in->only;
    member->uid = in->has_uid ? in->uid : lease->terms.uid;
    member->visible = UINT64_MAX;
    if (in->request_id.len == sizeof member->request_id)
        memcpy(member->request_id, in->request_id.data, sizeof member->request_id);
    lease->accepted |= member->accepted;
}

static char *take_text(char **text)
{
    char *taken = *text; /* the message was unpacked by malloc, as everything here */

    *text = NULL;
    return taken;
}

static int take_lease(struct leases *leases, Itexd__Leases__Lease *in)
{
    struct lease *lease = lease_new(leases);
    int error;

    if (!lease)
        return -ENOMEM;
    lease->fresh = false;
    lease->id = in->id;
    lease->granted_ms = in->granted_ms;
    lease->recorded = in->recorded;
    lease->terms = (struct terms){
        .uid = in->uid,
        .job = take_text(&in->job),
        .step = take_text(&in->step),
        .model = take_text(&in->model),
        .group = take_text(&in->group),
        .count = in->count,
        .local_size = in->local_size,
        .tiles = in->tiles,
        .shared = in->shared,
        .by_rank = in->by_rank,
        .memory_bytes = in->memory_bytes,
        .numa = -1,
    };
    lease->want = terms_want(&lease->terms, UINT64_MAX);
    error = take_units(lease, in);
    lease_list_add(lease);
    lease_place(lease);
    for (size_t i = 0; error == 0 && i < in->n_members; i++)
        take_member(lease, in->members[i]);
    return error;
}

static void end_dead(struct leases *leases)
{
    struct lease *lease, *next;

    for (lease = TAILQ_FIRST(&leases->list); lease; lease = next) {
        next = TAILQ_NEXT(lease, link);
        if (TAILQ_EMPTY(&lease->members))
            lease_end(lease, "its holder ended while itexd was away");
        else if (!lease->recorded)
            access_grant(lease);
    }
}

int live_load(struct leases *leases)
{
    Itexd__Leases__Live *live = NULL;
    int error = live_file_read(leases->directory, &live);

    if (error < 0)
        return error;
    if (live->next_lease > leases->next_lease)
        leases->next_lease = live->next_lease;
    for (size_t i = 0; error == 0 && i < live->n_leases; i++) {
        if (live->leases[i]->id >= leases->next_lease)
            leases->next_lease = live->leases[i]->id + 1;
        error = take_lease(leases, live->leases[i]);
    }
    itexd__leases__live__free_unpacked(live, NULL);
    end_dead(leases);
    return error;
}
