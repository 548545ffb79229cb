/*
 * Reading and completing recorded decisions. Reads are the store's reader's: a call holds its ticket, and when the peer
 * goes the read is cancelled. Rows belong to their uid; administrators see all.
 */
#include "daemon/past.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/framing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS_DEFAULT 100
#define PAGE_ROWS_MAX 200
#define PAGE_BYTES (40u * 1024)

void past_refuse_store(struct call *call)
{
    struct store_status status;

    store_status(call->service->store, &status);
    call_refuse(call, REFUSED_STORE, status.problem[0] ? status.problem : "reading failed; see the log");
}

static void refuse_missing(struct call *call)
{
    char number[24];

    snprintf(number, sizeof number, "%" PRIu64, call->about);
    call_refuse(call, REFUSED_NO_DECISION, number);
}

/* Asks for one decision; done gets the call. */
static void read_one(struct call *call, uint64_t decision, store_page_fn done)
{
    struct store_filter filter = {.id = decision, .limit = 1};

    if (decision == 0) {
        call_refuse(call, REFUSED_FIELD, "the request names no decision; one that was not recorded has no number");
        return;
    }
    if (!call_may_read(call))
        return;
    call->about = decision;
    call->ticket = store_query(call->service->store, &filter, ITEXD_MAX_PACKET, done, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}

/* The row that read_one found, if the peer may have it; else the call has been refused. */
static const struct store_decision *own_row(struct call *call, int status, const struct store_decision *rows,
                                            size_t n_rows, bool administrators_too)
{
    call->ticket = 0;
    if (status < 0) {
        past_refuse_store(call);
        return NULL;
    }
    if (n_rows == 0) {
        refuse_missing(call);
        return NULL;
    }
    if (rows[0].uid != call->who.uid && !(administrators_too && call_is_administrator(call))) {
        call_refuse(call, REFUSED_FOREIGN, "the decision");
        return NULL;
    }
    return &rows[0];
}

/* ---- accept ----------------------------------------------------------------------------------------------- */

/* What a lease is found by. */
struct offer {
    bool known;
    uint8_t request_id[16];
    uint32_t uid;
    bool of_anybody; /* an administrator's, who may have asked for another's process */
};

static bool is_launcher(const struct store_decision *row)
{
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, row->facts.size, row->facts.data);
    bool launcher = facts && facts->launcher;

    itexd__v1__facts__free_unpacked(facts, NULL);
    return launcher;
}

/* Decisions for a launcher and rejections stay asked: there is nothing in force that could be accepted. */
static void accept_decision(struct call *call, uint64_t decision, bool acceptable)
{
    if (acceptable && store_set_state(call->service->store, decision, STORE_ACCEPTED) < 0)
        call_refuse(call, REFUSED_WRITES, NULL);
    else
        call_done(call);
}

/* From now on only the holder's end ends the lease. False: it has ended before, and the call was refused. What a
 * scheduler gave (lease 0) is not ours to end. */
static bool accept_lease(struct call *call, const struct offer *offer, uint64_t decision, uint64_t lease)
{
    struct service *service = call->service;
    char number[24];

    if (!offer->known || !devices_managed(service->devices) ||
        leases_accept(service->leases, offer->request_id, offer->of_anybody ? NULL : &offer->uid) || lease == 0)
        return true;
    snprintf(number, sizeof number, "%" PRIu64, decision);
    call_refuse(call, REFUSED_OFFER_ENDED, number);
    return false;
}

/* Whose process it is for, which an administrator may have named. */
static uint32_t owner_of(const struct store_decision *row)
{
    uint64_t start;
    uid_t owner;

    return process_identify(row->pid, &owner, &start) == 0 && start == row->start_time ? owner : row->uid;
}

static void on_accept_row(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before)
{
    struct call *call = context;
    const struct store_decision *row = own_row(call, status, rows, n_rows, false);
    struct offer offer = {.known = true};

    (void)before;
    if (!row)
        return;
    memcpy(offer.request_id, row->request_id, sizeof offer.request_id);
    offer.uid = owner_of(row);
    if (accept_lease(call, &offer, row->id, row->lease))
        accept_decision(call, row->id, strcmp(row->verdict, "rejected") != 0 && !is_launcher(row));
}

