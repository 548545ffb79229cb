/* The main job of itexd. Everything here runs in the loop and none of it waits. */
#include "daemon/decide.h"
#include "daemon/decision/decision.h"
#include "daemon/log.h"
#include "daemon/rules/rules.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A decision between resolver and disk. */
struct pending {
    LIST_ENTRY(pending) all;
    STAILQ_ENTRY(pending) link; /* if blocked */
    struct service *service;
    struct store_decision row; /* job and step are its own; the rest points into what it holds below */
    struct outcome_entry *outcome;
    struct ruleset *set;
    struct request_entry *entry; /* whose waiters get the answer */
};

void decider_init(struct decider *decider)
{
    *decider = (struct decider){.resolution = RESOLUTION_INIT};
    LIST_INIT(&decider->pending);
    STAILQ_INIT(&decider->blocked);
}

static void pending_free(struct pending *pending)
{
    LIST_REMOVE(pending, all);
    outcome_put(pending->outcome);
    ruleset_put(pending->set);
    free((void *)pending->row.job);
    free((void *)pending->row.step);
    free(pending);
}

void decider_deinit(struct decider *decider)
{
    struct pending *pending;
    struct call *call;

    while ((pending = LIST_FIRST(&decider->pending))) {
        while (pending->entry && (call = TAILQ_FIRST(&pending->entry->waiters)))
            call_refuse(call, REFUSED_STOPPING, NULL); /* nobody hears it: the peers have gone */
        pending_free(pending);
    }
    resolution_free(&decider->resolution);
}

/* ---- Resolving -------------------------------------------------------------------------------------------- */

/* What a resolution needs to know beside the request. */
struct question {
    const Itexd__V1__Resolve *request;
    const struct ruleset *set;
    bool advise;
    char error[512];
};

/* This version has no devices to give: a job that cannot do without gets none, and is not told to run. */
static void answer_devices(const Itexd__V1__Resolve *request, struct resolution *resolution)
{
    const Itexd__V1__DeviceRequest *devices = request->devices;

    if (!devices || devices->count == 0 || devices->allow_none)
        return;
    resolution->mode = MODE_NONE;
    resolution->verdict = VERDICT_REJECTED;
}

static int note_other_rules(const struct question *question, struct resolution *resolution)
{
    const char *inherited = question->request->inherited_digest;
    const char *digest = question->set->digest;
    int error;

    if (!inherited || !*inherited || strcmp(inherited, digest) == 0)
        return 0;
    error = resolution_add(rules_compiled(question->set->rules), resolution, "ruleset-differs", inherited);
    return error == -ENOENT ? 0 : error; /* a set without this rule does not speak about it */
}

/* Told before it is recorded: a decision that nobody can be sent would be in everybody's way. */
static int too_large(struct question *question)
{
    snprintf(question->error, sizeof question->error,
             "what would have to be changed does not fit in an answer; shorten TF_XLA_FLAGS, or the file it names");
    return -EINVAL;
}

/* 0; -EINVAL with the error's text; -ENOMEM. */
static int resolve_anew(struct question *question, struct resolution *resolution, struct outcome_entry **out)
{
    CLEANUP(decision_input_clear) struct decision_input input = DECISION_INPUT_INIT;
    struct store_blob facts = {.data = NULL}, outcome = {.data = NULL};
    int error =
        decision_input_read(question->request, question->advise, &input, question->error, sizeof question->error);

    if (error == 0)
        error = resolve(rules_compiled(question->set->rules), &input.resolve, resolution, question->error,
                        sizeof question->error);
    if (error == 0)
        error = note_other_rules(question, resolution);
    if (error == 0) {
        answer_devices(question->request, resolution);
        error = decision_pack_facts(question->request, resolution, (uint8_t **)&facts.data, &facts.size);
    }
    if (error == 0)
        error = decision_pack_outcome(resolution, NULL, 0, (uint8_t **)&outcome.data, &outcome.size);
    if (error == 0 && !wire_outcome_fits(outcome))
        error = too_large(question);
    if (error < 0) {
        free((void *)facts.data);
        free((void *)outcome.data);
        return error;
    }
    *out = outcome_new(resolution, facts, outcome);
    return *out ? 0 : -ENOMEM;
}

/* Everything of the request that the resolution depends on, as bytes. NULL without memory. */
static const void *make_key(struct service *service, const struct question *question, size_t *size)
{
    Itexd__V1__Resolve key = *question->request;
    uint8_t *bytes;

    key.has_request_id = false;
    key.job = key.step = NULL;
    key.holder = NULL;
    key.has_lease = false;
    if (!key.policy)
        key.policy = (char *)(question->advise ? "advise" : "enforce");
    bytes = service->memory.allocator.alloc(&service->memory, itexd__v1__resolve__get_packed_size(&key) + 1);
    *size = bytes ? itexd__v1__resolve__pack(&key, bytes) : 0;
    return bytes;
}

