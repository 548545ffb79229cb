/* Conditions to tests. */
#include "daemon/resolver/compile.h"
#include "daemon/resolver/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PREDICATES 4096u

static bool is_bounds(const char *value)
{
    return *value && strchr("<>=!", *value);
}

uint8_t predicate_value(const struct predicate *predicate, const char *text)
{
    if (!text)
        return PREDICATE_UNKNOWN;
    for (size_t i = 0; i < predicate->n_values; i++) {
        const char *value = predicate->values[i];

        if (is_bounds(value) ? version_within(text, value) : strcmp(text, value) == 0)
            return PREDICATE_TRUE;
    }
    return PREDICATE_FALSE;
}

static bool same_values(const struct predicate *predicate, enum fact_id fact, const char *const *values, size_t n)
{
    if (predicate->fact != fact || predicate->n_values != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(predicate->values[i], values[i]) != 0)
            return false;
    return true;
}

/* The number of the predicate for these values, made where there is none yet. */
static int find_predicate(struct compiler *c, enum fact_id fact, const char *const *values, size_t n, size_t *out)
{
    struct rule_set *set = c->set;
    const char **copies;

    for (*out = 0; *out < set->n_predicates; (*out)++)
        if (same_values(&set->predicates[*out], fact, values, n))
            return 0;
    if (set->n_predicates == MAX_PREDICATES)
        return compile_error(c, "more than %u different conditions on texts", MAX_PREDICATES);
    if (!set->predicates)
        set->predicates = arena_array(&set->arena, MAX_PREDICATES, sizeof *set->predicates);
    copies = arena_array(&set->arena, n, sizeof *copies);
    if (!set->predicates || !copies)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (is_bounds(values[i]) && !version_bounds_valid(values[i]))
            return compile_error(c, "%s: '%s' does not read as bounds of a version; write them like >=2.15,<2.16",
                                 fact_table[fact].name, values[i]);
        copies[i] = arena_strdup(&set->arena, values[i]);
        if (!copies[i])
            return -ENOMEM;
    }
    set->predicates[set->n_predicates++] = (struct predicate){fact, copies, n};
    return 0;
}

/* "unknown" among the values of a text condition becomes a bit of the mask, the others a predicate. */
static int compile_text(struct compiler *c, const struct rule_condition *def, enum fact_id fact, struct test *out)
{
    const char **values = calloc(def->n_values + 1, sizeof *values);
    bool unknown = false;
    size_t number = 0;
    size_t n = 0;
    int r;

    if (!values)
        return -ENOMEM;
    for (size_t i = 0; i < def->n_values; i++) {
        if (strcmp(def->values[i], "unknown") == 0)
            unknown = true;
        else
            values[n++] = def->values[i];
    }
    r = find_predicate(c, fact, values, n, &number);
    free(values);
    out->dimension = (uint16_t)(FACT_COUNT + number);
    out->mask = 1u << (def->negated ? PREDICATE_FALSE : PREDICATE_TRUE);
    if (unknown && !def->negated)
        out->mask |= 1u << PREDICATE_UNKNOWN;
    return r;
}

static int compile_condition(struct compiler *c, const struct rule_condition *def, struct test *out)
{
    int fact = fact_by_name(def->fact);

    if (fact < 0)
        return compile_error(c, "no fact %s", def->fact);
    if (def->n_values == 0)
        return compile_error(c, "%s: a condition without values", def->fact);
    if (fact_table[fact].type == FACT_TYPE_TEXT)
        return compile_text(c, def, (enum fact_id)fact, out);
    out->dimension = (uint16_t)fact;
    out->mask = 0;
    for (size_t i = 0; i < def->n_values; i++) {
        int value = fact_value_by_name((enum fact_id)fact, def->values[i]);

        if (value < 0)
            return compile_error(c, "%s cannot be %s", def->fact, def->values[i]);
        out->mask |= 1u << value;
    }
    if (def->negated)
        out->mask = ((1u << fact_table[fact].n_values) - 2) & ~out->mask;
    return 0;
}

int compile_clause(struct compiler *c, const struct rule_clause *def, unsigned generations, struct clause *out)
{
    size_t n = def->n_conditions + (generations != 0);
    struct test *tests = arena_array(&c->set->arena, n, sizeof *tests);
    int r;

    if (!tests)
        return -ENOMEM;
    for (size_t i = 0; i < def->n_conditions; i++) {
        r = compile_condition(c, &def->conditions[i], &tests[i]);
        if (r < 0)
            return r;
    }
    if (generations)
        tests[def->n_conditions] = (struct test){FACT_GENERATION, generations};
    *out = (struct clause){tests, (uint32_t)n};
    return 0;
}
