/* Thresholds with hysteresis, what goes before what, and when sysman is tried again. */
#include "daemon/devices/health.h"
#include "daemon/devices/sysman.h"
#include "tests/unit/devices/device_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct health_limits limits = {.temperature = 90, .memory_temperature = 95, .uncorrectable = 2};
static struct device_set set;
static struct device *device;

static int set_up(void **state)
{
    const struct fixture_card card = {"0000:3a:00.0", UUID_A, "Max", 0, 0, NULL};

    (void)state;
    fixture_merge(&set, &card, 1);
    device = set.items[0];
    health_seen(device);
    device_judge(device);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    device_set_clear(&set);
    return 0;
}

static struct sample nothing(void)
{
    struct sample sample = {.time_ms = 1};

    for (int i = 0; i < METRIC_COUNT; i++)
        sample.missing[i] = METRIC_NOT_AVAILABLE;
    return sample;
}

/* True: an event. */
static bool measure(enum metric metric, double value)
{
    struct sample sample = nothing();

    sample.values[metric] = value;
    sample.missing[metric] = METRIC_THERE;
    health_sampled(device, &sample, &limits);
    return device_judge(device);
}

static bool measure_nothing(void)
{
    struct sample sample = nothing();

    health_sampled(device, &sample, &limits);
    return device_judge(device);
}

static void test_hot(void **state)
{
    (void)state;
    assert_int_equal(device->health, DEVICE_HEALTHY);
    assert_false(measure(METRIC_TEMPERATURE, 89.9));
    assert_true(measure(METRIC_TEMPERATURE, 90));
    assert_int_equal(device->health, DEVICE_DEGRADED);
    assert_non_null(strstr(device->cause, "90 C"));
    assert_false(measure(METRIC_TEMPERATURE, 85.1)); /* neither an event nor healthy */
    assert_int_equal(device->health, DEVICE_DEGRADED);
    assert_false(measure_nothing());
    assert_int_equal(device->health, DEVICE_DEGRADED);
    assert_non_null(strstr(device->cause, "85 C"));
    assert_true(measure(METRIC_TEMPERATURE, 85));
    assert_int_equal(device->health, DEVICE_HEALTHY);
    assert_string_equal(device->cause, "");
    assert_false(measure(METRIC_TEMPERATURE, 89));
}

static void test_second_reason_is_an_event(void **state)
{
    (void)state;
    assert_true(measure(METRIC_TEMPERATURE, 100));
    assert_true(measure(METRIC_MEMORY_TEMPERATURE, 95));
    assert_non_null(strstr(device->cause, "; "));
    assert_true(measure(METRIC_TEMPERATURE, 50));
    assert_int_equal(device->health, DEVICE_DEGRADED);
}

static void test_no_limit(void **state)
{
    const struct health_limits none = {0, 0, 0};
    struct sample sample = nothing();

    (void)state;
    assert_true(measure(METRIC_TEMPERATURE, 100));
    sample.values[METRIC_TEMPERATURE] = 120;
    sample.values[METRIC_RAS_UNCORRECTABLE] = 1000;
    sample.missing[METRIC_TEMPERATURE] = sample.missing[METRIC_RAS_UNCORRECTABLE] = METRIC_THERE;
    health_sampled(device, &sample, &none);
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_errors_count_from_the_first_sample(void **state)
{
    (void)state;
    assert_false(measure(METRIC_RAS_UNCORRECTABLE, 40));
    assert_false(measure(METRIC_RAS_UNCORRECTABLE, 41));
    assert_true(measure(METRIC_RAS_UNCORRECTABLE, 42));
    assert_int_equal(device->health, DEVICE_DEGRADED);
    assert_non_null(strstr(device->cause, "2 uncorrectable"));
    assert_false(measure_nothing());
    assert_true(measure(METRIC_RAS_UNCORRECTABLE, 0)); /* the driver counts anew: it was reset */
    assert_int_equal(device->health, DEVICE_HEALTHY);
    assert_true(measure(METRIC_RAS_UNCORRECTABLE, 2));
    health_reset(device);
    assert_true(device_judge(device));
    assert_false(measure(METRIC_RAS_UNCORRECTABLE, 2));
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_failed_samples(void **state)
{
    (void)state;
    for (int i = 1; i < HEALTH_FAILED_SAMPLES; i++) {
        health_sample_failed(device);
        assert_false(device_judge(device));
    }
    health_sample_failed(device);
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_DEGRADED);
    for (int i = 0; i < 1000; i++)
        health_sample_failed(device);
    assert_false(device_judge(device));
    assert_true(measure_nothing());
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_needs_reset(void **state)
{
    (void)state;
    assert_true(measure(METRIC_RESET_REQUIRED, 1));
    assert_false(device_grantable(device, NULL));
    assert_true(measure(METRIC_RESET_REQUIRED, 0));
    assert_true(device_grantable(device, NULL));
}

static void test_stale_does_not_hide_what_is_worse(void **state)
{
    const char *why;

    (void)state;
    health_away(device, "the worker is away");
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_STALE);
    assert_true(device_grantable(device, &why));
    assert_null(why);
    assert_true(measure(METRIC_TEMPERATURE, 91));
    health_away(device, "the worker is away");
    assert_false(device_judge(device));
    assert_int_equal(device->health, DEVICE_DEGRADED);
    assert_false(device_grantable(device, &why));
    assert_non_null(strstr(why, "91 C"));
}

static void test_lost(void **state)
{
    (void)state;
    health_lost(device, "zesDeviceGetState: DEVICE_LOST");
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_LOST);
    health_seen(device); /* that it is listed does not make it work */
    assert_false(device_judge(device));
    assert_true(measure_nothing());
    assert_int_equal(device->health, DEVICE_HEALTHY);
    health_gone(device, "gone");
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_LOST);
    health_seen(device);
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_changed_until_free(void **state)
{
    (void)state;
    health_changed(device, "another card");
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_CHANGED);
    assert_false(measure_nothing());
    health_changed(device, NULL);
    assert_true(device_judge(device));
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_flags_beside_health(void **state)
{
    const char *why;

    (void)state;
    device->drained = true;
    assert_false(device_grantable(device, &why));
    assert_string_equal(why, "is drained");
    device->resetting = true;
    assert_false(device_grantable(device, &why));
    assert_string_equal(why, "is being reset");
    assert_int_equal(device->health, DEVICE_HEALTHY);
}

