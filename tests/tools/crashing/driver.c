/*
 * Intel's driver, in which sysman crashes: loaded in its place, by its name, hands everything on to the one that
 * CRASHING_SYSMAN_DRIVER names, but asks for PCI properties with another handle than the program's. That is what a
 * program does which believes the driver's counts of devices, and the crash is the driver's own.
 */
#include <level_zero/zes_ddi.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default"))) ze_result_t

typedef ze_result_t (*table_function)(ze_api_version_t version, void *table);

static table_function of_driver(const char *name)
{
    static void *driver;
    const char *path = getenv("CRASHING_SYSMAN_DRIVER");
    table_function function;

    if (!driver && path)
        driver = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!driver) {
        fprintf(stderr, "no driver by CRASHING_SYSMAN_DRIVER: %s\n", path ? dlerror() : "it is not set");
        abort();
    }
    *(void **)&function = dlsym(driver, name);
    return function;
}

/* ---- Sysman's calls on a device -----------------------------------------------------------------------------------
 */

static ze_result_t (*driver_pci)(zes_device_handle_t device, zes_pci_properties_t *properties);

/* The first that the worker makes: where a card has no address, sysman is asked for it. */
static ze_result_t pci_of_nobody(zes_device_handle_t device, zes_pci_properties_t *properties)
{
    static void *nobody[64];

    (void)device;
    return driver_pci((zes_device_handle_t)nobody, properties);
}

EXPORT zesGetDeviceProcAddrTable(ze_api_version_t version, zes_device_dditable_t *table)
{
    table_function function = of_driver("zesGetDeviceProcAddrTable");
    ze_result_t result = function ? function(version, table) : ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;

    if (result == ZE_RESULT_SUCCESS) {
        driver_pci = table->pfnPciGetProperties;
        table->pfnPciGetProperties = pci_of_nobody;
    }
    return result;
}

/* ---- The rest -----------------------------------------------------------------------------------------------------
 */

/* By a name of its own in C, for the headers declare some of them. */
#define HAND_ON(name)                                                                                                  \
    EXPORT hand_on_##name(ze_api_version_t version, void *table) __asm__(#name);                                       \
    EXPORT hand_on_##name(ze_api_version_t version, void *table)                                                       \
    {                                                                                                                  \
        table_function function = of_driver(#name);                                                                    \
        return function ? function(version, table) : ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;                              \
    }

HAND_ON(zeGetCommandListProcAddrTable)
HAND_ON(zeGetCommandQueueProcAddrTable)
HAND_ON(zeGetContextProcAddrTable)
HAND_ON(zeGetDeviceExpProcAddrTable)
HAND_ON(zeGetDeviceProcAddrTable)
HAND_ON(zeGetDriverProcAddrTable)
HAND_ON(zeGetEventExpProcAddrTable)
HAND_ON(zeGetEventPoolProcAddrTable)
HAND_ON(zeGetEventProcAddrTable)
HAND_ON(zeGetFabricEdgeExpProcAddrTable)
HAND_ON(zeGetFabricVertexExpProcAddrTable)
HAND_ON(zeGetFenceProcAddrTable)
HAND_ON(zeGetGlobalProcAddrTable)
HAND_ON(zeGetImageExpProcAddrTable)
HAND_ON(zeGetImageProcAddrTable)
HAND_ON(zeGetKernelExpProcAddrTable)
HAND_ON(zeGetKernelProcAddrTable)
HAND_ON(zeGetMemProcAddrTable)
HAND_ON(zeGetModuleBuildLogProcAddrTable)
HAND_ON(zeGetModuleProcAddrTable)
HAND_ON(zeGetPhysicalMemProcAddrTable)
HAND_ON(zeGetSamplerProcAddrTable)
HAND_ON(zeGetVirtualMemProcAddrTable)
HAND_ON(zesGetDiagnosticsProcAddrTable)
HAND_ON(zesGetDriverProcAddrTable)
HAND_ON(zesGetEngineProcAddrTable)
HAND_ON(zesGetFabricPortProcAddrTable)
HAND_ON(zesGetFanProcAddrTable)
HAND_ON(zesGetFirmwareProcAddrTable)
HAND_ON(zesGetFrequencyProcAddrTable)
HAND_ON(zesGetLedProcAddrTable)
HAND_ON(zesGetMemoryProcAddrTable)
HAND_ON(zesGetPerformanceFactorProcAddrTable)
HAND_ON(zesGetPowerProcAddrTable)
HAND_ON(zesGetPsuProcAddrTable)
HAND_ON(zesGetRasProcAddrTable)
HAND_ON(zesGetSchedulerProcAddrTable)
HAND_ON(zesGetStandbyProcAddrTable)
HAND_ON(zesGetTemperatureProcAddrTable)
HAND_ON(zetGetCommandListProcAddrTable)
HAND_ON(zetGetContextProcAddrTable)
HAND_ON(zetGetDebugProcAddrTable)
HAND_ON(zetGetDeviceProcAddrTable)
HAND_ON(zetGetKernelProcAddrTable)
HAND_ON(zetGetMetricGroupExpProcAddrTable)
HAND_ON(zetGetMetricGroupProcAddrTable)
HAND_ON(zetGetMetricProcAddrTable)
HAND_ON(zetGetMetricQueryPoolProcAddrTable)
HAND_ON(zetGetMetricQueryProcAddrTable)
HAND_ON(zetGetMetricStreamerProcAddrTable)
HAND_ON(zetGetModuleProcAddrTable)
HAND_ON(zetGetTracerExpProcAddrTable)
