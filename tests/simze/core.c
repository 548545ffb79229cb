/* The core API: initialisation, driver, devices. No context, queue or memory: nobody who only looks needs one. */
#include "tests/simze/core.h"
#include "tests/simze/simze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct object the_driver = {.kind = KIND_DRIVER, .tile = -1};

/* ---- Driver ----------------------------------------------------------------------------------------------- */

ze_result_t core_init(ze_init_flags_t flags)
{
    const char *sysman = getenv("ZES_ENABLE_SYSMAN");
    struct call call;
    ze_result_t result = call_enter_global(&call, "zeInit");

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if ((flags != 0 && !(flags & ZE_INIT_FLAG_GPU_ONLY)) || !visibility_init(call.control))
        return ZE_RESULT_ERROR_UNINITIALIZED;
    if (sysman && strcmp(sysman, "1") == 0)
        sysman_enable();
    return ZE_RESULT_SUCCESS;
}

ze_result_t core_driver_get(uint32_t *count, ze_driver_handle_t *drivers)
{
    struct call call;
    ze_result_t result = call_enter_global(&call, "zeDriverGet");

    return result == ZE_RESULT_SUCCESS ? call_enumerate(&call, count, (void **)drivers, &the_driver, 1) : result;
}

ze_result_t core_driver_get_api_version(ze_driver_handle_t driver, ze_api_version_t *version)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDriverGetApiVersion", KIND_DRIVER, driver, 0);

    if (result == ZE_RESULT_SUCCESS) {
        *version = call.control->old ? ZE_API_VERSION_1_3 : ZE_MAKE_VERSION(1, 9);
        call_scribble(&call, version, sizeof *version, 0);
    }
    return result;
}

ze_result_t core_driver_get_properties(ze_driver_handle_t driver, ze_driver_properties_t *properties)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDriverGetProperties", KIND_DRIVER, driver, 0);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    memset(&properties->uuid, 0x5a, sizeof properties->uuid);
    properties->driverVersion = call.control->driver_version;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t core_driver_get_extension_properties(ze_driver_handle_t driver, uint32_t *count,
                                                 ze_driver_extension_properties_t *properties)
{
    static const ze_driver_extension_properties_t extension = {.name = "ZE_extension_pci_properties",
                                                               .version = ZE_MAKE_VERSION(1, 0)};
    struct call call;
    ze_result_t result = call_enter(&call, "zeDriverGetExtensionProperties", KIND_DRIVER, driver, 0);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (call_count(&call, count, properties, 1) == 1) {
        properties[0] = extension;
        call_scribble(&call, &properties[0], sizeof properties[0], 0);
    }
    return result;
}

/* ---- Devices ---------------------------------------------------------------------------------------------- */

ze_result_t core_device_get(ze_driver_handle_t driver, uint32_t *count, ze_device_handle_t *devices)
{
    struct object found[MAX_CARDS * MAX_TILES];
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGet", KIND_DRIVER, driver, 0);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    return call_enumerate(&call, count, (void **)devices, found, visibility_devices(found));
}

ze_result_t core_device_get_sub_devices(ze_device_handle_t device, uint32_t *count, ze_device_handle_t *devices)
{
    struct object found[MAX_TILES];
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGetSubDevices", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    return call_enumerate(&call, count, (void **)devices, found, visibility_tiles(&call.object, found));
}

ze_result_t core_device_get_root_device(ze_device_handle_t device, ze_device_handle_t *root)
{
    struct object card;
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGetRootDevice", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result == ZE_RESULT_SUCCESS)
        *root = visibility_root(&call.object, &card) ? call_handle(&call, card, 0) : NULL;
    return result;
}

static unsigned tiles_of(const struct call *call)
{
    struct object tiles[MAX_TILES];

    if (call->object.tile >= 0)
        return 1;
    return visibility_tiles(&call->object, tiles) > 0 ? visibility_tiles(&call->object, tiles) : 1;
}

static void put_eu_count(const struct call *call, void *next, const ze_device_properties_t *properties)
{
    ze_eu_count_ext_t *eus = next;

    for (; eus; eus = (ze_eu_count_ext_t *)eus->pNext) {
        if (eus->stype == ZE_STRUCTURE_TYPE_EU_COUNT_EXT) {
            eus->numTotalEUs = properties->numSlices * properties->numSubslicesPerSlice * properties->numEUsPerSubslice;
            call_scribble(call, eus, sizeof *eus, STRUCT_HEADER);
        }
    }
}

ze_result_t core_device_get_properties(ze_device_handle_t device, ze_device_properties_t *properties)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGetProperties", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    identity_device(call.control, &call.object, properties);
    put_eu_count(&call, properties->pNext, properties);
    call_garble(&call, properties->name, sizeof properties->name);
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t core_device_get_compute_properties(ze_device_handle_t device, ze_device_compute_properties_t *properties)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGetComputeProperties", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    properties->maxTotalGroupSize = 1024;
    properties->maxGroupSizeX = properties->maxGroupSizeY = properties->maxGroupSizeZ = 1024;
    properties->maxGroupCountX = properties->maxGroupCountY = properties->maxGroupCountZ = UINT32_MAX;
    properties->maxSharedLocalMemory = 128 << 10;
    properties->numSubGroupSizes = 2;
    properties->subGroupSizes[0] = 16;
    properties->subGroupSizes[1] = 32;
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}

ze_result_t core_device_get_memory_properties(ze_device_handle_t device, uint32_t *count,
                                              ze_device_memory_properties_t *properties)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDeviceGetMemoryProperties", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (call_count(&call, count, properties, 1) == 1) {
        properties->flags = 0;
        properties->maxClockRate = 3200;
        properties->maxBusWidth = 64;
        properties->totalSize = call.control->memory_bytes / identity_tiles(call.control) * tiles_of(&call);
        if (identity_tiles(call.control) == 1)
            properties->totalSize = call.control->memory_bytes;
        snprintf(properties->name, sizeof properties->name, "HBM");
        call_garble(&call, properties->name, sizeof properties->name);
        call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    }
    return result;
}

ze_result_t core_device_get_status(ze_device_handle_t device)
{
    struct call call;

    return call_enter(&call, "zeDeviceGetStatus", KIND_DEVICE, device, 0);
}

ze_result_t core_device_pci_get_properties(ze_device_handle_t device, ze_pci_ext_properties_t *properties)
{
    struct call call;
    ze_result_t result = call_enter(&call, "zeDevicePciGetPropertiesExt", KIND_DEVICE, device, CALL_LOST_TOO);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (call.control->nopci)
        return ZE_RESULT_ERROR_UNINITIALIZED; /* what the real driver says on emulated GPUs */
    properties->address = (ze_pci_address_ext_t){.domain = identity_pci(call.object.card).domain,
                                                 .bus = identity_pci(call.object.card).bus};
    properties->maxSpeed = (ze_pci_speed_ext_t){.genVersion = 5, .width = 16, .maxBandwidth = 64000000000};
    call_scribble(&call, properties, sizeof *properties, STRUCT_HEADER);
    return result;
}
