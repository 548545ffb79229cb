/* The functions of the core API, for the tables. */
#ifndef SIMZE_CORE_H
#define SIMZE_CORE_H

#include <level_zero/ze_api.h>

ze_result_t core_init(ze_init_flags_t flags);
ze_result_t core_driver_get(uint32_t *count, ze_driver_handle_t *drivers);
ze_result_t core_driver_get_api_version(ze_driver_handle_t driver, ze_api_version_t *version);
ze_result_t core_driver_get_properties(ze_driver_handle_t driver, ze_driver_properties_t *properties);
ze_result_t core_driver_get_extension_properties(ze_driver_handle_t driver, uint32_t *count,
                                                 ze_driver_extension_properties_t *properties);
ze_result_t core_device_get(ze_driver_handle_t driver, uint32_t *count, ze_device_handle_t *devices);
ze_result_t core_device_get_sub_devices(ze_device_handle_t device, uint32_t *count, ze_device_handle_t *devices);
ze_result_t core_device_get_root_device(ze_device_handle_t device, ze_device_handle_t *root);
ze_result_t core_device_get_properties(ze_device_handle_t device, ze_device_properties_t *properties);
ze_result_t core_device_get_compute_properties(ze_device_handle_t device, ze_device_compute_properties_t *properties);
ze_result_t core_device_get_memory_properties(ze_device_handle_t device, uint32_t *count,
                                              ze_device_memory_properties_t *properties);
ze_result_t core_device_get_status(ze_device_handle_t device);
ze_result_t core_device_pci_get_properties(ze_device_handle_t device, ze_pci_ext_properties_t *properties);

#endif
