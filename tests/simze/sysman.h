/* The functions of sysman, for the tables. */
#ifndef SIMZE_SYSMAN_H
#define SIMZE_SYSMAN_H

#include <level_zero/zes_api.h>

/* sysman.c: devices */
ze_result_t sysman_init(uint32_t flags);
ze_result_t sysman_driver_get(uint32_t *count, zes_driver_handle_t *drivers);
ze_result_t sysman_device_get(zes_driver_handle_t driver, uint32_t *count, zes_device_handle_t *devices);
ze_result_t sysman_device_get_properties(zes_device_handle_t device, zes_device_properties_t *properties);
ze_result_t sysman_device_get_state(zes_device_handle_t device, zes_device_state_t *state);
ze_result_t sysman_device_reset(zes_device_handle_t device, ze_bool_t force);
ze_result_t sysman_device_processes(zes_device_handle_t device, uint32_t *count, zes_process_state_t *processes);
ze_result_t sysman_pci_get_properties(zes_device_handle_t device, zes_pci_properties_t *properties);
ze_result_t sysman_pci_get_state(zes_device_handle_t device, zes_pci_state_t *state);
ze_result_t sysman_event_register(zes_device_handle_t device, zes_event_type_flags_t events);
ze_result_t sysman_event_listen(ze_driver_handle_t driver, uint32_t timeout, uint32_t count,
                                zes_device_handle_t *devices, uint32_t *n_events, zes_event_type_flags_t *events);
ze_result_t sysman_event_listen_ex(ze_driver_handle_t driver, uint64_t timeout, uint32_t count,
                                   zes_device_handle_t *devices, uint32_t *n_events, zes_event_type_flags_t *events);

/* components.c: what a device consists of */
ze_result_t sysman_enum_power(zes_device_handle_t device, uint32_t *count, zes_pwr_handle_t *handles);
ze_result_t sysman_card_power(zes_device_handle_t device, zes_pwr_handle_t *handle);
ze_result_t sysman_enum_frequency(zes_device_handle_t device, uint32_t *count, zes_freq_handle_t *handles);
ze_result_t sysman_enum_engines(zes_device_handle_t device, uint32_t *count, zes_engine_handle_t *handles);
ze_result_t sysman_enum_temperature(zes_device_handle_t device, uint32_t *count, zes_temp_handle_t *handles);
ze_result_t sysman_enum_memory(zes_device_handle_t device, uint32_t *count, zes_mem_handle_t *handles);
ze_result_t sysman_enum_ras(zes_device_handle_t device, uint32_t *count, zes_ras_handle_t *handles);
ze_result_t sysman_enum_ports(zes_device_handle_t device, uint32_t *count, zes_fabric_port_handle_t *handles);
ze_result_t sysman_enum_firmware(zes_device_handle_t device, uint32_t *count, zes_firmware_handle_t *handles);

/* readings.c: what they measure */
ze_result_t sysman_power_get_properties(zes_pwr_handle_t power, zes_power_properties_t *properties);
ze_result_t sysman_power_get_energy(zes_pwr_handle_t power, zes_power_energy_counter_t *counter);
ze_result_t sysman_frequency_get_properties(zes_freq_handle_t frequency, zes_freq_properties_t *properties);
ze_result_t sysman_frequency_get_range(zes_freq_handle_t frequency, zes_freq_range_t *range);
ze_result_t sysman_frequency_get_state(zes_freq_handle_t frequency, zes_freq_state_t *state);
ze_result_t sysman_engine_get_properties(zes_engine_handle_t engine, zes_engine_properties_t *properties);
ze_result_t sysman_engine_get_activity(zes_engine_handle_t engine, zes_engine_stats_t *stats);
ze_result_t sysman_temperature_get_properties(zes_temp_handle_t sensor, zes_temp_properties_t *properties);
ze_result_t sysman_temperature_get_state(zes_temp_handle_t sensor, double *celsius);
ze_result_t sysman_memory_get_properties(zes_mem_handle_t memory, zes_mem_properties_t *properties);
ze_result_t sysman_memory_get_state(zes_mem_handle_t memory, zes_mem_state_t *state);
ze_result_t sysman_memory_get_bandwidth(zes_mem_handle_t memory, zes_mem_bandwidth_t *bandwidth);
ze_result_t sysman_ras_get_properties(zes_ras_handle_t ras, zes_ras_properties_t *properties);
ze_result_t sysman_ras_get_state(zes_ras_handle_t ras, ze_bool_t clear, zes_ras_state_t *state);
ze_result_t sysman_port_get_properties(zes_fabric_port_handle_t port, zes_fabric_port_properties_t *properties);
ze_result_t sysman_port_get_config(zes_fabric_port_handle_t port, zes_fabric_port_config_t *config);
ze_result_t sysman_port_get_state(zes_fabric_port_handle_t port, zes_fabric_port_state_t *state);
ze_result_t sysman_firmware_get_properties(zes_firmware_handle_t firmware, zes_firmware_properties_t *properties);

#endif
