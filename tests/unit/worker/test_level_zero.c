/*
 * Calls through the table: what the page says during one, and enumerations that lie. The driver is functions of this
 * file, put into the table's place.
 */
#include "daemon/worker/level_zero.h"
#include "daemon/worker/text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct page {
    char call[LEVEL_ZERO_CALL_SIZE];
    uint32_t in_sysman;
};

static struct page seen; /* as it was during the call */
static struct page *shared;
static struct level_zero lz;

static void use_page(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    memset(&lz, 0, sizeof lz);
    lz.call = shared->call;
    lz.in_sysman = &shared->in_sysman;
}

static ze_result_t looking_status(ze_device_handle_t device)
{
    (void)device;
    seen = *shared;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t looking_state(zes_device_handle_t device, zes_device_state_t *state)
{
    (void)device;
    (void)state;
    seen = *shared;
    return ZE_RESULT_ERROR_UNKNOWN;
}

static void test_call_is_named(void **state)
{
    (void)state;
    use_page();
    lz.zeDeviceGetStatus = looking_status;
    lz.zesDeviceGetState = looking_state;
    assert_int_equal(level_zero_call(&lz, zeDeviceGetStatus, NULL), ZE_RESULT_SUCCESS);
    assert_string_equal(seen.call, "zeDeviceGetStatus");
    assert_int_equal(seen.in_sysman, 0);
    assert_string_equal(shared->call, "");
    assert_int_equal(level_zero_call(&lz, zesDeviceGetState, NULL, NULL), ZE_RESULT_ERROR_UNKNOWN);
    assert_string_equal(seen.call, "zesDeviceGetState");
    assert_int_equal(seen.in_sysman, 1);
    assert_int_equal(shared->in_sysman, 0);
}

static ze_result_t lost_status(ze_device_handle_t device)
{
    (void)device;
    return ZE_RESULT_ERROR_DEVICE_LOST;
}

static void test_the_first_that_is_lost_is_kept(void **state)
{
    (void)state;
    use_page();
    lz.zeDeviceGetStatus = looking_status;
    lz.zesDeviceGetState = looking_state;
    level_zero_call(&lz, zeDeviceGetStatus, NULL);
    level_zero_call(&lz, zesDeviceGetState, NULL, NULL);
    assert_null(lz.lost_in);
    lz.zeDeviceGetStatus = lost_status;
    level_zero_call(&lz, zeDeviceGetStatus, NULL);
    level_zero_call(&lz, zesDeviceGetState, NULL, NULL);
    assert_string_equal(lz.lost_in, "zeDeviceGetStatus");
}

static void test_missing_function_is_unsupported(void **state)
{
    (void)state;
    use_page();
    assert_int_equal(level_zero_call(&lz, zesDeviceGetState, NULL, NULL), ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
    assert_int_equal(level_zero_call_own(&lz, zesInit, 0), ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
}

static ze_result_t hanging_status(ze_device_handle_t device)
{
    (void)device;
    raise(SIGSTOP);
    return ZE_RESULT_SUCCESS;
}

static void test_hang_leaves_its_name(void **state)
{
    int status;
    pid_t child;

    (void)state;
    use_page();
    lz.zeDeviceGetStatus = hanging_status;
    child = fork();
    if (child == 0) {
        level_zero_call(&lz, zeDeviceGetStatus, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_string_equal(shared->call, "zeDeviceGetStatus");
}

/* ---- Start ------------------------------------------------------------------------------------------------------ */

static ze_result_t init_result, sysman_init_result;
static bool sysman_variable;

static ze_result_t fake_init(ze_init_flags_t flags)
{
    (void)flags;
    seen = *shared;
    sysman_variable = getenv("ZES_ENABLE_SYSMAN") != NULL;
    return init_result;
}

static ze_result_t fake_sysman_init(uint32_t flags)
{
    (void)flags;
    return sysman_init_result;
}

static void expect_start(bool with_sysman, enum level_zero_sysman sysman, bool variable)
{
    assert_int_equal(level_zero_start(&lz, with_sysman), init_result);
    assert_int_equal(lz.sysman, sysman);
    assert_int_equal(sysman_variable, variable);
    /* Only where zeInit starts sysman is its crash one of sysman's. */
    assert_int_equal(seen.in_sysman, sysman == LEVEL_ZERO_SYSMAN_LEGACY);
    assert_int_equal(shared->in_sysman, 0);
}

static void test_sysman_in_one_way_only(void **state)
{
    (void)state;
    use_page();
    lz.zeInit = fake_init;
    expect_start(true, LEVEL_ZERO_SYSMAN_LEGACY, true); /* the loader has no zesInit */
    use_page();
    lz.zeInit = fake_init;
    lz.zesInit_ = fake_sysman_init;
    expect_start(true, LEVEL_ZERO_SYSMAN_ZES, false);
    use_page();
    lz.zeInit = fake_init;
    lz.zesInit_ = fake_sysman_init;
    sysman_init_result = ZE_RESULT_ERROR_UNSUPPORTED_FEATURE; /* an old driver */
    expect_start(true, LEVEL_ZERO_SYSMAN_LEGACY, true);
    use_page();
    lz.zeInit = fake_init;
    lz.zesInit_ = fake_sysman_init;
    sysman_init_result = ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    expect_start(true, LEVEL_ZERO_SYSMAN_NONE, false);
    assert_non_null(strstr(lz.sysman_text, "0x70010000"));
    use_page();
    lz.zeInit = fake_init;
    lz.zesInit_ = fake_sysman_init;
    expect_start(false, LEVEL_ZERO_SYSMAN_NONE, false);
}

/* ---- Enumerations ------------------------------------------------------------------------------------------------ */

static uint32_t said, given;
static ze_result_t second_result;

/* Says one number, fills in another, and leaves a count that is too large as it is. */
static ze_result_t lying_get(ze_driver_handle_t driver, uint32_t *count, ze_device_handle_t *devices)
{
    (void)driver;
    if (!devices) {
        *count = said;
        return ZE_RESULT_SUCCESS;
    }
    for (uint32_t i = 0; i < *count && i < given; i++)
        devices[i] = (ze_device_handle_t)(uintptr_t)(i + 1);
    return second_result;
}

static uint32_t listed(ze_result_t *result)
{
    ze_device_handle_t devices[4];
    uint32_t n;

    lz.zeDeviceGet = lying_get;
    *result = level_zero_list(&lz, zeDeviceGet, NULL, devices, 4, &n);
    for (uint32_t i = 0; i < n && i < 4; i++)
        assert_ptr_equal(devices[i], (uintptr_t)(i + 1));
    return n;
}

static void test_counts_are_not_believed(void **state)
{
    ze_result_t result;

    (void)state;
    use_page();
    said = given = 3;
    assert_int_equal(listed(&result), 3);
    said = 4;
    assert_int_equal(listed(&result), 3); /* what was not filled in is not there */
    said = 0;
    assert_int_equal(listed(&result), 0);
    said = 1000000;
    given = 4;
    assert_int_equal(listed(&result), 1000000); /* for the caller to refuse; no more than 4 were written */
    said = given = 2;
    second_result = ZE_RESULT_ERROR_DEVICE_LOST;
    assert_int_equal(listed(&result), 0);
    assert_int_equal(result, ZE_RESULT_ERROR_DEVICE_LOST);
    second_result = ZE_RESULT_SUCCESS;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

static void test_text_copy(void **state)
{
    char to[8];
    static const char endless[4] = {'a', 'b', 'c', 'd'};

    (void)state;
    text_copy(to, sizeof to, "  name \n", 8);
    assert_string_equal(to, "name");
    text_copy(to, sizeof to, endless, sizeof endless);
    assert_string_equal(to, "abcd");
    text_copy(to, sizeof to, "0123456789", 10);
    assert_string_equal(to, "0123456");
    text_copy(to, sizeof to, "a\x1b[1m\xc3", 6);
    assert_string_equal(to, "a?[1m?");
    text_copy(to, sizeof to, "", 0);
    assert_string_equal(to, "");
}

static void test_text_uuid(void **state)
{
    static const uint8_t none[16];
    static const uint8_t some[16] = {0x86, 0x80, 0xd5, 0x0b, 1, 2, 3, 4, 0, 0x3a, 0, 0, 0, 0, 0, 0xff};
    char to[TEXT_UUID_SIZE];

    (void)state;
    text_uuid(to, some);
    assert_string_equal(to, "8680d50b-0102-0304-003a-0000000000ff");
    text_uuid(to, none);
    assert_string_equal(to, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_is_named),
        cmocka_unit_test(test_the_first_that_is_lost_is_kept),
        cmocka_unit_test(test_missing_function_is_unsupported),
        cmocka_unit_test(test_hang_leaves_its_name),
        cmocka_unit_test(test_sysman_in_one_way_only),
        cmocka_unit_test(test_counts_are_not_believed),
        cmocka_unit_test(test_text_copy),
        cmocka_unit_test(test_text_uuid),
    };

    return cmocka_run_group_tests_name("worker level zero", tests, NULL, NULL);
}
