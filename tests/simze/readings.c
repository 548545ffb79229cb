/*
 * What the components of a card measure: the values of the control file. Amounts of a card (power, memory, traffic,
 * activity of an engine) are divided evenly among its tiles; a tile is one degree cooler than the one before it.
 */
#include "tests/simze/components.h"
#include "tests/simze/sysman.h"

#include <stdio.h>

static uint32_t tile_of(const struct call *call)
{
    return call->object.tile < 0 ? 0 : (uint32_t)call->object.tile;
}

static ze_result_t enter(struct call *call, const char *function, enum object_kind kind, const void *handle)
{
    return call_enter(call, function, kind, handle, CALL_SYSMAN);
}

/* enter, and the metric as it is now. */
static ze_result_t read_metric(struct call *call, const char *function, enum object_kind kind, const void *handle,
                               enum metric metric, double *value)
{
    ze_result_t result = enter(call, function, kind, handle);

    return result == ZE_RESULT_SUCCESS ? call_reading(call, metric, value) : result;
}

/* ---- Power -------------------------------------------------------------------------------------------------- */

ze_result_t sysman_power_get_properties(zes_pwr_handle_t power, zes_power_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesPowerGetProperties", KIND_POWER, power);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    properties->canControl = false;
    properties->isEnergyThresholdSupported = false;
    properties->defaultLimit = 600000;
    properties->minLimit = -1;
    properties->maxLimit = 600000;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_power_get_energy(zes_pwr_handle_t power, zes_power_energy_counter_t *counter)
{
    double before, ignored;
    const struct meters *meters;
    struct call call;
    ze_result_t result = read_metric(&call, "zesPowerGetEnergyCounter", KIND_POWER, power, ENERGY, &before);

    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, POWER, &ignored);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    meters = meters_of(call.control, call.object.card, &counter->timestamp);
    counter->energy = (uint64_t)((before + meters->energy_joules) * 1e6);
    if (call.object.tile >= 0)
        counter->energy /= identity_tiles(call.control);
    call_scribble(&call, counter, sizeof *counter, 0);
    return result;
}

/* ---- Frequency ---------------------------------------------------------------------------------------------- */

enum { LOWEST_MHZ = 300, HIGHEST_MHZ = 1600, MEMORY_MHZ = 3200 };