static void test_only_known_to_the_database(void **state)
{
    struct device *old = device_new("0000:5a:00.0", itexd__child__card__unpack(NULL, 0, (const uint8_t *)""));

    (void)state;
    assert_int_equal(old->health, DEVICE_STALE);
    assert_false(device_grantable(old, NULL));
    device_free(old);
}

static void test_values_from_the_worker(void **state)
{
    Itexd__Child__CardSample card = ITEXD__CHILD__CARD_SAMPLE__INIT;
    Itexd__Child__Metric metrics[4], *list[4];
    struct sample sample;

    (void)state;
    for (int i = 0; i < 4; i++) {
        itexd__child__metric__init(&metrics[i]);
        list[i] = &metrics[i];
    }
    metrics[0].has_value = metrics[1].has_value = true;
    metrics[0].value = 42;
    metrics[1].value = (double)INFINITY;
    metrics[2].has_not_permitted = metrics[2].not_permitted = true;
    card.n_metrics = 4;
    card.metrics = list;
    sample_read(&card, 9, &sample);
    assert_int_equal(sample.missing[0], METRIC_THERE);
    assert_true(sample.values[0] == 42);
    assert_int_equal(sample.missing[1], METRIC_NOT_AVAILABLE);
    assert_int_equal(sample.missing[2], METRIC_NOT_PERMITTED);
    assert_int_equal(sample.missing[3], METRIC_NOT_AVAILABLE);
    assert_int_equal(sample.missing[METRIC_COUNT - 1], METRIC_NOT_AVAILABLE);
}

static void test_sysman_is_tried_ever_later(void **state)
{
    struct sysman_policy policy = {.off = false};
    uint64_t now = 1000, delay = SYSMAN_FIRST_MS;

    (void)state;
    sysman_forgive(&policy, now);
    for (int i = 0; i < 8; i++) {
        sysman_died(&policy, now);
        assert_true(policy.off);
        assert_int_equal(policy.delay_ms, delay);
        sysman_died(&policy, now); /* without sysman too: changes nothing */
        assert_int_equal(policy.delay_ms, delay);
        assert_false(sysman_retry(&policy, now + delay - 1));
        now += delay;
        assert_true(sysman_retry(&policy, now));
        assert_false(sysman_retry(&policy, now));
        delay = delay * 2 < SYSMAN_LAST_MS ? delay * 2 : SYSMAN_LAST_MS;
    }
    sysman_died(&policy, now + SYSMAN_LAST_MS); /* it worked for long */
    assert_int_equal(policy.delay_ms, SYSMAN_FIRST_MS);
    sysman_forgive(&policy, now);
    assert_false(policy.off);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEVICE(test_hot),
        WITH_DEVICE(test_second_reason_is_an_event),
        WITH_DEVICE(test_no_limit),
        WITH_DEVICE(test_errors_count_from_the_first_sample),
        WITH_DEVICE(test_failed_samples),
        WITH_DEVICE(test_needs_reset),
        WITH_DEVICE(test_stale_does_not_hide_what_is_worse),
        WITH_DEVICE(test_lost),
        WITH_DEVICE(test_changed_until_free),
        WITH_DEVICE(test_flags_beside_health),
        cmocka_unit_test(test_only_known_to_the_database),
        cmocka_unit_test(test_values_from_the_worker),
        cmocka_unit_test(test_sysman_is_tried_ever_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
