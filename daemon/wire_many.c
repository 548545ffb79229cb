/* Packs rows and bodies of very many decisions, as far as they fit into a packet. */
#include "daemon/wire.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <stdlib.h>

/* Around a page. */
#define ENVELOPE 128
/* Tag and length of one row or body. */
#define AROUND 8
/* The same of a body, with its other fields. */
#define AROUND_BODY 32

static void fill_row(Itexd__V1__DecisionRow *row, const struct store_brief *from)
{
    itexd__v1__decision_row__init(row);
    row->has_id = row->has_facts = row->has_outcome = row->has_ruleset = true;
    row->has_advise = row->has_time_ms = row->has_uid = row->has_lease = true;
    row->id = from->id;
    row->facts = from->facts;
    row->outcome = from->outcome;
    row->ruleset = from->rule_set;
    row->advise = from->advise;
    row->time_ms = from->time_ms;
    row->uid = from->uid;
    row->job = (char *)from->job;
    row->lease = from->lease;
}

size_t wire_rows(uint8_t *buffer, uint64_t request, const struct store_brief *rows, size_t n_rows, uint64_t before,
                 uint64_t left)
{
    CLEANUP(freep) Itexd__V1__DecisionRow *filled = calloc(n_rows + 1, sizeof *filled);
    CLEANUP(freep) Itexd__V1__DecisionRow **list = calloc(n_rows + 1, sizeof(Itexd__V1__DecisionRow *));
    Itexd__V1__DecisionRowsReply page = ITEXD__V1__DECISION_ROWS_REPLY__INIT;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    size_t size = ENVELOPE;

    if (!filled || !list)
        return 0;
    for (; page.n_rows < n_rows; page.n_rows++) {
        Itexd__V1__DecisionRow *row = &filled[page.n_rows];

        fill_row(row, &rows[page.n_rows]);
        size += itexd__v1__decision_row__get_packed_size(row) + AROUND;
        if (size > ITEXD_MAX_PACKET)
            break;
        list[page.n_rows] = row;
    }
    page.rows = list;
    if (page.n_rows < n_rows) { /* ids have no gaps worth counting: what is left out is left */
        before = rows[page.n_rows - 1].id;
        left += n_rows - page.n_rows;
    }
    page.has_before = before != 0;
    page.before = before;
    page.has_left = page.has_filters = true;
    page.left = left;
    page.filters = WIRE_QUERY_FILTERS;
    reply.body_case = ITEXD__V1__REPLY__BODY_DECISION_ROWS;
    reply.decision_rows = &page;
    return wire_reply(buffer, request, &reply);
}

/* Each with the pointer that a list of them has. */
struct filled {
    Itexd__V1__DecisionBodiesReply__Body *bodies;
    Itexd__V1__DecisionBodiesReply__Body **facts, **outcomes;
};

static void filled_clear(struct filled *filled)
{
    free(filled->bodies);
    free(filled->facts);
    free(filled->outcomes);
}

static void fill_body(Itexd__V1__DecisionBodiesReply__Body *body, const struct store_body *from)
{
    itexd__v1__decision_bodies_reply__body__init(body);
    body->has_decision = true;
    body->decision = from->decision;
    if (!from->found) {
        body->missing = (char *)"gone";
    } else if (from->blob.size + ENVELOPE + AROUND_BODY > ITEXD_MAX_PACKET) {
        body->missing = (char *)"large";
    } else {
        body->has_data = true;
        body->data = (ProtobufCBinaryData){.len = from->blob.size, .data = (uint8_t *)from->blob.data};
    }
}

size_t wire_bodies(uint8_t *buffer, uint64_t request, const struct store_body *bodies, size_t n_bodies)
{
    CLEANUP(filled_clear)
    struct filled filled = {
        .bodies = calloc(n_bodies + 1, sizeof *filled.bodies),
        .facts = calloc(n_bodies + 1, sizeof(Itexd__V1__DecisionBodiesReply__Body *)),
        .outcomes = calloc(n_bodies + 1, sizeof(Itexd__V1__DecisionBodiesReply__Body *)),
    };
    Itexd__V1__DecisionBodiesReply page = ITEXD__V1__DECISION_BODIES_REPLY__INIT;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    size_t size = ENVELOPE;

    if (!filled.bodies || !filled.facts || !filled.outcomes)
        return 0;
    for (size_t i = 0; i < n_bodies; i++) {
        fill_body(&filled.bodies[i], &bodies[i]);
        size += filled.bodies[i].data.len + AROUND_BODY;
        if (size > ITEXD_MAX_PACKET)
            break;
        if (bodies[i].outcome)
            filled.outcomes[page.n_outcomes++] = &filled.bodies[i];
        else
            filled.facts[page.n_facts++] = &filled.bodies[i];
    }
    page.facts = filled.facts;
    page.outcomes = filled.outcomes;
    reply.body_case = ITEXD__V1__REPLY__BODY_DECISION_BODIES;
    reply.decision_bodies = &page;
    return wire_reply(buffer, request, &reply);
}
