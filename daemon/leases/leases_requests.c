/*
 * What people ask about leases: the list, and the end of one. An answer is put together in the memory of the request
 * that is being decoded, and as much of it sent as fits in a packet.
 */
#include "daemon/devices/devices.h"
#include "daemon/leases/leases_internal.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/clock.h"
#include "proto/framing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPLY_ROOM (ITEXD_MAX_PACKET - 256)

/* Who asks, and how much room is left. */
struct view {
    struct service *service;
    uint32_t uid;
    bool administrator, mine_only;
    size_t room;
    bool failed; /* no memory */
};

static void *take(struct view *view, size_t size)
{
    void *memory = view->service->memory.allocator.alloc(&view->service->memory, size ? size : 1);

    if (memory)
        memset(memory, 0, size);
    view->failed |= !memory;
    return memory;
}

static char *take_text(struct view *view, const char *text)
{
    char *copy = text ? take(view, strlen(text) + 1) : NULL;

    if (copy)
        strcpy(copy, text);
    return copy;
}

static struct view view_of(struct call *call)
{
    return (struct view){.service = call->service,
                         .uid = call->who.uid,
                         .administrator = call_is_administrator(call),
                         .room = REPLY_ROOM};
}

static bool sees(const struct view *view, uint32_t uid)
{
    return view->administrator || view->uid == uid;
}

/* ---- A lease ---------------------------------------------------------------------------------------------- */

static void put_device(const struct view *view, const struct lease *lease, size_t at, Itexd__V1__Device *out)
{
    const struct unit unit = lease->units.items[at];
    const struct pool_card *card = &lease->leases->pool.cards[unit.card];
    const struct device *device = devices_find(view->service->devices, card->key);

    itexd__v1__device__init(out);
    out->has_tile = unit.tile >= 0;
    out->tile = unit.tile >= 0 ? (uint32_t)unit.tile : 0;
    if (!device || !device->card) {
        out->bdf = (char *)card->key;
        return;
    }
    out->bdf = device->card->bdf;
    out->name = device->card->name;
    out->uuid = unit.tile >= 0 && (size_t)unit.tile < device->card->n_tiles ? device->card->tiles[unit.tile]->uuid
                                                                            : device->card->uuid;
}

static void put_devices(struct view *view, const struct lease *lease, Itexd__V1__LeaseInfo *out)
{
    size_t n = lease->units.n;
    Itexd__V1__Device *devices = take(view, n * sizeof *devices);

    out->devices = take(view, n * sizeof *out->devices);
    if (view->failed)
        return;
    out->n_devices = n;
    for (size_t i = 0; i < n; i++) {
        out->devices[i] = &devices[i];
        put_device(view, lease, i, &devices[i]);
    }
}

static char *read_command(struct view *view, int32_t pid)
{
    char path[32], text[32];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/%" PRId32 "/comm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return NULL;
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return take_text(view, text);
}

static void put_holder(struct view *view, const struct lease_member *member, Itexd__V1__LeaseHolder *out)
{
    itexd__v1__lease_holder__init(out);
    out->has_pid = true;
    out->pid = member->pid;
    out->command = read_command(view, member->pid);
    out->state = (char *)(member->accepted ? "accepted" : "offered");
    out->has_decision = member->decision != 0;
    out->decision = member->decision;
    out->has_local_rank = member->lease->terms.local_size > 0;
    out->local_rank = member->place.local_rank;
}

static void put_holders(struct view *view, const struct lease *lease, Itexd__V1__LeaseInfo *out)
{
    const struct lease_member *member;
    size_t n = 0;

    TAILQ_FOREACH(member, &lease->members, link)
    n++;
    Itexd__V1__LeaseHolder *holders = take(view, n * sizeof *holders);
    out->holders = take(view, n * sizeof *out->holders);
    if (view->failed)
        return;
    TAILQ_FOREACH(member, &lease->members, link)
    {
        out->holders[out->n_holders] = &holders[out->n_holders];
        put_holder(view, member, &holders[out->n_holders++]);
    }
}

