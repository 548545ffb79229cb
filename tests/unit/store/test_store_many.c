/* Reading very many decisions: rows in brief, what they were made of, and what was done to the rules. */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct briefs {
    bool done;
    int status;
    size_t n;
    struct store_brief rows[PAGE_ROWS];
    char jobs[PAGE_ROWS][16]; /* "": none */
    uint64_t before, left;
};

static void note_briefs(void *context, int status, const struct store_brief *rows, size_t n_rows, uint64_t before,
                        uint64_t left)
{
    struct briefs *briefs = context;

    *briefs = (struct briefs){.done = true, .status = status, .n = n_rows, .before = before, .left = left};
    for (size_t i = 0; i < n_rows; i++) {
        briefs->rows[i] = rows[i];
        snprintf(briefs->jobs[i], sizeof briefs->jobs[i], "%s", rows[i].job ? rows[i].job : "");
    }
}

static void ask_briefs(struct store *store, const struct store_filter *filter, struct briefs *briefs)
{
    briefs->done = false;
    assert_true(store_query_brief(store, filter, note_briefs, briefs) > 0);
    wait_until(store, &briefs->done);
    assert_int_equal(briefs->status, 0);
}

static void test_rows_in_brief(void **state)
{
    static struct briefs briefs;
    struct fixture *fixture = *state;
    const struct sample samples[] = {
        {.job = "a", .facts = "one", .outcome = "x", .uid = 7},
        {.facts = "two", .outcome = "x", .uid = 8},
        {.job = "c", .facts = "one", .outcome = "y", .uid = 7},
        {.job = "d", .facts = "one", .outcome = "x", .uid = 7},
    };

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        assert_int_equal(record(fixture, &samples[i]), i + 1);
    ask_briefs(fixture->store, &(struct store_filter){.limit = 3}, &briefs);
    assert_int_equal(briefs.n, 3);
    assert_int_equal(briefs.before, 2);
    assert_int_equal(briefs.left, 1);
    assert_string_equal(briefs.jobs[0], "d");
    assert_string_equal(briefs.jobs[2], "");
    assert_int_equal(briefs.rows[0].facts, briefs.rows[1].facts);
    assert_int_not_equal(briefs.rows[0].facts, briefs.rows[2].facts);
    assert_int_not_equal(briefs.rows[0].outcome, briefs.rows[1].outcome);
    assert_int_equal(briefs.rows[0].outcome, briefs.rows[2].outcome);
    assert_int_equal(briefs.rows[0].rule_set, fixture->rule_set);
    assert_int_equal(briefs.rows[2].uid, 8);
    assert_false(briefs.rows[0].advise || briefs.rows[0].lease);
    assert_true(briefs.rows[0].time_ms > 0);

    ask_briefs(fixture->store, &(struct store_filter){.before = 2}, &briefs);
    assert_int_equal(briefs.n, 1);
    assert_int_equal(briefs.before, 0);
    assert_int_equal(briefs.left, 0);
    ask_briefs(fixture->store, &(struct store_filter){.job = "c"}, &briefs);
    assert_int_equal(briefs.n, 1);
    assert_int_equal(briefs.rows[0].id, 3);
    ask_briefs(fixture->store, &(struct store_filter){.seen_by_uid = true, .seer = 8}, &briefs);
    assert_int_equal(briefs.n, 1);
    assert_int_equal(briefs.rows[0].id, 2);
}

