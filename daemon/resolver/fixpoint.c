/* Matching and applying, one rule at a time, until nothing is left. See fixpoint.h. */
#include "daemon/resolver/fixpoint.h"

#include "daemon/resolver/apply.h"

#include <errno.h>
#include <string.h>

int run_alloc(struct base *base, struct run *run)
{
    const struct rule_set *set = base->set;
    struct arena *arena = base->arena;
    size_t words = rule_words(set) + 1;

    run->base = base;
    run->own_holds = arena_alloc(arena, 3 * words * sizeof *run->own_holds);
    run->cause = arena_alloc(arena, (set->n_rules + 1) * sizeof *run->cause);
    run->outcome = arena_alloc(arena, set->n_rules + 1);
    run->named = arena_alloc(arena, (set->n_rules + 1) * sizeof *run->named);
    run->owner = arena_alloc(arena, (set->n_variables + set->flags.n_defs + set->n_obligations) * sizeof *run->owner);
    run->issued = arena_alloc(arena, (set->n_obligations + set->n_variables) * sizeof *run->issued);
    run->blocked = arena_alloc(arena, (set->n_actions / 64 + 1) * sizeof *run->blocked);
    run->contradictions = arena_alloc(arena, (set->n_actions + 1) * sizeof *run->contradictions);
    if (!run->own_holds || !run->cause || !run->outcome || !run->named || !run->owner || !run->issued ||
        !run->blocked || !run->contradictions)
        return -ENOMEM;
    run->holds = run->own_holds + words;
    run->ever = run->holds + words;
    run->flag_owner = run->owner + set->n_variables;
    run->obliged_by = run->flag_owner + set->flags.n_defs;
    return state_alloc(base, &run->state);
}

static void run_reset(struct run *run, const struct state *from)
{
    const struct rule_set *set = run->base->set;

    state_copy(set, &run->state, from);
    memset(run->ever, 0, rule_words(set) * sizeof *run->ever);
    memset(run->owner, 0xff, (set->n_variables + set->flags.n_defs + set->n_obligations) * sizeof *run->owner);
    memset(run->blocked, 0, (set->n_actions / 64 + 1) * sizeof *run->blocked);
    run->flags_unset_by = run->flags_inlined_by = run->flags_dropped_by = NO_RULE;
    run->n_issued = run->n_lease_issued = 0;
    run->n_contradictions = 0;
    run->worst = OUTCOME_OK;
    run->anything_changed = false;
    run->import_fails = false;
    run->rejected = false;
}

/* What the rule would do to a job in this state. */
static void rule_outcome(const struct set_rule *rule, const uint8_t *numbers, enum outcome *outcome, enum stage *stage)
{
    *outcome = rule->outcome;
    *stage = rule->stage;
    for (uint32_t i = 0; i < rule->n_variants; i++) {
        if (clause_holds(&rule->variants[i].when, numbers)) {
            *outcome = rule->variants[i].outcome;
            *stage = rule->variants[i].stage;
            return;
        }
    }
}

/* ---- {set} ------------------------------------------------------------------------------------------ */

/* Adds the variable behind a test unless it is absent or there already. */
static void add_named(const struct run *run, const struct test *test, uint64_t *seen)
{
    int variable = test->dimension < FACT_COUNT ? fact_table[test->dimension].variable : -1;

    if (variable >= 0 && state_value(run->base, &run->state, (enum variable_id)variable))
        bit_set(seen, (size_t)variable);
}

static int name_variables(struct run *run, uint32_t index)
{
    const struct set_rule *rule = &run->base->set->rules[index];
    uint64_t seen[VARIABLE_COUNT / 64 + 1] = {0};
    size_t size = 1;
    char *at;

    for (uint32_t i = 0; i < rule->n_any; i++)
        if (clause_holds(&rule->any[i], run->state.numbers))
            for (uint32_t j = 0; j < rule->any[i].n_tests; j++)
                add_named(run, &rule->any[i].tests[j], seen);
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        size += bit_test(seen, i) ? strlen(fact_variables[i].name) + 2 : 0;
    run->named[index] = at = arena_alloc(run->base->arena, size);
    if (!at)
        return -ENOMEM;
    *at = '\0';
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (bit_test(seen, i)) {
            at = stpcpy(at, at > run->named[index] ? ", " : "");
            at = stpcpy(at, fact_variables[i].name);
        }
    return 0;
}

