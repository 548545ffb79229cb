/*
 * Other minimal changes. Candidates are what the page's variables can mean (the native and strict booleans that have a
 * default, and auto_jit), and the solutions of the rules that hold. Each candidate, then each pair, is put into the
 * job's own environment and resolved; it counts where nothing is left to change, and where no part of it does as well
 * with no more obligations. A variable that the script sets is never a candidate.
 */
#include "daemon/resolver/explain.h"
#include "daemon/resolver/parse.h"

#include <errno.h>
#include <string.h>

#define MAX_CANDIDATES 24u

/* One change: of a variable, or of one flag. */
struct candidate {
    bool is_flag;
    uint32_t target;
    const char *value; /* NULL: unset, or drop the flag */
};

/* A candidate, or a pair, that was tried and does. */
struct found {
    size_t first;
    size_t second; /* == first: only one */
    const struct issued *issued;
    size_t n_issued;
};

struct search {
    struct base *base;
    struct state own;
    struct state start;
    struct run run;
    struct candidate candidates[MAX_CANDIDATES];
    size_t n_candidates;
    struct found found[MAX_CANDIDATES * (MAX_CANDIDATES + 1) / 2];
    size_t n_found;
    bool own_does;                   /* the resolution changes nothing ... */
    const struct issued *own_issued; /* ... with these obligations */
    size_t n_own_issued;
    const char **own_end; /* the values with which the resolution ends */
    struct alternative *out;
    size_t n_out;
};

/* ---- Candidates ------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Do two values of a variable mean the same to everything that reads it? */
static bool same_meaning(const struct rule_set *set, uint32_t variable, const char *a, const char *b)
{
    int facts = set->variables[variable].facts;

    if (same_text(a, b))
        return true;
    if (facts < 0 || facts == VARIABLE_TF_XLA_FLAGS)
        return false;
    for (size_t i = 0; i < fact_variables[facts].n_facts; i++) {
        enum fact_id fact = fact_variables[facts].facts[i];

        if (fact_table[fact].parser == PARSER_PRESENCE || fact_table[fact].parser == PARSER_NATIVE_SPELLING)
            continue;
        if ((a ? parse_fact(fact, a) : fact_table[fact].unset) != (b ? parse_fact(fact, b) : fact_table[fact].unset))
            return false;
    }
    return true;
}

static bool is_new(const struct search *search, const struct candidate *candidate)
{
    const struct base *base = search->base;

    if (candidate->is_flag) {
        if (xla_in_effect(&base->set->flags, &search->own.flags, (int)candidate->target, candidate->value))
            return false;
    } else if (base->own[candidate->target].file || base->own[candidate->target].value == oversized_value ||
               same_meaning(base->set, candidate->target, base->own[candidate->target].value, candidate->value)) {
        return false;
    }
    for (size_t i = 0; i < search->n_candidates; i++) {
        const struct candidate *other = &search->candidates[i];

        if (other->is_flag == candidate->is_flag && other->target == candidate->target &&
            (candidate->is_flag ? same_text(other->value, candidate->value)
                                : same_meaning(base->set, candidate->target, other->value, candidate->value)))
            return false;
    }
    return true;
}

static void add_candidate(struct search *search, bool is_flag, uint32_t target, const char *value)
{
    struct candidate candidate = {is_flag, target, value};

    if (search->n_candidates < MAX_CANDIDATES && is_new(search, &candidate))
        search->candidates[search->n_candidates++] = candidate;
}

static void add_solutions(struct search *search)
{
    const struct rule_set *set = search->base->set;

    for (uint32_t i = 0; i < set->n_rules; i++) {
        if (!bit_test(search->run.ever, i))
            continue;
        for (uint32_t j = 0; j < set->rules[i].n_actions; j++) {
            const struct set_action *action = &set->rules[i].actions[j];

            if (action->kind == ACTION_SET || action->kind == ACTION_UNSET || action->kind == ACTION_XLA_FLAG)
                add_candidate(search, action->kind == ACTION_XLA_FLAG, action->target,
                              action->kind == ACTION_UNSET ? NULL : action->value);
        }
    }
}

static void add_page(struct search *search)
{
    static const enum fact_id facts[] = {FACT_NPD_REQUESTED, FACT_DISABLE_NATIVE, FACT_LEGACY_NATIVE,
                                         FACT_OPS_OVERRIDE};
    const struct rule_set *set = search->base->set;

    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        uint32_t variable = set->variable_of[fact_table[facts[i]].variable];

        add_candidate(search, false, variable, NULL);
        add_candidate(search, false, variable, "1");
        add_candidate(search, false, variable, "0");
    }
    if (set->auto_jit == XLA_NO_FLAG || !state_flags_text(search->base, &search->own) ||
        search->base->own[set->variable_of[VARIABLE_TF_XLA_FLAGS]].file)
        return;
    add_candidate(search, true, (uint32_t)set->auto_jit, NULL);
    add_candidate(search, true, (uint32_t)set->auto_jit, "1");
    add_candidate(search, true, (uint32_t)set->auto_jit, "2");
}

/* ---- Trying ----------------------------------------------------------------------------------------- */

static int put_in(struct search *search, const struct candidate *candidate)
{
    struct base *base = search->base;
    const char *value = candidate->value;
    uint32_t variable = candidate->target;
    int r;

    if (candidate->is_flag) {
        variable = base->set->variable_of[VARIABLE_TF_XLA_FLAGS];
        r = xla_edit(&base->set->flags, &search->start.flags, (int)candidate->target, candidate->value, false,
                     base->arena, &value);
        if (r < 0)
            return r;
    }
    return state_set_variable(base, &search->start, variable, value);
}

