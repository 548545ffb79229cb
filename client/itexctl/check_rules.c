/*
 * From rules to lines: see check_rules.h. A rule's conditions name facts, a fact was found in a line; of several the
 * most telling one is taken: a variable that the script sets, then what it does, then which Keras it imports.
 */
#include "client/itexctl/check_rules.h"
#include "client/itexctl/decide.h"
#include "client/itexctl/rule_input.h"
#include "daemon/resolver/facts.h"
#include "proto/cleanup.h"

#include <string.h>

void check_rules_clear(struct check_rules *rules)
{
    rules_free(rules->rules);
    *rules = (struct check_rules)CHECK_RULES_INIT;
}

/* ---- The rules ------------------------------------------------------------------------------------------ */

static int fetch(const struct context *context, struct rules **rules, struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    struct connection *connection = NULL;
    int r = service_open(context, &connection, failure);
    if (r == 0)
        r = service_rule_files(connection, 0, DEFAULT_TIMEOUT_MS, &files, NULL, failure);
    connection_free(connection);
    return r < 0 ? -1 : compile_rules(&files, rules, failure);
}

int check_rules_open(const struct context *context, const struct ask *ask, struct check_rules *rules,
                     struct failure *failure)
{
    if (ask->rules && !ask->offline)
        return failure_set(failure, EXIT_USAGE, "--rules goes with --offline: the service has rules of its own");
    if (!ask->offline) {
        rules->of_service = fetch(context, &rules->rules, failure) == 0;
        if (rules->of_service || !failure->unavailable)
            return rules->of_service ? 0 : -1;
        failure_clear(failure);
    }
    return read_rules(ask->rules ? ask->rules : shipped_rules_path(), &rules->rules, failure);
}

int check_rules_decide(const struct check_rules *rules, const struct ask *ask, const struct examined *examined,
                       Itexd__V1__Decision **decision, struct failure *failure)
{
    Itexd__V1__Resolve *request = NULL;
    struct ask own = *ask;
    own.offline = true;
    own.holder = own.numa = own.wait = -1; /* which check has no options for */
    if (ask_request(&own, ASK_FOR_NOBODY, examined, &request, failure) < 0)
        return -1;
    int r = decide_by_rules(rules->rules, false, request, decision, failure);
    itexd__v1__resolve__free_unpacked(request, NULL);
    return r;
}

/* ---- Their lines ------------------------------------------------------------------------------------------- */

struct sought {
    const struct examined *examined;
    const Itexd__V1__Decision *decision;
    struct place place;
    int weight; /* of the place; 0: none yet */
};

static void offer(struct sought *sought, const struct place *place, int weight)
{
    if (place->file && weight > sought->weight) {
        sought->place = *place;
        sought->weight = weight;
    }
}

static void offer_variable(struct sought *sought, const char *name)
{
    const struct found_variable *variable = examined_variable(sought->examined, name);
    if (variable)
        offer(sought, &variable->place, 3);
}

static void offer_fact(struct sought *sought, const char *name)
{
    const struct findings *findings = &sought->examined->findings;
    for (size_t i = 0; i < findings->n_facts; i++)
        if (strcmp(findings->facts[i].name, name) == 0)
            offer(sought, &findings->facts[i].place, strcmp(name, "keras") == 0 ? 1 : 2);
}

static const char *fact_of(const Itexd__V1__Decision *decision, const char *name)
{
    for (size_t i = 0; decision->facts && i < decision->facts->n_facts; i++)
        if (decision->facts->facts[i]->name && strcmp(decision->facts->facts[i]->name, name) == 0)
            return decision->facts->facts[i]->value;
    return NULL;
}

/* Turns off the jit of models that leave it as it is. */
#define OPS_OVERRIDE "ITEX_OPS_OVERRIDE"

