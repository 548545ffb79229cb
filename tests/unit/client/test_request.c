/* The Resolve message: what goes in comes out of its bytes again, and it always fits or says that it cannot. */
#include "client/core/resolve_request.h"
#include "proto/framing.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Itexd__V1__Resolve *new_request(uint8_t id[REQUEST_ID_SIZE])
{
    assert_int_equal(request_id_new(id), 0);
    Itexd__V1__Resolve *resolve = resolve_request_new(id);
    assert_non_null(resolve);
    return resolve;
}

/* Packs and unpacks, and frees the original. */
static Itexd__V1__Resolve *through_bytes(Itexd__V1__Resolve *resolve)
{
    size_t size = itexd__v1__resolve__get_packed_size(resolve);
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    itexd__v1__resolve__pack(resolve, bytes);
    resolve_request_freep(&resolve);
    resolve = itexd__v1__resolve__unpack(NULL, size, bytes);
    assert_non_null(resolve);
    free(bytes);
    return resolve;
}

static void test_request_ids_differ(void **state)
{
    uint8_t a[REQUEST_ID_SIZE], b[REQUEST_ID_SIZE];

    (void)state;
    assert_int_equal(request_id_new(a), 0);
    assert_int_equal(request_id_new(b), 0);
    assert_memory_not_equal(a, b, REQUEST_ID_SIZE);
}

static void test_all_fields(void **state)
{
    uint8_t id[REQUEST_ID_SIZE];
    Itexd__V1__Resolve *r = new_request(id);
    char *envp[] = {(char *)"ITEX_VERBOSE=1", NULL};
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_collect(&e, envp), 0);
    assert_int_equal(environment_override(&e, "TF_XLA_FLAGS", "/tmp/itexd-no-such-file"), 0);
    assert_int_equal(environment_read_flags_file(&e, NULL), 0);
    assert_int_equal(resolve_request_environment(r, &e), 0);
    environment_free(&e);
    assert_int_equal(resolve_request_fact(r, "keras", "2", "declared"), 0);
    assert_int_equal(resolve_request_fact(r, "keras", "3", "declared"), 0);
    assert_int_equal(resolve_request_fact(r, "keras", "2", "script"), 0);
    assert_int_equal(resolve_request_script_variable(r, "ITEX_X", "1", "train.py", 7), 0);
    assert_int_equal(resolve_request_job(r, "7", NULL), 0);
    assert_int_equal(resolve_request_policy(r, "advise"), 0);
    assert_int_equal(resolve_request_policy(r, "perhaps"), -EINVAL);
    assert_ptr_equal(resolve_request_devices(r), resolve_request_devices(r));
    r->devices->has_count = 1;
    r->devices->count = 2;
    assert_int_equal(resolve_request_fit(r), 0);

    r = through_bytes(r);
    assert_int_equal(r->request_id.len, REQUEST_ID_SIZE);
    assert_memory_equal(r->request_id.data, id, REQUEST_ID_SIZE);
    assert_int_equal(r->n_env, 2);
    assert_int_equal(r->n_facts, 3);
    assert_string_equal(r->facts[0]->name, "xla_flags_source");
    assert_string_equal(r->facts[0]->value, "missing");
    assert_string_equal(r->facts[0]->from, "environment");
    assert_string_equal(r->facts[1]->value, "3"); /* the later one, of the same source */
    assert_string_equal(r->facts[2]->from, "script");
    assert_string_equal(r->script_env[0]->file, "train.py");
    assert_int_equal(r->script_env[0]->line, 7);
    assert_string_equal(r->job, "7");
    assert_null(r->step);
    assert_string_equal(r->policy, "advise");
    assert_int_equal(r->devices->count, 2);
    resolve_request_freep(&r);
}

/* More than a packet holds: the longest values are named, the rest is whole. */
static void test_fits_by_naming_the_longest(void **state)
{
    uint8_t id[REQUEST_ID_SIZE];
    Itexd__V1__Resolve *r = new_request(id);
    struct environment e = ENVIRONMENT_INIT;
    char *value = calloc(1, ITEXD_MAX_VALUE + 1);
    char name[32];

    (void)state;
    assert_non_null(value);
    memset(value, 'v', 8000);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "ITEX_V%d", i);
        assert_int_equal(environment_override(&e, name, value), 0);
    }
    value[7000] = '\0';
    assert_int_equal(environment_override(&e, "ITEX_SHORTER", value), 0);
    assert_int_equal(resolve_request_environment(r, &e), 0);
    assert_int_equal(resolve_request_fit(r), 0);
    assert_true(itexd__v1__resolve__get_packed_size(r) < ITEXD_MAX_PACKET);
    assert_int_equal(r->n_env + r->n_oversized, 11);
    assert_int_equal(r->n_oversized, 3);
    for (size_t i = 0; i < r->n_oversized; i++)
        assert_string_not_equal(r->oversized[i], "ITEX_SHORTER");
    free(value);
    environment_free(&e);
    resolve_request_freep(&r);
}

static void test_flags_text_gives_way(void **state)
{
    uint8_t id[REQUEST_ID_SIZE];
    Itexd__V1__Resolve *r = new_request(id);
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_override(&e, "TF_XLA_FLAGS", "/somewhere"), 0);
    e.flags_source = FLAGS_FILE;
    e.flags_text = calloc(1, ITEXD_MAX_FLAGS_FILE + 1);
    assert_non_null(e.flags_text);
    memset(e.flags_text, ' ', ITEXD_MAX_FLAGS_FILE - 1000);
    assert_int_equal(resolve_request_environment(r, &e), 0);
    assert_int_equal(resolve_request_fit(r), 0);
    assert_string_equal(r->facts[0]->name, "xla_flags_file"); /* it fits: sent whole */
    assert_int_equal(r->n_oversized, 0);
    resolve_request_freep(&r);

    r = new_request(id);
    memset(e.flags_text, ' ', ITEXD_MAX_FLAGS_FILE);
    assert_int_equal(resolve_request_environment(r, &e), 0);
    assert_int_equal(resolve_request_fit(r), 0);
    assert_string_equal(r->facts[0]->name, "xla_flags_source");
    assert_string_equal(r->facts[0]->value, "unreadable");
    assert_int_equal(r->n_oversized, 1);
    assert_string_equal(r->oversized[0], "xla_flags_file");
    assert_string_equal(r->env[0]->value, "/somewhere"); /* the variable itself is whole */
    resolve_request_freep(&r);
    environment_free(&e);
}

static void test_what_is_declared_is_never_dropped(void **state)
{
    uint8_t id[REQUEST_ID_SIZE];
    Itexd__V1__Resolve *r = new_request(id);
    char *value = calloc(1, ITEXD_MAX_PACKET + 1);

    (void)state;
    assert_non_null(value);
    memset(value, 'v', ITEXD_MAX_PACKET);
    assert_int_equal(resolve_request_fact(r, "setuptools", value, "declared"), 0);
    assert_int_equal(resolve_request_fit(r), -EMSGSIZE);
    free(value);
    resolve_request_freep(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_ids_differ),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_fits_by_naming_the_longest),
        cmocka_unit_test(test_flags_text_gives_way),
        cmocka_unit_test(test_what_is_declared_is_never_dropped),
    };

    return cmocka_run_group_tests_name("client-request", tests, NULL, NULL);
}
