/*
 * From variables to facts. Facts of TF_XLA_FLAGS share one parse; the parse of the job's own text is kept per
 * generation, because the analysis of what is unknown asks for it again and again.
 */
#include "daemon/resolver/state.h"

#include "daemon/resolver/parse.h"

#include <errno.h>
#include <string.h>

const char oversized_value[] = "";

int state_alloc(struct base *base, struct state *state)
{
    const struct rule_set *set = base->set;

    state->numbers = arena_array(base->arena, set->n_dimensions, 1);
    state->values = arena_array(base->arena, set->n_variables, sizeof *state->values);
    state->pinned = arena_array(base->arena, FACT_COUNT, sizeof *state->pinned);
    return state->numbers && state->values && state->pinned ? 0 : -ENOMEM;
}

void state_copy(const struct rule_set *set, struct state *to, const struct state *from)
{
    memcpy(to->numbers, from->numbers, set->n_dimensions);
    memcpy(to->values, from->values, set->n_variables * sizeof *to->values);
    memcpy(to->pinned, from->pinned, FACT_COUNT * sizeof *to->pinned);
    to->flags = from->flags;
}

/* ---- TF_XLA_FLAGS ----------------------------------------------------------------------------------- */

static uint8_t flags_source(const struct base *base, const char *value)
{
    if (!value || *value == '\0')
        return XLA_FLAGS_SOURCE_UNSET;
    if (xla_value_is_text(value))
        return XLA_FLAGS_SOURCE_TEXT;
    if (base->flags_file_missing)
        return XLA_FLAGS_SOURCE_MISSING;
    return base->texts[FACT_XLA_FLAGS_FILE] && base->declared[FACT_XLA_FLAGS_SOURCE] != XLA_FLAGS_SOURCE_UNREADABLE
               ? XLA_FLAGS_SOURCE_FILE
               : XLA_FLAGS_SOURCE_UNREADABLE;
}

const char *state_flags_text(const struct base *base, const struct state *state)
{
    const char *value = state_value(base, state, VARIABLE_TF_XLA_FLAGS);

    switch (flags_source(base, value)) {
    case XLA_FLAGS_SOURCE_UNSET:
        return "";
    case XLA_FLAGS_SOURCE_TEXT:
        return value;
    case XLA_FLAGS_SOURCE_FILE:
        return base->texts[FACT_XLA_FLAGS_FILE];
    default:
        return NULL;
    }
}

/* Python looks at the variable's own text and takes its blanks out. */
static bool is_exempt(const char *value)
{
    static const char wanted[] = "--tf_xla_auto_jit=1";

    for (const char *start = value; *start; start++) {
        const char *at = start;
        const char *want = wanted;

        while (*want && (*at == ' ' || *at == *want)) {
            want += *at == *want;
            at++;
        }
        if (*want == '\0')
            return true;
    }
    return false;
}

static uint8_t truth(bool value)
{
    return value ? FACT_TRUE : FACT_FALSE;
}

static void put_flag_facts(const struct rule_set *set, const struct xla_parse *flags, uint8_t *numbers)
{
    const struct xla_token *jit = set->auto_jit == XLA_NO_FLAG ? NULL : xla_setting(flags, set->auto_jit);
    const struct xla_token *api = set->device_api == XLA_NO_FLAG ? NULL : xla_setting(flags, set->device_api);

    numbers[FACT_AUTO_JIT] = AUTO_JIT_0;
    if (jit && jit->level > 0)
        numbers[FACT_AUTO_JIT] = jit->level == 1 ? AUTO_JIT_1 : AUTO_JIT_2;
    numbers[FACT_AUTO_JIT_SET] = truth(set->auto_jit != XLA_NO_FLAG && xla_names_flag(flags, set->auto_jit));
    numbers[FACT_XLA_DEVICE_API] = truth(api && api->on);
    numbers[FACT_XLA_UNKNOWN_FLAG] = truth(flags->fatal);
}

