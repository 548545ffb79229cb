/* Recent requests: found by who asked and what id, forgotten by age and number. */
#include "daemon/requests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct request_key make_key(uint32_t number, uint32_t uid)
{
    struct request_key key;

    memset(&key, 0, sizeof key);
    memcpy(key.id, &number, sizeof number);
    key.uid = uid;
    key.pid = 42;
    key.start = 4711;
    return key;
}

static void add_settled(struct requests *requests, uint32_t number, uint64_t now_ms)
{
    struct request_key key = make_key(number, 1000);
    struct request_entry *entry = requests_add(requests, &key);

    assert_non_null(entry);
    requests_settle(requests, entry, number + 1, now_ms);
}

static struct request_entry *find(struct requests *requests, uint32_t number)
{
    struct request_key key = make_key(number, 1000);

    return requests_find(requests, &key);
}

static void test_requests_are_found_by_their_owner_only(void **state)
{
    struct requests requests;
    struct request_key key = make_key(1, 1000), other = make_key(1, 1001);

    (void)state;
    assert_int_equal(requests_init(&requests, 100, 1000), 0);
    struct request_entry *entry = requests_add(&requests, &key);
    assert_ptr_equal(requests_find(&requests, &key), entry);
    assert_null(requests_find(&requests, &other));
    other = key;
    other.start++; /* the pid came back as another process */
    assert_null(requests_find(&requests, &other));
    requests_deinit(&requests);
}

static void test_requests_survive_growth(void **state)
{
    struct requests requests;

    (void)state;
    assert_int_equal(requests_init(&requests, 100000, 1000), 0);
    for (uint32_t i = 0; i < 5000; i++)
        add_settled(&requests, i, 0);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(find(&requests, i)->decision, i + 1);
    assert_null(find(&requests, 5000));
    requests_deinit(&requests);
}

static void test_requests_beyond_the_limit_go_oldest_first(void **state)
{
    struct requests requests;

    (void)state;
    assert_int_equal(requests_init(&requests, 3, 1000), 0);
    for (uint32_t i = 0; i < 5; i++)
        add_settled(&requests, i, 0);
    assert_null(find(&requests, 0));
    assert_null(find(&requests, 1));
    assert_non_null(find(&requests, 2));
    assert_int_equal(requests.n_entries, 3);
    requests_deinit(&requests);
}

static void test_requests_older_than_the_window_go(void **state)
{
    struct requests requests;

    (void)state;
    assert_int_equal(requests_init(&requests, 100, 1000), 0);
    add_settled(&requests, 1, 5000);
    add_settled(&requests, 2, 6000);
    assert_non_null(find(&requests, 1));
    add_settled(&requests, 3, 6001);
    assert_null(find(&requests, 1));
    assert_non_null(find(&requests, 2));
    requests_deinit(&requests);
}

static void test_requests_being_written_stay(void **state)
{
    struct requests requests;
    struct request_key key = make_key(0, 1000);

    (void)state;
    assert_int_equal(requests_init(&requests, 1, 1000), 0);
    struct request_entry *pending = requests_add(&requests, &key);
    for (uint32_t i = 1; i < 10; i++)
        add_settled(&requests, i, i * 10000);
    assert_ptr_equal(find(&requests, 0), pending);
    requests_drop(&requests, pending);
    assert_null(find(&requests, 0));
    requests_deinit(&requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_found_by_their_owner_only),
        cmocka_unit_test(test_requests_survive_growth),
        cmocka_unit_test(test_requests_beyond_the_limit_go_oldest_first),
        cmocka_unit_test(test_requests_older_than_the_window_go),
        cmocka_unit_test(test_requests_being_written_stay),
    };

    return cmocka_run_group_tests_name("daemon-requests", tests, NULL, NULL);
}
