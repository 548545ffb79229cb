/* Devices, leases, events and samples: what is written comes back, what was lost is made again, what is old goes. */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct store_device card_a = {
    .key = "0000:3a:00.0",
    .bdf = "0000:3a:00.0",
    .uuid = "00000000-0000-0000-0000-00000000000a",
    .name = "Max 1550",
    .driver = "i915 1.3",
    .tiles = 2,
    .memory_bytes = 128,
    .first_seen_ms = 10,
    .last_seen_ms = 10,
};
static const struct store_device card_b = {.key = "0000:4a:00.0",
                                           .bdf = "0000:4a:00.0",
                                           .name = "Max 1550",
                                           .tiles = 2,
                                           .first_seen_ms = 11,
                                           .last_seen_ms = 11};

static const struct store_unit both_tiles[] = {{.key = "0000:3a:00.0", .tile = 0}, {.key = "0000:3a:00.0", .tile = 1}};

static uint64_t put_device(struct fixture *fixture, const struct store_device *device)
{
    struct written written = {.done = false};

    assert_int_equal(store_put_device(fixture->store, device, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    assert_int_equal(written.status, 0);
    return written.id;
}

static void put_lease(struct fixture *fixture, uint64_t id, const struct store_unit *units, size_t n)
{
    const struct store_lease lease = {
        .id = id, .granted_ms = 100, .uid = 1000, .job = "j", .units = units, .n_units = n};

    assert_int_equal(store_put_lease(fixture->store, &lease), 0);
}

/* What a decision with a lease says of itself. */
struct part {
    uint64_t lease;
    const struct store_unit *units;
    size_t n_units;
    unsigned local_device;
    bool shared;
};

static uint64_t decide(struct fixture *fixture, const struct part *part)
{
    const struct sample sample = {.job = "j"};
    struct sample_storage storage;
    struct store_decision decision = sample_decision(fixture, &sample, &storage);
    struct written written = {.done = false};

    decision.lease = part->lease;
    decision.units = part->units;
    decision.n_units = part->n_units;
    decision.local_device = part->local_device;
    decision.lease_shared = part->shared;
    assert_int_equal(store_put_decision(fixture->store, &decision, note_written, &written), 0);
    wait_until(fixture->store, &written.done);
    assert_int_equal(written.status, 0);
    return written.id;
}

/* A decision's lease in one line: "7 offered exclusive @1: 0000:3a:00.0/0 NAME UUID, ...". */
struct seen {
    bool done;
    char text[512];
};

static void note_lease(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before)
{
    struct seen *seen = context;
    size_t at = 0;

    (void)before;
    assert_int_equal(status, 0);
    assert_int_equal(n_rows, 1);
    seen->done = true;
    if (rows->lease == 0) {
        assert_int_equal(rows->n_units, 0);
        strcpy(seen->text, "none");
        return;
    }
    at = (size_t)snprintf(seen->text, sizeof seen->text, "%d %s %s @%u:", (int)rows->lease, rows->lease_state,
                          rows->lease_shared ? "shared" : "exclusive", rows->local_device);
    for (size_t i = 0; i < rows->n_units; i++) {
        const struct store_unit *unit = &rows->units[i];

        assert_true(!unit->bdf || strcmp(unit->bdf, unit->key) == 0);
        at += (size_t)snprintf(seen->text + at, sizeof seen->text - at, " %.7s/%d %s %s", unit->key, unit->tile,
                               unit->name ? unit->name : "-", unit->uuid ? unit->uuid + 34 : "-");
    }
}

#define ASSERT_LEASE(fixture, decision, expected)                                                                      \
    do {                                                                                                               \
        const struct store_filter filter_ = {.id = (decision)};                                                        \
        struct seen seen_ = {.done = false};                                                                           \
        assert_true(store_query((fixture)->store, &filter_, 0, note_lease, &seen_) > 0);                               \
        wait_until((fixture)->store, &seen_.done);                                                                     \
        assert_string_equal(seen_.text, expected);                                                                     \
    } while (0)

/* ---- Decisions ----------------------------------------------------------------------------------------- */

static void test_units_stay_as_they_were_at_the_grant(void **state)
{
    struct fixture *fixture = *state;
    struct store_device renamed = card_a;
    uint64_t first, second;

    put_device(fixture, &card_a);
    put_lease(fixture, 7, both_tiles, 2);
    first = decide(fixture, &(struct part){.lease = 7, .units = both_tiles, .n_units = 2});
    renamed.name = "Max 1550 VG";
    renamed.uuid = "00000000-0000-0000-0000-00000000000c";
    put_device(fixture, &renamed);
    put_lease(fixture, 8, both_tiles, 1);
    second = decide(fixture, &(struct part){.lease = 8});
    ASSERT_LEASE(fixture, first, "7 offered exclusive @0: 0000:3a/0 Max 1550 0a 0000:3a/1 Max 1550 0a");
    ASSERT_LEASE(fixture, second, "8 offered exclusive @0: 0000:3a/0 Max 1550 VG 0c");
    ASSERT_LEASE(fixture, record(fixture, &(struct sample){.job = "j"}), "none");
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM device_versions"), 2);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM lease_ranks"), 0);
    assert_sound(fixture->path);
}

