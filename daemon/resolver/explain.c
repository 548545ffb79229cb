/*
 * Results: verdict, mode, changes, obligations, facts, diagnostics. Everything is allocated from the resolution's
 * arena; texts of the rule set are pointed to, texts of the caller copied.
 */
#include "daemon/resolver/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- Verdict and mode ------------------------------------------------------------------------------- */

/* Warnings that hold in the end though they have a solution: policy, or a contradiction, left them. */
static bool warnings_left(const struct run *run)
{
    const struct rule_set *set = run->base->set;

    for (uint32_t i = next_bit(run->holds, rule_words(set), 0); i != NO_RULE;
         i = next_bit(run->holds, rule_words(set), i + 1)) {
        if (set->rules[i].severity != SEVERITY_WARNING)
            continue;
        for (uint32_t j = 0; j < set->rules[i].n_actions; j++)
            if (clause_holds(&set->rules[i].actions[j].when, run->state.numbers))
                return true;
    }
    return false;
}

static enum verdict verdict_of(const struct run *run, bool changed, enum policy policy)
{
    if (policy == POLICY_ADVISE)
        return run->rejected || changed || warnings_left(run) ? VERDICT_ADVISED : VERDICT_OK;
    if (run->rejected)
        return VERDICT_REJECTED;
    if (changed)
        return VERDICT_FIXED;
    return warnings_left(run) ? VERDICT_ADVISED : VERDICT_OK;
}

/* ---- Changes and obligations ------------------------------------------------------------------------ */

/* Under advise only what the lease needs is put into force; where the answer is a rejection there is no lease. */
enum share { SHARE_ALL, SHARE_LEASE, SHARE_RULES };

static bool in_share(const struct run *run, enum share share, size_t variable)
{
    return run_changes(run, variable) &&
           (share == SHARE_ALL || (run->owner[variable] == LEASE_OWNER) == (share == SHARE_LEASE));
}

static bool changes_anything(const struct run *run)
{
    for (size_t i = 0; i < run->base->set->n_variables; i++)
        if (run_changes(run, i))
            return true;
    return run->n_issued > 0;
}

static int put_env(const struct run *run, enum share share, struct resolution *result)
{
    const struct rule_set *set = run->base->set;
    struct resolved_variable *env;
    size_t n = 0;

    for (size_t i = 0; i < set->n_variables; i++)
        n += in_share(run, share, i);
    env = arena_alloc(run->base->arena, n * sizeof *env);
    if (!env)
        return -ENOMEM;
    result->env = env;
    for (size_t i = 0; i < set->n_variables; i++)
        if (in_share(run, share, i))
            env[result->n_env++] = (struct resolved_variable){set->variables[i].name, run->state.values[i]};
    return 0;
}

static const char *script_token(const struct run *run, uint32_t variable)
{
    const struct own_variable *own = &run->base->own[variable];
    size_t size = strlen(own->file) + 32;
    char *token = arena_alloc(run->base->arena, size);

    if (token)
        snprintf(token, size, "script:%s:%u", own->file, own->line);
    return token;
}

static int put_obligations(const struct run *run, enum share share, struct resolution *result)
{
    size_t first = share == SHARE_RULES ? run->n_lease_issued : 0;
    size_t end = share == SHARE_LEASE ? run->n_lease_issued : run->n_issued;
    const char **tokens = arena_alloc(run->base->arena, (end - first) * sizeof *tokens);

    if (!tokens)
        return -ENOMEM;
    for (size_t i = first; i < end; i++) {
        const char *token = run->issued[i].script ? script_token(run, run->issued[i].index)
                                                  : run->base->set->obligations[run->issued[i].index].token;

        if (!token)
            return -ENOMEM;
        tokens[i - first] = token;
    }
    result->obligations = tokens;
    result->n_obligations = end - first;
    return 0;
}

/* ---- Facts ------------------------------------------------------------------------------------------ */

/* The value, as long as the resolution lives: a text is the caller's and is copied. */
static const char *lasting_value(const struct base *base, enum fact_id fact, uint8_t number)
{
    if (fact_table[fact].type == FACT_TYPE_TEXT && number)
        return arena_strdup(base->arena, base->texts[fact]);
    return fact_table[fact].values[number];
}

static enum provenance provenance_of(const struct base *base, enum fact_id fact)
{
    const struct fact_info *info = &fact_table[fact];

