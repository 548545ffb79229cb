/* The JSON of devices and leases: see output.h. A metric that is not known is null, with the reason beside it. */
#include "client/itexctl/json_parts.h"

#include <json-c/json_object.h>
#include <math.h>

static struct json_object *real(bool known, double value)
{
    return known && isfinite(value) ? json_object_new_double(value) : NULL;
}

static struct json_object *integer(bool known, int64_t value)
{
    return known ? json_object_new_int64(value) : NULL;
}

/* ---- Devices ---------------------------------------------------------------------------------------- */

static struct json_object *metrics(const Itexd__V1__DeviceInfo *device)
{
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; i < device->n_metrics; i++) {
        const Itexd__V1__Metric *metric = device->metrics[i];
        struct json_object *entry = json_object_new_object();
        json_add(entry, "value", real(metric->has_value, metric->value));
        json_add(entry, "unit", json_text(metric->unit));
        json_add(entry, "missing", json_text(metric->missing));
        json_add(entry, "mean", real(metric->has_mean, metric->mean));
        json_add(entry, "highest", real(metric->has_highest, metric->highest));
        json_add(object, metric->name ? metric->name : "", entry);
    }
    return object;
}

static struct json_object *tiles(const Itexd__V1__DeviceInfo *device)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < device->n_tiles; i++) {
        struct json_object *entry = json_object_new_object();
        json_add(entry, "uuid", json_text(device->tiles[i]->uuid));
        json_add(entry, "memory", json_number(device->tiles[i]->has_memory_bytes, device->tiles[i]->memory_bytes));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *device_summary(const Itexd__V1__DeviceInfo *device)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "id", json_number(device->has_id && device->id, device->id));
    json_add(object, "key", json_text(device->key));
    json_add(object, "bdf", json_text(device->bdf));
    json_add(object, "uuid", json_text(device->uuid));
    json_add(object, "name", json_text(device->name));
    json_add(object, "tiles", tiles(device));
    json_add(object, "memory", json_number(device->has_memory_bytes, device->memory_bytes));
    json_add(object, "state", json_text(device->state));
    json_add(object, "cause", json_text(device->cause));
    json_add(object, "drained", device->has_drained ? json_boolean(device->drained) : NULL);
    json_add(object, "holder", json_text(device->holder));
    json_add(object, "metrics", metrics(device));
    json_add(object, "sampled", json_time(device->has_sampled_ms, device->sampled_ms));
    return object;
}

struct json_object *json_devices(const Itexd__V1__DevicesReply *reply)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();
    for (size_t i = 0; i < reply->n_devices; i++)
        json_object_array_add(list, device_summary(reply->devices[i]));
    json_add(object, "devices", list);
    json_add(object, "none", json_text(reply->none));
    json_add(object, "substitute", json_text(reply->substitute));
    return object;
}

static struct json_object *firmware(const Itexd__V1__DeviceInfo *device)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < device->n_firmware; i++) {
        struct json_object *entry = json_object_new_object();
        json_add(entry, "name", json_text(device->firmware[i]->name));
        json_add(entry, "version", json_text(device->firmware[i]->version));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *foreign_use(const Itexd__V1__DeviceInfo *device)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < device->n_foreign; i++) {
        const Itexd__V1__ForeignUse *use = device->foreign[i];
        struct json_object *entry = json_object_new_object();
        json_add(entry, "pid", integer(use->has_pid, use->pid));
        json_add(entry, "uid", json_number(use->has_uid, use->uid));
        json_add(entry, "command", json_text(use->command));
        json_add(entry, "memory", json_number(use->has_memory_bytes, use->memory_bytes));
        json_object_array_add(list, entry);
    }
    return list;
}

static void add_device_details(struct json_object *object, const Itexd__V1__DeviceInfo *device)
{
    json_add(object, "eus", json_number(device->has_eus, device->eus));
    json_add(object, "pci_device", json_number(device->has_pci_device, device->pci_device));
    json_add(object, "kernel_driver", json_text(device->kernel_driver));
    json_add(object, "render_node", json_text(device->render_node));
    json_add(object, "card_node", json_text(device->card_node));
    json_add(object, "numa_node", integer(device->has_numa_node && device->numa_node >= 0, device->numa_node));
    json_add(object, "cpus", json_text(device->cpus));
    json_add(object, "firmware", firmware(device));
    json_add(object, "links", json_texts(device->links, device->n_links));
    json_add(object, "driver_version", json_text(device->driver_version));
    json_add(object, "api_version", json_text(device->api_version));
    json_add(object, "first_seen", json_time(device->has_first_seen_ms, device->first_seen_ms));
    json_add(object, "last_seen", json_time(device->has_last_seen_ms, device->last_seen_ms));
    json_add(object, "foreign", foreign_use(device));
}