static void test_ranks_have_their_own(void **state)
{
    struct fixture *fixture = *state;
    const struct store_unit units[] = {{.key = card_a.key, .tile = 0},
                                       {.key = card_a.key, .tile = 1},
                                       {.key = card_b.key, .tile = 0},
                                       {.key = card_b.key, .tile = 1}};
    uint64_t bound, by_index, all;

    put_device(fixture, &card_a);
    put_device(fixture, &card_b);
    put_lease(fixture, 1, units, 4);
    bound = decide(fixture, &(struct part){.lease = 1, .units = units + 1, .n_units = 2});
    by_index = decide(fixture, &(struct part){.lease = 1, .units = units, .n_units = 4, .local_device = 3});
    all = decide(fixture, &(struct part){.lease = 1, .units = units, .n_units = 4});
    ASSERT_LEASE(fixture, bound, "1 offered exclusive @0: 0000:3a/1 Max 1550 0a 0000:4a/0 Max 1550 -");
    ASSERT_LEASE(fixture, by_index,
                 "1 offered exclusive @3: 0000:3a/0 Max 1550 0a 0000:3a/1 Max 1550 0a"
                 " 0000:4a/0 Max 1550 - 0000:4a/1 Max 1550 -");
    ASSERT_LEASE(fixture, all,
                 "1 offered exclusive @0: 0000:3a/0 Max 1550 0a 0000:3a/1 Max 1550 0a"
                 " 0000:4a/0 Max 1550 - 0000:4a/1 Max 1550 -");
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM lease_ranks"), 2);
}

/* A card of many units: the places do not fit a small buffer. */
static void test_many_units(void **state)
{
    enum { MANY = 512 };
    struct fixture *fixture = *state;
    static struct store_unit units[MANY];
    struct page page;
    uint64_t id;

    for (int i = 0; i < MANY; i++)
        units[i] = (struct store_unit){.key = card_a.key, .tile = i};
    put_device(fixture, &card_a);
    put_lease(fixture, 1, units, MANY);
    id = decide(fixture, &(struct part){.lease = 1, .units = units, .n_units = MANY - 1});
    read_back(fixture->store, id, &page);
    assert_int_equal(page.first.n_units, MANY - 1);
    id = decide(fixture, &(struct part){.lease = 1, .units = units, .n_units = MANY});
    read_back(fixture->store, id, &page);
    assert_int_equal(page.first.n_units, MANY);
}

static void test_lost_lease_comes_with_its_decision(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = decide(fixture, &(struct part){.lease = 9, .units = both_tiles, .n_units = 2, .shared = true});

    ASSERT_LEASE(fixture, id, "9 offered shared @0: 0000:3a/0 - - 0000:3a/1 - -");
    put_device(fixture, &card_a);
    put_lease(fixture, 9, both_tiles, 1); /* again, after an interruption: what is there stands */
    put_lease(fixture, 10, both_tiles, 1);
    ASSERT_LEASE(fixture, id, "9 offered shared @0: 0000:3a/0 - - 0000:3a/1 - -");
    ASSERT_LEASE(fixture, decide(fixture, &(struct part){.lease = 10}),
                 "10 offered exclusive @0: 0000:3a/0 Max 1550 0a");
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM devices"), 1);
    assert_sound(fixture->path);
}

/* ---- States -------------------------------------------------------------------------------------------- */

