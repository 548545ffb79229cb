/* What a uid uses is counted, limited, and gone with its last owner. */
#include "daemon/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct quota_limits limits = {.connections = 2, .requests = 3, .bytes = 100};

static void test_quota_stops_at_the_limit(void **state)
{
    struct quota quota = {.limits = limits};
    struct quota_user *user = quota_user_get(&quota, 1000);

    (void)state;
    assert_true(quota_charge(user, QUOTA_CONNECTIONS, 1));
    assert_true(quota_charge(user, QUOTA_CONNECTIONS, 1));
    assert_false(quota_charge(user, QUOTA_CONNECTIONS, 1));
    quota_release(user, QUOTA_CONNECTIONS, 1);
    assert_true(quota_charge(user, QUOTA_CONNECTIONS, 1));
    quota_user_put(user);
    assert_int_equal(quota.n_users, 1);
    quota_release(user, QUOTA_CONNECTIONS, 2); /* at once what was charged one by one */
    assert_int_equal(quota.n_users, 0);
}

static void test_quota_of_one_user_is_not_anothers(void **state)
{
    struct quota quota = {.limits = limits};
    struct quota_user *one = quota_user_get(&quota, 1000);
    struct quota_user *other = quota_user_get(&quota, 1000 + QUOTA_BUCKETS); /* the same bucket */

    (void)state;
    assert_ptr_not_equal(one, other);
    assert_true(quota_charge(one, QUOTA_BYTES, 100));
    assert_false(quota_charge(one, QUOTA_BYTES, 1));
    assert_true(quota_charge(one, QUOTA_READS, QUOTA_READS_PER_UID));
    assert_false(quota_charge(one, QUOTA_READS, 1));
    quota_release(one, QUOTA_READS, QUOTA_READS_PER_UID);
    assert_true(quota_charge(other, QUOTA_BYTES, 100));
    quota_release(one, QUOTA_BYTES, 100);
    quota_release(other, QUOTA_BYTES, 100);
    quota_user_put(one);
    quota_user_put(other);
    assert_int_equal(quota.n_users, 0);
}

static void test_quota_lives_as_long_as_a_charge(void **state)
{
    struct quota quota = {.limits = limits};
    struct quota_user *user = quota_user_get(&quota, 7);

    (void)state;
    assert_true(quota_charge(user, QUOTA_REQUESTS, 1));
    quota_user_put(user); /* the peer has gone, its request has not */
    assert_int_equal(quota.n_users, 1);
    assert_ptr_equal(quota_user_get(&quota, 7), user);
    quota_user_put(user);
    quota_release(user, QUOTA_REQUESTS, 1);
    assert_int_equal(quota.n_users, 0);
}

static void test_quota_does_not_wrap(void **state)
{
    struct quota quota = {.limits = {.bytes = UINT64_MAX}};
    struct quota_user *user = quota_user_get(&quota, 7);

    (void)state;
    assert_true(quota_charge(user, QUOTA_BYTES, UINT64_MAX));
    assert_false(quota_charge(user, QUOTA_BYTES, 1));
    quota_release(user, QUOTA_BYTES, UINT64_MAX);
    quota_user_put(user);
}

static void test_quota_with_a_lowered_limit(void **state)
{
    struct quota quota = {.limits = limits};
    struct quota_user *user = quota_user_get(&quota, 7);

    (void)state;
    assert_true(quota_charge(user, QUOTA_REQUESTS, 3));
    quota.limits.requests = 1;
    assert_false(quota_charge(user, QUOTA_REQUESTS, 1));
    quota_release(user, QUOTA_REQUESTS, 3);
    assert_true(quota_charge(user, QUOTA_REQUESTS, 1));
    quota_release(user, QUOTA_REQUESTS, 1);
    quota_user_put(user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota_stops_at_the_limit),
        cmocka_unit_test(test_quota_of_one_user_is_not_anothers),
        cmocka_unit_test(test_quota_lives_as_long_as_a_charge),
        cmocka_unit_test(test_quota_does_not_wrap),
        cmocka_unit_test(test_quota_with_a_lowered_limit),
    };

    return cmocka_run_group_tests_name("daemon-quota", tests, NULL, NULL);
}
