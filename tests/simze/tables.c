/*
 * The driver's exports: tables of functions by which a loader knows it. Every table that some loader insists on is
 * there; most are left empty, which a program sees as "unsupported feature".
 *
 * Built against the oldest headers in use. What newer loaders read beyond the ends of those tables is written by
 * position, and only for a loader that has said that it knows the version which added it.
 */
#include "tests/simze/core.h"
#include "tests/simze/simze.h"
#include "tests/simze/sysman.h"

#include <level_zero/ze_ddi.h>
#include <level_zero/zes_ddi.h>
#include <level_zero/zet_ddi.h>

#include <string.h>

#define WITH_ZES_INIT ZE_MAKE_VERSION(1, 5)
#define WITH_ROOT_DEVICE ZE_MAKE_VERSION(1, 7)
enum { AT_ZES_DRIVER_GET = 2, AT_ZES_DEVICE_GET = 29, AT_ROOT_DEVICE = 18 };

typedef void (*function)(void);

static void append(void *table, size_t at, function entry)
{
    memcpy((char *)table + at * sizeof entry, &entry, sizeof entry);
}

static bool is_old(void)
{
    return control_now(NULL)->old;
}

#define EXPORT __attribute__((visibility("default"))) ze_result_t

/* ---- Core --------------------------------------------------------------------------------------------------- */

EXPORT zeGetGlobalProcAddrTable(ze_api_version_t version, ze_global_dditable_t *table)
{
    (void)version;
    table->pfnInit = core_init;
    return ZE_RESULT_SUCCESS;
}

EXPORT zeGetDriverProcAddrTable(ze_api_version_t version, ze_driver_dditable_t *table)
{
    (void)version;
    table->pfnGet = core_driver_get;
    table->pfnGetApiVersion = core_driver_get_api_version;
    table->pfnGetProperties = core_driver_get_properties;
    table->pfnGetExtensionProperties = core_driver_get_extension_properties;
    return ZE_RESULT_SUCCESS;
}

EXPORT zeGetDeviceProcAddrTable(ze_api_version_t version, ze_device_dditable_t *table)
{
    table->pfnGet = core_device_get;
    table->pfnGetSubDevices = core_device_get_sub_devices;
    table->pfnGetProperties = core_device_get_properties;
    table->pfnGetComputeProperties = core_device_get_compute_properties;
    table->pfnGetMemoryProperties = core_device_get_memory_properties;
    table->pfnGetStatus = core_device_get_status;
    table->pfnPciGetPropertiesExt = core_device_pci_get_properties;
    if (version >= WITH_ROOT_DEVICE && !is_old())
        append(table, AT_ROOT_DEVICE, (function)core_device_get_root_device);
    return ZE_RESULT_SUCCESS;
}

/* ---- Sysman ------------------------------------------------------------------------------------------------- */

/* Asked for by loaders that have zesInit; the oldest headers do not declare it. */
EXPORT zesGetGlobalProcAddrTable(ze_api_version_t version, void *table);