static void test_lease_state_never_goes_back(void **state)
{
    static const char *const words[] = {"accepted", "offered", "released", "accepted", "released"};
    static const char *const expected[] = {"accepted", "accepted", "released", "released", "released"};
    struct fixture *fixture = *state;
    uint64_t id;

    put_lease(fixture, 3, NULL, 0);
    id = decide(fixture, &(struct part){.lease = 3});
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[64];

        snprintf(text, sizeof text, "3 %s exclusive @0:", expected[i]);
        assert_int_equal(store_set_lease(fixture->store, 3, words[i], 200 + i), 0);
        record(fixture, &(struct sample){.job = "after"});
        ASSERT_LEASE(fixture, id, text);
    }
    assert_int_equal(store_set_lease(fixture->store, 4, "released", 5), 0); /* one that was lost */
    record(fixture, &(struct sample){.job = "after"});
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT released_ms FROM leases WHERE id = 3"), 202);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM leases"), 1);
}

static void test_only_live_leases_stay_open(void **state)
{
    static const uint64_t live[] = {2, 5, 77};
    struct fixture *fixture = *state;

    for (uint64_t id = 1; id <= 6; id++)
        put_lease(fixture, id, NULL, 0);
    assert_int_equal(store_set_lease(fixture->store, 6, "released", 50), 0);
    assert_int_equal(store_live_leases(fixture->store, live, 3, 99), 0);
    record(fixture, &(struct sample){.job = "after"});
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT sum(id) FROM leases WHERE released_ms IS NULL"), 7);
    assert_int_equal(sql_number(fixture->path, "SELECT sum(id) FROM leases WHERE released_ms = 99 AND state = 2"), 8);
    assert_int_equal(sql_number(fixture->path, "SELECT released_ms FROM leases WHERE id = 6"), 50);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(store_live_leases(fixture->store, NULL, 0, 100), 0);
    record(fixture, &(struct sample){.job = "after"});
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM leases WHERE released_ms IS NULL"), 0);
}

/* ---- Devices ------------------------------------------------------------------------------------------- */

struct known {
    size_t n;
    char text[256];
};

static void note_device(void *context, const struct store_device *device)
{
    struct known *known = context;
    size_t at = strlen(known->text);

    known->n++;
    snprintf(known->text + at, sizeof known->text - at, "%u %s %s %s %u %d-%d%s;", device->id, device->key,
             device->name, device->driver ? device->driver : "-", device->tiles, (int)device->first_seen_ms,
             (int)device->last_seen_ms, device->drained ? " drained" : "");
}

static void test_devices_are_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct store_device later = card_a;
    struct known known = {.n = 0};
    uint64_t last = 77;

    assert_int_equal(store_last_lease(fixture->store, &last), 0);
    assert_int_equal(last, 0);
    assert_int_equal(put_device(fixture, &card_a), 1);
    assert_int_equal(put_device(fixture, &card_b), 2);
    later.first_seen_ms = later.last_seen_ms = 50;
    later.drained = true;
    assert_int_equal(put_device(fixture, &later), 1);
    put_lease(fixture, 41, both_tiles, 2);
    put_lease(fixture, 40, &(struct store_unit){.key = "0000:5a:00.0", .tile = -1}, 1);
    record(fixture, &(struct sample){.job = "after"});
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(store_last_lease(fixture->store, &last), 0);
    assert_int_equal(last, 41);
    assert_int_equal(store_devices(fixture->store, note_device, &known), 0);
    assert_int_equal(known.n, 3);
    assert_ptr_equal(strstr(known.text, "1 0000:3a:00.0 Max 1550 i915 1.3 2 10-50 drained;"
                                        "2 0000:4a:00.0 Max 1550 - 2 11-11;3 0000:5a:00.0 0000:5a:00.0 - 0 "),
                     known.text);
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM device_versions"), 3);
}

/* ---- Events -------------------------------------------------------------------------------------------- */

struct happened {
    bool done;
    size_t n;
    char text[512];
};

static void note_events(void *context, int status, const struct store_event *events, size_t n)
{
    struct happened *happened = context;
    size_t at = 0;

    assert_int_equal(status, 0);
    happened->done = true;
    happened->n = n;
    for (size_t i = 0; i < n && at < sizeof happened->text; i++)
        at += (size_t)snprintf(happened->text + at, sizeof happened->text - at, "%d %s %s %.7s %d;",
                               (int)events[i].time_ms, events[i].kind, events[i].text,
                               events[i].device ? events[i].device : "-", (int)events[i].lease);
}