struct json_object *json_device_show(const Itexd__V1__DeviceShowReply *reply)
{
    struct json_object *object = json_object_new_object(), *events = json_object_new_array();
    struct json_object *device = device_summary(reply->device);
    add_device_details(device, reply->device);
    for (size_t i = 0; i < reply->n_events; i++) {
        struct json_object *entry = json_object_new_object();
        json_add(entry, "time", json_time(reply->events[i]->has_time_ms, reply->events[i]->time_ms));
        json_add(entry, "kind", json_text(reply->events[i]->kind));
        json_add(entry, "text", json_text(reply->events[i]->text));
        json_object_array_add(events, entry);
    }
    json_add(object, "device", device);
    json_add(object, "events", events);
    json_add(object, "substitute", json_text(reply->substitute));
    return object;
}

/* ---- Leases ----------------------------------------------------------------------------------------- */

static struct json_object *holders(const Itexd__V1__LeaseInfo *lease)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < lease->n_holders; i++) {
        const Itexd__V1__LeaseHolder *holder = lease->holders[i];
        struct json_object *entry = json_object_new_object();
        json_add(entry, "pid", integer(holder->has_pid, holder->pid));
        json_add(entry, "command", json_text(holder->command));
        json_add(entry, "state", json_text(holder->state));
        json_add(entry, "decision", json_number(holder->has_decision && holder->decision, holder->decision));
        json_add(entry, "local_rank", json_number(holder->has_local_rank, holder->local_rank));
        json_object_array_add(list, entry);
    }
    return list;
}

struct json_object *json_lease_info(const Itexd__V1__LeaseInfo *lease)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "id", json_number(lease->has_id && lease->id, lease->id));
    json_add(object, "uid", json_number(lease->has_uid, lease->uid));
    json_add(object, "job", json_text(lease->job));
    json_add(object, "step", json_text(lease->step));
    json_add(object, "sharing", json_text(lease->sharing));
    json_add(object, "state", json_text(lease->state));
    json_add(object, "granted", json_time(lease->has_granted_ms, lease->granted_ms));
    json_add(object, "devices", json_device_list(lease->devices, lease->n_devices));
    json_add(object, "holders", holders(lease));
    json_add(object, "mine", json_boolean(lease->has_mine && lease->mine));
    return object;
}

static struct json_object *waiter(const Itexd__V1__LeaseWaiting *waiting)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "position", json_number(waiting->has_position, waiting->position));
    json_add(object, "uid", json_number(waiting->has_uid, waiting->uid));
    json_add(object, "job", json_text(waiting->job));
    json_add(object, "pid", integer(waiting->has_pid, waiting->pid));
    json_add(object, "wants", json_text(waiting->wants));
    json_add(object, "why", json_text(waiting->why));
    json_add(object, "since", json_time(waiting->has_since_ms, waiting->since_ms));
    json_add(object, "until", json_time(waiting->has_until_ms, waiting->until_ms));
    json_add(object, "mine", json_boolean(waiting->has_mine && waiting->mine));
    return object;
}

struct json_object *json_leases(const Itexd__V1__LeasesReply *reply)
{
    struct json_object *object = json_object_new_object();
    struct json_object *leases = json_object_new_array(), *waiting = json_object_new_array();
    for (size_t i = 0; i < reply->n_leases; i++)
        json_object_array_add(leases, json_lease_info(reply->leases[i]));
    for (size_t i = 0; i < reply->n_waiting; i++)
        json_object_array_add(waiting, waiter(reply->waiting[i]));
    json_add(object, "leases", leases);
    json_add(object, "waiting", waiting);
    json_add(object, "omitted", json_number(true, reply->omitted));
    json_add(object, "substitute", json_text(reply->substitute));
    return object;
}

/* ---- Status ----------------------------------------------------------------------------------------- */

static struct json_object *worker(const Itexd__V1__WorkerStatus *status)
{
    if (!status)
        return NULL;
    struct json_object *object = json_object_new_object();
    json_add(object, "state", json_text(status->state));
    json_add(object, "pid", integer(status->has_pid && status->pid > 0, status->pid));
    json_add(object, "restarts", json_number(status->has_restarts, status->restarts));
    json_add(object, "last_death", json_text(status->last_death));
    json_add(object, "next_start_ms", json_number(status->has_next_start_ms, status->next_start_ms));
    json_add(object, "loader_version", json_text(status->loader_version));
    json_add(object, "driver_version", json_text(status->driver_version));
    json_add(object, "api_version", json_text(status->api_version));
    json_add(object, "sysman", json_text(status->sysman));
    json_add(object, "layer", json_text(status->layer));
    json_add(object, "detail", json_text(status->detail));
    json_add(object, "inventory", json_time(status->has_inventory_ms, status->inventory_ms));
    return object;
}

void json_add_device_status(struct json_object *object, const Itexd__V1__Status *status)
{
    json_add(object, "worker", worker(status->worker));
    json_add(object, "n_devices", json_number(status->has_n_devices, status->n_devices));
    json_add(object, "leases", json_number(status->has_n_leases, status->n_leases));
    json_add(object, "waiting", json_number(status->has_n_waiting, status->n_waiting));
    json_add(object, "enforcement", status->has_enforcement ? json_boolean(status->enforcement) : NULL);
    json_add(object, "foreign_use", json_text(status->foreign_use));
    json_add(object, "foreign", json_number(status->has_n_foreign, status->n_foreign));
    json_add(object, "substitute", json_text(status->substitute));
}
