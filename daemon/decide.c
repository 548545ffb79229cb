/* The main job of itexd. Everything here runs in the loop and none of it waits. */
#include "daemon/decide.h"
#include "daemon/decide_devices.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/question.h"
#include "daemon/rules/rules.h"
#include "daemon/service.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A decision between resolver and disk. */
struct pending {
    LIST_ENTRY(pending) all;
    STAILQ_ENTRY(pending) link; /* if blocked */
    struct service *service;
    struct store_decision row; /* job, step and units are its own; the rest points into what it holds below */
    struct outcome_entry *outcome;
    struct ruleset *set;
    struct request_entry *entry; /* whose waiters get the answer */
    struct lease_member *member; /* that is told of it; NULL: none */
};

void decider_init(struct decider *decider)
{
    *decider = (struct decider){.resolution = RESOLUTION_INIT};
    LIST_INIT(&decider->pending);
    STAILQ_INIT(&decider->blocked);
    LIST_INIT(&decider->askings);
}

static void pending_free(struct pending *pending)
{
    LIST_REMOVE(pending, all);
    outcome_put(pending->outcome);
    ruleset_put(pending->set);
    free((void *)pending->row.job);
    free((void *)pending->row.step);
    free((void *)pending->row.units);
    free(pending);
}

void decider_deinit(struct decider *decider)
{
    struct pending *pending;
    struct call *call;

    while ((pending = LIST_FIRST(&decider->pending))) {
        while (pending->entry && (call = TAILQ_FIRST(&pending->entry->waiters)))
            call_refuse(call, REFUSED_STOPPING, NULL); /* nobody hears it: the peers have gone */
        if (pending->member)
            lease_member_drop(pending->member); /* it outlived the leases only for this */
        pending_free(pending);
    }
    resolution_free(&decider->resolution);
    free(decider->key);
}

void decide_refuse(struct service *service, struct request_entry *entry, enum refusal refusal, const char *detail)
{
    struct call *call;

    while ((call = TAILQ_FIRST(&entry->waiters)))
        call_refuse(call, refusal, detail);
    requests_drop(&service->requests, entry);
}

/* ---- Storing ---------------------------------------------------------------------------------------------- */

/* The offer made for this request, if it lasts, is the peer's from now on. It hears of its decision once more: a
 * service that was killed may have written the one down, and not yet the other. */
static bool attach(struct service *service, const struct request_entry *entry, struct peer *peer, uint64_t decision)
{
    struct lease_member *member = leases_find_request(service->leases, entry->key.id, entry->owner, peer);

    if (member)
        lease_member_settle(member, decision);
    return member != NULL;
}

/* The lease hears of the decision before the client does, who may accept at once. A retry that waits for the same
 * answer is as good as who asked first. */
static void settle_member(struct pending *pending)
{
    struct request_entry *entry = pending->entry;
    struct call *call;

    if (!pending->member)
        return;
    lease_member_settle(pending->member, pending->row.id);
    call = TAILQ_FIRST(&entry->waiters);
    if (!call || !TAILQ_NEXT(call, waiting))
        return;
    TAILQ_FOREACH(call, &entry->waiters, waiting)
    if (call->peer)
        attach(pending->service, entry, call->peer, pending->row.id);
}

static enum log_event event_of(const char *verdict)
{
    static const enum log_event events[] = {EVENT_DECISION_OK, EVENT_DECISION_FIXED, EVENT_DECISION_ADVISED,
                                            EVENT_DECISION_REJECTED};

    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(log_events[events[i]].variant, verdict) == 0)
            return events[i];
    return EVENT_DECISION_REJECTED;
}

static void log_decision(const struct store_decision *row)
{
    const char *keys[POOL_MAX_UNITS];
    size_t n = 0;

    for (size_t i = 0; i < row->n_units && i < POOL_MAX_UNITS; i++)
        if (n == 0 || strcmp(keys[n - 1], row->units[i].key) != 0) /* a card's tiles stand together */
            keys[n++] = row->units[i].key;
    log_event(event_of(row->verdict), LOG_ID(FIELD_DECISION, row->id), LOG_NUMBER(FIELD_UID, row->uid),
              LOG_NUMBER(FIELD_PID, row->pid), LOG_TEXT(FIELD_JOB, row->job), LOG_TEXT(FIELD_VERDICT, row->verdict),
              LOG_TEXT(FIELD_MODE, row->mode), LOG_TEXT(FIELD_RECORDED, row->id ? "yes" : "no"),
              LOG_TEXTS(FIELD_RULE, row->rules, row->n_rules), LOG_TEXTS(FIELD_DEVICE, keys, n));
}

