/*
 * From a request and what the service found to a resolution; and the same again, years later, from stored Facts.
 *
 * One way for both, so that a replay under the rules that decided comes to what was decided.
 */
#include "daemon/decision/decision.h"
#include "daemon/decision/stored.h"
#include "daemon/resolver/facts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Resolving -------------------------------------------------------------------------------------- */

/* Adds what was found to the resolution. Without any device, a job that cannot do without is not told to run. */
static int settle(const struct rule_set *rules, const struct decision_findings *findings, struct resolution *resolution)
{
    for (size_t i = 0; i < findings->n_notes; i++) {
        int r = resolution_add(rules, resolution, findings->notes[i].rule, findings->notes[i].detail);
        if (r < 0 && r != -ENOENT) /* a set without the rule does not speak about it */
            return r;
    }
    if (findings->none && (resolution->predicted_mode != MODE_UNKNOWN || resolution->predicted_outcome < OUTCOME_CPU)) {
        resolution->predicted_mode = MODE_UNKNOWN;
        resolution->predicted_outcome = OUTCOME_NO_DEVICE;
        resolution->predicted_outcome_known = true;
    }
    if (findings->rejected) {
        resolution->mode = MODE_NONE;
        resolution->verdict = VERDICT_REJECTED;
    }
    return 0;
}

int decision_resolve(const struct rule_set *rules, const struct decision_input *input,
                     const struct decision_findings *findings, struct resolution *resolution, char *error,
                     size_t error_size)
{
    static const struct decision_findings nothing = DECISION_FINDINGS_INIT;
    struct resolve_input whole = input->resolve;
    findings = findings ? findings : &nothing;
    CLEANUP(freep) struct input_fact *facts = NULL;
    if (findings->n_node > 0) {
        facts = calloc(whole.n_facts + findings->n_node, sizeof(*facts));
        if (!facts)
            return -ENOMEM;
        if (whole.n_facts > 0)
            memcpy(facts, whole.facts, whole.n_facts * sizeof(*facts));
        memcpy(facts + whole.n_facts, findings->node, findings->n_node * sizeof(*facts));
        whole.facts = facts;
        whole.n_facts += findings->n_node;
    }
    whole.lease = findings->lease;
    whole.n_lease = findings->n_lease;
    int r = resolve(rules, &whole, resolution, error, error_size);
    return r == 0 ? settle(rules, findings, resolution) : r;
}

/* ---- Stored facts ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int refuse(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return -ENOTSUP;
}

/* Facts that this program cannot know the whole of. What came from the environment is read anew from there. */
static int check_known(const Itexd__V1__Facts *facts, char *error, size_t error_size)
{
    if (!facts->replayable)
        return refuse(error, error_size, "recorded by an itexd that did not note all that it decided by");
    if (facts->base.n_unknown_fields > 0)
        return refuse(error, error_size, "recorded by a newer itexd, with what this itexctl does not know");
    for (size_t i = 0; i < facts->n_facts; i++)
        if (!facts->facts[i]->name || fact_by_name(facts->facts[i]->name) < 0)
            return refuse(error, error_size,
                          "recorded by a newer itexd, with a fact that this itexctl does not know: %.64s",
                          facts->facts[i]->name ? facts->facts[i]->name : "(without a name)");
    for (size_t i = 0; i < facts->n_lease_env; i++)
        if (!facts->lease_env[i]->name)
            return refuse(error, error_size, "a variable of its lease has no name");
    for (size_t i = 0; i < facts->n_notes; i++)
        if (!facts->notes[i]->rule)
            return refuse(error, error_size, "a note of the service names no rule");
    return 0;
}

struct stored {
    struct decision_input input;
    struct env_variable *lease;
    struct decision_note *notes;
    struct decision_findings findings;
};

static void stored_clear(struct stored *stored)
{
    decision_input_clear(&stored->input);
    free(stored->lease);
    free(stored->notes);
}

static int read_findings(const Itexd__V1__Facts *facts, struct stored *stored)
{
    stored->lease = calloc(facts->n_lease_env + 1, sizeof(*stored->lease));
    stored->notes = calloc(facts->n_notes + 1, sizeof(*stored->notes));
    if (!stored->lease || !stored->notes)
        return -ENOMEM;
    for (size_t i = 0; i < facts->n_lease_env; i++)
        stored->lease[i] =
            (struct env_variable){.name = facts->lease_env[i]->name, .value = facts->lease_env[i]->value};
    for (size_t i = 0; i < facts->n_notes; i++)
        stored->notes[i] = (struct decision_note){.rule = facts->notes[i]->rule,
                                                  .detail = facts->notes[i]->detail ? facts->notes[i]->detail : ""};
    stored->findings = (struct decision_findings){.lease = stored->lease,
                                                  .n_lease = facts->n_lease_env,
                                                  .notes = stored->notes,
                                                  .n_notes = facts->n_notes,
                                                  .none = facts->no_device,
                                                  .rejected = facts->refused};
    return 0;
}

int decision_replay(const struct rule_set *rules, const Itexd__V1__Facts *facts, const char *policy,
                    struct resolution *resolution, char *error, size_t error_size)
{
    CLEANUP(stored_clear) struct stored stored = {.input = DECISION_INPUT_INIT};
    CLEANUP(freep) Itexd__V1__Fact **kept = calloc(facts->n_facts + facts->n_overridden + 1, sizeof(*kept));
    Itexd__V1__Resolve request;
    if (!kept)
        return -ENOMEM;
    int r = check_known(facts, error, error_size);
    if (r < 0)
        return r;
    decision_borrow_request(facts, (char *)policy, kept, &request);
    r = decision_input_read(&request, rule_set_advises(rules), &stored.input, error, error_size);
    if (r == 0)
        r = read_findings(facts, &stored);
    return r == 0 ? decision_resolve(rules, &stored.input, &stored.findings, resolution, error, error_size) : r;
}
