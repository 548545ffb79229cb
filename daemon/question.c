/* Resolving one request in the loop. What depends on the request alone is in the cache's key, byte for byte. */
#include "daemon/question.h"
#include "daemon/decision/decision.h"
#include "daemon/rules/rules.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Told before it is recorded: a decision that nobody can be sent would be in everybody's way. */
static int too_large(struct question *question)
{
    snprintf(question->error, sizeof question->error,
             "what would have to be changed does not fit in an answer; shorten TF_XLA_FLAGS, or the file it names");
    return -EINVAL;
}

/* What the service found, as the decision needs it. */
struct found {
    struct input_fact node[3];
    struct decision_note notes[GRANT_NOTES + 1];
    struct decision_findings findings;
};

static void add_note(struct found *found, const char *rule, const char *detail)
{
    found->notes[found->findings.n_notes++] = (struct decision_note){rule, detail};
}

static void add_node_fact(struct found *found, const char *name, const char *value)
{
    if (value && *value)
        found->node[found->findings.n_node++] = (struct input_fact){name, value, FROM_NODE};
}

static void find(const struct question *question, struct found *found)
{
    const struct grant *grant = question->grant;
    const char *inherited = question->request->inherited_digest;

    *found = (struct found){.findings = DECISION_FINDINGS_INIT};
    found->findings.node = found->node;
    found->findings.notes = found->notes;
    if (inherited && *inherited && strcmp(inherited, question->set->digest) != 0)
        add_note(found, "ruleset-differs", inherited);
    if (!grant)
        return;
    for (size_t i = 0; i < grant->n_notes; i++)
        add_note(found, grant->notes[i].rule, grant->notes[i].detail);
    add_node_fact(found, "devices", grant->devices);
    add_node_fact(found, "cards", grant->cards);
    add_node_fact(found, "driver_hierarchy", grant->driver_hierarchy);
    found->findings.lease = grant->variables;
    found->findings.n_lease = grant->n_variables;
    found->findings.none = grant->none;
    found->findings.rejected = grant->rejected;
}

static int resolve_request(struct question *question, const struct decision_findings *findings,
                           struct resolution *resolution)
{
    CLEANUP(decision_input_clear) struct decision_input input = DECISION_INPUT_INIT;
    int error =
        decision_input_read(question->request, question->advise, &input, question->error, sizeof question->error);

    if (error < 0)
        return error;
    return decision_resolve(rules_compiled(question->set->rules), &input, findings, resolution, question->error,
                            sizeof question->error);
}

static int resolve_anew(struct question *question, struct resolution *resolution, struct outcome_entry **out)
{
    struct store_blob facts = {.data = NULL}, outcome = {.data = NULL};
    struct found found;
    int error;

    find(question, &found);
    error = resolve_request(question, &found.findings, resolution);
    if (error == 0)
        error =
            decision_pack_facts(question->request, &found.findings, resolution, (uint8_t **)&facts.data, &facts.size);
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

/* The key's memory is kept from question to question. NULL without memory. */
static uint8_t *key_memory(struct decider *decider, size_t size)
{
    uint8_t *larger;

    if (size <= decider->key_size)
        return decider->key;
    larger = realloc(decider->key, size);
    if (!larger)
        return NULL;
    decider->key = larger;
    decider->key_size = size;
    return larger;
}

/* Everything of the request and its devices that the resolution depends on, as bytes. NULL without memory. */
static const void *make_key(struct service *service, const struct question *question, size_t *size)
{
    Itexd__V1__Resolve key = *question->request;
    size_t request_size;
    uint8_t *bytes;

    key.has_request_id = false;
    key.job = key.step = NULL;
    key.holder = NULL;
    key.has_lease = false;
    if (!key.policy)
        key.policy = (char *)(question->advise ? "advise" : "enforce");
    request_size = itexd__v1__resolve__get_packed_size(&key);
    *size = request_size + (question->grant ? grant_key_size(question->grant) : 0);
    bytes = key_memory(&service->decider, *size + 1);
    if (!bytes)
        return NULL;
    itexd__v1__resolve__pack(&key, bytes);
    if (question->grant)
        grant_key(question->grant, bytes + request_size);
    return bytes;
}

int question_answer(struct service *service, struct question *question, struct outcome_entry **out)
{
    size_t size;
    uint64_t began;
    const void *key = make_key(service, question, &size);
    int error;

    if (!key)
        return -ENOMEM;
    *out = outcomes_find(&service->outcomes, key, size);
    if (*out) {
        service->counts.remembered++;
        return 0;
    }
    began = clock_steady_ns();
    error = resolve_anew(question, &service->decider.resolution, out);
    histogram_add(&service->counts.resolutions, histogram_short_times, clock_steady_ns() - began);
    if (error == 0)
        outcomes_keep(&service->outcomes, *out, key, size);
    return error;
}
