/*
 * Who uses which device: the keeper looks, here it is compared with the leases.
 *
 * Foreign is a process on a card that is in no lease of that card, nor itexd's own (the device worker), nor on a card
 * that is being reset. At most WATCH_MAX_EVENTS of one look become events; all are counted and listed.
 */
#include "daemon/leases/enforcement_internal.h"
#include "daemon/leases/leases.h"
#include "daemon/process.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MAX_EVENTS 16

/* ---- Asking --------------------------------------------------------------------------------------------------- */

/* Always about all cards: whom the keeper found on one, it looks at first the next time. uid NULL: of all users. */
static int ask(struct enforcement *enforcement, const uint32_t *uid, child_reply_fn done, void *context)
{
    char *bdfs[DEVICES_MAX];
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__Scan scan = ITEXD__CHILD__SCAN__INIT;
    struct devices *devices = enforcement->service->devices;

    scan.bdfs = bdfs;
    for (size_t i = 0; devices && i < devices_count(devices) && i < DEVICES_MAX; i++) {
        const struct device *device = devices_at(devices, i);
        if (device->card && device->card->bdf)
            bdfs[scan.n_bdfs++] = device->card->bdf;
    }
    if (scan.n_bdfs == 0)
        return -ENODEV;
    request.body_case = ITEXD__CHILD__REQUEST__BODY_SCAN;
    request.scan = &scan;
    scan.has_uid = uid != NULL;
    scan.uid = uid ? *uid : 0;
    return child_request(enforcement->keeper, &request, KEEPER_DEADLINE_MS, done, context);
}

static struct device *device_at(const struct enforcement *enforcement, const char *bdf)
{
    struct devices *devices = enforcement->service->devices;

    for (size_t i = 0; i < devices_count(devices); i++) {
        struct device *device = devices_at(devices, i);
        if (device->card && device->card->bdf && strcmp(device->card->bdf, bdf) == 0)
            return device;
    }
    return NULL;
}

/* ---- Comparing ------------------------------------------------------------------------------------------------ */

/* Not one that has ended since the keeper looked: whose it was cannot be known any more. */
static bool is_foreign(const struct enforcement *enforcement, const struct device *device,
                       const Itexd__Child__Process *process)
{
    uint64_t start;

    if (device->resetting || process_descends_from(process->pid, getpid(), 0))
        return false;
    if (process_read_stat(process->pid, &start, NULL) < 0 || start != process->start_time)
        return false;
    return leases_of_process(enforcement->service->leases, device->key, process->pid, process->start_time) == 0;
}

static bool is_in(const struct foreign_use *use, const struct foreign_use *uses, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (uses[i].pid == use->pid && uses[i].start == use->start && strcmp(uses[i].key, use->key) == 0)
            return true;
    return false;
}

/* What is in one list and not in the other, as events. */
static void tell_differences(struct enforcement *enforcement, const struct foreign_use *uses, size_t n,
                             const struct foreign_use *others, size_t n_others, enum log_event event, const char *what)
{
    unsigned told = 0;

    for (size_t i = 0; i < n && told < WATCH_MAX_EVENTS; i++) {
        if (is_in(&uses[i], others, n_others))
            continue;
        struct device *device = devices_find(enforcement->service->devices, uses[i].key);
        if (!device)
            continue;
        devices_event(enforcement->service->devices, device, event, "process %d (%s) of uid %u %s", (int)uses[i].pid,
                      uses[i].command, (unsigned)uses[i].uid, what);
        told++;
    }
}

/* The foreign ones of a look; NULL and 0 for none, or without memory. */
static struct foreign_use *collect(const struct enforcement *enforcement, const Itexd__Child__Usage *usage, size_t *n)
{
    size_t room = 0;