static bool all_in(const struct issued *a, size_t n_a, const struct issued *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++) {
        bool found = false;

        for (size_t j = 0; j < n_b; j++)
            found |= a[i].script == b[j].script && a[i].index == b[j].index;
        if (!found)
            return false;
    }
    return true;
}

/* Does a part of the pair do as well? */
static bool is_dominated(const struct search *search, size_t first, size_t second)
{
    const struct run *run = &search->run;

    if (search->own_does && all_in(search->own_issued, search->n_own_issued, run->issued, run->n_issued))
        return true;
    for (size_t i = 0; i < search->n_found && first != second; i++) {
        const struct found *other = &search->found[i];

        if (other->first == other->second && (other->first == first || other->first == second) &&
            all_in(other->issued, other->n_issued, run->issued, run->n_issued))
            return true;
    }
    return false;
}

static bool settled(const struct search *search)
{
    const struct run *run = &search->run;

    for (size_t i = 0; i < search->base->set->n_variables; i++)
        if (!same_text(run->state.values[i], search->start.values[i]))
            return false;
    return !run->rejected && derive_mode(run->state.numbers) != MODE_UNKNOWN;
}

static bool is_resolution(const struct search *search)
{
    for (size_t i = 0; i < search->base->set->n_variables; i++)
        if (!same_text(search->own_end[i], search->start.values[i]))
            return false;
    return true;
}

static int copy_issued(struct search *search, const struct issued **issued, size_t *n)
{
    struct issued *copy = arena_alloc(search->base->arena, search->run.n_issued * sizeof *copy);

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < search->run.n_issued; i++)
        copy[i] = search->run.issued[i];
    *issued = copy;
    *n = search->run.n_issued;
    return 0;
}

static int put_out(struct search *search)
{
    struct resolution part = {.arena = NULL};
    struct alternative *out = &search->out[search->n_out];
    int r = explain_changes(&search->run, &part);

    if (r < 0)
        return r;
    *out = (struct alternative){part.env, part.n_env, part.obligations, part.n_obligations,
                                derive_mode(search->run.state.numbers)};
    search->n_out++;
    return 0;
}

static int try_pair(struct search *search, size_t first, size_t second)
{
    const struct candidate *a = &search->candidates[first];
    const struct candidate *b = &search->candidates[second];
    struct found *found = &search->found[search->n_found];
    int r = 0;

    if (first != second && a->is_flag == b->is_flag && a->target == b->target)
        return 0;
    state_copy(search->base->set, &search->start, &search->own);
    r = put_in(search, a);
    if (r == 0 && first != second)
        r = put_in(search, b);
    if (r == 0)
        r = run_to_end(&search->run, &search->start);
    if (r < 0 || !settled(search) || is_dominated(search, first, second))
        return r;
    found->first = first;
    found->second = second;
    r = copy_issued(search, &found->issued, &found->n_issued);
    search->n_found++;
    if (r == 0 && !is_resolution(search) && search->n_out < RESOLVER_MAX_ALTERNATIVES)
        r = put_out(search);
    return r;
}

/* ---- The search ------------------------------------------------------------------------------------- */

static int begin(struct search *search)
{
    struct base *base = search->base;
    struct input_notes notes = {.conflicts = NULL};
    int r = input_read(base, &notes, NULL, 0);

    if (r == 0)
        r = state_alloc(base, &search->own);
    if (r == 0)
        r = state_alloc(base, &search->start);
    if (r == 0)
        r = state_own(base, &search->own);
    if (r == 0)
        r = run_alloc(base, &search->run);
    if (r == 0)
        r = run_to_end(&search->run, &search->own);
    if (r < 0)
        return r;
    state_copy(base->set, &search->start, &search->own);
    search->own_does = settled(search);
    search->out = arena_array(base->arena, RESOLVER_MAX_ALTERNATIVES, sizeof *search->out);
    search->own_end = arena_array(base->arena, base->set->n_variables, sizeof *search->own_end);
    if (!search->out || !search->own_end)
        return -ENOMEM;
    memcpy(search->own_end, search->run.state.values, base->set->n_variables * sizeof *search->own_end);
    add_solutions(search);
    add_page(search);
    return copy_issued(search, &search->own_issued, &search->n_own_issued);
}

static int find(struct search *search)
{
    int r = begin(search);

    for (size_t i = 0; i < search->n_candidates && r == 0; i++)
        r = try_pair(search, i, i);
    for (size_t i = 0; i < search->n_candidates && r == 0; i++)
        for (size_t j = i + 1; j < search->n_candidates && r == 0; j++)
            r = try_pair(search, i, j);
    return r;
}

int resolve_alternatives(const struct rule_set *rules, const struct resolve_input *input, struct resolution *result,
                         const struct alternative **out, size_t *n_out)
{
    struct base base = {.set = rules, .input = input, .arena = &result->arena->arena};
    struct search *search = arena_zalloc(base.arena, sizeof *search);
    int r;

    *n_out = 0;
    if (!search)
        return -ENOMEM;
    search->base = &base;
    search->run.quiet = true;
    search->run.apply_errors = input->apply_errors;
    r = find(search);
    *out = search->out;
    *n_out = r == 0 ? search->n_out : 0;
    return r;
}