static void read_events(struct fixture *fixture, const char *device, unsigned limit, struct happened *happened)
{
    *happened = (struct happened){.done = false};
    assert_true(store_events(fixture->store, device, limit, note_events, happened) > 0);
    wait_until(fixture->store, &happened->done);
}

static void put_event(struct fixture *fixture, uint64_t time_ms, const char *device, uint64_t lease)
{
    const struct store_event event = {time_ms, "health", "hot", device, lease};

    assert_int_equal(store_put_event(fixture->store, &event), 0);
}

static void test_a_device_is_older_than_what_refers_to_it(void **state)
{
    struct fixture *fixture = *state;
    struct known known = {.n = 0};

    put_event(fixture, 5, card_a.key, 0); /* makes it, now */
    assert_int_equal(put_device(fixture, &card_a), 1);
    fixture_close(fixture);
    assert_int_equal(fixture_open(fixture), 0);
    assert_int_equal(store_devices(fixture->store, note_device, &known), 0);
    assert_string_equal(known.text, "1 0000:3a:00.0 Max 1550 i915 1.3 2 10-10;");
}

static void test_events_of_a_device_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct happened happened;

    put_device(fixture, &card_a);
    put_event(fixture, 1, card_a.key, 0);
    put_event(fixture, 2, NULL, 0);
    put_event(fixture, 3, card_a.key, 12);
    put_event(fixture, 4, card_b.key, 0); /* of which nothing else is known */
    put_event(fixture, 5, card_a.key, 0);
    record(fixture, &(struct sample){.job = "after"});
    read_events(fixture, card_a.key, 0, &happened);
    assert_string_equal(happened.text, "5 health hot 0000:3a 0;3 health hot 0000:3a 12;1 health hot 0000:3a 0;");
    read_events(fixture, card_a.key, 2, &happened);
    assert_int_equal(happened.n, 2);
    read_events(fixture, NULL, 3, &happened);
    assert_string_equal(happened.text, "5 health hot 0000:3a 0;4 health hot 0000:4a 0;3 health hot 0000:3a 12;");
    read_events(fixture, "0000:ff:00.0", 0, &happened);
    assert_int_equal(happened.n, 0);
}

static void test_events_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct happened happened;

    fixture_close(fixture);
    sql_execute(fixture->path, "INSERT INTO events (time_ms, kind, text) WITH RECURSIVE n(i) AS"
                               " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101200) SELECT i, 'k', 't' FROM n");
    assert_int_equal(fixture_open(fixture), 0);
    assert_true(COMES_TRUE(sql_number(fixture->path, "SELECT count(*) FROM events") == 100000));
    assert_int_equal(sql_number(fixture->path, "SELECT min(id) FROM events"), 1201);
    read_events(fixture, NULL, 5000, &happened);
    assert_int_equal(happened.n, 1000);
    fixture_close(fixture);
    fixture->config.retention_seconds = 3600; /* these are of 1970 */
    assert_int_equal(fixture_open(fixture), 0);
    assert_true(COMES_TRUE(sql_number(fixture->path, "SELECT count(*) FROM events") == 0));
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

static void test_samples_stay_for_thirty_days(void **state)
{
    struct fixture *fixture = *state;
    const struct store_sample samples[] = {
        {.device = card_a.key,
         .metric = "temperature",
         .from_ms = 1,
         .to_ms = 2,
         .least = 40,
         .mean = 41,
         .highest = 42},
        {.device = card_a.key, .metric = "power", .from_ms = 1, .to_ms = 2, .least = NAN, .mean = NAN, .highest = NAN},
        {.device = card_b.key,
         .metric = "temperature",
         .from_ms = 1,
         .to_ms = 2,
         .least = 50,
         .mean = 51,
         .highest = 52},
    };

    put_device(fixture, &card_a);
    assert_int_equal(store_put_samples(fixture->store, samples, 3), 0);
    assert_int_equal(store_put_samples(fixture->store, samples, 0), 0);
    record(fixture, &(struct sample){.job = "after"});
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM samples"), 3);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM metrics"), 2);
    assert_int_equal(sql_number(fixture->path, "SELECT sum(mean) FROM samples"), 92);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM samples WHERE least IS NULL"), 1);
    sql_execute(fixture->path, "UPDATE samples SET to_ms = (unixepoch() - 29 * 86400) * 1000 WHERE id = 2;"
                               "UPDATE samples SET to_ms = (unixepoch() - 31 * 86400) * 1000 WHERE id = 3");
    assert_int_equal(fixture_open(fixture), 0);
    assert_true(COMES_TRUE(sql_number(fixture->path, "SELECT count(*) FROM samples") < 3));
    fixture_close(fixture);
    assert_int_equal(sql_number(fixture->path, "SELECT sum(id) FROM samples"), 2);
    assert_sound(fixture->path);
}

