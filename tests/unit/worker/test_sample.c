/* Samples of one card whose sensors answer what a case says: rates, sums, what is missing, what makes no sense. */
#include "daemon/worker/worker.h"
#include "tests/unit/worker/tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct worker *worker;
static struct worker_card *card;

/* What the next calls answer. */
static double celsius;
static zes_power_energy_counter_t energy;
static zes_engine_stats_t activity;
static zes_mem_state_t memory;
static zes_freq_state_t frequency;
static zes_fabric_port_status_t port;
static ze_result_t answer;

static ze_result_t get_temperature(zes_temp_handle_t handle, double *value)
{
    (void)handle;
    *value = celsius;
    return answer;
}
static ze_result_t get_energy(zes_pwr_handle_t handle, zes_power_energy_counter_t *counter)
{
    (void)handle;
    *counter = energy;
    return answer;
}
static ze_result_t get_activity(zes_engine_handle_t handle, zes_engine_stats_t *stats)
{
    (void)handle;
    *stats = activity;
    return answer;
}
static ze_result_t get_memory(zes_mem_handle_t handle, zes_mem_state_t *state)
{
    (void)handle;
    state->free = memory.free;
    state->size = memory.size;
    return answer;
}
static ze_result_t get_frequency(zes_freq_handle_t handle, zes_freq_state_t *state)
{
    (void)handle;
    state->actual = frequency.actual;
    state->tdp = frequency.tdp;
    state->throttleReasons = frequency.throttleReasons;
    return answer;
}

static void one_sensor(struct sensors *sensors, uint32_t kind)
{
    sensors->result = ZE_RESULT_SUCCESS;
    sensors->n = 1;
    sensors->items[0] = (struct sensor){.handle = card, .kind = kind};
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof *worker);
    if (!worker)
        return -1;
    worker->device_root = "/no/such/root";
    worker->n_cards = 1;
    card = &worker->cards[0];
    card->sysman = (zes_device_handle_t)card;
    one_sensor(&card->handles.temperatures, ZES_TEMP_SENSORS_GPU);
    one_sensor(&card->handles.powers, 0);
    one_sensor(&card->handles.engines, ZES_ENGINE_GROUP_ALL);
    one_sensor(&card->handles.memories, ZES_MEM_LOC_DEVICE);
    one_sensor(&card->handles.frequencies, ZES_FREQ_DOMAIN_GPU);
    worker->lz.zesTemperatureGetState = get_temperature;
    worker->lz.zesPowerGetEnergyCounter = get_energy;
    worker->lz.zesEngineGetActivity = get_activity;
    worker->lz.zesMemoryGetState = get_memory;
    worker->lz.zesFrequencyGetState = get_frequency;
    answer = ZE_RESULT_SUCCESS;
    celsius = 50;
    energy = (zes_power_energy_counter_t){.energy = 5000000, .timestamp = 1000000};
    activity = (zes_engine_stats_t){.activeTime = 10, .timestamp = 1000000};
    memory = (zes_mem_state_t){.free = 3, .size = 10};
    frequency = (zes_freq_state_t){.actual = 1200, .tdp = 1600, .throttleReasons = 9};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(worker);
    return 0;
}

static const Itexd__Child__Metric *metric(enum metric which)
{
    return worker->samples.cards[0]->metrics[which];
}

static void expect_reading(enum metric which, double value)
{
    assert_true(metric(which)->has_value);
    assert_float_equal(metric(which)->value, value, 1e-6);
    assert_false(metric(which)->has_not_permitted);
}

static void expect_missing(enum metric which)
{
    assert_false(metric(which)->has_value);
    assert_false(metric(which)->has_not_permitted);
}

