/*
 * The queue's promise, by simulation: for every request, those before it are served exactly when they would have been
 * if it had never been made. Time is a number here; each request comes, and once served stays, for so many ticks.
 */
#include "node.h"

#include "daemon/leases/queue.h"

#include <string.h>

#define N_REQUESTS 14
#define END_OF_TIME 400u

struct request {
    struct queue_entry entry;
    unsigned comes, stays;
    unsigned served; /* when; END_OF_TIME: never */
    struct units units;
};

static struct request *request_of(struct queue_entry *entry)
{
    return (struct request *)entry;
}

/* All but `without` (NULL: all). */
static void simulate(const struct pool *start, struct request requests[N_REQUESTS], const struct request *without)
{
    static struct pool pool;
    struct queue queue;
    struct queue_entry *next;
    struct units units;

    pool = *start;
    queue_init(&queue);
    for (unsigned i = 0; i < N_REQUESTS; i++)
        requests[i].served = END_OF_TIME;
    for (unsigned now = 0; now < END_OF_TIME; now++) {
        for (unsigned i = 0; i < N_REQUESTS; i++) {
            struct request *request = &requests[i];

            if (request->served < END_OF_TIME && request->served + request->stays == now)
                pool_return(&pool, &request->units, &request->entry.want, i + 1);
            if (request->comes == now && request != without)
                queue_add(&queue, &request->entry);
        }
        while ((next = queue_next(&queue, &pool, &units))) {
            struct request *request = request_of(next);

            queue_remove(&queue, next);
            assert_true(pool_free(&pool, &units, &next->want));
            pool_take(&pool, &units, &next->want, (uint64_t)(request - requests) + 1);
            request->units = units;
            request->served = now;
        }
    }
    while ((next = TAILQ_FIRST(&queue.entries)))
        queue_remove(&queue, next);
    assert_int_equal(queue.n, 0);
}

static void make_requests(struct dice *dice, const struct pool *pool, struct request requests[N_REQUESTS])
{
    unsigned now = 0;

    for (unsigned i = 0; i < N_REQUESTS; i++) {
        do
            requests[i] = (struct request){.entry.want = want_any(dice, pool), .comes = now};
        while (!pool_could(pool, &requests[i].entry.want, true));
        requests[i].stays = 1 + roll(dice, 12);
        now += roll(dice, 3);
    }
}

static void test_later_never_delays_earlier(void **state)
{
    static struct pool pool;
    unsigned passed = 0, waited = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct dice dice = {.state = seed * 15485863};
        struct request requests[N_REQUESTS];
        unsigned served[N_REQUESTS];

        node_make_any(&pool, &dice, 2 + roll(&dice, 3), 2);
        for (unsigned i = 0; i < pool.n_cards; i++)
            pool.cards[i].grantable = true;
        make_requests(&dice, &pool, requests);
        simulate(&pool, requests, NULL);
        for (unsigned i = 0; i < N_REQUESTS; i++) {
            served[i] = requests[i].served;
            assert_true(served[i] < END_OF_TIME); /* everybody's turn comes */
            waited += served[i] > requests[i].comes;
            for (unsigned j = 0; j < i; j++)
                passed += served[i] < served[j];
        }
        for (unsigned later = 1; later < N_REQUESTS; later++) {
            simulate(&pool, requests, &requests[later]);
            for (unsigned i = 0; i < later; i++)
                assert_int_equal(requests[i].served, served[i]);
        }
    }
    assert_true(waited > 200 && passed > 20); /* it was tried, and cards that nobody waits for were not left idle */
}

static void test_first_come(void **state)
{
    static struct pool pool;
    struct queue queue;
    struct queue_entry two = {.want = want_of(2, false)}, one = {.want = want_of(1, false)};
    struct units units, held = {.items = {{.card = 0, .tile = -1}}, .n = 1};

    (void)state;
    node_make(&pool, 2, 1, 1);
    queue_init(&queue);
    assert_null(queue_next(&queue, &pool, &units));
    pool_take(&pool, &held, &one.want, 1);
    queue_add(&queue, &two);
    queue_add(&queue, &one);
    assert_null(queue_next(&queue, &pool, &units)); /* a card is free, but the first needs it too */
    two.want.visible = 1;                           /* it cannot even open that card, and so waits in vain */
    assert_ptr_equal(queue_next(&queue, &pool, &units), &one);
    assert_string_equal(units_text(&units), "1");
    two.want.visible = 3;
    pool_return(&pool, &held, &one.want, 1);
    assert_ptr_equal(queue_next(&queue, &pool, &units), &two);
}

static void test_cards_that_the_first_cannot_use(void **state)
{
    static struct pool pool;
    struct queue queue;
    struct queue_entry b = {.want = want_of(1, false)}, any = {.want = want_of(1, false)};
    struct units units, held = {.items = {{.card = 1, .tile = -1}}, .n = 1};

    (void)state;
    node_make(&pool, 2, 1, 1);
    strcpy(pool.cards[1].model, "Model B");
    b.want.model = "model b";
    pool_take(&pool, &held, &any.want, 1);
    queue_init(&queue);
    queue_add(&queue, &b);
    queue_add(&queue, &any);
    assert_ptr_equal(queue_next(&queue, &pool, &units), &any);
    assert_string_equal(units_text(&units), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_later_never_delays_earlier),
        cmocka_unit_test(test_first_come),
        cmocka_unit_test(test_cards_that_the_first_cannot_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