static int find_outcome(struct service *service, struct question *question, struct outcome_entry **out)
{
    size_t size;
    const void *key = make_key(service, question, &size);
    int error;

    if (!key)
        return -ENOMEM;
    *out = outcomes_find(&service->outcomes, key, size);
    if (*out)
        return 0;
    error = resolve_anew(question, &service->decider.resolution, out);
    if (error == 0)
        outcomes_keep(&service->outcomes, *out, key, size);
    return error;
}

/* ---- Storing ---------------------------------------------------------------------------------------------- */

static void finish(struct pending *pending, uint64_t id)
{
    struct service *service = pending->service;
    struct request_entry *entry = pending->entry;
    struct call *call;

    pending->row.id = id;
    log_event(LOG_DEBUG, "decision", LOG_NUMBER("id", id), LOG_NUMBER("uid", pending->row.uid),
              LOG_NUMBER("pid", pending->row.pid), LOG_TEXT("job", pending->row.job),
              LOG_TEXT("verdict", pending->row.verdict), LOG_TEXT("mode", pending->row.mode));
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

static struct pending *make_pending(struct call *call, const Itexd__V1__Resolve *request, const struct request_key *key,
                                    struct outcome_entry *outcome, bool advise)
{
    struct service *service = call->service;
    struct pending *pending = calloc(1, sizeof *pending);

    if (!pending) {
        outcome_put(outcome);
        return NULL;
    }
    *pending = (struct pending){.service = service, .outcome = outcome, .set = ruleset_get(service->rulesets.active)};
    LIST_INSERT_HEAD(&service->decider.pending, pending, all);
    pending->row = (struct store_decision){
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
    memcpy(pending->row.request_id, key->id, sizeof pending->row.request_id);
    if (!(request->job && !pending->row.job) && !(request->step && !pending->row.step))
        pending->entry = requests_add(&service->requests, key);
    if (!pending->entry) {
        pending_free(pending);
        return NULL;
    }
    pending->entry->acceptable = !outcome->rejected && !request->launcher;
    return pending;
}

/* ---- The request ------------------------------------------------------------------------------------------ */

/* The process that the decision is for: the one that asks, or the holder it names, which must be the user's own. */
static bool find_subject(struct call *call, const Itexd__V1__Resolve *request, struct request_key *key)
{
    const Itexd__V1__Holder *holder = request->holder;
    uint64_t start;
    uid_t owner;

    memset(key, 0, sizeof *key);
    memcpy(key->id, request->request_id.data, sizeof key->id);
    key->uid = call->who.uid;
    key->pid = call->who.pid;
    key->start = call->who.start;
    if (!holder)
        return true;
    if (holder->pid <= 0 || process_identify(holder->pid, &owner, &start) < 0 ||
        (holder->has_start_time && holder->start_time != start)) {
        call_refuse(call, REFUSED_FIELD, "the holder is no running process; check its pid");
        return false;
    }
    if (owner != call->who.uid && !call_is_administrator(call)) {
        call_refuse(call, REFUSED_FOREIGN, "the holder");
        return false;
    }
    key->pid = holder->pid;
    key->start = start;
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
    return NULL;
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

static void decide_anew(struct call *call, const Itexd__V1__Resolve *request, const struct request_key *key,
                        bool advise)
{
    struct service *service = call->service;
    struct question question = {.request = request, .set = service->rulesets.active, .advise = advise};
    struct outcome_entry *outcome;
    struct pending *pending;
    int error = find_outcome(service, &question, &outcome);

    if (error == -EINVAL) {
        call_refuse(call, REFUSED_FIELD, question.error);
        return;
    }
    pending = error == 0 ? make_pending(call, request, key, outcome, advise) : NULL;
    if (!pending) {
        call_refuse(call, REFUSED_INTERNAL, error == 0 ? "out of memory" : strerror(-error));
        return;
    }
    call_wait(call, &pending->entry->waiters);
    if (!STAILQ_EMPTY(&service->decider.blocked) || !store(pending)) {
        STAILQ_INSERT_TAIL(&service->decider.blocked, pending, link);
        service_hold(service);
    }
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

void decide(struct call *call, const Itexd__V1__Resolve *request)
{
    struct service *service = call->service;
    struct request_entry *entry;
    struct request_key key;
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
    if (!find_subject(call, request, &key))
        return;
    entry = requests_find(&service->requests, &key);
    if (entry) {
        decide_again(call, entry);
        return;
    }
    /* Any other word is refused when the input is read. */
    if (request->policy)
        advise = strcmp(request->policy, "advise") == 0;
    decide_anew(call, request, &key, advise);
}
