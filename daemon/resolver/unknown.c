/*
 * Resolves every joint assignment of the unknown facts - 36 at most - without any text, and compares the ends. A
 * fact's positions in an assignment form a mixed-radix number, so that "differs in nothing else" is a stride.
 */
#include "daemon/resolver/unknown.h"

#include "daemon/resolver/fixpoint.h"

#include <errno.h>
#include <string.h>

#define MAX_ASSIGNMENTS 36u

/* One fact that the analysis ranges over. */
struct range {
    enum fact_id fact;
    unsigned n;
    uint8_t numbers[3];
    const char *texts[3]; /* for the one text fact */
};

static const struct range ranges[MAX_UNKNOWN] = {
    {.fact = FACT_KERAS, .n = 3, .numbers = {KERAS_0, KERAS_2, KERAS_3}},
    {.fact = FACT_JIT, .n = 2, .numbers = {JIT_ON, JIT_OFF}},
    {.fact = FACT_CUSTOM_OPS, .n = 2, .numbers = {CUSTOM_OPS_FALSE, CUSTOM_OPS_TRUE}},
    {.fact = FACT_ITEX, .n = 3, .numbers = {TEXT_KNOWN, TEXT_KNOWN, TEXT_KNOWN}, .texts = {"2.14", "2.15", "newest"}},
};

struct change {
    uint32_t variable;
    const char *value;
};

/* Where an assignment ended. */
struct ending {
    enum mode mode;
    enum outcome outcome;
    const struct change *changes;
    size_t n_changes;
    const struct issued *issued;
    size_t n_issued;
};

static int take_ending(const struct run *run, struct ending *out)
{
    size_t n_variables = run->base->set->n_variables;
    struct change *changes;
    struct issued *issued;
    size_t n = 0;

    for (size_t i = 0; i < n_variables && run->anything_changed; i++)
        n += run_changes(run, i);
    changes = arena_alloc(run->base->arena, n * sizeof *changes);
    issued = arena_alloc(run->base->arena, run->n_issued * sizeof *issued);
    if (!changes || !issued)
        return -ENOMEM;
    *out = (struct ending){
        .mode = derive_mode(run->state.numbers),
        .outcome = run->worst,
        .changes = changes,
        .issued = issued,
        .n_issued = run->n_issued,
    };
    for (size_t i = 0; i < n_variables && out->n_changes < n; i++)
        if (run_changes(run, i))
            changes[out->n_changes++] = (struct change){(uint32_t)i, run->state.values[i]};
    for (size_t i = 0; i < run->n_issued; i++)
        issued[i] = run->issued[i];
    return 0;
}

static bool same_value(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_ending(const struct ending *a, const struct ending *b)
{
    if (a->mode != b->mode || a->outcome != b->outcome || a->n_changes != b->n_changes || a->n_issued != b->n_issued)
        return false;
    for (size_t i = 0; i < a->n_changes; i++)
        if (a->changes[i].variable != b->changes[i].variable || !same_value(a->changes[i].value, b->changes[i].value))
            return false;
    for (size_t i = 0; i < a->n_issued; i++)
        if (a->issued[i].script != b->issued[i].script || a->issued[i].index != b->issued[i].index)
            return false;
    return true;
}

static int run_assignment(struct run *run, const struct state *own, struct state *start,
                          const struct range *const *chosen, size_t n_chosen, size_t number, struct ending *out)
{
    struct base *base = run->base;
    const char *text = NULL;
    int r;

    state_copy(base->set, start, own);
    for (size_t i = 0; i < n_chosen; i++) {
        unsigned value = (unsigned)(number % chosen[i]->n);

        number /= chosen[i]->n;
        start->numbers[chosen[i]->fact] = chosen[i]->numbers[value];
        if (chosen[i]->fact == FACT_ITEX)
            text = chosen[i]->texts[value];
    }
    if (text)
        base->texts[FACT_ITEX] = text;
    r = state_declared_changed(base, start, text != NULL);
    if (r == 0)
        r = run_to_end(run, start);
    if (r == 0)
        r = take_ending(run, out);
    if (text)
        base->texts[FACT_ITEX] = NULL;
    return r;
}

static size_t choose(const struct base *base, const struct range *chosen[MAX_UNKNOWN], size_t *assignments)
{
    size_t n = 0;

    *assignments = 1;
    for (size_t i = 0; i < MAX_UNKNOWN; i++) {
        if (base->declared[ranges[i].fact] || (ranges[i].fact == FACT_ITEX && base->texts[FACT_TENSORFLOW]))
            continue;
        chosen[n++] = &ranges[i];
        *assignments *= ranges[i].n;
    }
    return n;
}

/* Do two endings differ that are apart by a multiple of stride within the fact's own digit? */
static bool matters(const struct ending *endings, size_t n, size_t stride, unsigned values)
{
    for (size_t i = 0; i < n; i++) {
        size_t digit = i / stride % values;

        if (digit && !same_ending(&endings[i], &endings[i - digit * stride]))
            return true;
    }
    return false;
}

int unknown_facts(struct base *base, const struct state *own, bool apply_errors, const char *names[MAX_UNKNOWN],
                  size_t *n)
{
    const struct range *chosen[MAX_UNKNOWN];
    struct ending endings[MAX_ASSIGNMENTS];
    struct run run = {.apply_errors = apply_errors, .quiet = true};
    struct state start;
    size_t assignments;
    size_t n_chosen = choose(base, chosen, &assignments);
    size_t stride = 1;
    int r;

    *n = 0;
    if (n_chosen == 0)
        return 0;
    r = run_alloc(base, &run);
    if (r == 0)
        r = state_alloc(base, &start);
    for (size_t i = 0; i < assignments && r == 0; i++)
        r = run_assignment(&run, own, &start, chosen, n_chosen, i, &endings[i]);
    for (size_t i = 0; i < n_chosen && r == 0; stride *= chosen[i]->n, i++)
        if (matters(endings, assignments, stride, chosen[i]->n))
            names[(*n)++] = fact_table[chosen[i]->fact].name;
    return r;
}
