/*
 * The simulated driver as a loader of its own, libze_loader.so.1: what a program calls is the driver's function, and
 * zesInit is there, which the loaders of older distributions do not have. It stands in for a new loader only as far as
 * the device worker calls one; it knows no layers, no second driver, and no driver but its own.
 */
#include "tests/simze/core.h"
#include "tests/simze/sysman.h"

/* Without instrumentation, for these run while the library is being relocated. */
#define EXPORT_AS(type, name, target)                                                                                  \
    static __attribute__((used, no_sanitize("address", "thread", "undefined"))) type *pick_##name(void)                \
    {                                                                                                                  \
        return target;                                                                                                 \
    }                                                                                                                  \
    __attribute__((visibility("default"), ifunc("pick_" #name))) type name;
#define EXPORT(name, target) EXPORT_AS(__typeof__(name), name, target)
/* Those that older headers do not declare. */
#define EXPORT_NEW(name, target) EXPORT_AS(__typeof__(target), name, target)

EXPORT(zeInit, core_init)
EXPORT(zeDriverGet, core_driver_get)
EXPORT(zeDriverGetApiVersion, core_driver_get_api_version)
EXPORT(zeDriverGetProperties, core_driver_get_properties)
EXPORT(zeDeviceGet, core_device_get)
EXPORT(zeDeviceGetSubDevices, core_device_get_sub_devices)
EXPORT(zeDeviceGetProperties, core_device_get_properties)
EXPORT(zeDeviceGetMemoryProperties, core_device_get_memory_properties)
EXPORT(zeDevicePciGetPropertiesExt, core_device_pci_get_properties)
EXPORT(zeDeviceGetStatus, core_device_get_status)

EXPORT_NEW(zesInit, sysman_init)
EXPORT_NEW(zesDriverGet, sysman_driver_get)
EXPORT_NEW(zesDeviceGet, sysman_device_get)
EXPORT(zesDeviceGetProperties, sysman_device_get_properties)
EXPORT(zesDevicePciGetProperties, sysman_pci_get_properties)
EXPORT(zesDeviceGetState, sysman_device_get_state)
EXPORT(zesDeviceEnumTemperatureSensors, sysman_enum_temperature)
EXPORT(zesTemperatureGetProperties, sysman_temperature_get_properties)
EXPORT(zesTemperatureGetState, sysman_temperature_get_state)
EXPORT(zesDeviceGetCardPowerDomain, sysman_card_power)
EXPORT(zesDeviceEnumPowerDomains, sysman_enum_power)
EXPORT(zesPowerGetProperties, sysman_power_get_properties)
EXPORT(zesPowerGetEnergyCounter, sysman_power_get_energy)
EXPORT(zesDeviceEnumFrequencyDomains, sysman_enum_frequency)
EXPORT(zesFrequencyGetProperties, sysman_frequency_get_properties)
EXPORT(zesFrequencyGetState, sysman_frequency_get_state)
EXPORT(zesDeviceEnumEngineGroups, sysman_enum_engines)
EXPORT(zesEngineGetProperties, sysman_engine_get_properties)
EXPORT(zesEngineGetActivity, sysman_engine_get_activity)
EXPORT(zesDeviceEnumMemoryModules, sysman_enum_memory)
EXPORT(zesMemoryGetProperties, sysman_memory_get_properties)
EXPORT(zesMemoryGetState, sysman_memory_get_state)
EXPORT(zesMemoryGetBandwidth, sysman_memory_get_bandwidth)
EXPORT(zesDeviceEnumRasErrorSets, sysman_enum_ras)
EXPORT(zesRasGetProperties, sysman_ras_get_properties)
EXPORT(zesRasGetState, sysman_ras_get_state)
EXPORT(zesDeviceEnumFabricPorts, sysman_enum_ports)
EXPORT(zesFabricPortGetProperties, sysman_port_get_properties)
EXPORT(zesFabricPortGetConfig, sysman_port_get_config)
EXPORT(zesFabricPortGetState, sysman_port_get_state)
EXPORT(zesDeviceEnumFirmwares, sysman_enum_firmware)
EXPORT(zesFirmwareGetProperties, sysman_firmware_get_properties)
