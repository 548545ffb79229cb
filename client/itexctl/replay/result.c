/* What a resolution came to: see result.h. */
#include "client/itexctl/replay/result.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- Building: the sizes first, then everything into one piece --------------------------------------- */

struct builder {
    char *text; /* where the next text goes */
};

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put(struct builder *builder, const char *text)
{
    size_t size = text_size(text);
    char *copy = builder->text;
    if (!text)
        return NULL;
    memcpy(copy, text, size);
    builder->text += size;
    return copy;
}

struct sizes {
    size_t n_env, n_obligations, n_rules, text;
};

/* The lists are allocated; the texts follow. */
static struct result *allocate(const struct sizes *sizes, struct builder *builder)
{
    size_t env = sizes->n_env * sizeof(struct result_variable);
    size_t rules = sizes->n_rules * sizeof(struct result_rule);
    size_t obligations = sizes->n_obligations * sizeof(char *);
    struct result *result = calloc(1, sizeof(*result) + env + rules + obligations + sizes->text);
    if (!result)
        return NULL;
    uint8_t *at = (uint8_t *)(result + 1);
    result->references = 1;
    result->env = (const struct result_variable *)(const void *)at;
    result->rules = (const struct result_rule *)(const void *)(at + env);
    result->obligations = (const char *const *)(const void *)(at + env + rules);
    builder->text = (char *)(at + env + rules + obligations);
    return result;
}

static void put_variable(struct builder *builder, struct result *result, const char *name, const char *value)
{
    struct result_variable *variable = (struct result_variable *)&result->env[result->n_env++];
    variable->name = put(builder, name);
    variable->value = put(builder, value);
}

static void put_rule(struct builder *builder, struct result *result, const char *id, bool applied, bool severe)
{
    struct result_rule *rule = (struct result_rule *)&result->rules[result->n_rules++];
    rule->id = put(builder, id);
    rule->applied = applied;
    rule->forbids = severe && !applied;
}

static bool is_severe(const char *severity)
{
    return severity && (strcmp(severity, "error") == 0 || strcmp(severity, "unsupported") == 0);
}

static void put_obligations(struct builder *builder, struct result *result, const char *const *obligations, size_t n)
{
    const char **list = (const char **)(uintptr_t)result->obligations;
    for (; result->n_obligations < n; result->n_obligations++)
        list[result->n_obligations] = put(builder, obligations[result->n_obligations]);
}

static size_t texts_size(const char *const *texts, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += text_size(texts[i]);
    return size;
}

struct result *result_from_resolution(const struct resolution *resolution)
{
    const char *predicted = resolution->predicted_outcome_known ? outcome_name(resolution->predicted_outcome) : NULL;
    const char *heads[] = {verdict_name(resolution->verdict), mode_name(resolution->mode),
                           mode_name(resolution->predicted_mode), predicted};
    struct sizes sizes = {resolution->n_env, resolution->n_obligations, resolution->n_diagnostics,
                          texts_size(heads, 4) + texts_size(resolution->obligations, resolution->n_obligations)};
    struct builder builder;
    for (size_t i = 0; i < resolution->n_env; i++)
        sizes.text += text_size(resolution->env[i].name) + text_size(resolution->env[i].value);
    for (size_t i = 0; i < resolution->n_diagnostics; i++)
        sizes.text += text_size(resolution->diagnostics[i].rule);
    struct result *result = allocate(&sizes, &builder);
    if (!result)
        return NULL;
    result->verdict = put(&builder, heads[0]);
    result->mode = put(&builder, heads[1]);
    result->predicted_mode = put(&builder, heads[2]);
    result->predicted_outcome = put(&builder, heads[3]);
    for (size_t i = 0; i < resolution->n_env; i++)
        put_variable(&builder, result, resolution->env[i].name, resolution->env[i].value);
    for (size_t i = 0; i < resolution->n_diagnostics; i++)
        put_rule(&builder, result, resolution->diagnostics[i].rule, resolution->diagnostics[i].applied,
                 is_severe(severity_name(resolution->diagnostics[i].severity)));
    put_obligations(&builder, result, resolution->obligations, resolution->n_obligations);
    return result;
}

/* A list's texts may be absent in what another program recorded; "" stands for them. */
static const char *present(const char *text)
{
    return text ? text : "";
}

struct result *result_from_outcome(const Itexd__V1__Outcome *outcome)
{
    const char *heads[] = {present(outcome->verdict), outcome->mode, outcome->predicted_mode,
                           outcome->predicted_outcome};
    const char *const *obligations = (const char *const *)outcome->obligations;
    struct sizes sizes = {outcome->n_env, outcome->n_obligations, outcome->n_diagnostics,
                          texts_size(heads, 4) + texts_size(obligations, outcome->n_obligations)};
    struct builder builder;
    for (size_t i = 0; i < outcome->n_env; i++)
        sizes.text += text_size(present(outcome->env[i]->name)) + text_size(outcome->env[i]->value);
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        sizes.text += text_size(present(outcome->diagnostics[i]->rule));
    struct result *result = allocate(&sizes, &builder);
    if (!result)
        return NULL;
    result->verdict = put(&builder, heads[0]);
    result->mode = put(&builder, heads[1]);
    result->predicted_mode = put(&builder, heads[2]);
    result->predicted_outcome = put(&builder, heads[3]);
    for (size_t i = 0; i < outcome->n_env; i++)
        put_variable(&builder, result, present(outcome->env[i]->name), outcome->env[i]->value);
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        put_rule(&builder, result, present(outcome->diagnostics[i]->rule), outcome->diagnostics[i]->applied,
                 is_severe(outcome->diagnostics[i]->severity));
    put_obligations(&builder, result, obligations, outcome->n_obligations);
    return result;
}

