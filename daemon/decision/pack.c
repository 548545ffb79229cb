/*
 * A resolution as the messages that are sent and stored.
 *
 * Deterministic: lists are in an order that depends on their content only, so that equal decisions are equal bytes
 * and the store keeps them once. For the same reason what merely identifies a job to its scheduler or launcher is
 * left out of Facts. The messages borrow all strings; only the packed bytes are owned.
 */
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

static int pack_message(const ProtobufCMessage *message, uint8_t **data, size_t *size)
{
    size_t packed = protobuf_c_message_get_packed_size(message);
    uint8_t *buffer = malloc(packed ? packed : 1);
    if (!buffer)
        return -ENOMEM;
    *size = protobuf_c_message_pack(message, buffer);
    *data = buffer;
    return 0;
}

/* ---- Facts ---------------------------------------------------------------------------------------- */

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int compare_variables(const void *left, const void *right)
{
    return strcmp((*(Itexd__V1__Variable *const *)left)->name, (*(Itexd__V1__Variable *const *)right)->name);
}

static int compare_script_variables(const void *left, const void *right)
{
    return strcmp((*(Itexd__V1__ScriptVariable *const *)left)->name,
                  (*(Itexd__V1__ScriptVariable *const *)right)->name);
}

/* The parts of Facts that need memory of their own. */
struct facts_parts {
    Itexd__V1__Fact *facts;
    Itexd__V1__Fact **fact_list;
    Itexd__V1__Variable **env;
    Itexd__V1__ScriptVariable **script_env;
    char **oversized;
    Itexd__V1__Fact **overridden;
    Itexd__V1__Fact *node; /* those of the node that are overridden */
    Itexd__V1__Variable *lease;
    Itexd__V1__Variable **lease_list;
    Itexd__V1__Note *notes;
    Itexd__V1__Note **note_list;
};

static void facts_parts_clear(struct facts_parts *parts)
{
    free(parts->facts);
    free(parts->fact_list);
    free(parts->env);
    free(parts->script_env);
    free(parts->oversized);
    free(parts->overridden);
    free(parts->node);
    free(parts->lease);
    free(parts->lease_list);
    free(parts->notes);
    free(parts->note_list);
}

static int found_parts_allocate(const Itexd__V1__Resolve *request, const struct decision_findings *findings,
                                struct facts_parts *parts)
{
    parts->overridden = calloc(request->n_facts + findings->n_node + 1, sizeof(*parts->overridden));
    parts->node = calloc(findings->n_node + 1, sizeof(*parts->node));
    parts->lease = calloc(findings->n_lease + 1, sizeof(*parts->lease));
    parts->lease_list = calloc(findings->n_lease + 1, sizeof(*parts->lease_list));
    parts->notes = calloc(findings->n_notes + 1, sizeof(*parts->notes));
    parts->note_list = calloc(findings->n_notes + 1, sizeof(*parts->note_list));
    bool complete =
        parts->overridden && parts->node && parts->lease && parts->lease_list && parts->notes && parts->note_list;
    return complete ? 0 : -ENOMEM;
}

static int facts_parts_allocate(const Itexd__V1__Resolve *request, size_t n_facts, struct facts_parts *parts)
{
    parts->facts = calloc(n_facts + 1, sizeof(*parts->facts));
    parts->fact_list = calloc(n_facts + 1, sizeof(*parts->fact_list));
    parts->env = calloc(request->n_env + 1, sizeof(*parts->env));
    parts->script_env = calloc(request->n_script_env + 1, sizeof(*parts->script_env));
    parts->oversized = calloc(request->n_oversized + 1, sizeof(*parts->oversized));
    bool complete = parts->facts && parts->fact_list && parts->env && parts->script_env && parts->oversized;
    return complete ? 0 : -ENOMEM;
}

static void add_variables(const Itexd__V1__Resolve *request, struct facts_parts *parts, Itexd__V1__Facts *message)
{
    message->env = parts->env;
    for (size_t i = 0; i < request->n_env; i++)
        if (decision_variable_kept(request->env[i]->name) && request->env[i]->value)
            parts->env[message->n_env++] = request->env[i];
    qsort(parts->env, message->n_env, sizeof(*parts->env), compare_variables);

    message->script_env = parts->script_env;
    for (size_t i = 0; i < request->n_script_env; i++)
        if (decision_variable_kept(request->script_env[i]->name))
            parts->script_env[message->n_script_env++] = request->script_env[i];
    qsort(parts->script_env, message->n_script_env, sizeof(*parts->script_env), compare_script_variables);

    message->oversized = parts->oversized; /* all: each is named by a diagnostic, which a replay must find again */
    for (size_t i = 0; i < request->n_oversized; i++)
        parts->oversized[message->n_oversized++] = request->oversized[i];
    qsort(parts->oversized, message->n_oversized, sizeof(*parts->oversized), compare_names);
}