    if (info->origin == FACT_DERIVED)
        return FROM_INFERRED;
    if (info->origin == FACT_ENVIRONMENT)
        return base->own[base->set->variable_of[info->variable]].file ? FROM_SCRIPT : FROM_ENVIRONMENT;
    return base->from[fact];
}

static int put_facts(const struct base *base, const struct state *own, struct resolution *result)
{
    struct resolved_fact *facts = arena_alloc(base->arena, FACT_COUNT * sizeof *facts);

    if (!facts)
        return -ENOMEM;
    for (int fact = 0; fact < FACT_COUNT; fact++) {
        const struct fact_info *info = &fact_table[fact];
        uint8_t number = own->numbers[fact];
        bool told = number && (info->origin != FACT_ENVIRONMENT || number != info->unset);

        if (!told && !info->always)
            continue;
        facts[result->n_facts++] = (struct resolved_fact){
            .name = info->name,
            .value = lasting_value(base, (enum fact_id)fact, number),
            .from = number ? provenance_of(base, (enum fact_id)fact) : FROM_UNKNOWN,
        };
        if (!facts[result->n_facts - 1].value)
            return -ENOMEM;
        if (fact == FACT_ITEX && number)
            result->itex = facts[result->n_facts - 1].value;
    }
    result->facts = facts;
    return 0;
}

/* ---- Diagnostics ------------------------------------------------------------------------------------ */

/* Is one of the rule's actions on the environment in force because of it, and in env? */
static bool is_applied(const struct run *run, uint32_t rule)
{
    const struct set_rule *def = &run->base->set->rules[rule];
    uint32_t flags = run->base->set->variable_of[VARIABLE_TF_XLA_FLAGS];

    for (uint32_t i = 0; i < def->n_actions; i++) {
        const struct set_action *action = &def->actions[i];

        switch (action->kind) {
        case ACTION_SET:
        case ACTION_UNSET:
            if (run->owner[action->target] == rule && run_changes(run, action->target))
                return true;
            if (action->target == flags && run->flags_unset_by == rule && run_changes(run, flags))
                return true;
            break;
        case ACTION_XLA_FLAG:
            if (run->flag_owner[action->target] == rule && run_changes(run, flags))
                return true;
            break;
        case ACTION_XLA_DROP_UNKNOWN:
        case ACTION_XLA_INLINE:
            if ((run->flags_dropped_by == rule || run->flags_inlined_by == rule) && run_changes(run, flags))
                return true;
            break;
        case ACTION_OBLIGATION:
            break;
        }
    }
    return false;
}

/* Does nothing but the job's own environment, or its lease, stand behind it? */
static bool is_first_cause(const struct run *run, uint32_t rule)
{
    return bit_test(run->own_holds, rule) || run->cause[rule] == LEASE_OWNER;
}

/* The rules after which this one came to hold, first cause first. */
static int put_because(const struct run *run, uint32_t rule, struct diagnostic *out)
{
    const char **chain;
    size_t n = 0;

    for (uint32_t at = rule; !is_first_cause(run, at); at = run->cause[at])
        n++;
    chain = arena_alloc(run->base->arena, n * sizeof *chain);
    if (!chain)
        return -ENOMEM;
    out->because = chain;
    out->n_because = n;
    for (uint32_t at = rule; n > 0; chain[--n] = run->base->set->rules[at].id)
        at = run->cause[at];
    return 0;
}

static int put_diagnostic(const struct run *run, const struct state *own, uint32_t rule, bool applied,
                          struct diagnostic *out)
{
    const struct set_rule *def = &run->base->set->rules[rule];
    struct message_values values = {.base = run->base, .own = own};

    if (def->message.names_set || def->solution.names_set)
        values.named = run->named[rule];
    *out = (struct diagnostic){
        .rule = def->id,
        .severity = def->severity,
        .outcome = (enum outcome)run->outcome[rule],
        .message = message_write(&def->message, &values, run->base->arena),
        .source = def->source,
        .applied = applied,
    };
    if (!out->message)
        return -ENOMEM;
    if (!def->solution.absent) {
        out->solution = message_write(&def->solution, &values, run->base->arena);
        if (!out->solution)
            return -ENOMEM;
    }
    return put_because(run, rule, out);
}

/* That a variable which only the lease sets does nothing here is no news to the job. */
static bool is_told(const struct run *run, uint32_t rule)
{
    return run->base->set->rules[rule].severity != SEVERITY_INFO || bit_test(run->own_holds, rule) ||
           run->cause[rule] != LEASE_OWNER;
}