/* What a derived fact comes from, as far as a script can say it. */
static const struct {
    const char *fact, *from;
    bool variable;
} origins[] = {
    {"jit_effective", "jit", false},
    {"jit_effective", "run_eagerly", false},
    {"jit_effective", "strategy", false},
    {"jit_effective", "unsupported_layer", false},
    {"jit_effective", "determinism", false},
    {"jit_effective", "keras", false},
    {"jit_effective", OPS_OVERRIDE, true},
    {"keras_check", "keras", false},
    {"xla", "TF_XLA_FLAGS", true},
    {"xla", "ITEX_DISABLE_XLA", true},
    {"xla", "TF_USE_LEGACY_KERAS", true},
    {"npd", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", true},
    {"npd", "TF_XLA_FLAGS", true},
    {"tile_pair", "ITEX_TILE_AS_DEVICE", true},
    {"tile_pair", "SYCL_TILE_AS_DEVICE", true},
    {"selector_under_mask", "ONEAPI_DEVICE_SELECTOR", true},
    {"selector_under_mask", "ZE_AFFINITY_MASK", true},
};

static bool has_a_say(const Itexd__V1__Decision *decision, const char *from)
{
    const char *jit = strcmp(from, OPS_OVERRIDE) == 0 ? fact_of(decision, "jit") : NULL;
    return strcmp(from, OPS_OVERRIDE) != 0 || (jit && strcmp(jit, "auto") == 0);
}

static void offer_condition(struct sought *sought, const struct rule_condition *condition)
{
    int id = fact_by_name(condition->fact);
    if (id >= 0 && fact_table[id].origin == FACT_ENVIRONMENT && fact_table[id].variable >= 0)
        offer_variable(sought, fact_variables[fact_table[id].variable].name);
    offer_fact(sought, condition->fact);
    for (size_t i = 0; i < LENGTH(origins); i++) {
        if (strcmp(origins[i].fact, condition->fact) != 0 || !has_a_say(sought->decision, origins[i].from))
            continue;
        if (origins[i].variable)
            offer_variable(sought, origins[i].from);
        else
            offer_fact(sought, origins[i].from);
    }
}

/* What is not told, or compared as a version, is taken to hold: the rule does. */
static bool condition_holds(const Itexd__V1__Decision *decision, const struct rule_condition *condition)
{
    const char *value = fact_of(decision, condition->fact);
    int id = fact_by_name(condition->fact);
    bool listed = false;
    if (!value || (id >= 0 && fact_table[id].type == FACT_TYPE_TEXT))
        return true;
    for (size_t i = 0; i < condition->n_values; i++)
        listed |= strcmp(condition->values[i], value) == 0;
    return listed != condition->negated;
}

static bool clause_holds(const Itexd__V1__Decision *decision, const struct rule_clause *clause)
{
    for (size_t i = 0; i < clause->n_conditions; i++)
        if (!condition_holds(decision, &clause->conditions[i]))
            return false;
    return true;
}

static const struct rule_def *rule_by_id(const struct check_rules *rules, const char *id)
{
    const struct rule_set_def *set = rules_definitions(rules->rules);
    for (size_t i = 0; id && i < set->n_rules; i++)
        if (strcmp(set->rules[i].id, id) == 0)
            return &set->rules[i];
    return NULL;
}

static void offer_rule(struct sought *sought, const struct rule_def *rule)
{
    for (size_t i = 0; rule && i < rule->n_any; i++) {
        if (!clause_holds(sought->decision, &rule->any[i]))
            continue;
        for (size_t j = 0; j < rule->any[i].n_conditions; j++)
            offer_condition(sought, &rule->any[i].conditions[j]);
    }
}

struct place check_rules_place(const struct check_rules *rules, const Itexd__V1__Diagnostic *diagnostic,
                               const struct examined *examined, const Itexd__V1__Decision *decision)
{
    struct sought sought = {.examined = examined, .decision = decision};
    offer_rule(&sought, rule_by_id(rules, diagnostic->rule));
    for (size_t i = 0; i < diagnostic->n_because && sought.weight == 0; i++)
        offer_rule(&sought, rule_by_id(rules, diagnostic->because[i]));
    return sought.place;
}