static Itexd__V1__LeaseInfo *make_info(struct view *view, const struct lease *lease)
{
    Itexd__V1__LeaseInfo *out = take(view, sizeof *out);

    if (!out)
        return NULL;
    itexd__v1__lease_info__init(out);
    out->has_id = out->has_granted_ms = out->has_mine = true;
    out->id = lease->id;
    out->granted_ms = lease->granted_ms;
    out->mine = lease->terms.uid == view->uid;
    out->sharing = (char *)(lease->recorded ? "recorded" : lease->terms.shared ? "shared" : "exclusive");
    out->state = (char *)(lease->ended ? "draining" : lease->accepted ? "accepted" : "offered");
    put_devices(view, lease, out);
    if (sees(view, lease->terms.uid)) {
        out->has_uid = true;
        out->uid = lease->terms.uid;
        out->job = take_text(view, lease->terms.job);
        out->step = take_text(view, lease->terms.step);
        put_holders(view, lease, out);
    }
    return view->failed ? NULL : out;
}

/* Is there room for one more, with its tag and length? */
static bool fits(struct view *view, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message) + 6;

    if (size > view->room)
        return false;
    view->room -= size;
    return true;
}

static void put_leases(struct view *view, const struct leases *leases, Itexd__V1__LeasesReply *out)
{
    const struct lease *lease;
    size_t n = 0;

    TAILQ_FOREACH(lease, &leases->list, link)
    n++;
    out->leases = take(view, n * sizeof *out->leases);
    TAILQ_FOREACH(lease, &leases->list, link)
    {
        Itexd__V1__LeaseInfo *info;

        if (view->failed || (view->mine_only && lease->terms.uid != view->uid))
            continue;
        info = view->room > 0 ? make_info(view, lease) : NULL;
        if (info && fits(view, &info->base)) {
            out->leases[out->n_leases++] = info;
            continue;
        }
        view->room = 0; /* none after the first that is left out: what is shown has no gaps */
        out->omitted++;
    }
}

/* ---- Who waits -------------------------------------------------------------------------------------------- */

static Itexd__V1__LeaseWaiting *make_waiting(struct view *view, const struct leases *leases, const struct entry *entry,
                                             unsigned position)
{
    Itexd__V1__LeaseWaiting *out = take(view, sizeof *out);
    const struct lease_wait *wait, *first = TAILQ_FIRST(&entry->waits);
    char wants[96], why[120];

    if (!out)
        return NULL;
    itexd__v1__lease_waiting__init(out);
    out->has_position = out->has_since_ms = out->has_until_ms = out->has_mine = true;
    out->position = position;
    out->since_ms = entry->since_ms;
    TAILQ_FOREACH(wait, &entry->waits, link)
    if (wait->until_ms > out->until_ms)
        out->until_ms = wait->until_ms;
    out->mine = entry->terms.uid == view->uid;
    terms_text(&entry->terms, wants, sizeof wants);
    wait_why(leases, entry, why, sizeof why);
    out->wants = take_text(view, wants);
    out->why = take_text(view, why);
    if (sees(view, entry->terms.uid)) {
        out->has_uid = out->has_pid = true;
        out->uid = entry->terms.uid;
        out->job = take_text(view, entry->terms.job);
        out->pid = first->ask.pid;
    }
    return view->failed ? NULL : out;
}

static void put_queue(struct view *view, const struct leases *leases, Itexd__V1__LeasesReply *out)
{
    const struct queue_entry *at;
    unsigned position = 0;

    out->waiting = take(view, leases->queue.n * sizeof *out->waiting);
    TAILQ_FOREACH(at, &leases->queue.entries, link)
    {
        const struct entry *entry = (const struct entry *)at;
        Itexd__V1__LeaseWaiting *waiting;

        position++;
        if (view->failed || (view->mine_only && entry->terms.uid != view->uid))
            continue;
        waiting = view->room > 0 ? make_waiting(view, leases, entry, position) : NULL;
        if (waiting && fits(view, &waiting->base)) {
            out->waiting[out->n_waiting++] = waiting;
            continue;
        }
        view->room = 0;
        out->omitted++;
    }
}

void leases_list(struct call *call, const Itexd__V1__Leases *request)
{
    const struct leases *leases = call->service->leases;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__LeasesReply list = ITEXD__V1__LEASES_REPLY__INIT;
    struct view view = view_of(call);

    view.mine_only = request->mine;
    put_leases(&view, leases, &list);
    put_queue(&view, leases, &list);
    if (view.failed) {
        call_refuse(call, REFUSED_REPLY_SIZE, NULL);
        return;
    }
    list.has_omitted = list.omitted > 0;
    list.substitute = (char *)devices_substitute(call->service->devices);
    reply.body_case = ITEXD__V1__REPLY__BODY_LEASES;
    reply.leases = &list;
    call_reply(call, &reply);
}

/* ---- Release ---------------------------------------------------------------------------------------------- */