static void finish(struct pending *pending, uint64_t id)
{
    struct service *service = pending->service;
    struct request_entry *entry = pending->entry;
    struct call *call;

    pending->row.id = id;
    if (id != 0)
        counts_decision(&service->counts, pending->outcome);
    else
        service->counts.unrecorded++;
    log_decision(&pending->row);
    settle_member(pending);
    while ((call = TAILQ_FIRST(&entry->waiters)))
        call_decision(call, &pending->row);
    if (id != 0)
        requests_settle(&service->requests, entry, id, clock_steady_ms());
    else
        requests_drop(&service->requests, entry);
    pending_free(pending);
}

static void on_written(void *context, int status, uint64_t id)
{
    finish(context, status == 0 ? id : 0);
}

/* False: the store has no room, pending stays the caller's. */
static bool store(struct pending *pending)
{
    struct service *service = pending->service;
    int error;

    /* While the store is away the rule set may not be in it either, and then no decision can point to it. */
    pending->row.rule_set = pending->set->id;
    if (pending->set->id == 0) {
        finish(pending, 0);
        return true;
    }
    error = store_put_decision(service->store, &pending->row, on_written, pending);
    if (error == -EAGAIN)
        return false;
    if (error < 0)
        finish(pending, 0);
    return true;
}

bool decide_unblock(struct service *service)
{
    struct pending *pending;

    while ((pending = STAILQ_FIRST(&service->decider.blocked))) {
        STAILQ_REMOVE_HEAD(&service->decider.blocked, link);
        if (store(pending))
            continue;
        STAILQ_INSERT_HEAD(&service->decider.blocked, pending, link);
        return false;
    }
    return true;
}

static void block(struct pending *pending)
{
    STAILQ_INSERT_TAIL(&pending->service->decider.blocked, pending, link);
    service_hold(pending->service);
}

/* ---- Deciding --------------------------------------------------------------------------------------------- */

static struct store_decision make_row(const struct pending *pending, const Itexd__V1__Resolve *request, bool advise)
{
    const struct outcome_entry *outcome = pending->outcome;
    const struct request_key *key = &pending->entry->key;
    struct store_decision row = {
        .time_ms = clock_wall_ms(),
        .uid = key->uid,
        .pid = key->pid,
        .start_time = key->start,
        .job = request->job ? strdup(request->job) : NULL,
        .step = request->step ? strdup(request->step) : NULL,
        .state = STORE_ASKED,
        .policy = advise ? "advise" : "enforce",
        .facts = outcome->facts,
        .outcome = outcome->outcome,
        .mode = outcome->mode,
        .verdict = outcome->verdict,
        .rules = outcome->rules,
        .n_rules = outcome->n_rules,
        .hashes = &outcome->hashes,
        .itex = outcome->itex,
        .observed_devices = -1,
        .observed_match = -1,
        .rule_set_name = pending->set->name,
        .rule_set_digest = pending->set->digest,
    };

    memcpy(row.request_id, key->id, sizeof row.request_id);
    return row;
}

/* What the decision says of the member's lease. False: no memory. */
static bool add_lease(struct pending *pending, struct lease_member *member)
{
    struct lease_view view = lease_view(member);

    pending->member = member;
    pending->entry->holds = true;
    if (view.id == 0)
        return true; /* a scheduler's: there is nothing of ours to show */
    pending->row.units = grant_units(pending->service, view.units);
    pending->row.n_units = view.units->n;
    pending->row.lease = pending->entry->lease = view.id;
    pending->row.lease_shared = view.shared;
    pending->row.lease_state = view.state;
    pending->row.local_device = view.local_device;
    pending->row.state = STORE_OFFERED;
    return pending->row.units != NULL;
}

