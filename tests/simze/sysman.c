/*
 * Sysman of devices: both ways in (zesInit; ZES_ENABLE_SYSMAN=1 and the core's handles), state, reset, events.
 *
 * It knows cards only: a tile's handle stands for its card here. The mask, the hierarchy and the order do not count.
 */
#include "tests/simze/sysman.h"
#include "tests/simze/simze.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool on;

bool sysman_on(void)
{
    return on;
}

void sysman_enable(void)
{
    on = true;
}

/* ---- Enumeration ------------------------------------------------------------------------------------------ */

ze_result_t sysman_init(uint32_t flags)
{
    struct object cards[MAX_CARDS];
    struct call call;
    ze_result_t result = call_enter_global(&call, "zesInit");

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (flags != 0 || visibility_cards(call.control, cards) == 0)
        return ZE_RESULT_ERROR_UNINITIALIZED;
    sysman_enable();
    return ZE_RESULT_SUCCESS;
}

ze_result_t sysman_driver_get(uint32_t *count, zes_driver_handle_t *drivers)
{
    static const struct object driver = {.kind = KIND_DRIVER, .tile = -1};
    struct call call;
    ze_result_t result = call_enter_global(&call, "zesDriverGet");

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (!sysman_on())
        return ZE_RESULT_ERROR_UNINITIALIZED;
    return call_enumerate(&call, count, (void **)drivers, &driver, 1);
}

ze_result_t sysman_device_get(zes_driver_handle_t driver, uint32_t *count, zes_device_handle_t *devices)
{
    struct object cards[MAX_CARDS];
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceGet", KIND_DRIVER, driver, CALL_SYSMAN);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    return call_enumerate(&call, count, (void **)devices, cards, visibility_cards(call.control, cards));
}

/* ---- What it is ------------------------------------------------------------------------------------------- */

