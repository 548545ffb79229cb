/*
 * Very many decisions, for whoever resolves them all again: pages of rows that are only numbers, and the facts and
 * outcomes behind them, which are asked for once where many decisions share them.
 *
 * What a page costs the loop is bounded by a packet; finding and reading is the store's reader's, in slices.
 */
#include "daemon/past.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define ROWS_MAX 1000
#define BODIES_MAX 1000
/* Of blobs in an answer: what is around them, and a body that is absent, must still fit. */
#define BODIES_BYTES (44u * 1024)

static void on_rows(void *context, int status, const struct store_brief *rows, size_t n_rows, uint64_t before,
                    uint64_t left)
{
    struct call *call = context;

    call->ticket = 0;
    if (status == -ENODEV)
        call_refuse(call, REFUSED_UNSEEN_DEVICE, NULL);
    else if (status < 0)
        past_refuse_store(call);
    else
        call_packet(call, wire_rows(call->service->server.outbound, call->id, rows, n_rows, before, left));
}

void past_rows(struct call *call, const Itexd__V1__DecisionRows *request)
{
    static const Itexd__V1__Query all = ITEXD__V1__QUERY__INIT;
    const Itexd__V1__Query *query = request->query ? request->query : &all;
    struct store_filter filter;

    if (query->has_after) {
        call_refuse(call, REFUSED_FIELD, "decision_rows come newest first; only query has `after`");
        return;
    }
    if (!past_filter(call, query, ROWS_MAX, &filter) || !call_may_read(call))
        return;
    call->ticket = store_query_brief(call->service->store, &filter, on_rows, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}

static void on_bodies(void *context, int status, const struct store_body *bodies, size_t n_bodies)
{
    struct call *call = context;

    call->ticket = 0;
    if (status < 0)
        past_refuse_store(call);
    else
        call_packet(call, wire_bodies(call->service->server.outbound, call->id, bodies, n_bodies));
}

void past_bodies(struct call *call, const Itexd__V1__DecisionBodies *request)
{
    const struct store_bodies_of wanted = {
        .facts_of = request->facts_of,
        .n_facts_of = request->n_facts_of,
        .outcomes_of = request->outcomes_of,
        .n_outcomes_of = request->n_outcomes_of,
        .seen_by_uid = !call_is_administrator(call),
        .seer = call->who.uid,
        .max_bytes = BODIES_BYTES,
    };
    size_t n = wanted.n_facts_of + wanted.n_outcomes_of;

    if (n == 0 || n > BODIES_MAX) {
        call_refuse(call, REFUSED_FIELD, "decision_bodies names 1 to 1000 decisions");
        return;
    }
    if (!call_may_read(call))
        return;
    call->ticket = store_bodies(call->service->store, &wanted, on_bodies, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}
