/* The ring forgets the oldest, and sums up what is there. */
#include "daemon/devices/ring.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(struct ring *ring, uint64_t time_ms, double power)
{
    struct sample sample = {.time_ms = time_ms};

    for (int i = 0; i < METRIC_COUNT; i++)
        sample.missing[i] = METRIC_NOT_AVAILABLE;
    if (!isnan(power)) {
        sample.values[METRIC_POWER] = power;
        sample.missing[METRIC_POWER] = METRIC_THERE;
    }
    assert_int_equal(ring_add(ring, &sample), 0);
}

static void test_empty(void **state)
{
    struct ring ring = RING_INIT;

    (void)state;
    assert_null(ring_at(&ring, 0));
    assert_int_equal(ring_summary(&ring, METRIC_POWER, 0).n, 0);
    ring_deinit(&ring);
}

static void test_an_hour(void **state)
{
    struct ring ring = RING_INIT;
    struct metric_summary summary;

    (void)state;
    for (uint64_t i = 0; i < RING_SAMPLES + 100; i++)
        add(&ring, i, (double)i);
    assert_int_equal(ring.n, RING_SAMPLES);
    assert_int_equal(ring_at(&ring, 0)->time_ms, RING_SAMPLES + 99);
    assert_int_equal(ring_at(&ring, RING_SAMPLES - 1)->time_ms, 100);
    assert_null(ring_at(&ring, RING_SAMPLES));
    summary = ring_summary(&ring, METRIC_POWER, RING_SAMPLES + 90);
    assert_int_equal(summary.n, 10);
    assert_true(fabs(summary.least - (RING_SAMPLES + 90)) < 0.01);
    assert_true(fabs(summary.largest - (RING_SAMPLES + 99)) < 0.01);
    assert_true(fabs(summary.mean - (RING_SAMPLES + 94.5)) < 0.01);
    assert_true(RING_SAMPLES * sizeof(struct ring_entry) < 512 * 1024);
    ring_deinit(&ring);
}

static void test_missing_is_not_zero(void **state)
{
    struct ring ring = RING_INIT;
    struct metric_summary summary;

    (void)state;
    add(&ring, 1, -5);
    add(&ring, 2, (double)NAN);
    add(&ring, 3, -7);
    summary = ring_summary(&ring, METRIC_POWER, 0);
    assert_int_equal(summary.n, 2);
    assert_true(summary.largest == -5 && summary.least == -7 && summary.mean == -6);
    assert_int_equal(ring_summary(&ring, METRIC_TEMPERATURE, 0).n, 0);
    ring_deinit(&ring);
}

static void test_every_metric_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++) {
        assert_non_null(metric_table[i].name);
        assert_non_null(metric_table[i].unit);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(metric_table[i].name, metric_table[j].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_an_hour),
        cmocka_unit_test(test_missing_is_not_zero),
        cmocka_unit_test(test_every_metric_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
