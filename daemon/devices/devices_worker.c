/*
 * The device worker from the loop's side: when it is started, what it is asked, and what its silence means.
 *
 * One request is outstanding at a time. After each start the first is the inventory; samples, whose numbers are those
 * of the inventory, are asked only of the process that gave it. A worker that cannot give one (the driver's answers are
 * not to be believed) has failed: another process may do better, and later rather than at once. One tick, at the sample
 * interval or DEVICES_TICK_LONGEST_MS, whichever is shorter, sees to everything that has its time.
 */
#include "daemon/devices/card.h"
#include "daemon/devices/devices_own.h"
#include "daemon/leases/enforcement.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Its arguments and environment ------------------------------------------------------------------------ */

/* Cuts worker_environment into its words, behind what is in the list already. */
static void add_words(struct devices *devices, const char *text, const char *environment[SPAWNER_MAX_ARGUMENTS],
                      size_t n)
{
    char *rest = devices->worker_texts->words, *word;

    snprintf(rest, sizeof devices->worker_texts->words, "%s", text ? text : "");
    while (n + 1 < SPAWNER_MAX_ARGUMENTS && (word = strsep(&rest, " \t")))
        if (*word)
            environment[n++] = word;
    environment[n] = NULL;
}

static void fill_arguments(void *context, struct spawner_arguments *out)
{
    struct devices *devices = context;
    const struct options *options = &devices->service->options;
    struct worker_texts *texts = devices->worker_texts;
    const char *substitute = devices_substitute(devices);
    size_t n = 0;

    if (options->device_root.text) {
        snprintf(texts->root, sizeof texts->root, "--device-root=%s", options->device_root.text);
        out->arguments[n++] = texts->root;
    }
    if (devices->sysman.off)
        out->arguments[n++] = "--no-sysman";
    if (substitute) {
        snprintf(texts->substitute, sizeof texts->substitute, "--substitute=%s", substitute);
        out->arguments[n++] = texts->substitute;
    }
    out->arguments[n] = NULL;
    n = 0;
    out->environment[n++] = "ZE_ENABLE_PCI_ID_DEVICE_ORDER=1";
    out->environment[n++] = "ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE";
    if (options->simulated_driver.text) {
        snprintf(texts->drivers, sizeof texts->drivers, "ZE_ENABLE_ALT_DRIVERS=%s", options->simulated_driver.text);
        out->environment[n++] = texts->drivers;
    }
    add_words(devices, options->worker_environment.text, out->environment, n);
}

/* ---- Asking ----------------------------------------------------------------------------------------------- */

static bool ask(struct devices *devices, Itexd__Child__Request *request, uint64_t deadline_ms, child_reply_fn done)
{
    if (devices->asked || child_request(devices->worker, request, (unsigned)deadline_ms, done, devices) < 0)
        return false;
    devices->asked = true;
    devices->asked_ms = clock_steady_ms();
    return true;
}

/* NULL: the worker has ended; what that means is on_down's to say. */
static bool heard(struct devices *devices, const Itexd__Child__Reply *reply)
{
    devices->asked = false;
    if (!reply)
        return false;
    devices->heard_ms = clock_steady_ms();
    return true;
}

static void on_inventory(void *context, const Itexd__Child__Reply *reply)
{
    struct devices *devices = context;

    char why[128];

    if (!reply || reply->body_case != ITEXD__CHILD__REPLY__BODY_INVENTORY) {
        devices->asked = false; /* and nothing was heard of the devices: they become stale */
        if (!reply)
            return;
        snprintf(why, sizeof why, "%s", reply->error ? reply->error : "answered the inventory with something else");
        text_clean(why, sizeof why);
        child_fail(devices->worker, why);
        return;
    }
    heard(devices, reply);
    devices->current = true;
    devices_take_inventory(devices, reply->inventory);
}

static void ask_inventory(struct devices *devices)
{
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__InventoryRequest inventory = ITEXD__CHILD__INVENTORY_REQUEST__INIT;

    request.body_case = ITEXD__CHILD__REQUEST__BODY_INVENTORY;
    request.inventory = &inventory;
    ask(devices, &request, devices->service->options.start_deadline, on_inventory);
}