static int parse_flags(struct base *base, struct state *state)
{
    static const struct xla_parse empty = {.tokens = NULL};
    unsigned generation = state->numbers[FACT_GENERATION];
    const char *value = state_value(base, state, VARIABLE_TF_XLA_FLAGS);
    const char *text = state_flags_text(base, state);
    bool own = value == base->own[base->set->variable_of[VARIABLE_TF_XLA_FLAGS]].value;
    int r;

    if (own && base->flags_parsed[generation]) {
        state->flags = base->own_flags[generation];
        return 0;
    }
    if (!text || *text == '\0') {
        state->flags = empty;
    } else {
        r = xla_parse(&base->set->flags, text, generation, base->arena, &state->flags);
        if (r < 0)
            return r;
    }
    if (own) {
        base->own_flags[generation] = state->flags;
        base->flags_parsed[generation] = true;
    }
    return 0;
}

static int read_flags(struct base *base, struct state *state)
{
    const char *value = state_value(base, state, VARIABLE_TF_XLA_FLAGS);
    uint8_t *numbers = state->numbers;
    int r;

    if (value == oversized_value) {
        for (size_t i = 0; i < fact_variables[VARIABLE_TF_XLA_FLAGS].n_facts; i++)
            numbers[fact_variables[VARIABLE_TF_XLA_FLAGS].facts[i]] = 0;
        state->flags = (struct xla_parse){.tokens = NULL};
        return 0;
    }
    numbers[FACT_XLA_FLAGS_SOURCE] = flags_source(base, value);
    numbers[FACT_AUTO_JIT_EXEMPT] = truth(value && is_exempt(value));
    r = parse_flags(base, state);
    if (r < 0)
        return r;
    put_flag_facts(base->set, &state->flags, numbers);
    if (!state_flags_text(base, state))
        numbers[FACT_AUTO_JIT] = numbers[FACT_AUTO_JIT_SET] = numbers[FACT_XLA_DEVICE_API] =
            numbers[FACT_XLA_UNKNOWN_FLAG] = 0;
    return 0;
}

/* ---- Other variables -------------------------------------------------------------------------------- */

static void read_variable(const struct base *base, struct state *state, enum variable_id variable)
{
    const struct fact_variable *facts = &fact_variables[variable];
    const char *value = state_value(base, state, variable);

    for (size_t i = 0; i < facts->n_facts; i++) {
        enum fact_id fact = facts->facts[i];

        if (state->pinned[fact])
            continue;
        if (value == oversized_value)
            state->numbers[fact] = 0;
        else
            state->numbers[fact] = value ? parse_fact(fact, value) : fact_table[fact].unset;
    }
}

static void read_texts(const struct base *base, struct state *state)
{
    for (size_t i = 0; i < base->set->n_predicates; i++)
        state->numbers[FACT_COUNT + i] =
            predicate_value(&base->set->predicates[i], base->texts[base->set->predicates[i].fact]);
}

int state_own(struct base *base, struct state *state)
{
    const struct rule_set *set = base->set;
    int r;

    memset(state->pinned, 0, FACT_COUNT * sizeof *state->pinned);
    memcpy(state->numbers, base->declared, FACT_COUNT);
    for (size_t i = 0; i < set->n_variables; i++)
        state->values[i] = base->own[i].value;
    for (int variable = 0; variable < VARIABLE_COUNT; variable++)
        if (variable != VARIABLE_TF_XLA_FLAGS)
            read_variable(base, state, (enum variable_id)variable);
    read_texts(base, state);
    derive_generation(base, state->numbers);
    r = read_flags(base, state);
    if (r == 0)
        derive_facts(base, state);
    return r;
}

int state_declared_changed(struct base *base, struct state *state, bool texts_changed)
{
    int r = 0;

    if (texts_changed) {
        read_texts(base, state);
        derive_generation(base, state->numbers);
        r = read_flags(base, state);
    }
    if (r == 0)
        derive_facts(base, state);
    return r;
}

int state_set_variable(struct base *base, struct state *state, uint32_t variable, const char *value)
{
    int facts = base->set->variables[variable].facts;
    int r = 0;

    state->values[variable] = value;
    if (facts == VARIABLE_TF_XLA_FLAGS)
        r = read_flags(base, state);
    else if (facts >= 0)
        read_variable(base, state, (enum variable_id)facts);
    if (r == 0)
        derive_facts(base, state);
    return r;
}