static void test_a_row_with_lease_and_advice(void **state)
{
    static struct briefs briefs;
    struct fixture *fixture = *state;
    struct sample_storage storage;
    struct written written = {.done = false};
    struct store_decision decision = sample_decision(fixture, &(struct sample){.lease = 5}, &storage);

    put_lease_of(fixture->store, 5);
    decision.policy = "advise";
    assert_int_equal(store_put_decision(fixture->store, &decision, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    ask_briefs(fixture->store, &(struct store_filter){.id = written.id}, &briefs);
    assert_int_equal(briefs.n, 1);
    assert_true(briefs.rows[0].advise && briefs.rows[0].lease);
}

/* ---- Bodies ------------------------------------------------------------------------------------- */

enum { BODIES = 16 };
struct bodies {
    bool done;
    int status;
    size_t n;
    struct store_body items[BODIES];
    char text[BODIES][32];
};

static void note_bodies(void *context, int status, const struct store_body *items, size_t n)
{
    struct bodies *bodies = context;

    *bodies = (struct bodies){.done = true, .status = status, .n = n};
    for (size_t i = 0; i < n; i++) {
        bodies->items[i] = items[i];
        snprintf(bodies->text[i], sizeof bodies->text[i], "%.*s", (int)items[i].blob.size,
                 items[i].blob.data ? (const char *)items[i].blob.data : "");
    }
}

static void ask_bodies(struct store *store, const struct store_bodies_of *wanted, struct bodies *bodies)
{
    bodies->done = false;
    assert_true(store_bodies(store, wanted, note_bodies, bodies) > 0);
    wait_until(store, &bodies->done);
    assert_int_equal(bodies->status, 0);
}

static void test_bodies_in_the_order_asked_for(void **state)
{
    static const uint64_t facts_of[] = {2, 9, 1}, outcomes_of[] = {1, 2};
    struct fixture *fixture = *state;
    struct bodies bodies;
    struct store_bodies_of wanted = {facts_of, outcomes_of, 3, 2, .max_bytes = 1000};

    record(fixture, &(struct sample){.facts = "one", .outcome = "x", .uid = 7});
    record(fixture, &(struct sample){.facts = "two", .outcome = "y", .uid = 8});
    ask_bodies(fixture->store, &wanted, &bodies);
    assert_int_equal(bodies.n, 5);
    assert_string_equal(bodies.text[0], "two");
    assert_false(bodies.items[1].found);
    assert_int_equal(bodies.items[1].decision, 9);
    assert_string_equal(bodies.text[2], "one");
    assert_string_equal(bodies.text[3], "x");
    assert_true(bodies.items[3].outcome && !bodies.items[2].outcome);

    wanted.seen_by_uid = true; /* as if the other were not there */
    wanted.seer = 8;
    ask_bodies(fixture->store, &wanted, &bodies);
    assert_int_equal(bodies.n, 5);
    assert_true(bodies.items[0].found && bodies.items[4].found);
    assert_false(bodies.items[2].found || bodies.items[3].found);

    wanted.seen_by_uid = false; /* as many as fit, one at least */
    wanted.max_bytes = 6;
    ask_bodies(fixture->store, &wanted, &bodies);
    assert_int_equal(bodies.n, 3);
    wanted.max_bytes = 1;
    ask_bodies(fixture->store, &wanted, &bodies);
    assert_int_equal(bodies.n, 2); /* what is not there takes no room */
}

/* ---- The rules' history --------------------------------------------------------------------------- */

struct history {
    bool done;
    int status;
    size_t n;
    struct store_rules_event events[8];
    char what[8][16], comment[8][16], name[8][16];
};

static void note_history(void *context, int status, const struct store_rules_event *events, size_t n)
{
    struct history *history = context;

    *history = (struct history){.done = true, .status = status, .n = n};
    for (size_t i = 0; i < n && i < 8; i++) {
        history->events[i] = events[i];
        snprintf(history->what[i], 16, "%s", events[i].what);
        snprintf(history->name[i], 16, "%s", events[i].name);
        snprintf(history->comment[i], 16, "%s", events[i].comment ? events[i].comment : "-");
    }
}

static void ask_history(struct fixture *fixture, unsigned limit, struct history *history)
{
    history->done = false;
    assert_true(store_rules_history(fixture->store, limit, note_history, history) > 0);
    wait_until(fixture->store, &history->done);
    assert_int_equal(history->status, 0);
}

static void put_and_activate(struct fixture *fixture)
{
    const struct store_rule_set set = {.name = "house",
                                       .digest = "1234",
                                       .origin = "loaded",
                                       .created_ms = INT64_C(1) << 50,
                                       .created_uid = 7,
                                       .comment = "new",
                                       .files = {"x", 1}};
    struct written written = {.done = false};
    struct store_activation activation = {.time_ms = (INT64_C(1) << 50) + 1, .uid = 8, .chosen = true};

    assert_int_equal(store_put_rule_set(fixture->store, &set, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    activation.rule_set = written.id;
    activation.how = "activated";
    activation.comment = "why";
    written.done = false;
    assert_int_equal(store_activate(fixture->store, &activation, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    activation.rule_set = fixture->rule_set;
    activation.how = "rollback";
    activation.comment = NULL;
    activation.time_ms++;
    written.done = false;
    assert_int_equal(store_activate(fixture->store, &activation, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
}

static void test_history_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct history history;

    put_and_activate(fixture);
    ask_history(fixture, 8, &history);
    assert_int_equal(history.n, 5);
    assert_string_equal(history.what[0], "rollback");
    assert_string_equal(history.comment[0], "-");
    assert_int_equal(history.events[0].rule_set, fixture->rule_set);
    assert_string_equal(history.what[1], "activated");
    assert_string_equal(history.comment[1], "why");
    assert_int_equal(history.events[1].uid, 8);
    assert_string_equal(history.what[2], "loaded");
    assert_string_equal(history.comment[2], "new");
    assert_string_equal(history.name[2], "house");
    assert_int_equal(history.events[2].uid, 7);
    assert_string_equal(history.what[3], "shipped");
    ask_history(fixture, 2, &history);
    assert_int_equal(history.n, 2);
}

/* What version 2 wrote has no word for how; whether a person chose it is enough of one. */
static void test_history_of_an_older_database(void **state)
{
    struct fixture *fixture = *state;
    struct history history;

    put_and_activate(fixture);
    fixture_close(fixture);
    sql_execute(fixture->path, "UPDATE activations SET how = NULL, comment = NULL");
    assert_int_equal(fixture_open(fixture), 0);
    ask_history(fixture, 8, &history);
    assert_string_equal(history.what[0], "activated");
    assert_string_equal(history.what[3], "shipped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_in_brief, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_row_with_lease_and_advice, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_bodies_in_the_order_asked_for, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_history_newest_first, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_history_of_an_older_database, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("store-many", tests, NULL, NULL);
}