static void add_facts(const struct resolution *resolution, struct facts_parts *parts, Itexd__V1__Facts *message)
{
    message->facts = parts->fact_list;
    message->n_facts = resolution->n_facts;
    for (size_t i = 0; i < resolution->n_facts; i++) {
        const struct resolved_fact *fact = &resolution->facts[i];
        itexd__v1__fact__init(&parts->facts[i]);
        parts->facts[i].name = (char *)fact->name;
        parts->facts[i].value = (char *)fact->value;
        parts->facts[i].from = (char *)provenance_name(fact->from);
        parts->fact_list[i] = &parts->facts[i];
    }
}

/* Is it the one that the resolution went by? */
static bool fact_won(const struct resolution *resolution, const char *name, const char *from)
{
    for (size_t i = 0; i < resolution->n_facts; i++)
        if (strcmp(resolution->facts[i].name, name) == 0)
            return strcmp(provenance_name(resolution->facts[i].from), from ? from : provenance_name(FROM_DECLARED)) ==
                   0;
    return false;
}

static int compare_facts(const void *left, const void *right)
{
    const Itexd__V1__Fact *a = *(Itexd__V1__Fact *const *)left, *b = *(Itexd__V1__Fact *const *)right;
    int order = strcmp(a->name, b->name);
    return order || !a->from || !b->from ? order : strcmp(a->from, b->from);
}

/* Two sources of one fact are a diagnostic, so what the weaker one said belongs to it. */
static void add_overridden(const Itexd__V1__Resolve *request, const struct decision_findings *findings,
                           const struct resolution *resolution, struct facts_parts *parts, Itexd__V1__Facts *message)
{
    message->overridden = parts->overridden;
    for (size_t i = 0; i < request->n_facts; i++)
        if (!fact_won(resolution, request->facts[i]->name, request->facts[i]->from))
            parts->overridden[message->n_overridden++] = request->facts[i];
    for (size_t i = 0; i < findings->n_node; i++) {
        const struct input_fact *fact = &findings->node[i];
        if (fact_won(resolution, fact->name, provenance_name(fact->from)))
            continue;
        itexd__v1__fact__init(&parts->node[i]);
        parts->node[i].name = (char *)fact->name;
        parts->node[i].value = (char *)fact->value;
        parts->node[i].from = (char *)provenance_name(fact->from);
        parts->overridden[message->n_overridden++] = &parts->node[i];
    }
    qsort(parts->overridden, message->n_overridden, sizeof(*parts->overridden), compare_facts);
}

static void add_findings(const struct decision_findings *findings, struct facts_parts *parts, Itexd__V1__Facts *message)
{
    message->lease_env = parts->lease_list;
    message->n_lease_env = findings->n_lease;
    for (size_t i = 0; i < findings->n_lease; i++) {
        itexd__v1__variable__init(&parts->lease[i]);
        parts->lease[i].name = (char *)findings->lease[i].name;
        parts->lease[i].value = (char *)findings->lease[i].value;
        parts->lease_list[i] = &parts->lease[i];
    }
    message->notes = parts->note_list;
    message->n_notes = findings->n_notes;
    for (size_t i = 0; i < findings->n_notes; i++) {
        itexd__v1__note__init(&parts->notes[i]);
        parts->notes[i].rule = (char *)findings->notes[i].rule;
        parts->notes[i].detail = (char *)findings->notes[i].detail;
        parts->note_list[i] = &parts->notes[i];
    }
    message->has_no_device = message->no_device = findings->none;
    message->has_refused = message->refused = findings->rejected;
    message->has_replayable = message->replayable = true;
}

int decision_pack_facts(const Itexd__V1__Resolve *request, const struct decision_findings *findings,
                        const struct resolution *resolution, uint8_t **data, size_t *size)
{
    static const struct decision_findings nothing = DECISION_FINDINGS_INIT;
    CLEANUP(facts_parts_clear) struct facts_parts parts = {NULL};
    Itexd__V1__Facts message = ITEXD__V1__FACTS__INIT;
    findings = findings ? findings : &nothing;
    if (facts_parts_allocate(request, resolution->n_facts, &parts) < 0 ||
        found_parts_allocate(request, findings, &parts) < 0)
        return -ENOMEM;
    add_facts(resolution, &parts, &message);
    add_overridden(request, findings, resolution, &parts, &message);
    add_variables(request, &parts, &message);
    add_findings(findings, &parts, &message);
    message.has_launcher = message.launcher = request->has_launcher && request->launcher;
    message.has_apply_errors = message.apply_errors = request->has_apply_errors && request->apply_errors;
    message.devices = request->devices;
    return pack_message(&message.base, data, size);
}

/* ---- Outcome -------------------------------------------------------------------------------------- */

struct outcome_parts {
    Itexd__V1__Variable *variables; /* of the resolution, then of each alternative */
    Itexd__V1__Variable **variable_list;
    Itexd__V1__Diagnostic *diagnostics;
    Itexd__V1__Diagnostic **diagnostic_list;
    Itexd__V1__Alternative *alternatives;
    Itexd__V1__Alternative **alternative_list;
};

static void outcome_parts_clear(struct outcome_parts *parts)
{
    free(parts->variables);
    free(parts->variable_list);
    free(parts->diagnostics);
    free(parts->diagnostic_list);
    free(parts->alternatives);
    free(parts->alternative_list);
}

