/*
 * Access to leased cards: what is wanted is kept here by card, and said to the keeper, again and again.
 *
 * A card is known by its key; its nodes are looked up when something is said about them, for they may be unknown yet
 * (before the first inventory) or made anew. What the keeper has restricted and nobody wants restricted any more (from
 * a service that was killed) is restored as soon as all nodes of what is wanted are known.
 */
#include "daemon/leases/enforcement_internal.h"
#include "daemon/log.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 1000
#define RENEW_MS 10000
#define NODES_PER_CARD 2

/* ---- Cards and nodes ------------------------------------------------------------------------------------------ */

static struct wanted *find_wanted(struct enforcement *enforcement, const char *key)
{
    for (size_t i = 0; i < enforcement->n_wanted; i++)
        if (strcmp(enforcement->wanted[i].key, key) == 0)
            return &enforcement->wanted[i];
    return NULL;
}

static int want(struct enforcement *enforcement, const char *key, const uint32_t *uids, size_t n_uids)
{
    struct wanted *wanted = find_wanted(enforcement, key);
    uint32_t *copy = n_uids ? malloc(n_uids * sizeof *copy) : NULL;

    if (n_uids && (!copy || (!wanted && enforcement->n_wanted == DEVICES_MAX))) {
        free(copy);
        return -ENOMEM;
    }
    if (n_uids == 0) {
        if (wanted) {
            free(wanted->uids);
            *wanted = enforcement->wanted[--enforcement->n_wanted];
        }
        return 0;
    }
    memcpy(copy, uids, n_uids * sizeof *copy);
    if (!wanted) {
        wanted = &enforcement->wanted[enforcement->n_wanted++];
        snprintf(wanted->key, sizeof wanted->key, "%s", key);
        wanted->uids = NULL;
    }
    free(wanted->uids);
    wanted->uids = copy;
    wanted->n_uids = n_uids;
    return 0;
}

/* How many nodes the card has; -EAGAIN: that is not known before the first inventory, for the database does not. */
static int nodes_of(const struct enforcement *enforcement, const char *key, char *nodes[NODES_PER_CARD])
{
    struct devices *devices = enforcement->service->devices;
    const struct device *device = devices ? devices_find(devices, key) : NULL;
    int n = 0;

    if (device && device->card && device->card->render_node)
        nodes[n++] = device->card->render_node;
    if (device && device->card && device->card->card_node)
        nodes[n++] = device->card->card_node;
    return n > 0 || (devices && devices_inventory(devices)) ? n : -EAGAIN;
}

/* ---- Saying it to the keeper ---------------------------------------------------------------------------------- */

/* key "": of what is put back. error NULL: it was done. */
static void note_result(struct enforcement *enforcement, const char *key, const char *error)
{
    struct access_problem *problem = &enforcement->problem;
    const bool same = strcmp(problem->key, key) == 0;

    if (!error) {
        if (same)
            problem->text[0] = '\0';
        return;
    }
    const bool again = same && strncmp(problem->text, error, sizeof problem->text - 1) == 0;
    snprintf(problem->key, sizeof problem->key, "%s", key);
    snprintf(problem->text, sizeof problem->text, "%s", error);
    if (!again && enforcement->service->devices)
        devices_event(enforcement->service->devices, NULL, EVENT_DEVICE_ENFORCEMENT_FAILED, "%s", error);
}

/* Whose done may ask for more. */
static void finish_order(struct access_order *order, int error, const char *why)
{
    TAILQ_REMOVE(&order->enforcement->orders, order, link);
    if (order->done)
        order->done(order->context, error, why);
    free(order);
}

static void note_order(struct access_order *order, const char *error)
{
    struct enforcement *enforcement = order->enforcement;

    if (order->restricting) {
        note_result(enforcement, order->key, error);
    } else if (error) {
        enforcement->clean = false; /* it is tried again with all that nobody wants restricted */
        note_result(enforcement, "", error);
    }
}

/* The next keeper is asked again, as long as the order waits. */
static void on_order_done(void *context, const Itexd__Child__Reply *reply)
{
    struct access_order *order = context;

    if (!reply) {
        order->asked = false;
        event_active(order->enforcement->tick, EV_TIMEOUT, 0);
        return;
    }
    note_order(order, reply->error);
    finish_order(order, reply->error ? -EIO : 0, reply->error ? reply->error : "");
}