ze_result_t sysman_device_get_properties(zes_device_handle_t device, zes_device_properties_t *properties)
{
    struct object card;
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceGetProperties", KIND_DEVICE, device, CALL_SYSMAN | CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    card = call.object;
    card.tile = -1;
    identity_device(call.control, &card, &properties->core);
    properties->numSubdevices = identity_tiles(call.control) > 1 ? identity_tiles(call.control) : 0;
    snprintf(properties->serialNumber, sizeof properties->serialNumber, "SIM%04u", card.card);
    snprintf(properties->boardNumber, sizeof properties->boardNumber, "unknown");
    snprintf(properties->brandName, sizeof properties->brandName, "unknown");
    snprintf(properties->modelName, sizeof properties->modelName, "%.63s", call.control->name);
    snprintf(properties->vendorName, sizeof properties->vendorName, "Intel(R) Corporation");
    snprintf(properties->driverVersion, sizeof properties->driverVersion, "simulated");
    call_garble(&call, properties->core.name, sizeof properties->core.name);
    call_garble(&call, properties->serialNumber, sizeof properties->serialNumber);
    call_garble(&call, properties->modelName, sizeof properties->modelName);
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_pci_get_properties(zes_device_handle_t device, zes_pci_properties_t *properties)
{
    struct call call;
    ze_result_t result =
        call_enter(&call, "zesDevicePciGetProperties", KIND_DEVICE, device, CALL_SYSMAN | CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (call.control->nopci)
        return ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
    properties->address =
        (zes_pci_address_t){.domain = identity_pci(call.object.card).domain, .bus = identity_pci(call.object.card).bus};
    properties->maxSpeed = (zes_pci_speed_t){.gen = 5, .width = 16, .maxBandwidth = 64000000000};
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_pci_get_state(zes_device_handle_t device, zes_pci_state_t *state)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zesDevicePciGetState", KIND_DEVICE, device, CALL_SYSMAN);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    state->status = ZES_PCI_LINK_STATUS_GOOD;
    state->speed = (zes_pci_speed_t){.gen = 5, .width = 16, .maxBandwidth = 64000000000};
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_device_processes(zes_device_handle_t device, uint32_t *count, zes_process_state_t *processes)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceProcessesGetState", KIND_DEVICE, device, CALL_SYSMAN);

    if (result == ZE_RESULT_SUCCESS)
        call_count(&call, count, processes, 0);
    return result;
}

/* ---- State and reset -------------------------------------------------------------------------------------- */

ze_result_t sysman_device_get_state(zes_device_handle_t device, zes_device_state_t *state)
{
    double required;
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceGetState", KIND_DEVICE, device, CALL_SYSMAN | CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    result = call_reading(&call, RESET_REQUIRED, &required);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    state->reset = call.card->lost || required != 0 ? ZES_RESET_REASON_FLAG_WEDGED : 0;
    state->repaired = ZES_REPAIR_STATUS_UNSUPPORTED;
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_device_reset(zes_device_handle_t device, ze_bool_t force)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceReset", KIND_DEVICE, device, CALL_SYSMAN | CALL_LOST_TOO);

    (void)force;
    if (result != ZE_RESULT_SUCCESS)
        return result;
    return control_write_reset(call.object.card) ? ZE_RESULT_SUCCESS : ZE_RESULT_ERROR_UNKNOWN;
}

/* ---- Events ----------------------------------------------------------------------------------------------- */

static zes_event_type_flags_t pending[MAX_CARDS], registered[MAX_CARDS];

/* An event happens when its statement appears: what is there already at the start has happened before. */
void sysman_changing(const struct control *before, const struct control *now)
{
    static bool first = true;

    for (unsigned i = 0; i < MAX_CARDS && !first; i++)
        pending[i] |= now->card[i].events & ~before->card[i].events;
    first = false;
}

ze_result_t sysman_event_register(zes_device_handle_t device, zes_event_type_flags_t events)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceEventRegister", KIND_DEVICE, device, CALL_SYSMAN);

    if (result == ZE_RESULT_SUCCESS)
        registered[call.object.card] = events;
    return result;
}

static uint32_t take_events(uint32_t count, zes_device_handle_t *devices, zes_event_type_flags_t *events)
{
    struct object device;
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        events[i] = 0;
        if (!object_of(devices[i], KIND_DEVICE, &device))
            continue;
        events[i] = pending[device.card] & registered[device.card];
        pending[device.card] &= ~events[i];
        n += events[i] != 0;
    }
    return n;
}

static ze_result_t listen(const char *function, ze_driver_handle_t driver, uint64_t timeout, uint32_t count,
                          zes_device_handle_t *devices, uint32_t *n_events, zes_event_type_flags_t *events)
{
    const struct timespec tick = {.tv_nsec = 5000000};
    struct call call;

    for (uint64_t waited = 0;; waited += 5) {
        ze_result_t result = call_enter(&call, function, KIND_DRIVER, driver, CALL_SYSMAN);

        if (result != ZE_RESULT_SUCCESS)
            return result;
        *n_events = take_events(count, devices, events);
        call_scribble(&call, events, count * sizeof *events, 0);
        if (*n_events > 0 || waited >= timeout)
            return ZE_RESULT_SUCCESS;
        nanosleep(&tick, NULL);
    }
}

ze_result_t sysman_event_listen(ze_driver_handle_t driver, uint32_t timeout, uint32_t count,
                                zes_device_handle_t *devices, uint32_t *n_events, zes_event_type_flags_t *events)
{
    return listen("zesDriverEventListen", driver, timeout == UINT32_MAX ? UINT64_MAX : timeout, count, devices,
                  n_events, events);
}

ze_result_t sysman_event_listen_ex(ze_driver_handle_t driver, uint64_t timeout, uint32_t count,
                                   zes_device_handle_t *devices, uint32_t *n_events, zes_event_type_flags_t *events)
{
    return listen("zesDriverEventListenEx", driver, timeout, count, devices, n_events, events);
}