static int outcome_parts_allocate(size_t n_variables, size_t n_diagnostics, size_t n_alternatives,
                                  struct outcome_parts *parts)
{
    parts->variables = calloc(n_variables + 1, sizeof(*parts->variables));
    parts->variable_list = calloc(n_variables + 1, sizeof(*parts->variable_list));
    parts->diagnostics = calloc(n_diagnostics + 1, sizeof(*parts->diagnostics));
    parts->diagnostic_list = calloc(n_diagnostics + 1, sizeof(*parts->diagnostic_list));
    parts->alternatives = calloc(n_alternatives + 1, sizeof(*parts->alternatives));
    parts->alternative_list = calloc(n_alternatives + 1, sizeof(*parts->alternative_list));
    bool complete = parts->variables && parts->variable_list && parts->diagnostics && parts->diagnostic_list &&
                    parts->alternatives && parts->alternative_list;
    return complete ? 0 : -ENOMEM;
}

/* Writes n variables from position *next on and returns the list of pointers to them. */
static Itexd__V1__Variable **add_changes(const struct resolved_variable *env, size_t n, struct outcome_parts *parts,
                                         size_t *next)
{
    Itexd__V1__Variable **list = &parts->variable_list[*next];
    for (size_t i = 0; i < n; i++, (*next)++) {
        Itexd__V1__Variable *variable = &parts->variables[*next];
        itexd__v1__variable__init(variable);
        variable->name = (char *)env[i].name;
        variable->value = (char *)env[i].value;
        parts->variable_list[*next] = variable;
    }
    return list;
}

static void add_diagnostics(const struct resolution *resolution, struct outcome_parts *parts,
                            Itexd__V1__Outcome *message)
{
    message->diagnostics = parts->diagnostic_list;
    message->n_diagnostics = resolution->n_diagnostics;
    for (size_t i = 0; i < resolution->n_diagnostics; i++) {
        const struct diagnostic *from = &resolution->diagnostics[i];
        Itexd__V1__Diagnostic *to = &parts->diagnostics[i];
        itexd__v1__diagnostic__init(to);
        to->rule = (char *)from->rule;
        to->severity = (char *)severity_name(from->severity);
        to->outcome = (char *)outcome_name(from->outcome);
        to->message = (char *)from->message;
        to->solution = (char *)from->solution;
        to->source = (char *)from->source;
        to->has_applied = 1;
        to->applied = from->applied;
        to->because = (char **)from->because;
        to->n_because = from->n_because;
        parts->diagnostic_list[i] = to;
    }
    message->has_diagnostics_omitted = resolution->diagnostics_omitted > 0;
    message->diagnostics_omitted = (uint32_t)resolution->diagnostics_omitted;
}

static void add_alternatives(const struct alternative *alternatives, size_t n, struct outcome_parts *parts,
                             size_t *next_variable, Itexd__V1__Outcome *message)
{
    message->alternatives = parts->alternative_list;
    message->n_alternatives = n;
    for (size_t i = 0; i < n; i++) {
        Itexd__V1__Alternative *to = &parts->alternatives[i];
        itexd__v1__alternative__init(to);
        to->n_env = alternatives[i].n_env;
        to->env = add_changes(alternatives[i].env, alternatives[i].n_env, parts, next_variable);
        to->n_obligations = alternatives[i].n_obligations;
        to->obligations = (char **)alternatives[i].obligations;
        to->mode = (char *)mode_name(alternatives[i].mode);
        parts->alternative_list[i] = to;
    }
}

int decision_pack_outcome(const struct resolution *resolution, const struct alternative *alternatives,
                          size_t n_alternatives, uint8_t **data, size_t *size)
{
    CLEANUP(outcome_parts_clear) struct outcome_parts parts = {NULL};
    Itexd__V1__Outcome message = ITEXD__V1__OUTCOME__INIT;
    size_t n_variables = resolution->n_env, next_variable = 0;
    n_alternatives = alternatives ? n_alternatives : 0;
    for (size_t i = 0; i < n_alternatives; i++)
        n_variables += alternatives[i].n_env;
    if (outcome_parts_allocate(n_variables, resolution->n_diagnostics, n_alternatives, &parts) < 0)
        return -ENOMEM;

    message.verdict = (char *)verdict_name(resolution->verdict);
    message.mode = (char *)mode_name(resolution->mode);
    message.predicted_mode = (char *)mode_name(resolution->predicted_mode);
    if (resolution->predicted_outcome_known)
        message.predicted_outcome = (char *)outcome_name(resolution->predicted_outcome);
    message.unknown = (char **)resolution->unknown;
    message.n_unknown = resolution->n_unknown;
    message.n_env = resolution->n_env;
    message.env = add_changes(resolution->env, resolution->n_env, &parts, &next_variable);
    message.obligations = (char **)resolution->obligations;
    message.n_obligations = resolution->n_obligations;
    add_diagnostics(resolution, &parts, &message);
    message.has_alternatives_asked = message.alternatives_asked = alternatives != NULL;
    add_alternatives(alternatives, n_alternatives, &parts, &next_variable, &message);
    return pack_message(&message.base, data, size);
}