static int put_diagnostics(const struct run *run, const struct state *own, enum policy policy,
                           struct resolution *result)
{
    size_t words = rule_words(run->base->set);
    struct diagnostic *diagnostics;
    size_t n = 0;
    int r = 0;

    for (uint32_t rule = next_bit(run->ever, words, 0); rule != NO_RULE; rule = next_bit(run->ever, words, rule + 1))
        n += is_told(run, rule);
    if (n > RESOLVER_MAX_DIAGNOSTICS) {
        result->diagnostics_omitted = n - RESOLVER_MAX_DIAGNOSTICS;
        n = RESOLVER_MAX_DIAGNOSTICS;
    }
    diagnostics = arena_alloc(run->base->arena, n * sizeof *diagnostics);
    if (!diagnostics)
        return -ENOMEM;
    result->diagnostics = diagnostics;
    for (uint32_t rule = 0; result->n_diagnostics < n && r == 0; rule++) {
        bool applied;

        rule = next_bit(run->ever, words, rule);
        if (!is_told(run, rule))
            continue;
        applied = policy == POLICY_ENFORCE && is_applied(run, rule);
        r = put_diagnostic(run, own, rule, applied, &diagnostics[result->n_diagnostics++]);
    }
    return r;
}

/* ---- Diagnostics of our own ------------------------------------------------------------------------- */

/* A set without the rule says nothing of it. */
static int add(const struct run *run, struct resolution *result, const char *rule, const char *detail)
{
    int r = resolution_add(run->base->set, result, rule, detail);

    return r == -ENOENT ? 0 : r;
}

/* What two rules disagree about. */
static const char *target_name(const struct rule_set *set, const struct set_action *action)
{
    switch (action->kind) {
    case ACTION_XLA_FLAG:
        return set->flags.defs[action->target].name;
    case ACTION_OBLIGATION:
        return set->obligations[action->target].token;
    case ACTION_SET:
    case ACTION_UNSET:
        return set->variables[action->target].name;
    case ACTION_XLA_DROP_UNKNOWN:
    case ACTION_XLA_INLINE:
        break;
    }
    return "TF_XLA_FLAGS";
}

static int put_service(const struct run *run, const struct input_notes *notes, struct resolution *result)
{
    const struct rule_set *set = run->base->set;
    char detail[256];
    int r = 0;

    for (size_t i = 0; i < notes->n_conflicts && r == 0; i++)
        r = add(run, result, "fact-conflict", notes->conflicts[i]);
    if (r == 0 && notes->oversized)
        r = add(run, result, "oversized-value", notes->oversized);
    for (size_t i = 0; i < run->n_contradictions && r == 0; i++) {
        const struct contradiction *found = &run->contradictions[i];

        snprintf(detail, sizeof detail, "%.80s and %.80s, about %.80s",
                 found->first == LEASE_OWNER ? "the lease" : set->rules[found->first].id, set->rules[found->second].id,
                 target_name(set, found->action));
        r = add(run, result, "contradiction", detail);
    }
    return r;
}

static int put_changes(const struct run *run, enum share share, struct resolution *result)
{
    int r = put_env(run, share, result);

    return r < 0 ? r : put_obligations(run, share, result);
}

int explain_changes(const struct run *run, struct resolution *result)
{
    return put_changes(run, SHARE_ALL, result);
}

static enum share share_of(enum verdict verdict, enum policy policy)
{
    if (policy == POLICY_ADVISE)
        return SHARE_LEASE;
    return verdict == VERDICT_REJECTED ? SHARE_RULES : SHARE_ALL;
}

int explain(const struct run *run, const struct state *own, const struct input_notes *notes, enum policy policy,
            struct resolution *result)
{
    int r;

    result->verdict = verdict_of(run, changes_anything(run), policy);
    result->predicted_mode = run->import_fails ? MODE_UNKNOWN : derive_mode(own->numbers);
    result->predicted_outcome = run->worst;
    result->mode = policy == POLICY_ADVISE ? result->predicted_mode : derive_mode(run->state.numbers);
    r = put_changes(run, share_of(result->verdict, policy), result);
    if (r == 0)
        r = put_facts(run->base, own, result);
    if (r == 0)
        r = put_diagnostics(run, own, policy, result);
    if (r == 0)
        r = put_service(run, notes, result);
    return r;
}
