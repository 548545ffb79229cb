/*
 * Actions: is one in force, who owns its target, and taking it. An action is taken once at most; one that is
 * blocked by another rule's ownership counts as in force, so that a run always ends.
 */
#include "daemon/resolver/apply.h"

#include <errno.h>
#include <string.h>

static uint32_t flags_variable(const struct run *run)
{
    return run->base->set->variable_of[VARIABLE_TF_XLA_FLAGS];
}

/* The text of the flags can be edited: it is all there. */
static bool flags_editable(const struct run *run)
{
    return run->state.values[flags_variable(run)] != oversized_value && state_flags_text(run->base, &run->state);
}

static bool variable_in_force(const struct run *run, uint32_t rule, const struct set_action *action)
{
    const char *value = run->state.values[action->target];

    if (action->kind == ACTION_SET)
        return value && value != oversized_value && strcmp(value, action->value) == 0;
    return !value || (action->target == flags_variable(run) && run->flags_unset_by == rule);
}

static bool in_force(const struct run *run, uint32_t rule, const struct set_action *action)
{
    const struct rule_set *set = run->base->set;

    switch (action->kind) {
    case ACTION_SET:
    case ACTION_UNSET:
        return variable_in_force(run, rule, action);
    case ACTION_XLA_FLAG:
        return !flags_editable(run) || run->flag_owner[action->target] == rule ||
               xla_in_effect(&set->flags, &run->state.flags, (int)action->target, action->value);
    case ACTION_XLA_DROP_UNKNOWN:
        return !flags_editable(run) || run->flags_dropped_by == rule || !xla_has_unknown(&run->state.flags);
    case ACTION_XLA_INLINE:
        return run->state.numbers[FACT_XLA_FLAGS_SOURCE] != XLA_FLAGS_SOURCE_FILE;
    case ACTION_OBLIGATION:
        break;
    }
    return run->obliged_by[action->target] != NO_RULE;
}

static bool wanted(const struct run *run, uint32_t rule, uint32_t i)
{
    const struct set_rule *def = &run->base->set->rules[rule];

    return !bit_test(run->blocked, def->first_action + i) && clause_holds(&def->actions[i].when, run->state.numbers) &&
           !in_force(run, rule, &def->actions[i]);
}

bool run_pending(const struct run *run, uint32_t rule)
{
    for (uint32_t i = 0; i < run->base->set->rules[rule].n_actions; i++)
        if (wanted(run, rule, i))
            return true;
    return false;
}

/* ---- Ownership -------------------------------------------------------------------------------------- */

static uint32_t fact_owner(const struct run *run, int fact, uint8_t value)
{
    const struct rule_set *set = run->base->set;

    for (size_t i = 0; i < set->n_obligations; i++)
        if (set->obligations[i].fact == fact && set->obligations[i].value != value && run->obliged_by[i] != NO_RULE)
            return run->obliged_by[i];
    return NO_RULE;
}

/* Any flag that a rule set: taking the whole variable away would undo it. */
static uint32_t any_flag_owner(const struct run *run)
{
    for (size_t i = 0; i < run->base->set->flags.n_defs; i++)
        if (run->flag_owner[i] != NO_RULE)
            return run->flag_owner[i];
    return NO_RULE;
}

/* The rule that owns what the action would change to something else; NO_RULE: free. */
static uint32_t owner_against(const struct run *run, const struct set_action *action)
{
    const struct set_obligation *obligation;

    switch (action->kind) {
    case ACTION_SET:
        return run->owner[action->target];
    case ACTION_UNSET:
        return action->target == flags_variable(run) ? any_flag_owner(run) : run->owner[action->target];
    case ACTION_XLA_FLAG:
        return run->flag_owner[action->target];
    case ACTION_OBLIGATION:
        obligation = &run->base->set->obligations[action->target];
        return obligation->fact < 0 ? NO_RULE : fact_owner(run, obligation->fact, obligation->value);
    case ACTION_XLA_DROP_UNKNOWN:
    case ACTION_XLA_INLINE:
        break;
    }
    return NO_RULE;
}