static void on_samples(void *context, const Itexd__Child__Reply *reply)
{
    struct devices *devices = context;

    if (heard(devices, reply))
        devices_take_samples(devices, reply->body_case == ITEXD__CHILD__REPLY__BODY_SAMPLES ? reply->samples : NULL);
}

static void ask_samples(struct devices *devices)
{
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__SampleRequest sample = ITEXD__CHILD__SAMPLE_REQUEST__INIT;

    request.body_case = ITEXD__CHILD__REQUEST__BODY_SAMPLE;
    request.sample = &sample;
    if (ask(devices, &request, devices->service->options.worker_deadline, on_samples))
        devices->sampled_ms = devices->asked_ms;
}

/* A little less than the interval has passed where the tick came early. */
static bool sample_is_due(const struct devices *devices, uint64_t now_ms)
{
    uint64_t interval = devices->service->options.sample_interval;

    return devices->inventory && devices->inventory->n_cards > 0 &&
           now_ms - devices->sampled_ms + interval / 10 >= interval;
}

static void ask_what_is_due(struct devices *devices, uint64_t now_ms)
{
    if (devices->asked || child_state(devices->worker) != CHILD_UP)
        return;
    if (!devices->current)
        ask_inventory(devices);
    else if (sample_is_due(devices, now_ms))
        ask_samples(devices);
}

/* ---- Its life --------------------------------------------------------------------------------------------- */

/* States that need a person, said once each. */
static void tell_state(struct devices *devices)
{
    enum child_state state = child_state(devices->worker);

    if (state == devices->told_state)
        return;
    devices->told_state = state;
    if (state == CHILD_GIVEN_UP)
        devices_event(devices, NULL, EVENT_DEVICE_WORKER_GIVEN_UP,
                      "the device worker is not started any more (%s); itexctl devices restart does",
                      child_last_death(devices->worker));
    else if (state == CHILD_STUCK)
        devices_event(devices, NULL, EVENT_DEVICE_WORKER_STUCK,
                      "the device worker (pid %d) hangs in the kernel and cannot be ended (%s)",
                      (int)child_pid(devices->worker), child_last_death(devices->worker));
    else
        return;
    devices_settle(devices);
    devices_publish(devices);
}

static void on_up(void *context)
{
    struct devices *devices = context;

    devices->current = false;
    log_event(EVENT_WORKER_UP, LOG_NUMBER(FIELD_PID, child_pid(devices->worker)));
    ask_inventory(devices);
}

static void on_down(void *context, const struct child_death *death)
{
    struct devices *devices = context;

    devices->current = false;
    devices->asked = false;
    if (!death->asked) {
        devices_event(devices, NULL, EVENT_DEVICE_WORKER_DOWN, "the device worker ended: %s", death->text);
        if (death->in_sysman && !devices->sysman.off) {
            sysman_died(&devices->sysman, clock_steady_ms());
            devices_event(devices, NULL, EVENT_DEVICE_SYSMAN_OFF,
                          "health is not read for %u minutes, for the driver failed in it",
                          (unsigned)(devices->sysman.delay_ms / 60000));
        }
        devices_explain_none(devices);
    }
    devices_resets_check(devices);
    tell_state(devices);
}

void devices_worker_restart(struct devices *devices, const char *why)
{
    if (!devices->worker || !LIST_EMPTY(&devices->resets))
        return;
    sysman_forgive(&devices->sysman, clock_steady_ms());
    child_restart(devices->worker, why);
}

void devices_worker_resume(struct devices *devices)
{
    if (!devices->worker || !LIST_EMPTY(&devices->resets))
        return;
    sysman_forgive(&devices->sysman, clock_steady_ms());
    child_start(devices->worker);
}

static void on_uevents(void *context, const char *what, unsigned n)
{
    struct devices *devices = context;

    devices_event(devices, NULL, EVENT_DEVICE_HOT_PLUG,
                  "%u kernel event%s, the last: %s; the devices are looked at again", n, n == 1 ? "" : "s", what);
    enforcement_renew(devices->service->enforcement);
    devices_worker_restart(devices, what);
}

/* ---- The tick --------------------------------------------------------------------------------------------- */