void past_accept(struct call *call, const Itexd__V1__Accept *request)
{
    struct request_key key = {.uid = call->who.uid, .pid = call->who.pid, .start = call->who.start};
    struct offer offer = {.known = request->has_request_id && request->request_id.len == sizeof key.id,
                          .uid = call->who.uid};
    struct request_entry *entry = NULL;

    if (offer.known) {
        memcpy(key.id, request->request_id.data, sizeof key.id);
        memcpy(offer.request_id, key.id, sizeof offer.request_id);
        entry = requests_find(&call->service->requests, &key);
    }
    if (!request->has_decision || request->decision == 0) {
        /* Nothing was recorded, so nothing is to be recorded about it; there may be a lease all the same. */
        offer.of_anybody = call_is_administrator(call);
        if (accept_lease(call, &offer, 0, request->lease))
            call_done(call);
        return;
    }
    if (!entry || entry->decision != request->decision) {
        read_one(call, request->decision, on_accept_row);
        return;
    }
    offer.known = entry->holds;
    if (accept_lease(call, &offer, entry->decision, entry->lease))
        accept_decision(call, entry->decision, entry->acceptable);
}

/* ---- report ----------------------------------------------------------------------------------------------- */

struct report {
    char *mode;
    char *promised;           /* NULL: none was */
    int64_t devices;          /* -1: not told */
    int64_t promised_devices; /* -1: none were */
    bool match;
    char *job; /* of the decision; NULL: none */
    uint32_t uid;
};

static void report_free(void *state)
{
    struct report *report = state;

    free(report->mode);
    free(report->promised);
    free(report->job);
    free(report);
}

static void reply_report(struct call *call)
{
    const struct report *report = call->state;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__ReportReply body = ITEXD__V1__REPORT_REPLY__INIT;

    body.has_match = true;
    body.match = report->match;
    body.promised_mode = report->promised;
    body.has_promised_devices = report->promised_devices >= 0;
    body.promised_devices = (uint32_t)report->promised_devices;
    reply.body_case = ITEXD__V1__REPLY__BODY_REPORT;
    reply.report = &body;
    call_reply(call, &reply);
}

static void log_report(const struct call *call, bool recorded)
{
    const struct report *report = call->state;
    const struct log_value decision = LOG_NUMBER(FIELD_DECISION, call->about), uid = LOG_NUMBER(FIELD_UID, report->uid),
                           pid = LOG_NUMBER(FIELD_PID, call->who.pid), job = LOG_TEXT(FIELD_JOB, report->job),
                           written = LOG_TEXT(FIELD_RECORDED, recorded ? "yes" : "no");

    if (report->match)
        log_event(EVENT_REPORT, decision, uid, pid, job, LOG_TEXT(FIELD_GOT_MODE, report->mode), written);
    else if (report->promised && strcmp(report->promised, report->mode) != 0)
        log_event(EVENT_MODE_MISMATCH, decision, uid, pid, job, LOG_TEXT(FIELD_PROMISED_MODE, report->promised),
                  LOG_TEXT(FIELD_GOT_MODE, report->mode), written);
    else
        log_event(EVENT_DEVICE_MISMATCH, decision, uid, pid, job,
                  LOG_NUMBER(FIELD_PROMISED_DEVICES, report->promised_devices),
                  LOG_NUMBER(FIELD_GOT_DEVICES, report->devices), written);
}

static void on_report_written(void *context, int status, uint64_t id)
{
    struct call *call = context;

    (void)id;
    if (status != -EALREADY) /* another report was faster: it stands, this one is only answered */
        log_report(call, status == 0);
    if (status < 0 && status != -EALREADY)
        past_refuse_store(call);
    else
        reply_report(call);
}

/* Where nothing was promised (advise, nothing reached, no lease) there is nothing to differ from. */
static void compare(struct report *report, const struct store_decision *row)
{
    report->promised = row->mode ? strdup(row->mode) : NULL;
    report->job = row->job ? strdup(row->job) : NULL;
    report->uid = row->uid;
    report->promised_devices = row->lease != 0 ? (int64_t)row->n_units : -1;
    report->match =
        (!row->mode || strcmp(row->mode, report->mode) == 0) &&
        (report->devices < 0 || report->promised_devices < 0 || report->devices == report->promised_devices);
}

static void on_report_row(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before)
{
    struct call *call = context;
    struct report *report = call->state;
    const struct store_decision *row = own_row(call, status, rows, n_rows, false);

    (void)before;
    if (!row)
        return;
    if (!process_descends_from(call->who.pid, row->pid, row->start_time)) {
        call_refuse(call, REFUSED_REPORTER, NULL);
        return;
    }
    compare(report, row);
    /* The first report stands, but that a later process got something else is worth knowing, once. */
    if (row->observed_mode && (report->match || row->observed_match == 0)) {
        reply_report(call);
        return;
    }
    if (store_put_report(call->service->store, row->id, report->mode, report->devices, report->match, on_report_written,
                         call) < 0) {
        log_report(call, false);
        call_refuse(call, REFUSED_WRITES, NULL);
    }
}