/* Takes over the outcome, also on failure (NULL: no memory). */
static struct pending *make_pending(struct service *service, struct request_entry *entry,
                                    const Itexd__V1__Resolve *request, struct outcome_entry *outcome, bool advise)
{
    struct pending *pending = calloc(1, sizeof *pending);

    if (!pending) {
        outcome_put(outcome);
        return NULL;
    }
    *pending = (struct pending){
        .service = service, .outcome = outcome, .set = ruleset_get(service->rulesets.active), .entry = entry};
    LIST_INSERT_HEAD(&service->decider.pending, pending, all);
    pending->row = make_row(pending, request, advise);
    if ((request->job && !pending->row.job) || (request->step && !pending->row.step)) {
        pending_free(pending);
        return NULL;
    }
    entry->acceptable = !outcome->rejected && !request->launcher;
    return pending;
}

/* A rejected job gives back at once what it was granted. */
static struct lease_member *member_to_keep(const struct grant *grant, const struct outcome_entry *outcome)
{
    if (!grant || !grant->member)
        return NULL;
    if (!outcome->rejected)
        return grant->member;
    lease_member_drop(grant->member);
    return NULL;
}

void decide_entry(struct service *service, struct request_entry *entry, const Itexd__V1__Resolve *request, bool advise,
                  const struct grant *grant)
{
    struct question question = {.request = request, .set = service->rulesets.active, .grant = grant, .advise = advise};
    struct outcome_entry *outcome = NULL;
    struct lease_member *member = grant ? grant->member : NULL;
    struct pending *pending = NULL;
    int error = question_answer(service, &question, &outcome);

    if (error == 0) {
        member = member_to_keep(grant, outcome);
        pending = make_pending(service, entry, request, outcome, advise);
    }
    if (pending && member && !add_lease(pending, member)) {
        pending_free(pending);
        pending = NULL;
    }
    if (!pending) {
        if (member)
            lease_member_drop(member);
        if (error == -EINVAL)
            decide_refuse(service, entry, REFUSED_FIELD, question.error);
        else
            decide_refuse(service, entry, REFUSED_INTERNAL, error == 0 ? "out of memory" : strerror(-error));
        return;
    }
    if (!STAILQ_EMPTY(&service->decider.blocked) || !store(pending))
        block(pending);
}

/* ---- The request ------------------------------------------------------------------------------------------ */

/* The process that the decision is for: the one that asks, or the holder it names, which must be the user's own. */
static bool find_subject(struct call *call, const Itexd__V1__Resolve *request, struct subject *subject)
{
    const Itexd__V1__Holder *holder = request->holder;
    struct request_key *key = &subject->key;
    uint64_t start;
    uid_t owner;

    memset(subject, 0, sizeof *subject); /* the key is compared as bytes */
    memcpy(key->id, request->request_id.data, sizeof key->id);
    key->uid = subject->owner = call->who.uid;
    key->pid = call->who.pid;
    key->start = call->who.start;
    if (!holder)
        return true;
    if (holder->pid <= 0 || process_identify(holder->pid, &owner, &start) < 0 ||
        (holder->has_start_time && holder->start_time != start)) {
        call_refuse(
            call, REFUSED_FIELD,
            "the holder is no running process of this node; check its pid, which inside a container is another");
        return false;
    }
    if (owner != call->who.uid && !call_is_administrator(call)) {
        call_refuse(call, REFUSED_FOREIGN, "the holder");
        return false;
    }
    key->pid = holder->pid;
    key->start = start;
    subject->owner = owner;
    subject->named = true;
    return true;
}

static const char *check_fields(const Itexd__V1__Resolve *request)
{
    if (!request->has_request_id || request->request_id.len != 16)
        return "resolve needs a request_id of 16 bytes";
    if (request->job && strlen(request->job) > ITEXD_MAX_NAME)
        return "the job's id is longer than 256 bytes";
    if (request->step && strlen(request->step) > ITEXD_MAX_NAME)
        return "the job step's id is longer than 256 bytes";
    if (request->inherited_digest && strlen(request->inherited_digest) > ITEXD_DIGEST_LENGTH)
        return "the inherited digest is longer than a digest is";
    return request->devices && request->devices->count > 0 ? grant_check(request->devices) : NULL;
}