static void test_rates_need_two_readings(void **state)
{
    (void)state;
    sample_take(worker);
    expect_reading(METRIC_ENERGY, 5);
    expect_missing(METRIC_POWER);
    expect_missing(METRIC_UTILISATION);
    expect_reading(METRIC_TEMPERATURE, 50);
    expect_reading(METRIC_MEMORY_USED, 7);
    expect_reading(METRIC_THROTTLE, 9);
    expect_missing(METRIC_MEMORY_TEMPERATURE); /* no such sensor: never zero */
    expect_missing(METRIC_LINKS);
    energy = (zes_power_energy_counter_t){.energy = 305000000, .timestamp = 3000000};
    activity = (zes_engine_stats_t){.activeTime = 500010, .timestamp = 3000000};
    sample_take(worker);
    expect_reading(METRIC_POWER, 150);
    expect_reading(METRIC_UTILISATION, 0.25);
}

static void test_a_counter_that_ran_backwards(void **state)
{
    (void)state;
    sample_take(worker);
    energy = (zes_power_energy_counter_t){.energy = 1, .timestamp = 2000000};
    sample_take(worker);
    expect_missing(METRIC_POWER);
    sample_take(worker); /* the driver has not measured anew */
    expect_missing(METRIC_POWER);
    energy = (zes_power_energy_counter_t){.energy = 100000001, .timestamp = 3000000};
    sample_take(worker);
    expect_reading(METRIC_POWER, 100);
}

static void test_nonsense_is_missing(void **state)
{
    (void)state;
    celsius = NAN;
    frequency = (zes_freq_state_t){.actual = -1, .tdp = INFINITY};
    memory = (zes_mem_state_t){.free = UINT64_MAX, .size = 10};
    sample_take(worker);
    expect_missing(METRIC_TEMPERATURE);
    expect_missing(METRIC_FREQUENCY);
    expect_missing(METRIC_FREQUENCY_LIMIT);
    expect_missing(METRIC_MEMORY_USED);
    celsius = 1e300;
    energy = (zes_power_energy_counter_t){.energy = UINT64_MAX, .timestamp = 2000000};
    sample_take(worker);
    expect_missing(METRIC_TEMPERATURE);
    expect_missing(METRIC_POWER);
    expect_missing(METRIC_ENERGY);
    memory = (zes_mem_state_t){.free = UINT64_MAX, .size = UINT64_MAX}; /* their difference would be a plausible 0 */
    sample_take(worker);
    expect_missing(METRIC_MEMORY_USED);
    assert_false(worker->samples.cards[0]->has_lost);
}

static ze_result_t get_errors(zes_ras_handle_t handle, ze_bool_t clear, zes_ras_state_t *state)
{
    (void)handle;
    (void)clear;
    state->category[0] = 7;
    return answer;
}
static ze_result_t get_config(zes_fabric_port_handle_t handle, zes_fabric_port_config_t *config)
{
    (void)handle;
    config->enabled = true;
    return answer;
}
static ze_result_t get_port(zes_fabric_port_handle_t handle, zes_fabric_port_state_t *state)
{
    (void)handle;
    state->status = port;
    return answer;
}

static void test_nonsense_of_a_kind_is_missing(void **state)
{
    (void)state;
    worker->lz.zesRasGetState = get_errors;
    worker->lz.zesFabricPortGetConfig = get_config;
    worker->lz.zesFabricPortGetState = get_port;
    one_sensor(&card->handles.ras, UINT32_MAX);
    one_sensor(&card->handles.ports, 0);
    memset(&port, 0xff, sizeof port);
    sample_take(worker);
    expect_missing(METRIC_RAS_CORRECTABLE);
    expect_missing(METRIC_RAS_UNCORRECTABLE);
    expect_missing(METRIC_LINKS);
    card->handles.ras.items[0].kind = ZES_RAS_ERROR_TYPE_UNCORRECTABLE;
    port = ZES_FABRIC_PORT_STATUS_DISABLED;
    sample_take(worker);
    expect_reading(METRIC_RAS_UNCORRECTABLE, 7);
    expect_reading(METRIC_LINKS, 0);
}