static void tick_again(struct enforcement *enforcement)
{
    static const struct timeval again = {.tv_sec = TICK_MS / 1000};

    event_add(enforcement->tick, &again);
}

static void on_cleaned(void *context, const Itexd__Child__Reply *reply)
{
    struct enforcement *enforcement = context;

    enforcement->cleaning = false;
    enforcement->clean = reply && !reply->error;
    if (reply)
        note_result(enforcement, "", reply->error);
    if (!enforcement->on && enforcement->clean)
        event_active(enforcement->tick, EV_TIMEOUT, 0); /* it may have been all there was to do */
    else
        tick_again(enforcement);
}

static int say_card(struct enforcement *enforcement, const char *key, char **nodes, size_t n_nodes, child_reply_fn done,
                    void *context)
{
    const struct wanted *wanted = find_wanted(enforcement, key);
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__RestrictAccess restriction = ITEXD__CHILD__RESTRICT_ACCESS__INIT;
    Itexd__Child__RestoreAccess restoration = ITEXD__CHILD__RESTORE_ACCESS__INIT;

    if (wanted) {
        restriction.nodes = nodes;
        restriction.n_nodes = n_nodes;
        restriction.uids = wanted->uids;
        restriction.n_uids = wanted->n_uids;
        request.body_case = ITEXD__CHILD__REQUEST__BODY_RESTRICT_ACCESS;
        request.restrict_access = &restriction;
    } else {
        restoration.nodes = nodes;
        restoration.n_nodes = n_nodes;
        request.body_case = ITEXD__CHILD__REQUEST__BODY_RESTORE_ACCESS;
        request.restore_access = &restoration;
    }
    return child_request(enforcement->keeper, &request, KEEPER_DEADLINE_MS, done, context);
}

static bool keeper_takes(const struct enforcement *enforcement)
{
    return enforcement->keeper && child_pid(enforcement->keeper) != 0;
}

/* Restores what nobody wants restricted; not before it is known which nodes are wanted. */
static void clean_up(struct enforcement *enforcement)
{
    char *keep[DEVICES_MAX * NODES_PER_CARD];
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__RestoreAccess restoration = ITEXD__CHILD__RESTORE_ACCESS__INIT;

    if (enforcement->clean || enforcement->cleaning || !keeper_takes(enforcement))
        return;
    restoration.except = keep;
    for (size_t i = 0; i < enforcement->n_wanted; i++) {
        int n = nodes_of(enforcement, enforcement->wanted[i].key, keep + restoration.n_except);
        if (n < 0)
            return;
        restoration.n_except += (size_t)n;
    }
    request.body_case = ITEXD__CHILD__REQUEST__BODY_RESTORE_ACCESS;
    request.restore_access = &restoration;
    if (child_request(enforcement->keeper, &request, KEEPER_DEADLINE_MS, on_cleaned, enforcement) == 0)
        enforcement->cleaning = true;
}

/* ---- Orders --------------------------------------------------------------------------------------------------- */

/* Why the keeper will not take it, NULL where it may yet. */
static const char *hopeless(const struct enforcement *enforcement, const struct access_order *order)
{
    if (child_state(enforcement->keeper) == CHILD_GIVEN_UP || child_state(enforcement->keeper) == CHILD_STUCK)
        return child_last_death(enforcement->keeper);
    return clock_steady_ms() >= order->give_up_ms ? "the keeper, which restricts access to devices, does not run"
                                                  : NULL;
}

static void try_order(struct enforcement *enforcement, struct access_order *order)
{
    const struct devices *devices = enforcement->service->devices;
    char *nodes[NODES_PER_CARD];
    int n = nodes_of(enforcement, order->key, nodes);

    order->restricting = find_wanted(enforcement, order->key) != NULL;
    if (n < 0 && enforcement->on && !(devices && devices_settled(devices))) {
        order->give_up_ms = clock_steady_ms() + KEEPER_WAIT_MS; /* the devices take their own time, which is bounded */
        return;
    }
    int error = n > 0 && keeper_takes(enforcement)
                    ? say_card(enforcement, order->key, nodes, (size_t)n, on_order_done, order)
                    : -EAGAIN;

    if (error == 0) {
        order->asked = true;
        return;
    }
    if (n <= 0 || !enforcement->on) {
        finish_order(order, 0, ""); /* it has no node; or the inventory is late, with which it is said again */
        return;
    }
    const char *why = hopeless(enforcement, order);
    if (why) {
        note_order(order, why);
        finish_order(order, -EIO, why);
    }
}