/* ---- Retention ----------------------------------------------------------------------------------------- */

static void test_leases_go_with_their_decisions(void **state)
{
    struct fixture *fixture = *state;
    const struct store_unit one = both_tiles[0];

    for (uint64_t id = 1; id <= 4; id++) {
        put_lease(fixture, id, both_tiles, 2);
        decide(fixture, &(struct part){.lease = id, .units = &one, .n_units = 1, .local_device = 1});
        if (id != 2) /* which still lives */
            assert_int_equal(store_set_lease(fixture->store, id, "released", 7), 0);
    }
    record(fixture, &(struct sample){.job = "last"});
    fixture_close(fixture);
    /* the last decision is of a later block, and still has lease 3 */
    sql_execute(fixture->path, "UPDATE decisions SET id = 200000, lease = 3 WHERE id = 5;"
                               "UPDATE leases SET last_block = 3 WHERE id = 3;"
                               "UPDATE facts SET last_block = 3; UPDATE outcomes SET last_block = 3");
    fixture->config.retention_decisions = 1;
    assert_int_equal(fixture_open(fixture), 0);
    assert_true(COMES_TRUE(sql_number(fixture->path, "SELECT count(*) FROM leases") <= 3));
    fixture_close(fixture);
    /* one that lives, one that is referred to, and the newest, for its id */
    assert_int_equal(sql_number(fixture->path, "SELECT sum(id) FROM leases"), 2 + 3 + 4);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM lease_units"), 6);
    assert_int_equal(sql_number(fixture->path, "SELECT count(*) FROM lease_ranks"), 0);
    assert_sound(fixture->path);
}

/* ---- When nothing is recorded ------------------------------------------------------------------------- */

static void test_removed_database_takes_up_live_leases(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = store_interruptions(fixture->store), last;

    put_device(fixture, &card_a);
    put_lease(fixture, 5, both_tiles, 2);
    decide(fixture, &(struct part){.lease = 5, .units = both_tiles, .n_units = 2});
    assert_int_equal(unlink(fixture->path), 0);
    assert_true(COMES_TRUE((store_dispatch(fixture->store, 0), store_interruptions(fixture->store) > before)));
    wait_recording(fixture->store, true);
    assert_int_equal(store_put_rule_set_now(fixture->store, &fixture_rule_set, true, &fixture->rule_set), 0);
    assert_int_equal(store_last_lease(fixture->store, &last), 0);
    assert_int_equal(last, 0);
    put_device(fixture, &card_a);
    put_lease(fixture, 5, both_tiles, 2);
    ASSERT_LEASE(fixture, decide(fixture, &(struct part){.lease = 5}),
                 "5 offered exclusive @0: 0000:3a/0 Max 1550 0a 0000:3a/1 Max 1550 0a");
    assert_int_equal(store_last_lease(fixture->store, &last), 0);
    assert_int_equal(last, 5);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(test_units_stay_as_they_were_at_the_grant),
        IN_STORE(test_ranks_have_their_own),
        IN_STORE(test_many_units),
        IN_STORE(test_lost_lease_comes_with_its_decision),
        IN_STORE(test_lease_state_never_goes_back),
        IN_STORE(test_only_live_leases_stay_open),
        IN_STORE(test_devices_are_known_after_a_restart),
        IN_STORE(test_a_device_is_older_than_what_refers_to_it),
        IN_STORE(test_events_of_a_device_newest_first),
        IN_STORE(test_events_are_bounded),
        IN_STORE(test_samples_stay_for_thirty_days),
        IN_STORE(test_leases_go_with_their_decisions),
        IN_STORE(test_removed_database_takes_up_live_leases),
    };

    return cmocka_run_group_tests_name("store-leases", tests, NULL, NULL);
}