    *n = 0;
    for (size_t i = 0; i < usage->n_processes; i++)
        room += usage->processes[i]->n_bdfs;
    struct foreign_use *uses = room ? calloc(room, sizeof *uses) : NULL;
    for (size_t i = 0; uses && i < usage->n_processes; i++) {
        const Itexd__Child__Process *process = usage->processes[i];
        for (size_t j = 0; j < process->n_bdfs; j++) {
            const struct device *device = device_at(enforcement, process->bdfs[j]);
            if (!device || !is_foreign(enforcement, device, process))
                continue;
            struct foreign_use *use = &uses[(*n)++];
            use->pid = process->pid;
            use->start = process->start_time;
            use->uid = process->uid;
            use->memory_bytes = process->memory_bytes;
            snprintf(use->command, sizeof use->command, "%s", process->command ? process->command : "");
            snprintf(use->key, sizeof use->key, "%s", device->key);
        }
    }
    return uses;
}

static void take_up(struct enforcement *enforcement, const Itexd__Child__Usage *usage)
{
    struct watch *watch = &enforcement->watch;
    size_t n;
    struct foreign_use *uses = collect(enforcement, usage, &n);

    watch->all_users = usage->all_users;
    watch->known = true;
    tell_differences(enforcement, uses, n, watch->uses, watch->n_uses, EVENT_DEVICE_FOREIGN_USE,
                     "uses it without a lease");
    tell_differences(enforcement, watch->uses, watch->n_uses, uses, n, EVENT_DEVICE_FOREIGN_USE_ENDED,
                     "uses it no longer without a lease");
    free(watch->uses);
    watch->uses = uses;
    watch->n_uses = n;
}

/* ---- Every interval --------------------------------------------------------------------------------------------- */

static void on_looked(void *context, const Itexd__Child__Reply *reply)
{
    struct enforcement *enforcement = context;

    enforcement->watch.asked = false;
    if (reply && reply->body_case == ITEXD__CHILD__REPLY__BODY_USAGE)
        take_up(enforcement, reply->usage);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct enforcement *enforcement = context;

    (void)fd;
    (void)what;
    if (!enforcement->watch.asked && ask(enforcement, NULL, on_looked, enforcement) == 0)
        enforcement->watch.asked = true;
    watch_start(enforcement);
}

void watch_start(struct enforcement *enforcement)
{
    const uint64_t ms = enforcement->service->options.watch_interval;
    const struct timeval interval = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

    if (enforcement->watch.on)
        event_add(enforcement->watch.timer, &interval);
}

/* What an earlier keeper saw is no news; what is still so when the next has looked is no event. */
void watch_stop(struct watch *watch)
{
    watch->known = false;
}

int watch_init(struct enforcement *enforcement)
{
    const struct service *service = enforcement->service;
    const int word = service->options.watch_use;

    enforcement->watch.on = service->spawner && (word == OPTION_WATCH_ON ||
                                                 (word == OPTION_WATCH_AUTO && spawner_has_ptrace(service->spawner)));
    enforcement->watch.timer = evtimer_new(service->base, on_timer, enforcement);
    return enforcement->watch.timer ? 0 : -ENOMEM;
}

/* ---- One user on some cards ------------------------------------------------------------------------------------- */

struct used_question {
    LIST_ENTRY(used_question) link;
    uint32_t uid;
    enforcement_used_fn done;
    void *context;
    size_t n_bdfs;
    char bdfs[][32];
};

static bool is_on(const Itexd__Child__Process *process, const struct used_question *question)
{
    for (size_t i = 0; i < process->n_bdfs; i++)
        for (size_t j = 0; j < question->n_bdfs; j++)
            if (strcmp(process->bdfs[i], question->bdfs[j]) == 0)
                return true;
    return false;
}

