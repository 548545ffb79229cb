/*
 * What a card consists of, as sysman divides it: per tile (of the card, where it has no tiles) two frequency domains,
 * three engine groups, two temperature sensors, a memory module and two sets of errors; per card its power domain,
 * beside one of each tile, its fabric ports and its firmware.
 */
#include "tests/simze/components.h"
#include "tests/simze/sysman.h"

#define MAX_COMPONENTS (MAX_TILES * 4 + MAX_INDEX)

/* ---- Lists ------------------------------------------------------------------------------------------------ */

static uint32_t list_of_tiles(const struct call *call, enum object_kind kind, unsigned each, struct object *out)
{
    unsigned tiles = identity_tiles(call->control);
    uint32_t n = 0;

    for (unsigned tile = 0; tile < tiles; tile++)
        for (unsigned index = 0; index < each; index++)
            out[n++] = (struct object){kind, call->object.card, tiles > 1 ? (int)tile : -1, index};
    return n;
}

static uint32_t list_of_card(const struct call *call, enum object_kind kind, unsigned each, struct object *out)
{
    for (unsigned index = 0; index < each; index++)
        out[index] = (struct object){kind, call->object.card, -1, index};
    return each;
}

/* each: of the card where it is a thing of the card, else of each tile. */
static ze_result_t list(const char *function, zes_device_handle_t device, enum object_kind kind, bool of_card,
                        unsigned each, uint32_t *count, void **handles)
{
    struct object found[MAX_COMPONENTS];
    struct call call;
    ze_result_t result = call_enter(&call, function, KIND_DEVICE, device, CALL_SYSMAN);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    return call_enumerate(&call, count, handles, found,
                          of_card ? list_of_card(&call, kind, each, found) : list_of_tiles(&call, kind, each, found));
}

ze_result_t sysman_enum_power(zes_device_handle_t device, uint32_t *count, zes_pwr_handle_t *handles)
{
    struct object found[MAX_COMPONENTS];
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceEnumPowerDomains", KIND_DEVICE, device, CALL_SYSMAN);
    uint32_t n;

    if (result != ZE_RESULT_SUCCESS)
        return result;
    n = list_of_card(&call, KIND_POWER, 1, found);
    if (identity_tiles(call.control) > 1)
        n += list_of_tiles(&call, KIND_POWER, 1, found + n);
    return call_enumerate(&call, count, (void **)handles, found, n);
}

ze_result_t sysman_card_power(zes_device_handle_t device, zes_pwr_handle_t *handle)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceGetCardPowerDomain", KIND_DEVICE, device, CALL_SYSMAN);

    if (result == ZE_RESULT_SUCCESS)
        *handle = call_handle(&call, (struct object){KIND_POWER, call.object.card, -1, 0}, 0);
    return result;
}

ze_result_t sysman_enum_frequency(zes_device_handle_t device, uint32_t *count, zes_freq_handle_t *handles)
{
    return list("zesDeviceEnumFrequencyDomains", device, KIND_FREQUENCY, false, FREQUENCIES, count, (void **)handles);
}

ze_result_t sysman_enum_engines(zes_device_handle_t device, uint32_t *count, zes_engine_handle_t *handles)
{
    return list("zesDeviceEnumEngineGroups", device, KIND_ENGINE, false, ENGINES, count, (void **)handles);
}

ze_result_t sysman_enum_temperature(zes_device_handle_t device, uint32_t *count, zes_temp_handle_t *handles)
{
    return list("zesDeviceEnumTemperatureSensors", device, KIND_TEMPERATURE, false, SENSORS, count, (void **)handles);
}

ze_result_t sysman_enum_memory(zes_device_handle_t device, uint32_t *count, zes_mem_handle_t *handles)
{
    return list("zesDeviceEnumMemoryModules", device, KIND_MEMORY, false, 1, count, (void **)handles);
}

ze_result_t sysman_enum_ras(zes_device_handle_t device, uint32_t *count, zes_ras_handle_t *handles)
{
    return list("zesDeviceEnumRasErrorSets", device, KIND_RAS, false, RAS_SETS, count, (void **)handles);
}

ze_result_t sysman_enum_firmware(zes_device_handle_t device, uint32_t *count, zes_firmware_handle_t *handles)
{
    return list("zesDeviceEnumFirmwares", device, KIND_FIRMWARE, true, FIRMWARES, count, (void **)handles);
}

ze_result_t sysman_enum_ports(zes_device_handle_t device, uint32_t *count, zes_fabric_port_handle_t *handles)
{
    struct object found[MAX_COMPONENTS];
    double links;
    struct call call;
    ze_result_t result = call_enter(&call, "zesDeviceEnumFabricPorts", KIND_DEVICE, device, CALL_SYSMAN);

    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, LINKS, &links);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    return call_enumerate(&call, count, (void **)handles, found,
                          list_of_card(&call, KIND_PORT, components_ports(call.control, call.object.card), found));
}

/* ---- Fabric ------------------------------------------------------------------------------------------------ */

/* Links of the card among the first `n` statements: which is also the number of its next port. */
static unsigned links_among(const struct control *control, unsigned card, unsigned n)
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++)
        found += control->links[i].a == card || control->links[i].b == card;
    return found;
}

unsigned components_ports(const struct control *control, unsigned card)
{
    double set = control->card[card].metrics[LINKS].value;

    if (set >= 0)
        return set < MAX_INDEX ? (unsigned)set : MAX_INDEX;
    return links_among(control, card, control->n_links) < MAX_INDEX ? links_among(control, card, control->n_links)
                                                                    : MAX_INDEX;
}

unsigned components_ports_up(const struct control *control, unsigned card)
{
    double set = control->card[card].metrics[LINKS_UP].value;
    unsigned ports = components_ports(control, card);

    return set >= 0 && set < ports ? (unsigned)set : ports;
}

bool components_peer(const struct control *control, unsigned card, unsigned port, unsigned *peer, unsigned *peer_port)
{
    for (unsigned i = 0; i < control->n_links; i++) {
        if (control->links[i].a != card && control->links[i].b != card)
            continue;
        if (links_among(control, card, i) != port)
            continue;
        *peer = control->links[i].a == card ? control->links[i].b : control->links[i].a;
        *peer_port = links_among(control, *peer, i);
        return true;
    }
    return false;
}