struct result *result_without(const char *why)
{
    const struct sizes sizes = {.text = text_size(why)};
    struct builder builder;
    struct result *result = allocate(&sizes, &builder);
    if (result)
        result->why = put(&builder, why);
    return result;
}

struct result *result_get(struct result *result)
{
    if (result)
        result->references++;
    return result;
}

void result_put(struct result *result)
{
    if (result && --result->references == 0)
        free(result);
}

/* ---- Comparing ---------------------------------------------------------------------------------------- */

static bool same(const char *left, const char *right)
{
    return left && right ? strcmp(left, right) == 0 : left == right;
}

static bool same_env(const struct result *from, const struct result *to)
{
    if (from->n_env != to->n_env)
        return false;
    for (size_t i = 0; i < from->n_env; i++)
        if (!same(from->env[i].name, to->env[i].name) || !same(from->env[i].value, to->env[i].value))
            return false;
    return true;
}

static bool same_obligations(const struct result *from, const struct result *to)
{
    if (from->n_obligations != to->n_obligations)
        return false;
    for (size_t i = 0; i < from->n_obligations; i++)
        if (!same(from->obligations[i], to->obligations[i]))
            return false;
    return true;
}

static bool same_rules(const struct result *from, const struct result *to)
{
    if (from->n_rules != to->n_rules)
        return false;
    for (size_t i = 0; i < from->n_rules; i++)
        if (!same(from->rules[i].id, to->rules[i].id) || from->rules[i].applied != to->rules[i].applied)
            return false;
    return true;
}

static unsigned compare_verdicts(const char *from, const char *to)
{
    if (same(from, to))
        return 0;
    if (same(to, "rejected"))
        return 1u << CHANGE_REJECTED;
    return same(from, "rejected") ? 1u << CHANGE_UNREJECTED : 1u << CHANGE_VERDICT;
}

unsigned result_compare(const struct result *from, const struct result *to)
{
    unsigned changes = compare_verdicts(from->verdict, to->verdict);
    if (!same(from->mode, to->mode))
        changes |= 1u << CHANGE_MODE;
    if (!same(from->predicted_mode, to->predicted_mode) || !same(from->predicted_outcome, to->predicted_outcome))
        changes |= 1u << CHANGE_PREDICTED;
    if (!same_env(from, to))
        changes |= 1u << CHANGE_ENVIRONMENT;
    if (!same_obligations(from, to))
        changes |= 1u << CHANGE_OBLIGATIONS;
    if (changes == 0 && !same_rules(from, to))
        changes |= 1u << CHANGE_RULES;
    return changes;
}

/* ---- Which rule ---------------------------------------------------------------------------------------- */

static bool has_rule(const struct result *result, const char *id, bool applied)
{
    for (size_t i = 0; i < result->n_rules; i++)
        if (same(result->rules[i].id, id) && (!applied || result->rules[i].applied))
            return true;
    return false;
}

static void add_blame(struct blame *blame, const char *rule)
{
    if (blame->n_rules < BLAME_RULES)
        blame->rules[blame->n_rules++] = rule;
    else
        blame->more = true;
}

enum look {
    LOOK_FORBIDS, /* and nothing was done about it */
    LOOK_APPLIED,
    LOOK_HOLDS,
};

/* The rules that `in` has and `out` has not, in the way that is looked for. */
static struct blame look(const struct result *in, const struct result *out, enum look look, enum blame_how how)
{
    struct blame blame = {.how = how};
    for (size_t i = 0; i < in->n_rules; i++) {
        const struct result_rule *rule = &in->rules[i];
        if ((look == LOOK_FORBIDS && !rule->forbids) || (look == LOOK_APPLIED && !rule->applied))
            continue;
        if (!has_rule(out, rule->id, look == LOOK_APPLIED))
            add_blame(&blame, rule->id);
    }
    return blame;
}

/* Those applied in both, else those that hold: one of them does something else than it did. */
static struct blame blame_common(const struct result *to)
{
    struct blame blame = {.how = BLAME_OTHERWISE};
    for (size_t i = 0; i < to->n_rules; i++)
        if (to->rules[i].applied)
            add_blame(&blame, to->rules[i].id);
    for (size_t i = 0; i < to->n_rules && blame.n_rules == 0; i++)
        add_blame(&blame, to->rules[i].id);
    if (blame.n_rules == 0)
        blame.how = BLAME_NONE;
    return blame;
}

struct blame result_blame(enum change change, const struct result *from, const struct result *to)
{
    const struct {
        const struct result *in, *out;
        enum look look;
        enum blame_how how;
        bool taken;
    } looks[] = {
        {to, from, LOOK_FORBIDS, BLAME_BY, change == CHANGE_REJECTED},
        {from, to, LOOK_FORBIDS, BLAME_WITHOUT, change == CHANGE_UNREJECTED},
        {to, from, LOOK_APPLIED, BLAME_BY, change != CHANGE_PREDICTED},
        {to, from, LOOK_HOLDS, BLAME_BY, true},
        {from, to, LOOK_APPLIED, BLAME_WITHOUT, change != CHANGE_PREDICTED},
        {from, to, LOOK_HOLDS, BLAME_WITHOUT, true},
    };
    for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
        if (!looks[i].taken)
            continue;
        struct blame blame = look(looks[i].in, looks[i].out, looks[i].look, looks[i].how);
        if (blame.n_rules > 0)
            return blame;
    }
    return blame_common(to);
}
