/* Leases in memory, without a service around them: what one that is being given back keeps from others, and who frees
 * it. */
#include "node.h"

#include "daemon/leases/leases_internal.h"
#include "daemon/service.h"

#include <event2/event.h>
#include <stdlib.h>

/* main.c's: nothing here gets there. */
void service_hold(struct service *service)
{
    (void)service;
    abort();
}

void service_apply_options(struct service *service)
{
    (void)service;
    abort();
}

struct fixture {
    struct service service;
    struct leases *leases; /* as leases_init makes them where no devices are managed; the pool is ours */
};

static int make(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (!fixture)
        return -1;
    *state = fixture;
    fixture->service.base = event_base_new();
    fixture->service.options.devices = OPTION_DEVICES_OFF;
    fixture->service.options.shared_limit = 4;
    if (!fixture->service.base || leases_init(&fixture->service, &fixture->leases) < 0)
        return -1;
    node_make(&fixture->leases->pool, 1, 2, 4);
    return 0;
}

static int clear(void **state)
{
    struct fixture *fixture = *state;

    leases_free(fixture->leases);
    event_base_free(fixture->service.base);
    free(fixture);
    return 0;
}

/* The first card's first tile, whose lease has ended: the keeper has been asked, and has not answered yet. */
static struct lease *make_draining(struct leases *leases, bool shared)
{
    struct lease *lease = lease_new(leases);

    assert_non_null(lease);
    lease->want = want_of(1, true);
    lease->want.shared = shared;
    lease->units = (struct units){.items = {{.card = 0, .tile = 0}}, .n = 1};
    lease->fresh = false;
    lease->ended = true;
    lease_list_add(lease);
    lease_place(lease);
    return lease;
}

/* Cards have changed: everything is taken anew. */
static void place_again(struct leases *leases, struct lease *lease)
{
    pool_empty(&leases->pool);
    lease_place(lease);
}

static bool tile_free(const struct leases *leases, bool shared)
{
    struct want want = want_of(1, true);

    want.shared = shared;
    return pool_unit_free(&leases->pool, (struct unit){.card = 0, .tile = 0}, &want);
}

static void test_an_exclusive_one_holds_its_units(void **state)
{
    struct leases *leases = ((struct fixture *)*state)->leases;
    struct lease *lease = make_draining(leases, false);

    assert_false(tile_free(leases, false));
    place_again(leases, lease);
    assert_false(tile_free(leases, false));
    lease_forget(lease);
    assert_true(tile_free(leases, false));
}

static void test_a_shared_one_leaves_others_alone(void **state)
{
    struct leases *leases = ((struct fixture *)*state)->leases;
    struct lease *lease = make_draining(leases, true);

    assert_true(tile_free(leases, true));
    place_again(leases, lease);
    assert_true(tile_free(leases, true));
    lease_forget(lease);
    assert_true(tile_free(leases, true));
}

/* Nothing is asserted: a leak is what a sanitizer would see. */
static void test_answers_that_never_come_keep_nothing_in_memory(void **state)
{
    struct lease *lease = make_draining(((struct fixture *)*state)->leases, false);

    lease->refs += 2;
    lease->outstanding = 2;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_exclusive_one_holds_its_units, make, clear),
        cmocka_unit_test_setup_teardown(test_a_shared_one_leaves_others_alone, make, clear),
        cmocka_unit_test_setup_teardown(test_answers_that_never_come_keep_nothing_in_memory, make, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