static void try_orders(struct enforcement *enforcement)
{
    struct access_order *order, *next;

    for (order = TAILQ_FIRST(&enforcement->orders); order; order = next) {
        next = TAILQ_NEXT(order, link);
        if (!order->asked)
            try_order(enforcement, order);
    }
}

/* What is wanted of the card is said, as soon as it can be. */
static int add_order(struct enforcement *enforcement, const char *key, enforcement_done_fn done, void *context)
{
    struct access_order *order = calloc(1, sizeof *order);

    if (!order)
        return -ENOMEM;
    order->enforcement = enforcement;
    snprintf(order->key, sizeof order->key, "%s", key);
    order->done = done;
    order->context = context;
    order->give_up_ms = clock_steady_ms() + KEEPER_WAIT_MS;
    TAILQ_INSERT_TAIL(&enforcement->orders, order, link);
    event_active(enforcement->tick, EV_TIMEOUT, 0); /* from the loop: done never runs in here */
    return 0;
}

int enforcement_set(struct enforcement *enforcement, const char *key, const uint32_t *uids, size_t n_uids,
                    enforcement_done_fn done, void *context)
{
    if (want(enforcement, key, uids, n_uids) < 0)
        return -ENOMEM;
    return add_order(enforcement, key, done, context);
}

static bool is_ordered(const struct enforcement *enforcement, const char *key)
{
    const struct access_order *order;

    TAILQ_FOREACH(order, &enforcement->orders, link)
    if (!order->asked && strcmp(order->key, key) == 0)
        return true;
    return false;
}

void enforcement_renew(struct enforcement *enforcement)
{
    if (!enforcement || !enforcement->keeper)
        return;
    enforcement->renew_ms = clock_steady_ms() + RENEW_MS;
    for (size_t i = 0; i < enforcement->n_wanted; i++)
        if (!is_ordered(enforcement, enforcement->wanted[i].key))
            add_order(enforcement, enforcement->wanted[i].key, NULL, NULL); /* without memory: the next time */
    clean_up(enforcement);
    event_active(enforcement->tick, EV_TIMEOUT, 0); /* others may have waited for the nodes to be known */
}

/* Nodes made anew without a kernel event that was seen are found by saying it again every RENEW_MS. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct enforcement *enforcement = context;

    (void)fd;
    (void)what;
    if (!enforcement->keeper)
        return;
    if (enforcement->n_wanted && clock_steady_ms() >= enforcement->renew_ms)
        enforcement_renew(enforcement);
    try_orders(enforcement);
    clean_up(enforcement);
    const bool only_to_restore = !enforcement->on && !enforcement->watch.on;
    if (only_to_restore && enforcement->clean)
        child_stop(enforcement->keeper, "everything is restored");
    else if (!enforcement->clean || enforcement->n_wanted || !TAILQ_EMPTY(&enforcement->orders))
        tick_again(enforcement);
}

/* ---- The keeper ----------------------------------------------------------------------------------------------- */

static void on_up(void *context)
{
    struct enforcement *enforcement = context;

    log_event(EVENT_KEEPER_UP, LOG_NUMBER(FIELD_PID, child_pid(enforcement->keeper)));
    enforcement->clean = false;
    enforcement_renew(enforcement);
    watch_start(enforcement);
}

static void on_down(void *context, const struct child_death *death)
{
    struct enforcement *enforcement = context;

    watch_stop(&enforcement->watch);
    if (death->asked)
        return;
    enforcement->clean = false;
    tick_again(enforcement);
    log_event(EVENT_KEEPER_DOWN, LOG_TEXT(FIELD_MESSAGE, death->text));
    if (child_state(enforcement->keeper) == CHILD_GIVEN_UP && enforcement->service->devices)
        devices_event(enforcement->service->devices, NULL, EVENT_DEVICE_KEEPER_GIVEN_UP, "the keeper was given up: %s",
                      death->text);
}

