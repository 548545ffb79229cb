/*
 * Sysman's devices in either way, and resetting one.
 *
 * Sysman knows no mask and no order, so a device is found by its PCI address. A reset is not the worker's to do: it
 * takes root, may hang, and leaves the process with a driver that has lost its device.
 */
#include "daemon/worker/level_zero.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static ze_result_t zes_devices(struct level_zero *lz, zes_device_handle_t *devices, uint32_t *count)
{
    zes_driver_handle_t drivers[LEVEL_ZERO_MAX_DRIVERS];
    uint32_t n_drivers, n;
    ze_result_t result =
        LEVEL_ZERO_LIST(lz, level_zero_call_own, zesDriverGet, drivers, LEVEL_ZERO_MAX_DRIVERS, &n_drivers);

    for (uint32_t d = 0; result == ZE_RESULT_SUCCESS && d < n_drivers && d < LEVEL_ZERO_MAX_DRIVERS && drivers[d];
         d++) {
        zes_device_handle_t some[LEVEL_ZERO_MAX_DEVICES];

        result = LEVEL_ZERO_LIST(lz, level_zero_call_own, zesDeviceGet, some, LEVEL_ZERO_MAX_DEVICES, &n, drivers[d]);
        for (uint32_t i = 0; i < n && *count < LEVEL_ZERO_MAX_DEVICES && n <= LEVEL_ZERO_MAX_DEVICES; i++)
            devices[(*count)++] = some[i];
    }
    return result;
}

static ze_result_t core_devices(struct level_zero *lz, zes_device_handle_t *devices, uint32_t *count)
{
    ze_driver_handle_t drivers[LEVEL_ZERO_MAX_DRIVERS];
    uint32_t n_drivers, n;
    ze_result_t result = LEVEL_ZERO_LIST(lz, level_zero_call, zeDriverGet, drivers, LEVEL_ZERO_MAX_DRIVERS, &n_drivers);

    for (uint32_t d = 0; result == ZE_RESULT_SUCCESS && d < n_drivers && d < LEVEL_ZERO_MAX_DRIVERS && drivers[d];
         d++) {
        ze_device_handle_t some[LEVEL_ZERO_MAX_DEVICES];

        result = level_zero_list(lz, zeDeviceGet, drivers[d], some, LEVEL_ZERO_MAX_DEVICES, &n);
        for (uint32_t i = 0; i < n && *count < LEVEL_ZERO_MAX_DEVICES && n <= LEVEL_ZERO_MAX_DEVICES; i++)
            devices[(*count)++] = (zes_device_handle_t)some[i];
    }
    return result;
}

ze_result_t level_zero_sysman_devices(struct level_zero *lz, zes_device_handle_t devices[LEVEL_ZERO_MAX_DEVICES],
                                      uint32_t *count)
{
    *count = 0;
    switch (lz->sysman) {
    case LEVEL_ZERO_SYSMAN_ZES:
        return zes_devices(lz, devices, count);
    case LEVEL_ZERO_SYSMAN_LEGACY:
        return core_devices(lz, devices, count);
    case LEVEL_ZERO_SYSMAN_NONE:
        break;
    }
    return ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
}

ze_result_t level_zero_sysman_address(struct level_zero *lz, zes_device_handle_t device, char bdf[LEVEL_ZERO_BDF_SIZE])
{
    zes_pci_properties_t pci = {.stype = ZES_STRUCTURE_TYPE_PCI_PROPERTIES};
    ze_result_t result = level_zero_call(lz, zesDevicePciGetProperties, device, &pci);
    const zes_pci_address_t *at = &pci.address;

    bdf[0] = '\0';
    if (result != ZE_RESULT_SUCCESS)
        return result;
    if (at->domain > 0xffff || at->bus > 0xff || at->device > 0x1f || at->function > 7)
        return ZE_RESULT_ERROR_UNKNOWN;
    snprintf(bdf, LEVEL_ZERO_BDF_SIZE, "%04x:%02x:%02x.%x", at->domain & 0xffff, at->bus & 0xff, at->device & 0x1f,
             at->function & 7);
    return ZE_RESULT_SUCCESS;
}

int level_zero_reset(struct level_zero *lz, const char *bdf, bool force, char *error, size_t size)
{
    zes_device_handle_t devices[LEVEL_ZERO_MAX_DEVICES];
    uint32_t n;
    char text[64], address[LEVEL_ZERO_BDF_SIZE];
    ze_result_t result = level_zero_sysman_devices(lz, devices, &n);

    if (result != ZE_RESULT_SUCCESS) {
        snprintf(error, size, "sysman lists no devices: %s", level_zero_result_text(result, text));
        return -EIO;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (level_zero_sysman_address(lz, devices[i], address) != ZE_RESULT_SUCCESS || strcmp(address, bdf) != 0)
            continue;
        result = level_zero_call(lz, zesDeviceReset, devices[i], force);
        if (result == ZE_RESULT_SUCCESS)
            return 0;
        snprintf(error, size, "zesDeviceReset of %s: %s", bdf, level_zero_result_text(result, text));
        return -EIO;
    }
    snprintf(error, size, "none of sysman's %u devices has the PCI address %s", (unsigned)n, bdf);
    return -ENODEV;
}