EXPORT zesGetGlobalProcAddrTable(ze_api_version_t version, void *table)
{
    if (version < WITH_ZES_INIT || is_old())
        return ZE_RESULT_ERROR_UNSUPPORTED_VERSION;
    append(table, 0, (function)sysman_init);
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetDriverProcAddrTable(ze_api_version_t version, zes_driver_dditable_t *table)
{
    table->pfnEventListen = sysman_event_listen;
    table->pfnEventListenEx = sysman_event_listen_ex;
    if (version >= WITH_ZES_INIT && !is_old())
        append(table, AT_ZES_DRIVER_GET, (function)sysman_driver_get);
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetDeviceProcAddrTable(ze_api_version_t version, zes_device_dditable_t *table)
{
    table->pfnGetProperties = sysman_device_get_properties;
    table->pfnGetState = sysman_device_get_state;
    table->pfnReset = sysman_device_reset;
    table->pfnProcessesGetState = sysman_device_processes;
    table->pfnPciGetProperties = sysman_pci_get_properties;
    table->pfnPciGetState = sysman_pci_get_state;
    table->pfnEventRegister = sysman_event_register;
    table->pfnEnumPowerDomains = sysman_enum_power;
    table->pfnGetCardPowerDomain = sysman_card_power;
    table->pfnEnumFrequencyDomains = sysman_enum_frequency;
    table->pfnEnumEngineGroups = sysman_enum_engines;
    table->pfnEnumTemperatureSensors = sysman_enum_temperature;
    table->pfnEnumMemoryModules = sysman_enum_memory;
    table->pfnEnumRasErrorSets = sysman_enum_ras;
    table->pfnEnumFabricPorts = sysman_enum_ports;
    table->pfnEnumFirmwares = sysman_enum_firmware;
    if (version >= WITH_ZES_INIT && !is_old())
        append(table, AT_ZES_DEVICE_GET, (function)sysman_device_get);
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetPowerProcAddrTable(ze_api_version_t version, zes_power_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_power_get_properties;
    table->pfnGetEnergyCounter = sysman_power_get_energy;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetFrequencyProcAddrTable(ze_api_version_t version, zes_frequency_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_frequency_get_properties;
    table->pfnGetRange = sysman_frequency_get_range;
    table->pfnGetState = sysman_frequency_get_state;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetEngineProcAddrTable(ze_api_version_t version, zes_engine_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_engine_get_properties;
    table->pfnGetActivity = sysman_engine_get_activity;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetTemperatureProcAddrTable(ze_api_version_t version, zes_temperature_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_temperature_get_properties;
    table->pfnGetState = sysman_temperature_get_state;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetMemoryProcAddrTable(ze_api_version_t version, zes_memory_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_memory_get_properties;
    table->pfnGetState = sysman_memory_get_state;
    table->pfnGetBandwidth = sysman_memory_get_bandwidth;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetRasProcAddrTable(ze_api_version_t version, zes_ras_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_ras_get_properties;
    table->pfnGetState = sysman_ras_get_state;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetFabricPortProcAddrTable(ze_api_version_t version, zes_fabric_port_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_port_get_properties;
    table->pfnGetConfig = sysman_port_get_config;
    table->pfnGetState = sysman_port_get_state;
    return ZE_RESULT_SUCCESS;
}

EXPORT zesGetFirmwareProcAddrTable(ze_api_version_t version, zes_firmware_dditable_t *table)
{
    (void)version;
    table->pfnGetProperties = sysman_firmware_get_properties;
    return ZE_RESULT_SUCCESS;
}

/* ---- Empty ones --------------------------------------------------------------------------------------------- */

#define EMPTY(api, name, type)                                                                                         \
    EXPORT api##Get##name##ProcAddrTable(ze_api_version_t version, type *table)                                        \
    {                                                                                                                  \
        (void)version;                                                                                                 \
        (void)table;                                                                                                   \
        return ZE_RESULT_SUCCESS;                                                                                      \
    }

EMPTY(ze, DeviceExp, ze_device_exp_dditable_t)
EMPTY(ze, Context, ze_context_dditable_t)
EMPTY(ze, CommandQueue, ze_command_queue_dditable_t)
EMPTY(ze, CommandList, ze_command_list_dditable_t)
EMPTY(ze, Image, ze_image_dditable_t)
EMPTY(ze, ImageExp, ze_image_exp_dditable_t)
EMPTY(ze, Fence, ze_fence_dditable_t)
EMPTY(ze, EventPool, ze_event_pool_dditable_t)
EMPTY(ze, Event, ze_event_dditable_t)
EMPTY(ze, EventExp, ze_event_exp_dditable_t)
EMPTY(ze, Module, ze_module_dditable_t)
EMPTY(ze, ModuleBuildLog, ze_module_build_log_dditable_t)
EMPTY(ze, Kernel, ze_kernel_dditable_t)
EMPTY(ze, KernelExp, ze_kernel_exp_dditable_t)
EMPTY(ze, Sampler, ze_sampler_dditable_t)
EMPTY(ze, PhysicalMem, ze_physical_mem_dditable_t)
EMPTY(ze, Mem, ze_mem_dditable_t)
EMPTY(ze, VirtualMem, ze_virtual_mem_dditable_t)
EMPTY(ze, FabricVertexExp, ze_fabric_vertex_exp_dditable_t)
EMPTY(ze, FabricEdgeExp, ze_fabric_edge_exp_dditable_t)
EMPTY(zet, Device, zet_device_dditable_t)
EMPTY(zet, Context, zet_context_dditable_t)
EMPTY(zet, CommandList, zet_command_list_dditable_t)
EMPTY(zet, Module, zet_module_dditable_t)
EMPTY(zet, Kernel, zet_kernel_dditable_t)
EMPTY(zet, MetricGroup, zet_metric_group_dditable_t)
EMPTY(zet, MetricGroupExp, zet_metric_group_exp_dditable_t)
EMPTY(zet, Metric, zet_metric_dditable_t)
EMPTY(zet, MetricStreamer, zet_metric_streamer_dditable_t)
EMPTY(zet, MetricQueryPool, zet_metric_query_pool_dditable_t)
EMPTY(zet, MetricQuery, zet_metric_query_dditable_t)
EMPTY(zet, TracerExp, zet_tracer_exp_dditable_t)
EMPTY(zet, Debug, zet_debug_dditable_t)
EMPTY(zes, Scheduler, zes_scheduler_dditable_t)
EMPTY(zes, PerformanceFactor, zes_performance_factor_dditable_t)
EMPTY(zes, Standby, zes_standby_dditable_t)
EMPTY(zes, Psu, zes_psu_dditable_t)
EMPTY(zes, Fan, zes_fan_dditable_t)
EMPTY(zes, Led, zes_led_dditable_t)
EMPTY(zes, Diagnostics, zes_diagnostics_dditable_t)
