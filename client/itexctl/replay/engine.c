/* The replay itself: see engine.h. */
#include "client/itexctl/replay/engine.h"
#include "client/itexctl/query.h"
#include "client/itexctl/replay/page.h"
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODIES_AT_ONCE 256
/* Small pages, and a rest between them: 62 500 decisions a second at most, so that the service has time for jobs in
 * between. With four times as many rows a page its p99 was seen to double. */
#define PAGE_ROWS 250
#define PAGE_EVERY_US 4000
#define GONE "removed by retention meanwhile"
#define LARGE "its facts or outcome do not fit into a packet"

/* A set that decisions were made by, for a verification. */
struct own_set {
    uint64_t id;
    struct rules *rules; /* NULL: it cannot be had */
};

struct engine {
    const struct context *context;
    struct connection *connection;
    Itexd__V1__Query *query;
    const struct engine_sides *sides;
    const struct engine_callbacks *callbacks;
    int64_t timeout_ms;
    struct failure *failure;
    enum { ASKED_NOTHING, ASKED_ROWS, ASKED_BODIES } asked;
    struct memory facts, outcomes;
    struct page *page;
    struct resolution resolution;
    struct own_set *sets;
    size_t n_sets;
    uint64_t total;    /* ids; 0: not known yet */
    uint64_t asked_us; /* when the last page was asked for */
    bool more, stopped;
};

static void engine_clear(struct engine *engine)
{
    memory_clear(&engine->facts);
    memory_clear(&engine->outcomes);
    if (engine->page)
        page_clear(engine->page);
    free(engine->page);
    resolution_free(&engine->resolution);
    for (size_t i = 0; i < engine->n_sets; i++)
        rules_free(engine->sets[i].rules);
    free(engine->sets);
}

static int out_of_memory(struct engine *engine)
{
    return failure_set(engine->failure, EXIT_INTERNAL, "out of memory");
}

static bool verifies(const struct engine *engine)
{
    return !engine->sides->to;
}

/* ---- Asking --------------------------------------------------------------------------------------------- */

static int start(struct engine *engine, Itexd__V1__Request *request)
{
    int r = connection_start(engine->connection, request, -1, clock_steady_ms() + (uint64_t)engine->timeout_ms);
    return r == CALL_OK ? 0 : failure_from_call(engine->failure, engine->connection, r);
}

/* A signal ends the rest, too. */
static void rest(struct engine *engine)
{
    uint64_t now = clock_steady_us(), due = engine->asked_us + PAGE_EVERY_US;
    if (engine->asked_us != 0 && now < due)
        nanosleep(&(struct timespec){.tv_nsec = (long)(due - now) * 1000}, NULL);
    engine->asked_us = clock_steady_us();
}

static int ask_rows(struct engine *engine)
{
    Itexd__V1__DecisionRows body = ITEXD__V1__DECISION_ROWS__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    rest(engine);
    body.query = engine->query;
    request.body_case = ITEXD__V1__REQUEST__BODY_DECISION_ROWS;
    request.decision_rows = &body;
    engine->asked = ASKED_ROWS;
    return start(engine, &request);
}

static size_t list_pending(const struct page_items *items, uint64_t *decisions)
{
    size_t n = 0;
    for (size_t i = items->done; i < items->n_pending && n < BODIES_AT_ONCE; i++)
        decisions[n++] = items->items[items->pending[i]].row->id;
    return n;
}

static int ask_bodies(struct engine *engine)
{
    uint64_t facts_of[BODIES_AT_ONCE], outcomes_of[BODIES_AT_ONCE];
    Itexd__V1__DecisionBodies body = ITEXD__V1__DECISION_BODIES__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    body.facts_of = facts_of;
    body.n_facts_of = list_pending(&engine->page->facts, facts_of);
    body.outcomes_of = outcomes_of;
    body.n_outcomes_of = list_pending(&engine->page->outcomes, outcomes_of);
    request.body_case = ITEXD__V1__REQUEST__BODY_DECISION_BODIES;
    request.decision_bodies = &body;
    engine->asked = ASKED_BODIES;
    return start(engine, &request);
}