static void keeper_arguments(void *context, struct spawner_arguments *arguments)
{
    static char runtime[SPAWNER_MAX_TEXT / 2], root[SPAWNER_MAX_TEXT / 2 - 16];
    const struct options *options = &((struct enforcement *)context)->service->options;

    snprintf(runtime, sizeof runtime, "--runtime-directory=%s", options->runtime_directory.text);
    snprintf(root, sizeof root, "--device-root=%s", options->device_root.text ? options->device_root.text : "");
    arguments->arguments[0] = runtime;
    arguments->arguments[1] = root;
}

/* Of a service with enforcement, which ended while something was restricted. */
static bool left_restricted(const struct options *options)
{
    char path[4096];
    const struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof path, "%s/access", options->runtime_directory.text);
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    while (!found && (entry = readdir(directory)))
        found = entry->d_name[0] != '.';
    closedir(directory);
    return found;
}

static int start_keeper(struct enforcement *enforcement)
{
    const struct child_callbacks callbacks = {.context = enforcement, .up = on_up, .down = on_down};
    struct service *service = enforcement->service;

    enforcement->keeper = child_new(service->base, service->spawner, CHILD_KEEPER, keeper_arguments, &callbacks);
    if (!enforcement->keeper)
        return -ENOMEM;
    child_start(enforcement->keeper);
    event_active(enforcement->tick, EV_TIMEOUT, 0);
    return 0;
}

int enforcement_init(struct service *service, struct enforcement **out)
{
    struct enforcement *enforcement = calloc(1, sizeof *enforcement);
    int error = 0;

    if (!enforcement)
        return -ENOMEM;
    enforcement->service = service;
    enforcement->on = service->spawner && service->options.enforcement;
    TAILQ_INIT(&enforcement->orders);
    enforcement->tick = evtimer_new(service->base, on_tick, enforcement);
    if (!enforcement->tick || watch_init(enforcement) < 0)
        error = -ENOMEM;
    if (error == 0 && service->spawner &&
        (enforcement->on || enforcement->watch.on || left_restricted(&service->options)))
        error = start_keeper(enforcement);
    if (error < 0) {
        enforcement_free(enforcement);
        return error;
    }
    *out = enforcement;
    return 0;
}

void enforcement_free(struct enforcement *enforcement)
{
    struct access_order *order;

    if (!enforcement)
        return;
    child_free(enforcement->keeper);
    watch_free(&enforcement->watch);
    if (enforcement->tick)
        event_free(enforcement->tick);
    while ((order = TAILQ_FIRST(&enforcement->orders))) {
        TAILQ_REMOVE(&enforcement->orders, order, link);
        free(order);
    }
    for (size_t i = 0; i < enforcement->n_wanted; i++)
        free(enforcement->wanted[i].uids);
    free(enforcement);
}

void enforcement_apply_options(struct enforcement *enforcement)
{
    watch_start(enforcement); /* the interval alone may change while serving */
}

bool enforcement_on(const struct enforcement *enforcement)
{
    return enforcement && enforcement->on;
}

/* Without it root may still restrict its own nodes. */
static bool lacks_fowner(const struct enforcement *enforcement)
{
    return enforcement->on && !spawner_has_fowner(enforcement->service->spawner) && geteuid() != 0;
}

const struct child *enforcement_keeper(const struct enforcement *enforcement)
{
    return enforcement->keeper;
}

void enforcement_problem(const struct enforcement *enforcement, char *text, size_t size)
{
    text[0] = '\0';
    if (!enforcement->keeper)
        return;
    enum child_state state = child_state(enforcement->keeper);
    if (state == CHILD_GIVEN_UP || state == CHILD_STUCK)
        snprintf(text, size, "the keeper is %s: %s", child_state_name(state), child_last_death(enforcement->keeper));
    else if (lacks_fowner(enforcement))
        snprintf(text, size,
                 "enforcement is on, but to change the access of devices is not permitted, so that none can be leased: "
                 "itexd "
                 "was not given CAP_FOWNER; its unit's drop-in acl.conf does that, see docs/systemd.md");
    else
        snprintf(text, size, "%s", enforcement->problem.text);
}