static bool advises_by_default(const struct service *service)
{
    switch (service->options.policy) {
    case OPTION_POLICY_ENFORCE:
        return false;
    case OPTION_POLICY_ADVISE:
        return true;
    default:
        return rule_set_advises(rules_compiled(service->rulesets.active->rules));
    }
}

/* What of the request would weaken a locked policy, NULL for nothing. */
static const char *weakens(const Itexd__V1__Resolve *request, bool advise_by_default)
{
    if (advise_by_default)
        return NULL;
    if (request->policy && strcmp(request->policy, "advise") == 0)
        return "policy advise";
    return request->apply_errors ? "applying errors only" : NULL;
}

static void on_decided_before(void *context, int status, const struct store_decision *rows, size_t n_rows,
                              uint64_t before)
{
    struct call *call = context;

    (void)before;
    call->ticket = 0;
    if (status < 0)
        call_refuse(call, REFUSED_STORE, "the decision made for this request before cannot be read");
    else if (n_rows == 0)
        call_refuse(call, REFUSED_NO_DECISION, "for this request any more");
    else
        call_decision(call, &rows[0]);
}

/* The same request again: the same decision. */
static void decide_again(struct call *call, struct request_entry *entry)
{
    struct store_filter filter = {.id = entry->decision, .limit = 1};

    if (entry->decision == 0) {
        call_wait(call, &entry->waiters);
        return;
    }
    if (!call_may_read(call))
        return;
    call->ticket = store_query(call->service->store, &filter, ITEXD_MAX_PACKET, on_decided_before, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}

/* The entry of the same request, if its answer still stands: a lease that has ended may be another's by now. */
static struct request_entry *find_before(struct call *call, const struct subject *subject)
{
    struct service *service = call->service;
    struct request_entry *entry = requests_find(&service->requests, &subject->key);

    if (!entry || entry->decision == 0 || entry->lease == 0)
        return entry;
    entry->owner = subject->owner; /* after a restart it is not known from the row */
    if (devices_managed(service->devices) && attach(service, entry, call->peer, entry->decision))
        return entry;
    requests_drop(&service->requests, entry);
    return NULL;
}

/* Without devices: on what the node has it still depends what becomes of the job. */
static void decide_without(struct service *service, struct request_entry *entry, const Itexd__V1__Resolve *request,
                           bool advise)
{
    struct grant grant = GRANT_INIT;

    grant_see(&grant, service, request->devices);
    decide_entry(service, entry, request, advise, &grant);
}

static void decide_anew(struct call *call, const Itexd__V1__Resolve *request, const struct subject *subject,
                        bool advise)
{
    static const struct grant unmanaged = {
        .rejected = true,
        .notes = {{.rule = "no-device", .detail = "this service manages no devices"}},
        .n_notes = 1,
    };
    struct service *service = call->service;
    struct request_entry *entry = requests_add(&service->requests, &subject->key);

    if (!entry) {
        call_refuse(call, REFUSED_INTERNAL, "out of memory");
        return;
    }
    entry->owner = subject->owner;
    call_wait(call, &entry->waiters);
    if (decide_wants_devices(service, request))
        decide_devices(call, entry, request, subject, advise);
    else if (decide_lacks_devices(service, request))
        decide_entry(service, entry, request, advise, &unmanaged);
    else
        decide_without(service, entry, request, advise);
}

void decide(struct call *call, const Itexd__V1__Resolve *request)
{
    struct service *service = call->service;
    struct request_entry *entry;
    struct subject subject;
    const char *wrong = check_fields(request);
    bool advise = advises_by_default(service);

    if (wrong) {
        call_refuse(call, REFUSED_FIELD, wrong);
        return;
    }
    wrong = service->options.locked ? weakens(request, advise) : NULL;
    if (wrong) {
        call_refuse(call, REFUSED_LOCKED, wrong);
        return;
    }
    if (!find_subject(call, request, &subject))
        return;
    if (decide_wants_devices(service, request))
        call->kind = COUNT_WITH_DEVICES;
    entry = find_before(call, &subject);
    if (entry) {
        decide_again(call, entry);
        return;
    }
    /* Any other word is refused when the input is read. */
    if (request->policy)
        advise = strcmp(request->policy, "advise") == 0;
    decide_anew(call, request, &subject, advise);
}