ze_result_t sysman_frequency_get_properties(zes_freq_handle_t frequency, zes_freq_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesFrequencyGetProperties", KIND_FREQUENCY, frequency);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->type = call.object.index == FREQUENCY_GPU ? ZES_FREQ_DOMAIN_GPU : ZES_FREQ_DOMAIN_MEMORY;
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    properties->canControl = false;
    properties->isThrottleEventSupported = false;
    properties->min = call.object.index == FREQUENCY_GPU ? LOWEST_MHZ : MEMORY_MHZ;
    properties->max = call.object.index == FREQUENCY_GPU ? HIGHEST_MHZ : MEMORY_MHZ;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_frequency_get_range(zes_freq_handle_t frequency, zes_freq_range_t *range)
{
    double limit;
    struct call call;
    ze_result_t result = read_metric(&call, "zesFrequencyGetRange", KIND_FREQUENCY, frequency, FREQUENCY_LIMIT, &limit);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    range->min = call.object.index == FREQUENCY_GPU ? LOWEST_MHZ : MEMORY_MHZ;
    range->max = call.object.index == FREQUENCY_GPU ? limit : MEMORY_MHZ;
    call_scribble(&call, range, sizeof *range, 0);
    return result;
}

ze_result_t sysman_frequency_get_state(zes_freq_handle_t frequency, zes_freq_state_t *state)
{
    double actual, limit, throttle;
    struct call call;
    ze_result_t result = read_metric(&call, "zesFrequencyGetState", KIND_FREQUENCY, frequency, FREQUENCY, &actual);

    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, THROTTLE, &throttle);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (call_reading(&call, FREQUENCY_LIMIT, &limit) != ZE_RESULT_SUCCESS)
        limit = -1; /* how the API says that a frequency is not known */
    if (call.object.index == FREQUENCY_MEMORY)
        actual = limit = MEMORY_MHZ;
    state->currentVoltage = 0.9;
    state->request = state->tdp = limit;
    state->efficient = LOWEST_MHZ;
    state->actual = actual;
    state->throttleReasons = call.object.index == FREQUENCY_GPU ? (zes_freq_throttle_reason_flags_t)throttle : 0;
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

/* ---- Engines ------------------------------------------------------------------------------------------------ */

ze_result_t sysman_engine_get_properties(zes_engine_handle_t engine, zes_engine_properties_t *properties)
{
    static const zes_engine_group_t types[] = {ZES_ENGINE_GROUP_ALL, ZES_ENGINE_GROUP_COMPUTE_ALL,
                                               ZES_ENGINE_GROUP_COPY_ALL};
    struct call call;
    ze_result_t result = enter(&call, "zesEngineGetProperties", KIND_ENGINE, engine);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->type = types[call.object.index % ENGINES];
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_engine_get_activity(zes_engine_handle_t engine, zes_engine_stats_t *stats)
{
    double ignored;
    const struct meters *meters;
    struct call call;
    ze_result_t result = read_metric(&call, "zesEngineGetActivity", KIND_ENGINE, engine, UTILISATION, &ignored);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    meters = meters_of(call.control, call.object.card, &stats->timestamp);
    stats->activeTime = call.object.index == ENGINE_COPY ? 0 : (uint64_t)(meters->active_seconds * 1e6);
    call_scribble(&call, stats, sizeof *stats, 0);
    return result;
}

/* ---- Temperature -------------------------------------------------------------------------------------------- */

ze_result_t sysman_temperature_get_properties(zes_temp_handle_t sensor, zes_temp_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesTemperatureGetProperties", KIND_TEMPERATURE, sensor);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->type = call.object.index == SENSOR_GPU ? ZES_TEMP_SENSORS_GPU : ZES_TEMP_SENSORS_MEMORY;
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    properties->maxTemperature = 130;
    properties->isCriticalTempSupported = false;
    properties->isThreshold1Supported = false;
    properties->isThreshold2Supported = false;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_temperature_get_state(zes_temp_handle_t sensor, double *celsius)
{
    struct call call;
    ze_result_t result = enter(&call, "zesTemperatureGetState", KIND_TEMPERATURE, sensor);

    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, call.object.index == SENSOR_GPU ? TEMPERATURE : MEMORY_TEMPERATURE, celsius);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    *celsius -= tile_of(&call);
    call_scribble(&call, celsius, sizeof *celsius, 0);
    return result;
}

/* ---- Memory ------------------------------------------------------------------------------------------------- */

ze_result_t sysman_memory_get_properties(zes_mem_handle_t memory, zes_mem_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesMemoryGetProperties", KIND_MEMORY, memory);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->type = ZES_MEM_TYPE_HBM;
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    properties->location = ZES_MEM_LOC_DEVICE;
    properties->physicalSize = call.control->memory_bytes / identity_tiles(call.control);
    properties->busWidth = 128;
    properties->numChannels = 64;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_memory_get_state(zes_mem_handle_t memory, zes_mem_state_t *state)
{
    double used;
    struct call call;
    ze_result_t result = read_metric(&call, "zesMemoryGetState", KIND_MEMORY, memory, MEMORY_USED, &used);
    uint64_t share;

    if (result != ZE_RESULT_SUCCESS)
        return result;
    share = (uint64_t)used / identity_tiles(call.control);
    state->health = ZES_MEM_HEALTH_OK;
    state->size = call.control->memory_bytes / identity_tiles(call.control);
    state->free = share < state->size ? state->size - share : 0;
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_memory_get_bandwidth(zes_mem_handle_t memory, zes_mem_bandwidth_t *bandwidth)
{
    double ignored;
    const struct meters *meters;
    struct call call;
    ze_result_t result = read_metric(&call, "zesMemoryGetBandwidth", KIND_MEMORY, memory, MEMORY_READ, &ignored);

    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, MEMORY_WRITE, &ignored);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    meters = meters_of(call.control, call.object.card, &bandwidth->timestamp);
    bandwidth->readCounter = (uint64_t)meters->read_bytes / identity_tiles(call.control);
    bandwidth->writeCounter = (uint64_t)meters->written_bytes / identity_tiles(call.control);
    bandwidth->maxBandwidth = 1600000000000;
    call_scribble(&call, bandwidth, sizeof *bandwidth, 0);
    return result;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

ze_result_t sysman_ras_get_properties(zes_ras_handle_t ras, zes_ras_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesRasGetProperties", KIND_RAS, ras);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->type =
        call.object.index == RAS_CORRECTED ? ZES_RAS_ERROR_TYPE_CORRECTABLE : ZES_RAS_ERROR_TYPE_UNCORRECTABLE;
    properties->onSubdevice = call.object.tile >= 0;
    properties->subdeviceId = tile_of(&call);
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

/* The first tile has them all, in two categories; nothing is ever cleared: the file says what there is. */
ze_result_t sysman_ras_get_state(zes_ras_handle_t ras, ze_bool_t clear, zes_ras_state_t *state)
{
    double errors;
    struct call call;
    ze_result_t result = enter(&call, "zesRasGetState", KIND_RAS, ras);

    (void)clear;
    if (result == ZE_RESULT_SUCCESS)
        result = call_reading(&call, call.object.index == RAS_CORRECTED ? RAS_CORRECTABLE : RAS_UNCORRECTABLE, &errors);
    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (tile_of(&call) > 0)
        errors = 0;
    for (unsigned i = 0; i < ZES_MAX_RAS_ERROR_CATEGORY_COUNT; i++)
        state->category[i] = 0;
    state->category[ZES_RAS_ERROR_CAT_CACHE_ERRORS] = (uint64_t)errors / 2;
    state->category[ZES_RAS_ERROR_CAT_COMPUTE_ERRORS] = (uint64_t)errors - (uint64_t)errors / 2;
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

/* ---- Fabric --------------------------------------------------------------------------------------------------- */

enum { FABRIC_BASE = 0x1000 }; /* the fabric's number of card 0 */

static const zes_fabric_port_speed_t port_speed = {.bitRate = 53000000000, .width = 4};

static zes_fabric_port_id_t port_id(unsigned card, unsigned port)
{
    return (zes_fabric_port_id_t){.fabricId = FABRIC_BASE + card, .attachId = 0, .portNumber = (uint8_t)(port + 1)};
}

ze_result_t sysman_port_get_properties(zes_fabric_port_handle_t port, zes_fabric_port_properties_t *properties)
{
    struct call call;
    ze_result_t result = enter(&call, "zesFabricPortGetProperties", KIND_PORT, port);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    snprintf(properties->model, sizeof properties->model, "XeLink");
    properties->onSubdevice = false;
    properties->subdeviceId = 0;
    properties->portId = port_id(call.object.card, call.object.index);
    properties->maxRxSpeed = properties->maxTxSpeed = port_speed;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_port_get_config(zes_fabric_port_handle_t port, zes_fabric_port_config_t *config)
{
    struct call call;
    ze_result_t result = enter(&call, "zesFabricPortGetConfig", KIND_PORT, port);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    config->enabled = true;
    config->beaconing = false;
    call_scribble(&call, config, sizeof *config, STRUCT_HEADER);
    return result;
}

ze_result_t sysman_port_get_state(zes_fabric_port_handle_t port, zes_fabric_port_state_t *state)
{
    unsigned peer, peer_port;
    double ignored;
    bool up;
    struct call call;
    ze_result_t result = read_metric(&call, "zesFabricPortGetState", KIND_PORT, port, LINKS_UP, &ignored);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    up = call.object.index < components_ports_up(call.control, call.object.card);
    state->status = up ? ZES_FABRIC_PORT_STATUS_HEALTHY : ZES_FABRIC_PORT_STATUS_FAILED;
    state->qualityIssues = 0;
    state->failureReasons = up ? 0 : ZES_FABRIC_PORT_FAILURE_FLAG_FAILED;
    state->remotePortId = (zes_fabric_port_id_t){.fabricId = 0};
    if (up && components_peer(call.control, call.object.card, call.object.index, &peer, &peer_port))
        state->remotePortId = port_id(peer, peer_port);
    state->rxSpeed = state->txSpeed = port_speed;
    call_scribble(&call, state, sizeof *state, STRUCT_HEADER);
    return result;
}

/* ---- Firmware --------------------------------------------------------------------------------------------------- */

ze_result_t sysman_firmware_get_properties(zes_firmware_handle_t firmware, zes_firmware_properties_t *properties)
{
    static const char *const names[FIRMWARES] = {"GSC", "OptionROM"};
    struct call call;
    ze_result_t result = enter(&call, "zesFirmwareGetProperties", KIND_FIRMWARE, firmware);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->onSubdevice = false;
    properties->subdeviceId = 0;
    properties->canControl = false;
    snprintf(properties->name, sizeof properties->name, "%s", names[call.object.index % FIRMWARES]);
    snprintf(properties->version, sizeof properties->version, "SIM.%u.%u", call.object.index + 1, 7U);
    call_garble(&call, properties->name, sizeof properties->name);
    call_garble(&call, properties->version, sizeof properties->version);
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}