static struct lease *find_lease(const struct leases *leases, uint64_t id)
{
    struct lease *lease;

    TAILQ_FOREACH(lease, &leases->list, link)
    if (lease->id == id)
        return lease;
    return NULL;
}

/* All its members go, who are told why; at_once: its processes are not waited for. */
static void cut(struct lease *lease, const char *why, bool at_once)
{
    struct lease_member *member;
    char text[240];

    snprintf(text, sizeof text, "lease %" PRIu64 " has ended: %s; its devices may be given to others", lease->id, why);
    lease_log_end(lease, EVENT_LEASE_CUT, why);
    lease->refs++; /* it ends with its last member */
    lease->cut = at_once;
    lease_tell(lease, text);
    while ((member = TAILQ_FIRST(&lease->members)))
        member_end(member, why);
    lease_end(lease, why);
    lease_put(lease);
}

/* What a scheduler gave stays: the job has it, whatever is written here. */
static struct lease *find_to_cut(const struct leases *leases, int card)
{
    struct lease *lease;

    if (card >= 0)
        TAILQ_FOREACH(lease, &leases->list, link)
    if (!lease->ended && !lease->recorded && lease_has_card(lease, (unsigned)card))
        return lease;
    return NULL;
}

/* Telling one lease's holders may end others of the list, so it is begun again for each. */
unsigned leases_cut(struct leases *leases, const char *key, const char *why, uint64_t *ids, unsigned max)
{
    int card = pool_find(&leases->pool, key);
    struct lease *lease;
    unsigned n = 0;

    while ((lease = find_to_cut(leases, card))) {
        if (n < max)
            ids[n] = lease->id;
        n++;
        cut(lease, why, true);
    }
    return n;
}

/* NULL: it may be released. */
static const char *check_release(const struct lease *lease)
{
    if (lease->recorded)
        return "this is a scheduler's allocation, which ends with its job; cancel the job";
    if (lease->ended)
        return "this lease has ended already; its devices are free as soon as nobody uses them";
    return NULL;
}

static void reply_released(struct call *call, Itexd__V1__LeaseInfo *lease)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__LeaseReleaseReply release = ITEXD__V1__LEASE_RELEASE_REPLY__INIT;

    release.lease = lease;
    reply.body_case = ITEXD__V1__REPLY__BODY_LEASE_RELEASE;
    reply.lease_release = &release;
    call_reply(call, &reply);
}

/* One member's part, by the request that it came from. Asked twice it is the same: then nothing is held any more. */
static void give_back(struct call *call, const Itexd__V1__LeaseRelease *request)
{
    struct view view = view_of(call);
    struct lease_member *member;
    Itexd__V1__LeaseInfo *info;

    if (request->request_id.len != sizeof member->request_id) {
        call_refuse(call, REFUSED_FIELD, "a request id has 16 bytes; name the request as it was resolved");
        return;
    }
    member = member_of_request(call->service->leases, request->request_id.data,
                               call_is_administrator(call) ? NULL : &call->who.uid);
    if (!member) {
        reply_released(call, NULL);
        return;
    }
    if (member->lease->recorded) {
        call_refuse(call, REFUSED_FIELD, check_release(member->lease));
        return;
    }
    info = make_info(&view, member->lease);
    if (!info) {
        call_refuse(call, REFUSED_REPLY_SIZE, NULL);
        return;
    }
    if (!request->dry_run)
        member_end(member, "its holder gave it back");
    reply_released(call, info);
}

void leases_release(struct call *call, const Itexd__V1__LeaseRelease *request)
{
    struct lease *lease = request->has_lease ? find_lease(call->service->leases, request->lease) : NULL;
    struct view view = view_of(call);
    Itexd__V1__LeaseInfo *info;
    const char *wrong;
    char number[24], why[64];

    if (request->has_request_id) {
        give_back(call, request);
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, request->lease);
    if (!lease) {
        call_refuse(call, REFUSED_NO_LEASE, number);
        return;
    }
    if (!sees(&view, lease->terms.uid)) {
        call_refuse(call, REFUSED_FOREIGN, "the lease");
        return;
    }
    wrong = check_release(lease);
    info = wrong ? NULL : make_info(&view, lease);
    if (!info) {
        call_refuse(call, wrong ? REFUSED_FIELD : REFUSED_REPLY_SIZE, wrong);
        return;
    }
    snprintf(why, sizeof why, "it was released by uid %u", (unsigned)call->who.uid);
    if (!request->dry_run)
        cut(lease, why, false);
    reply_released(call, info);
}