/* What comes next is asked for before what has come is worked on. */
static int ask_next(struct engine *engine)
{
    engine->asked = ASKED_NOTHING;
    if (page_pending(engine->page) > 0)
        return ask_bodies(engine);
    return engine->more ? ask_rows(engine) : 0;
}

static uint64_t ids_done(const struct engine *engine)
{
    const Itexd__V1__DecisionRowsReply *rows = engine->page->reply ? engine->page->reply->decision_rows : NULL;
    return rows && engine->total > rows->left ? engine->total - rows->left : 0;
}

static bool asks_to_stop(struct engine *engine)
{
    engine->stopped =
        engine->stopped || engine->callbacks->progress(engine->callbacks->data, ids_done(engine), engine->total);
    return engine->stopped;
}

/* Signals come in while it waits, or before it looks whether to stop: none is missed in between. */
static int wait_readable(struct engine *engine)
{
    struct pollfd wait = {.fd = connection_fd(engine->connection), .events = POLLIN};
    sigset_t interrupts, before;
    int r = 0;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    sigprocmask(SIG_BLOCK, &interrupts, &before);
    if (!asks_to_stop(engine) && ppoll(&wait, 1, NULL, &before) < 0 && errno != EINTR)
        r = -errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* 0 with the reply; 1: stopped; -1. */
static int wait_reply(struct engine *engine, Itexd__V1__Reply **reply)
{
    Itexd__V1__Reply__BodyCase expected =
        engine->asked == ASKED_ROWS ? ITEXD__V1__REPLY__BODY_DECISION_ROWS : ITEXD__V1__REPLY__BODY_DECISION_BODIES;
    int r = CALL_AGAIN;
    while (r == CALL_AGAIN) {
        int error = wait_readable(engine);
        if (error < 0)
            return failure_set(engine->failure, EXIT_INTERNAL, "cannot wait for itexd: %s", strerror(-error));
        if (asks_to_stop(engine))
            return 1;
        r = connection_dispatch(engine->connection, reply);
    }
    if (r != CALL_OK)
        return failure_from_call(engine->failure, engine->connection, r);
    if ((*reply)->body_case == ITEXD__V1__REPLY__BODY_ERROR)
        return failure_from_service(engine->failure, (*reply)->error);
    if ((*reply)->body_case != expected)
        return failure_set(engine->failure, EXIT_UNAVAILABLE,
                           "%s answered with something else than was asked; is it a newer itexd?",
                           connection_path(engine->connection));
    return 0;
}

/* ---- Resolving ------------------------------------------------------------------------------------------ */

static struct own_set *find_own_set(struct engine *engine, uint64_t id)
{
    for (size_t i = 0; i < engine->n_sets; i++)
        if (engine->sets[i].id == id)
            return &engine->sets[i];
    return NULL;
}

/* Fetches the set on a connection of its own, for a request is under way on the other. NULL: *failure, or no memory.
 * A set that this itexctl cannot read is remembered as such. */
static struct own_set *fetch_own_set(struct engine *engine, uint64_t id)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    struct own_set *larger = realloc(engine->sets, (engine->n_sets + 1) * sizeof(*larger));
    if (!larger) {
        out_of_memory(engine);
        return NULL;
    }
    engine->sets = larger;
    larger[engine->n_sets] = (struct own_set){.id = id};
    if (service_open(engine->context, &connection, engine->failure) < 0 ||
        service_rule_files(connection, id, engine->timeout_ms, &files, NULL, engine->failure) < 0)
        return NULL;
    if (rules_load(&files, &larger[engine->n_sets].rules, &messages) == -ENOMEM) {
        out_of_memory(engine);
        return NULL;
    }
    return &larger[engine->n_sets++];
}

