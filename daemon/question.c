/* Resolving one request in the loop. What depends on the request alone is in the cache's key, byte for byte. */
#include "daemon/question.h"
#include "daemon/decision/decision.h"
#include "daemon/rules/rules.h"
#include "daemon/service.h"
#include "daemon/wire.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A set without the rule does not speak about it. */
static int note(const struct question *question, struct resolution *resolution, const char *rule, const char *detail)
{
    int error = resolution_add(rules_compiled(question->set->rules), resolution, rule, detail);

    return error == -ENOENT ? 0 : error;
}

static int note_other_rules(const struct question *question, struct resolution *resolution)
{
    const char *inherited = question->request->inherited_digest;

    if (!inherited || !*inherited || strcmp(inherited, question->set->digest) == 0)
        return 0;
    return note(question, resolution, "ruleset-differs", inherited);
}

/* What the service found about the devices; without any, a job that cannot do without is not told to run. */
static int note_grant(const struct question *question, struct resolution *resolution)
{
    const struct grant *grant = question->grant;
    int error = 0;

    for (size_t i = 0; grant && i < grant->n_notes && error == 0; i++)
        error = note(question, resolution, grant->notes[i].rule, grant->notes[i].detail);
    if (grant && grant->none &&
        (resolution->predicted_mode != MODE_UNKNOWN || resolution->predicted_outcome < OUTCOME_CPU)) {
        resolution->predicted_mode = MODE_UNKNOWN;
        resolution->predicted_outcome = OUTCOME_NO_DEVICE;
        resolution->predicted_outcome_known = true;
    }
    if (grant && grant->rejected) {
        resolution->mode = MODE_NONE;
        resolution->verdict = VERDICT_REJECTED;
    }
    return error;
}

/* Told before it is recorded: a decision that nobody can be sent would be in everybody's way. */
static int too_large(struct question *question)
{
    snprintf(question->error, sizeof question->error,
             "what would have to be changed does not fit in an answer; shorten TF_XLA_FLAGS, or the file it names");
    return -EINVAL;
}

#define NODE_FACTS 3

/* Adds what the service knows of the node; facts is for NODE_FACTS more than the input has. */
static void add_node_facts(const struct grant *grant, struct resolve_input *input, struct input_fact *facts)
{
    const struct input_fact of_node[NODE_FACTS] = {
        {"devices", grant->devices, FROM_NODE},
        {"cards", grant->cards[0] ? grant->cards : NULL, FROM_NODE},
        {"driver_hierarchy", grant->driver_hierarchy, FROM_NODE},
    };

    if (input->n_facts > 0)
        memcpy(facts, input->facts, input->n_facts * sizeof *facts);
    input->facts = facts;
    for (size_t i = 0; i < NODE_FACTS; i++)
        if (of_node[i].value)
            facts[input->n_facts++] = of_node[i];
}

static int resolve_request(struct question *question, struct resolution *resolution)
{
    CLEANUP(decision_input_clear) struct decision_input input = DECISION_INPUT_INIT;
    CLEANUP(freep) struct input_fact *facts = NULL;
    int error =
        decision_input_read(question->request, question->advise, &input, question->error, sizeof question->error);

    if (error < 0)
        return error;
    if (question->grant) {
        input.resolve.lease = question->grant->variables;
        input.resolve.n_lease = question->grant->n_variables;
        facts = calloc(input.resolve.n_facts + NODE_FACTS, sizeof *facts);
        if (!facts)
            return -ENOMEM;
        add_node_facts(question->grant, &input.resolve, facts);
    }
    error = resolve(rules_compiled(question->set->rules), &input.resolve, resolution, question->error,
                    sizeof question->error);
    if (error == 0)
        error = note_other_rules(question, resolution);
    return error == 0 ? note_grant(question, resolution) : error;
}

static int resolve_anew(struct question *question, struct resolution *resolution, struct outcome_entry **out)
{
    struct store_blob facts = {.data = NULL}, outcome = {.data = NULL};
    int error = resolve_request(question, resolution);

    if (error == 0)
        error = decision_pack_facts(question->request, resolution, (uint8_t **)&facts.data, &facts.size);
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