static void on_used(void *context, const Itexd__Child__Reply *reply)
{
    CLEANUP(freep) struct used_question *question = context;
    int n = 0;

    LIST_REMOVE(question, link);
    if (!reply)
        n = -EAGAIN;
    else if (reply->body_case != ITEXD__CHILD__REPLY__BODY_USAGE)
        n = -EIO;
    else if (!reply->usage->all_users && question->uid != geteuid())
        n = -EACCES;
    if (n < 0) {
        question->done(question->context, n);
        return;
    }
    for (size_t i = 0; i < reply->usage->n_processes; i++) {
        const Itexd__Child__Process *process = reply->usage->processes[i];
        if (process->uid == question->uid && is_on(process, question) &&
            !process_descends_from(process->pid, getpid(), 0))
            n++;
    }
    question->done(question->context, n);
}

static bool keeper_is_coming(const struct enforcement *enforcement)
{
    const enum child_state state = child_state(enforcement->keeper);

    return state != CHILD_OFF && state != CHILD_STUCK && state != CHILD_GIVEN_UP;
}

/* Cards that nobody knows any more are left out; with none left, -ENODEV. */
static int add_cards(const struct enforcement *enforcement, const char *const *keys, size_t n_keys,
                     struct used_question *question)
{
    struct devices *devices = enforcement->service->devices;

    for (size_t i = 0; i < n_keys; i++) {
        const struct device *device = devices ? devices_find(devices, keys[i]) : NULL;

        if (device && device->card && device->card->bdf)
            snprintf(question->bdfs[question->n_bdfs++], sizeof question->bdfs[0], "%s", device->card->bdf);
        else if (!devices || !devices_settled(devices))
            return -EAGAIN;
    }
    return question->n_bdfs > 0 ? 0 : -ENODEV;
}

int enforcement_used(struct enforcement *enforcement, const char *const *keys, size_t n_keys, uint32_t uid,
                     enforcement_used_fn done, void *context)
{
    if (!enforcement || !enforcement->watch.on)
        return -ENOTSUP;
    struct used_question *question = calloc(1, sizeof *question + n_keys * sizeof question->bdfs[0]);
    if (!question)
        return -ENOMEM;
    *question = (struct used_question){.uid = uid, .done = done, .context = context};
    int error = add_cards(enforcement, keys, n_keys, question);
    if (error == 0)
        error = ask(enforcement, &uid, on_used, question);
    if (error == 0) {
        LIST_INSERT_HEAD(&enforcement->watch.questions, question, link);
        return 0;
    }
    free(question);
    return error == -ENOTCONN && keeper_is_coming(enforcement) ? -EAGAIN : error;
}

void watch_free(struct watch *watch)
{
    struct used_question *question;

    if (watch->timer)
        event_free(watch->timer);
    while ((question = LIST_FIRST(&watch->questions))) {
        LIST_REMOVE(question, link);
        free(question);
    }
    free(watch->uses);
}

/* ---- For status ------------------------------------------------------------------------------------------------ */

size_t enforcement_foreign(const struct enforcement *enforcement, const struct foreign_use **uses)
{
    *uses = enforcement->watch.uses;
    return enforcement->watch.known ? enforcement->watch.n_uses : 0;
}

/* One that is on several cards counts once. */
static uint32_t count_processes(const struct watch *watch)
{
    uint32_t n = 0;

    for (size_t i = 0; i < watch->n_uses; i++) {
        bool before = false;
        for (size_t j = 0; j < i; j++)
            before |= watch->uses[j].pid == watch->uses[i].pid && watch->uses[j].start == watch->uses[i].start;
        n += !before;
    }
    return n;
}

void enforcement_status(const struct enforcement *enforcement, Itexd__V1__Status *status)
{
    const struct watch *watch = &enforcement->watch;

    if (!enforcement->service->spawner)
        return;
    status->has_enforcement = true;
    status->enforcement = enforcement->on;
    if (!watch->on)
        return;
    status->foreign_use =
        (char *)(!watch->known      ? "not looked at yet"
                 : watch->all_users ? "processes of all users are watched"
                                    : "processes of itexd's own user are watched; to look at others' "
                                      "is not permitted without CAP_SYS_PTRACE (drop-in foreign.conf)");
    status->has_n_foreign = watch->known;
    status->n_foreign = count_processes(watch);
}