/* ---- The steps -------------------------------------------------------------------------------------- */

/* A rule holds for the first time, after `cause` was applied (NO_RULE: for the job's own state). */
static int begins(struct run *run, uint32_t index, uint32_t cause)
{
    const struct set_rule *rule = &run->base->set->rules[index];
    enum outcome outcome;
    enum stage stage;

    rule_outcome(rule, run->state.numbers, &outcome, &stage);
    if (cause == NO_RULE) {
        if (outcome > run->worst)
            run->worst = outcome;
        run->import_fails |= stage == STAGE_IMPORT && outcome >= OUTCOME_CPU;
    }
    if (run->quiet)
        return 0;
    run->cause[index] = cause;
    run->outcome[index] = (uint8_t)outcome;
    return rule->message.names_set || rule->solution.names_set ? name_variables(run, index) : 0;
}

static int note_new(struct run *run, uint32_t cause)
{
    int r = 0;

    for (size_t word = 0; word < rule_words(run->base->set) && r == 0; word++) {
        uint64_t new = run->holds[word] & ~run->ever[word];

        run->ever[word] |= new;
        for (; new &&r == 0; new &= new - 1)
            r = begins(run, (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(new), cause);
    }
    return r;
}

static bool permitted(const struct run *run, const struct set_rule *rule)
{
    return rule->severity >= SEVERITY_UNSUPPORTED || (rule->severity == SEVERITY_WARNING && !run->apply_errors);
}

/* The first rule that holds and has something left to apply. */
static uint32_t next_rule(const struct run *run)
{
    const struct rule_set *set = run->base->set;

    uint32_t index = next_bit(run->holds, rule_words(set), 0);

    while (index != NO_RULE &&
           !(set->rules[index].n_actions && permitted(run, &set->rules[index]) && run_pending(run, index)))
        index = next_bit(run->holds, rule_words(set), index + 1);
    return index;
}

/* Does the rule forbid the state the run ended in? Not where it handed the job an obligation instead. */
static bool forbids(const struct run *run, uint32_t index)
{
    const struct set_rule *rule = &run->base->set->rules[index];

    if (rule->severity < SEVERITY_UNSUPPORTED)
        return false;
    for (uint32_t i = 0; i < rule->n_actions; i++)
        if (rule->actions[i].kind == ACTION_OBLIGATION && run->obliged_by[rule->actions[i].target] != NO_RULE)
            return false;
    return true;
}

static void judge(struct run *run)
{
    size_t words = rule_words(run->base->set);

    for (uint32_t i = next_bit(run->holds, words, 0); i != NO_RULE; i = next_bit(run->holds, words, i + 1))
        run->rejected |= forbids(run, i);
}

/* Matches anew, after `cause` was applied. */
static int observe(struct run *run, uint32_t cause)
{
    rules_match(run->base->set, run->state.numbers, run->holds);
    return note_new(run, cause);
}

int run_to_end(struct run *run, const struct state *from)
{
    const struct rule_set *set = run->base->set;
    uint32_t next;
    int r;

    run_reset(run, from);
    r = observe(run, NO_RULE);
    memcpy(run->own_holds, run->holds, rule_words(set) * sizeof *run->holds);
    if (r == 0 && run->base->n_lease > 0) {
        r = apply_lease(run);
        if (r == 0)
            r = observe(run, LEASE_OWNER);
    }
    while (r == 0 && (next = next_rule(run)) != NO_RULE) {
        r = apply_rule(run, next);
        if (r == 0)
            r = observe(run, next);
    }
    if (r == 0)
        judge(run);
    return r;
}

bool run_changes(const struct run *run, size_t variable)
{
    const char *before = run->base->own[variable].value;
    const char *after = run->state.values[variable];

    if (before == after || run->base->own[variable].file)
        return false;
    return !before || !after || before == oversized_value || strcmp(before, after) != 0;
}