static void test_lost_at_the_inventory(void **state)
{
    (void)state;
    card->lost_in = "zesDeviceEnumRasErrorSets";
    sample_take(worker);
    assert_true(worker->samples.cards[0]->lost);
    assert_string_equal(worker->samples.cards[0]->lost_because,
                        "zesDeviceEnumRasErrorSets answers 0x70000001 (device lost)");
    expect_missing(METRIC_TEMPERATURE);
}

static void test_not_permitted(void **state)
{
    (void)state;
    answer = ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    card->handles.ras.result = ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    card->handles.ports.result = ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
    sample_take(worker);
    assert_true(metric(METRIC_TEMPERATURE)->not_permitted);
    assert_true(metric(METRIC_POWER)->not_permitted);
    assert_true(metric(METRIC_RAS_CORRECTABLE)->not_permitted);
    expect_missing(METRIC_LINKS);
    assert_false(metric(METRIC_TEMPERATURE)->has_value);
}

static void test_hwmon_where_sysman_does_not_permit(void **state)
{
    struct tree tree;

    (void)state;
    tree_init(&tree);
    tree_gpu(&tree, "0000:3a:00.0");
    tree_write(&tree, "61000\n", TREE_PCI "/0000:3a:00.0/hwmon/hwmon1/temp1_input");
    tree_write(&tree, "7000000\n", TREE_PCI "/0000:3a:00.0/hwmon/hwmon1/energy1_input");
    worker->device_root = tree.root;
    snprintf(card->bdf, sizeof card->bdf, "0000:3a:00.0");
    card->on_bus = true;
    answer = ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    sample_take(worker);
    expect_reading(METRIC_TEMPERATURE, 61);
    expect_reading(METRIC_ENERGY, 7);
    assert_true(metric(METRIC_FREQUENCY)->not_permitted);
    tree_free(&tree);
    sample_take(worker);
    assert_true(worker->samples.cards[0]->lost); /* gone from the bus */
    assert_non_null(strstr(worker->samples.cards[0]->lost_because, "PCI bus"));
}

static void test_lost(void **state)
{
    (void)state;
    sample_take(worker);
    answer = ZE_RESULT_ERROR_DEVICE_LOST;
    sample_take(worker);
    assert_true(worker->samples.cards[0]->lost);
    assert_string_equal(worker->samples.cards[0]->lost_because,
                        "zesTemperatureGetState answers 0x70000001 (device lost)");
    assert_int_equal(worker->samples.cards[0]->n_metrics, METRIC_COUNT);
    answer = ZE_RESULT_SUCCESS;
    sample_take(worker);
    assert_false(worker->samples.cards[0]->has_lost);
}

static void test_requires_reset(void **state)
{
    (void)state;
    answer = ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET;
    sample_take(worker);
    expect_reading(METRIC_RESET_REQUIRED, 1);
    assert_false(worker->samples.cards[0]->has_lost);
}

/* A sum of some parts would be a wrong number. */
static void test_sums_are_whole_or_missing(void **state)
{
    (void)state;
    card->handles.memories.n = 2;
    card->handles.memories.items[1] = card->handles.memories.items[0];
    sample_take(worker);
    expect_reading(METRIC_MEMORY_USED, 14);
    memory.free = 11;
    sample_take(worker);
    expect_missing(METRIC_MEMORY_USED);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        CASE(test_rates_need_two_readings),
        CASE(test_a_counter_that_ran_backwards),
        CASE(test_nonsense_is_missing),
        CASE(test_nonsense_of_a_kind_is_missing),
        CASE(test_lost_at_the_inventory),
        CASE(test_not_permitted),
        CASE(test_hwmon_where_sysman_does_not_permit),
        CASE(test_lost),
        CASE(test_requires_reset),
        CASE(test_sums_are_whole_or_missing),
    };
#undef CASE

    return cmocka_run_group_tests_name("worker samples", tests, NULL, NULL);
}