/* One side of the facts. 0 or -1. */
static int resolve_side(struct engine *engine, const struct rules *rules, const Itexd__V1__Facts *facts, bool advise,
                        struct result **out)
{
    char why[256] = "";
    int r = decision_replay(rules_compiled(rules), facts, advise ? "advise" : "enforce", &engine->resolution, why,
                            sizeof(why));
    if (r == -ENOMEM)
        return out_of_memory(engine);
    if (r == 0)
        *out = result_from_resolution(&engine->resolution);
    else
        *out = result_without(why[0] ? why : "its facts cannot be resolved");
    return *out ? 0 : out_of_memory(engine);
}

static int resolve_sides(struct engine *engine, struct page_item *item, const Itexd__V1__Facts *facts)
{
    const struct rules *to = engine->sides->to;
    bool advise = item->known.number & 1;
    if (verifies(engine)) {
        struct own_set *own = find_own_set(engine, item->known.rule_set);
        if (!own)
            own = fetch_own_set(engine, item->known.rule_set);
        if (!own)
            return -1;
        to = own->rules;
    }
    if (!to) {
        item->known.to = result_without("this itexctl cannot read the rule set that it was made by");
        return item->known.to ? 0 : out_of_memory(engine);
    }
    if (resolve_side(engine, to, facts, advise, &item->known.to) < 0)
        return -1;
    return engine->sides->from ? resolve_side(engine, engine->sides->from, facts, advise, &item->known.from) : 0;
}

static int take_facts(struct engine *engine, struct page_item *item, const Itexd__V1__DecisionBodiesReply__Body *body)
{
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, body->data.len, body->data.data);
    int r = 0;
    if (facts)
        r = resolve_sides(engine, item, facts);
    else if (!(item->known.to = result_without("its facts cannot be decoded")))
        r = out_of_memory(engine);
    if (facts)
        itexd__v1__facts__free_unpacked(facts, NULL);
    return r;
}

static int take_outcome(struct engine *engine, struct page_item *item, const Itexd__V1__DecisionBodiesReply__Body *body)
{
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, body->data.len, body->data.data);
    item->known.from = outcome ? result_from_outcome(outcome) : result_without("what was decided cannot be decoded");
    if (outcome)
        itexd__v1__outcome__free_unpacked(outcome, NULL);
    return item->known.from ? 0 : out_of_memory(engine);
}

typedef int (*take_fn)(struct engine *engine, struct page_item *item, const Itexd__V1__DecisionBodiesReply__Body *body);

/* Bodies come in the order they were asked for. */
static int take_bodies(struct engine *engine, struct page_items *items, size_t first,
                       Itexd__V1__DecisionBodiesReply__Body *const *bodies, size_t n, take_fn take)
{
    struct memory *memory = items == &engine->page->facts ? &engine->facts : &engine->outcomes;
    for (size_t i = 0; i < n; i++) {
        struct page_item *item = &items->items[items->pending[first + i]];
        if (!bodies[i]->has_data) {
            item->why = bodies[i]->missing && strcmp(bodies[i]->missing, "large") == 0 ? LARGE : GONE;
            continue;
        }
        if (take(engine, item, bodies[i]) < 0)
            return -1;
        memory_put(memory, &item->known);
        if ((i + 1) % 16 == 0 && asks_to_stop(engine))
            return 0;
    }
    return 0;
}

static bool sensible(const struct page_items *items, Itexd__V1__DecisionBodiesReply__Body *const *bodies, size_t n)
{
    if (n > items->n_pending - items->done)
        return false;
    for (size_t i = 0; i < n; i++)
        if (bodies[i]->decision != items->items[items->pending[items->done + i]].row->id)
            return false;
    return true;
}