static void check_silence(struct devices *devices, uint64_t now_ms)
{
    uint64_t limit = 3 * devices->service->options.sample_interval;
    const char *death = child_last_death(devices->worker);
    char why[160];

    if (limit < DEVICES_STALE_LEAST_MS)
        limit = DEVICES_STALE_LEAST_MS;
    if (devices->current && !devices->asked)
        return; /* it is there, and was not asked since */
    if (now_ms - devices->heard_ms <= limit)
        return;
    if (!LIST_EMPTY(&devices->resets))
        snprintf(why, sizeof why, "the device worker rests while a device is reset");
    else if (child_state(devices->worker) == CHILD_UP)
        snprintf(why, sizeof why, "the driver does not answer");
    else
        snprintf(why, sizeof why, "the device worker is away%s%.110s", death[0] ? ": " : "", death);
    devices_mark_stale(devices, why);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct devices *devices = context;
    uint64_t now_ms = clock_steady_ms();

    (void)fd;
    (void)what;
    if (store_interruptions(devices->service->store) != devices->interruptions)
        devices_put_all(devices);
    if (now_ms - devices->aggregated_ms >= DEVICES_AGGREGATE_MS) {
        devices->aggregated_ms = now_ms;
        devices_aggregate(devices);
        devices_put_seen(devices);
    }
    if (!devices->worker)
        return;
    /* One that is given up stays so, and one that keeps dying has not proven that it works without sysman. */
    if (LIST_EMPTY(&devices->resets) && child_state(devices->worker) == CHILD_UP &&
        sysman_retry(&devices->sysman, now_ms))
        child_restart(devices->worker, "sysman is tried again");
    devices_resets_check(devices);
    check_silence(devices, now_ms);
    devices_check_changed(devices);
    tell_state(devices);
    ask_what_is_due(devices, now_ms);
}

static int arm_tick(struct devices *devices)
{
    uint64_t interval = devices->service->options.sample_interval;
    struct timeval every;

    if (interval > DEVICES_TICK_LONGEST_MS)
        interval = DEVICES_TICK_LONGEST_MS;
    every = (struct timeval){.tv_sec = (time_t)(interval / 1000), .tv_usec = (suseconds_t)(interval % 1000 * 1000)};
    return event_add(devices->tick, &every) == 0 ? 0 : -ENOMEM;
}

void devices_apply_options(struct devices *devices)
{
    if (devices->tick)
        arm_tick(devices);
}

/* ---- Beginning and end ------------------------------------------------------------------------------------ */

static void watch_hotplug(struct devices *devices)
{
    int error = uevents_open(devices->service->base, uevent_gpu_subsystems, uevent_concerns_gpus, on_uevents, devices,
                             &devices->uevents);

    if (error < 0)
        log_event(EVENT_HOT_PLUG_UNHEARD,
                  LOG_TEXT(FIELD_MESSAGE, "kernel events cannot be heard, so a change of devices is not noticed; "
                                          "itexctl devices restart looks again"),
                  LOG_TEXT(FIELD_WHY, strerror(-error)));
}

int devices_worker_init(struct devices *devices)
{
    struct service *service = devices->service;
    struct child_callbacks callbacks = {.context = devices, .up = on_up, .down = on_down};
    uint64_t now_ms = clock_steady_ms();

    devices->aggregated_ms = devices->heard_ms = now_ms;
    devices->aggregated_wall_ms = clock_wall_ms();
    sysman_forgive(&devices->sysman, now_ms);
    devices->worker_texts = calloc(1, sizeof *devices->worker_texts);
    devices->tick = event_new(service->base, -1, EV_PERSIST, on_tick, devices);
    if (!devices->worker_texts || !devices->tick || arm_tick(devices) < 0)
        return -ENOMEM;
    watch_hotplug(devices);
    if (!service->spawner)
        return 0; /* status says so */
    devices->worker = child_new(service->base, service->spawner, CHILD_DEVICE_WORKER, fill_arguments, &callbacks);
    if (!devices->worker)
        return -ENOMEM;
    child_set_backoff(devices->worker, (unsigned)service->options.worker_backoff, CHILD_BACKOFF_LAST_MS);
    child_start(devices->worker);
    return 0;
}

void devices_worker_free(struct devices *devices)
{
    if (devices->worker)
        child_free(devices->worker);
    uevents_free(devices->uevents);
    if (devices->tick)
        event_free(devices->tick);
    free(devices->worker_texts);
    devices->worker = NULL;
    devices->uevents = NULL;
    devices->tick = NULL;
    devices->worker_texts = NULL;
}