void past_report(struct call *call, const Itexd__V1__Report *request)
{
    static const char *const modes[] = {"npd+xla", "npd", "stream-executor", "none"};
    struct report *report;
    bool known = false;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        known = known || (request->mode && strcmp(request->mode, modes[i]) == 0);
    if (!known) {
        call_refuse(call, REFUSED_FIELD, "report needs a mode: npd+xla, npd, stream-executor or none");
        return;
    }
    report = calloc(1, sizeof *report);
    if (report)
        report->mode = strdup(request->mode);
    if (!report || !report->mode) {
        free(report);
        call_refuse(call, REFUSED_INTERNAL, "out of memory");
        return;
    }
    report->devices = request->has_devices ? (int64_t)request->devices : -1;
    call->state = report;
    call->free_state = report_free;
    read_one(call, request->decision, on_report_row);
}

/* ---- explain and query ------------------------------------------------------------------------------------ */

static void on_explain_row(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before)
{
    struct call *call = context;
    const struct store_decision *row;

    (void)before;
    row = own_row(call, status, rows, n_rows, true);
    if (row)
        call_decision(call, row);
}

void past_explain(struct call *call, const Itexd__V1__Explain *request)
{
    read_one(call, request->decision, on_explain_row);
}

static void on_query_rows(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t next)
{
    struct call *call = context;
    const bool *forward = call->state;

    call->ticket = 0;
    if (status == -ENODEV)
        call_refuse(call, REFUSED_UNSEEN_DEVICE, NULL);
    else if (status < 0)
        past_refuse_store(call);
    else
        call_packet(call, wire_query_page(call->service->server.outbound, call->id, rows, n_rows, *forward, &next));
}

static bool text_fits(const char *text, const char *wanted)
{
    return !wanted || (text && strcmp(text, wanted) == 0);
}

/* In the reader's thread. */
static bool prediction_fits(const struct store_blob *body, const struct store_filter *filter)
{
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, body->size, body->data);
    bool fits = outcome && text_fits(outcome->predicted_mode, filter->predicted_mode) &&
                text_fits(outcome->predicted_outcome, filter->predicted_outcome);

    itexd__v1__outcome__free_unpacked(outcome, NULL);
    return fits;
}

/* False where the state is none. */
static bool filter_state(struct store_filter *filter, const char *state)
{
    filter->by_state = state != NULL;
    for (int i = STORE_ASKED; state && i <= STORE_UNDELIVERED; i++) {
        filter->state = (enum store_state_word)i;
        if (strcmp(wire_state(filter->state), state) == 0)
            return true;
    }
    return !state;
}

static struct store_filter read_filter(struct call *call, const Itexd__V1__Query *request, unsigned most)
{
    unsigned limit = request->has_limit && request->limit > 0 ? request->limit : PAGE_ROWS_DEFAULT;
    bool predicted = request->predicted_mode || request->predicted_outcome;

    return (struct store_filter){
        .job = request->job,
        .mode = request->mode,
        .rule = request->rule,
        .verdict = request->verdict,
        .by_uid = request->has_uid,
        .uid = request->uid,
        .seen_by_uid = !call_is_administrator(call),
        .seer = call->who.uid,
        .since_ms = request->since_ms,
        .until_ms = request->until_ms < UINT64_MAX && request->until_ms > 0 ? request->until_ms + 1 : 0, /* inclusive */
        .before = request->before,
        .forward = request->has_after,
        .after = request->after,
        .limit = limit < most ? limit : most,
        .step = request->step,
        .itex = request->itex,
        .observed = request->observed,
        .mismatch = request->mismatch,
        .rule_set = request->ruleset,
        .device = request->device,
        .outcome_fits = predicted ? prediction_fits : NULL,
        .predicted_mode = request->predicted_mode,
        .predicted_outcome = request->predicted_outcome,
    };
}

bool past_filter(struct call *call, const Itexd__V1__Query *request, unsigned most, struct store_filter *filter)
{
    *filter = read_filter(call, request, most);
    if (filter->by_uid && filter->seen_by_uid && filter->uid != filter->seer) {
        call_refuse(call, REFUSED_FOREIGN, "what was decided for that uid");
        return false;
    }
    if (!filter_state(filter, request->state)) {
        call_refuse(call, REFUSED_FIELD, "a query's state is asked, offered, accepted or undelivered");
        return false;
    }
    return true;
}

void past_query(struct call *call, const Itexd__V1__Query *request)
{
    struct store_filter filter;
    bool *forward;

    if (!past_filter(call, request, PAGE_ROWS_MAX, &filter) || !call_may_read(call))
        return;
    forward = malloc(sizeof *forward);
    if (!forward) {
        call_refuse(call, REFUSED_INTERNAL, "out of memory");
        return;
    }
    *forward = filter.forward;
    call->state = forward;
    call->free_state = free;
    call->ticket = store_query(call->service->store, &filter, PAGE_BYTES, on_query_rows, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}
