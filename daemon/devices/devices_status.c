/* How devices and worker are, for `itexctl status` and the service manager's line. */
#include "daemon/devices/devices_own.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct devices_said {
    Itexd__V1__WorkerStatus worker;
    char sentence[640];
};

int devices_said_init(struct devices *devices)
{
    devices->said = calloc(1, sizeof *devices->said);
    return devices->said ? 0 : -ENOMEM;
}

static size_t count_present(const struct devices *devices)
{
    size_t n = 0;

    for (size_t i = 0; i < devices->set.n; i++)
        n += devices->set.items[i]->present;
    return n;
}

static size_t count_health(const struct devices *devices, enum device_health health)
{
    size_t n = 0;

    for (size_t i = 0; i < devices->set.n; i++)
        n += devices->set.items[i]->health == health;
    return n;
}

static size_t count_drained(const struct devices *devices)
{
    size_t n = 0;

    for (size_t i = 0; i < devices->set.n; i++)
        n += devices->set.items[i]->drained;
    return n;
}

static void add(char *text, size_t size, size_t n, const char *word)
{
    size_t length = strlen(text);

    if (n > 0)
        snprintf(text + length, size - length, ", %zu %s", n, word);
}

static void write_sentence(const struct devices *devices, char *text, size_t size)
{
    const char *substitute = devices_substitute(devices);
    size_t n = devices->set.n;

    if (n == 0) {
        snprintf(text, size, "%s%sno devices: %s", substitute ? substitute : "", substitute ? ": " : "", devices->none);
        return;
    }
    snprintf(text, size, "%zu %s%sdevice%s", n, substitute ? substitute : "", substitute ? " " : "", n == 1 ? "" : "s");
    for (int health = DEVICE_DEGRADED; health <= DEVICE_CHANGED; health++)
        add(text, size, count_health(devices, (enum device_health)health),
            device_health_name((enum device_health)health));
    add(text, size, count_drained(devices), "drained");
    if (!devices->uevents)
        snprintf(text + strlen(text), size - strlen(text), "; hot-plug is not watched");
}

static void fill_worker(const struct devices *devices, Itexd__V1__WorkerStatus *worker)
{
    const Itexd__Child__Inventory *inventory = devices->inventory;
    const struct child *child = devices->worker;
    uint64_t now_ms = clock_steady_ms(), next_ms = child ? child_next_start_ms(child) : 0;

    itexd__v1__worker_status__init(worker);
    worker->state = (char *)child_state_name(child ? child_state(child) : CHILD_OFF);
    worker->has_pid = child && child_pid(child) != 0;
    worker->pid = child ? child_pid(child) : 0;
    worker->has_restarts = child != NULL;
    worker->restarts = child ? child_restarts(child) : 0;
    worker->last_death = child && child_last_death(child)[0] ? (char *)child_last_death(child) : NULL;
    worker->has_next_start_ms = next_ms != 0;
    worker->next_start_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    if (!inventory)
        return;
    worker->loader_version = inventory->loader_version;
    worker->driver_version = inventory->driver_version;
    worker->api_version = inventory->api_version;
    worker->sysman = devices->sysman.off ? (char *)"off: the driver failed in it" : inventory->sysman;
    worker->layer = inventory->layer;
    worker->detail = inventory->detail;
    worker->has_inventory_ms = true;
    worker->inventory_ms = devices->inventory_ms;
}

void devices_status(const struct devices *devices, Itexd__V1__Status *status)
{
    struct devices_said *said = devices->said;

    if (!devices->managed) {
        status->devices = (char *)"no devices are managed (devices: off)";
        return;
    }
    write_sentence(devices, said->sentence, sizeof said->sentence);
    fill_worker(devices, &said->worker);
    status->devices = said->sentence;
    status->worker = &said->worker;
    status->has_n_devices = true;
    status->n_devices = (uint32_t)count_present(devices);
    status->substitute = (char *)devices_substitute(devices);
}

const struct child *devices_worker(const struct devices *devices)
{
    return devices->worker;
}

/* ---- Problems --------------------------------------------------------------------------------------------- */

static bool worker_problem(const struct devices *devices, char *text, size_t size)
{
    const struct child *worker = devices->worker;

    if (!worker || (devices->service->spawner && spawner_failed(devices->service->spawner)))
        snprintf(text, size,
                 "device worker: it cannot be started, for the process that starts it is missing; restart itexd");
    else if (child_state(worker) == CHILD_GIVEN_UP)
        snprintf(text, size, "device worker: given up after %s; itexctl devices restart tries again",
                 child_last_death(worker));
    else if (child_state(worker) == CHILD_STUCK)
        snprintf(text, size, "device worker: pid %d hangs in the kernel (%s); the node may have to be restarted",
                 (int)child_pid(worker), child_last_death(worker));
    else if (child_state(worker) == CHILD_WAITING)
        snprintf(text, size, "device worker: it ended and will be started again: %s", child_last_death(worker));
    else if (!devices->inventory)
        snprintf(text, size, "device worker: there is no inventory yet%s%s", child_last_death(worker)[0] ? "; " : "",
                 child_last_death(worker));
    else
        return false;
    return true;
}

/* A node without any Intel GPU is in order; one with a GPU that nobody can use is not. */
static bool layer_problem(const struct devices *devices, char *text, size_t size)
{
    const Itexd__Child__Inventory *inventory = devices->inventory;

    if (!inventory || !inventory->layer || strcmp(inventory->layer, "pci") == 0)
        return false;
    snprintf(text, size, "devices: %s", devices->none);
    return true;
}

void devices_problem(const struct devices *devices, char *text, size_t size)
{
    text[0] = '\0';
    if (!devices->managed || !devices->settled) /* it has only just started */
        return;
    if (worker_problem(devices, text, size) || layer_problem(devices, text, size))
        return;
    for (size_t i = 0; i < devices->set.n; i++) {
        const struct device *device = devices->set.items[i];

        if (device->health == DEVICE_HEALTHY || (device->health == DEVICE_STALE && device->resetting))
            continue;
        snprintf(text, size, "device %s is %s: %s; itexctl devices %s says more", device->key,
                 device_health_name(device->health), device->cause, device->key);
        return;
    }
}
