/* Facts and back: see replayed.h. */
#include "tests/tools/replayed.h"
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The request that a client would have sent. */
struct request {
    Itexd__V1__Resolve message;
    Itexd__V1__Variable *variables, **env;
    Itexd__V1__ScriptVariable *script_variables, **script_env;
    Itexd__V1__Fact *fact_messages, **facts;
};

static void request_clear(struct request *request)
{
    free(request->variables);
    free(request->env);
    free(request->script_variables);
    free(request->script_env);
    free(request->fact_messages);
    free(request->facts);
}

static void add_variable(struct request *request, const struct env_variable *from)
{
    if (from->file) {
        size_t i = request->message.n_script_env++;
        Itexd__V1__ScriptVariable *to = request->script_env[i] = &request->script_variables[i];

        itexd__v1__script_variable__init(to);
        to->name = (char *)from->name;
        to->value = (char *)from->value;
        to->file = (char *)from->file;
        to->has_line = true;
        to->line = from->line;
    } else {
        size_t i = request->message.n_env++;
        Itexd__V1__Variable *to = request->env[i] = &request->variables[i];

        itexd__v1__variable__init(to);
        to->name = (char *)from->name;
        to->value = (char *)from->value;
    }
}

static bool make_request(const struct resolve_input *input, struct request *request)
{
    request->variables = calloc(input->n_env + 1, sizeof *request->variables);
    request->env = calloc(input->n_env + 1, sizeof(Itexd__V1__Variable *));
    request->script_variables = calloc(input->n_env + 1, sizeof *request->script_variables);
    request->script_env = calloc(input->n_env + 1, sizeof(Itexd__V1__ScriptVariable *));
    request->fact_messages = calloc(input->n_facts + 1, sizeof *request->fact_messages);
    request->facts = calloc(input->n_facts + 1, sizeof(Itexd__V1__Fact *));
    if (!request->variables || !request->env || !request->script_variables || !request->script_env ||
        !request->fact_messages || !request->facts)
        return false;
    itexd__v1__resolve__init(&request->message);
    request->message.env = request->env;
    request->message.script_env = request->script_env;
    request->message.facts = request->facts;
    request->message.has_apply_errors = true;
    request->message.apply_errors = input->apply_errors;
    for (size_t i = 0; i < input->n_env; i++)
        add_variable(request, &input->env[i]);
    for (size_t i = 0; i < input->n_facts; i++) {
        Itexd__V1__Fact *fact = request->facts[request->message.n_facts++] = &request->fact_messages[i];

        itexd__v1__fact__init(fact);
        fact->name = (char *)input->facts[i].name;
        fact->value = (char *)input->facts[i].value;
        fact->from = (char *)provenance_name(input->facts[i].from);
    }
    return true;
}

struct packed {
    uint8_t *facts, *outcome, *again;
    size_t facts_size, outcome_size, again_size;
    Itexd__V1__Facts *stored;
};

static void packed_clear(struct packed *packed)
{
    free(packed->facts);
    free(packed->outcome);
    free(packed->again);
    if (packed->stored)
        itexd__v1__facts__free_unpacked(packed->stored, NULL);
}

bool replayed_alike(const struct rule_set *rules, const struct resolve_input *input,
                    const struct resolution *resolution, char *text, size_t size)
{
    CLEANUP(request_clear) struct request request = {.env = NULL};
    CLEANUP(packed_clear) struct packed packed = {.facts = NULL};
    CLEANUP(resolution_free) struct resolution again = RESOLUTION_INIT;
    const struct decision_findings findings = {.lease = input->lease, .n_lease = input->n_lease};
    char error[256] = "";

    snprintf(text, size, "replayed: out of memory");
    if (!make_request(input, &request) ||
        decision_pack_facts(&request.message, &findings, resolution, &packed.facts, &packed.facts_size) < 0 ||
        decision_pack_outcome(resolution, NULL, 0, &packed.outcome, &packed.outcome_size) < 0 ||
        !(packed.stored = itexd__v1__facts__unpack(NULL, packed.facts_size, packed.facts)))
        return false;
    if (decision_replay(rules, packed.stored, input->policy == POLICY_ADVISE ? "advise" : "enforce", &again, error,
                        sizeof error) < 0) {
        snprintf(text, size, "replayed: refused: %s", error);
        return false;
    }
    if (decision_pack_outcome(&again, NULL, 0, &packed.again, &packed.again_size) < 0)
        return false;
    if (packed.again_size == packed.outcome_size && memcmp(packed.again, packed.outcome, packed.again_size) == 0)
        return true;
    snprintf(text, size, "replayed: %s, %s where it was %s, %s, with %zu diagnostics where there were %zu",
             verdict_name(again.verdict), mode_name(again.mode) ? mode_name(again.mode) : "no mode",
             verdict_name(resolution->verdict), mode_name(resolution->mode) ? mode_name(resolution->mode) : "no mode",
             again.n_diagnostics, resolution->n_diagnostics);
    return false;
}