/* ---- Taking ----------------------------------------------------------------------------------------- */

/* Changes a variable; where the script sets it, the change is the job's to make. */
static int change(struct run *run, uint32_t variable, const char *value)
{
    if (run->base->own[variable].file) {
        bool known = false;

        for (size_t i = 0; i < run->n_issued; i++)
            known |= run->issued[i].script && run->issued[i].index == variable;
        if (!known)
            run->issued[run->n_issued++] = (struct issued){.script = true, .index = variable};
    }
    run->anything_changed = true;
    return state_set_variable(run->base, &run->state, variable, value);
}

static int edit_flags(struct run *run, int flag, const char *value, bool known_only)
{
    const char *text;
    int r = xla_edit(&run->base->set->flags, &run->state.flags, flag, value, known_only, run->base->arena, &text);

    return r < 0 ? r : change(run, flags_variable(run), text);
}

static int oblige(struct run *run, uint32_t rule, uint32_t index)
{
    const struct set_obligation *obligation = &run->base->set->obligations[index];

    run->obliged_by[index] = rule;
    run->issued[run->n_issued++] = (struct issued){.script = false, .index = index};
    if (obligation->fact < 0)
        return 0;
    run->state.numbers[obligation->fact] = obligation->value;
    run->state.pinned[obligation->fact] = true;
    return state_declared_changed(run->base, &run->state, false);
}

static int take(struct run *run, uint32_t rule, const struct set_action *action)
{
    switch (action->kind) {
    case ACTION_SET:
        run->owner[action->target] = rule;
        return change(run, action->target, action->value);
    case ACTION_UNSET:
        if (action->target == flags_variable(run))
            run->flags_unset_by = rule;
        else
            run->owner[action->target] = rule;
        return change(run, action->target, NULL);
    case ACTION_XLA_FLAG:
        run->flag_owner[action->target] = rule;
        return edit_flags(run, (int)action->target, action->value, false);
    case ACTION_XLA_DROP_UNKNOWN:
        run->flags_dropped_by = rule;
        return edit_flags(run, XLA_NO_FLAG, NULL, true);
    case ACTION_XLA_INLINE:
        run->flags_inlined_by = rule;
        return edit_flags(run, XLA_NO_FLAG, NULL, false);
    case ACTION_OBLIGATION:
        break;
    }
    return oblige(run, rule, action->target);
}

int apply_lease(struct run *run)
{
    const struct base *base = run->base;
    int r = 0;

    for (size_t i = 0; i < base->n_lease && r == 0; i++) {
        const struct lease_variable *wanted = &base->lease[i];
        const char *value = run->state.values[wanted->variable];

        run->owner[wanted->variable] = LEASE_OWNER;
        if (value == wanted->value ||
            (value && wanted->value && value != oversized_value && strcmp(value, wanted->value) == 0))
            continue;
        r = change(run, wanted->variable, wanted->value);
    }
    run->n_lease_issued = run->n_issued;
    return r;
}

int apply_rule(struct run *run, uint32_t rule)
{
    const struct set_rule *def = &run->base->set->rules[rule];
    uint64_t chosen = 0;
    int r = 0;

    for (uint32_t i = 0; i < def->n_actions; i++)
        chosen |= (uint64_t)wanted(run, rule, i) << i;
    for (uint32_t i = 0; i < def->n_actions && r == 0; i++) {
        uint32_t other = owner_against(run, &def->actions[i]);

        if (!(chosen >> i & 1) || in_force(run, rule, &def->actions[i]))
            continue;
        if (other == NO_RULE) {
            r = take(run, rule, &def->actions[i]);
            continue;
        }
        bit_set(run->blocked, def->first_action + i);
        run->contradictions[run->n_contradictions++] = (struct contradiction){other, rule, &def->actions[i]};
    }
    return r;
}