static int on_bodies(struct engine *engine, const Itexd__V1__DecisionBodiesReply *reply)
{
    struct page_items *facts = &engine->page->facts, *outcomes = &engine->page->outcomes;
    size_t first_facts = facts->done, first_outcomes = outcomes->done;
    if (reply->n_facts + reply->n_outcomes == 0 || !sensible(facts, reply->facts, reply->n_facts) ||
        !sensible(outcomes, reply->outcomes, reply->n_outcomes))
        return failure_set(engine->failure, EXIT_UNAVAILABLE,
                           "itexd sent facts and outcomes in a way that makes no sense");
    facts->done += reply->n_facts;
    outcomes->done += reply->n_outcomes;
    if (ask_next(engine) < 0 || take_bodies(engine, facts, first_facts, reply->facts, reply->n_facts, take_facts) < 0 ||
        engine->stopped)
        return engine->stopped ? 0 : -1;
    return take_bodies(engine, outcomes, first_outcomes, reply->outcomes, reply->n_outcomes, take_outcome);
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

static struct engine_row make_row(const struct engine *engine, size_t i)
{
    const struct page *page = engine->page;
    const struct page_item *facts = &page->facts.items[page->facts_of[i]];
    const struct page_item *outcome = &page->outcomes.items[page->outcome_of[i]];
    struct engine_row row = {.row = page->reply->decision_rows->rows[i], .to = facts->known.to, .why = facts->why};
    row.from = engine->sides->from ? facts->known.from : outcome->known.from;
    if (!row.why && !engine->sides->from)
        row.why = outcome->why;
    if (!row.why && row.to)
        row.why = row.to->why;
    if (!row.why && row.from)
        row.why = row.from->why;
    return row;
}

/* All of the page has come. */
static int report_rows(struct engine *engine)
{
    const Itexd__V1__DecisionRowsReply *rows = engine->page->reply->decision_rows;
    for (size_t i = 0; i < rows->n_rows && i < PAGE_ROWS_MAX; i++) {
        struct engine_row row = make_row(engine, i);
        if (engine->callbacks->decision(engine->callbacks->data, &row) < 0)
            return out_of_memory(engine);
    }
    return 0;
}

/* Takes the reply over. */
static int on_rows(struct engine *engine, Itexd__V1__Reply *reply)
{
    const Itexd__V1__DecisionRowsReply *rows = reply->decision_rows;
    page_fill(engine->page, reply, verifies(engine), !engine->sides->from, &engine->facts, &engine->outcomes);
    if (rows->n_rows > PAGE_ROWS_MAX ||
        (rows->has_before && engine->query->has_before && rows->before >= engine->query->before))
        return failure_set(engine->failure, EXIT_UNAVAILABLE, "itexd sent decisions in a way that makes no sense");
    if (query_understood(engine->query, rows->filters, engine->failure) < 0)
        return -1;
    if (engine->total == 0)
        engine->total = rows->left + rows->n_rows;
    engine->more = rows->has_before;
    engine->query->has_before = 1;
    engine->query->before = rows->before;
    return ask_next(engine);
}

/* ---- The whole -------------------------------------------------------------------------------------------- */

/* One answer. */
static int turn(struct engine *engine)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    bool rows = engine->asked == ASKED_ROWS;
    int r = wait_reply(engine, &reply);
    if (r != 0)
        return r < 0 ? -1 : 0;
    r = rows ? on_rows(engine, TAKE_PTR(reply)) : on_bodies(engine, reply->decision_bodies);
    if (r < 0 || engine->stopped || page_pending(engine->page) > 0)
        return r;
    return report_rows(engine);
}

int engine_run(const struct context *context, struct connection *connection, Itexd__V1__Query *query,
               const struct engine_sides *sides, const struct engine_callbacks *callbacks, int64_t timeout_ms,
               bool *complete, struct failure *failure)
{
    CLEANUP(engine_clear)
    struct engine engine = {
        .context = context,
        .connection = connection,
        .query = query,
        .sides = sides,
        .callbacks = callbacks,
        .timeout_ms = timeout_ms,
        .failure = failure,
        .page = calloc(1, sizeof(*engine.page)),
        .resolution = RESOLUTION_INIT,
    };
    if (!engine.page || !memory_init(&engine.facts) || !memory_init(&engine.outcomes))
        return out_of_memory(&engine);
    query->has_limit = 1;
    query->limit = PAGE_ROWS;
    int r = ask_rows(&engine);
    while (r == 0 && engine.asked != ASKED_NOTHING && !engine.stopped)
        r = turn(&engine);
    *complete = !engine.stopped;
    if (r < 0 || engine.stopped)
        connection_close(connection);
    return r;
}
