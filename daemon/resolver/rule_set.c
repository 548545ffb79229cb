/*
 * Compiling a rule set: definitions are checked one rule at a time and copied into one arena, so that freeing
 * is one call and the result can be shared by threads.
 */
#include "daemon/resolver/rule_set.h"

#include "daemon/resolver/compile.h"
#include "daemon/resolver/variables.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TF_XLA_FLAGS_NAME "TF_XLA_FLAGS"

int compile_error(struct compiler *c, const char *format, ...)
{
    va_list arguments;

    c->error->rule = c->rule;
    va_start(arguments, format);
    vsnprintf(c->error->text, sizeof c->error->text, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int copy_text(struct compiler *c, const char *text, const char **out)
{
    *out = text ? arena_strdup(&c->set->arena, text) : NULL;
    return text && !*out ? -ENOMEM : 0;
}

static int compile_flags(struct compiler *c)
{
    struct rule_set *set = c->set;
    struct xla_flag_def *defs = arena_array(&set->arena, c->def->n_xla_flags, sizeof *defs);
    int r;

    if (!defs)
        return -ENOMEM;
    for (size_t i = 0; i < c->def->n_xla_flags; i++) {
        defs[i] = c->def->xla_flags[i];
        r = copy_text(c, c->def->xla_flags[i].name, &defs[i].name);
        if (r < 0)
            return r;
    }
    set->flags = (struct xla_flags){defs, c->def->n_xla_flags};
    set->auto_jit = xla_flag_by_name(&set->flags, "tf_xla_auto_jit");
    set->device_api = xla_flag_by_name(&set->flags, "tf_xla_use_device_api");
    return 0;
}

static int compile_variable_action(struct compiler *c, const struct rule_action *def, struct set_action *out)
{
    if (!variable_settable(def->name))
        return compile_error(c, "rules may not change the variable %s", def->name);
    if (def->kind == ACTION_SET && strcmp(def->name, TF_XLA_FLAGS_NAME) == 0)
        return compile_error(c, "TF_XLA_FLAGS holds the job's other flags too; change one of its flags instead");
    if (def->kind == ACTION_SET && !def->value)
        return compile_error(c, "no value for the variable %s", def->name);
    out->target = (uint32_t)rule_set_variable(c->set, def->name);
    return 0;
}

static int compile_target(struct compiler *c, const struct rule_action *def, struct set_action *out)
{
    int flag;

    switch (def->kind) {
    case ACTION_SET:
    case ACTION_UNSET:
        return compile_variable_action(c, def, out);
    case ACTION_XLA_FLAG:
        flag = xla_flag_by_name(&c->set->flags, def->name);
        if (flag == XLA_NO_FLAG)
            return compile_error(c, "%s is not in the list of TensorFlow's flags", def->name);
        out->target = (uint32_t)flag;
        return 0;
    case ACTION_OBLIGATION:
        for (size_t i = 0; i < c->set->n_obligations; i++)
            if (strcmp(c->set->obligations[i].token, def->name) == 0)
                out->target = (uint32_t)i;
        return 0;
    case ACTION_XLA_DROP_UNKNOWN:
    case ACTION_XLA_INLINE:
        break;
    }
    return 0;
}

static int compile_actions(struct compiler *c, const struct rule_def *def, struct set_rule *rule)
{
    struct set_action *actions = arena_array(&c->set->arena, def->n_actions, sizeof *actions);
    int r;

    if (!actions)
        return -ENOMEM;
    if (def->n_actions && def->severity == SEVERITY_INFO)
        return compile_error(c, "an info rule has no solution; make it a warning");
    if (def->n_actions > MAX_ACTIONS)
        return compile_error(c, "more than %u actions in a solution", MAX_ACTIONS);
    for (size_t i = 0; i < def->n_actions; i++) {
        actions[i].kind = def->actions[i].kind;
        r = compile_target(c, &def->actions[i], &actions[i]);
        if (r == 0)
            r = copy_text(c, def->actions[i].value, &actions[i].value);
        if (r == 0)
            r = compile_clause(c, &def->actions[i].when, 0, &actions[i].when);
        if (r < 0)
            return r;
    }
    rule->actions = actions;
    rule->n_actions = (uint32_t)def->n_actions;
    rule->first_action = (uint32_t)c->set->n_actions;
    c->set->n_actions += def->n_actions;
    return 0;
}

static int compile_variants(struct compiler *c, const struct rule_def *def, struct set_rule *rule)
{
    struct set_variant *variants = arena_array(&c->set->arena, def->n_variants, sizeof *variants);
    int r;

    if (!variants)
        return -ENOMEM;
    for (size_t i = 0; i < def->n_variants; i++) {
        variants[i].outcome = def->variants[i].outcome;
        variants[i].stage = def->variants[i].stage;
        r = compile_clause(c, &def->variants[i].when, 0, &variants[i].when);
        if (r < 0)
            return r;
    }
    rule->variants = variants;
    rule->n_variants = (uint32_t)def->n_variants;
    return 0;
}

/* generations 0: the clauses hold in all of them. */
static int compile_clauses(struct compiler *c, const struct rule_clause *defs, size_t n, unsigned generations,
                           const struct clause **out)
{
    struct clause *clauses = arena_array(&c->set->arena, n, sizeof *clauses);
    int r;

    if (!clauses)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        r = compile_clause(c, &defs[i], generations, &clauses[i]);
        if (r < 0)
            return r;
    }
    *out = clauses;
    return 0;
}

static int compile_conditions(struct compiler *c, const struct rule_def *def, struct set_rule *rule)
{
    static const struct rule_clause always = {.conditions = NULL};
    unsigned all = 1u << GENERATION_2_14 | 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST;
    const struct rule_clause *any = def->n_any ? def->any : &always;
    int r;

    if (def->service)
        return 0;
    if (!(def->generations & all))
        return compile_error(c, "holds in no generation of ITEX");
    rule->n_any = def->n_any ? (uint32_t)def->n_any : 1;
    rule->n_unless = (uint32_t)def->n_unless;
    r = compile_clauses(c, any, rule->n_any, (def->generations & all) == all ? 0 : def->generations, &rule->any);
    if (r < 0)
        return r;
    return compile_clauses(c, def->unless, def->n_unless, 0, &rule->unless);
}

static int compile_rule(struct compiler *c, const struct rule_def *def, struct set_rule *rule)
{
    int r;

    if (!def->id || !*def->id)
        return compile_error(c, "a rule without an id");
    rule->severity = def->severity;
    rule->outcome = def->outcome;
    rule->stage = def->stage;
    rule->service = def->service;
    r = copy_text(c, def->id, &rule->id);
    if (r == 0)
        r = copy_text(c, def->source ? def->source : "", &rule->source);
    if (r == 0)
        r = compile_template(c, def->message ? def->message : "", def->service, &rule->message);
    if (r == 0)
        r = compile_template(c, def->solution, def->service, &rule->solution);
    if (r == 0)
        r = compile_conditions(c, def, rule);
    if (r == 0)
        r = compile_actions(c, def, rule);
    if (r == 0)
        r = compile_variants(c, def, rule);
    return r;
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const struct set_rule *const *)a)->id, (*(const struct set_rule *const *)b)->id);
}

static int check_unique(struct compiler *c)
{
    size_t n = c->set->n_rules;
    const struct set_rule **sorted = malloc((n + 1) * sizeof *sorted);
    int r = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &c->set->rules[i];
    qsort(sorted, n, sizeof *sorted, by_id);
    for (size_t i = 1; i < n && r == 0; i++) {
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) != 0)
            continue;
        c->rule = (size_t)((sorted[i - 1] > sorted[i] ? sorted[i - 1] : sorted[i]) - c->set->rules);
        r = compile_error(c, "the id %s is used twice", sorted[i]->id);
    }
    free(sorted);
    return r;
}

static int compile_all(struct compiler *c)
{
    struct rule_set *set = c->set;
    int r;

    set->advise = c->def->advise;
    set->n_rules = c->def->n_rules;
    set->rules = arena_array(&set->arena, set->n_rules, sizeof *set->rules);
    if (!set->rules)
        return -ENOMEM;
    r = compile_flags(c);
    if (r == 0)
        r = compile_variables(c);
    if (r == 0)
        r = compile_obligations(c);
    for (size_t i = 0; i < set->n_rules && r == 0; i++) {
        c->rule = i;
        r = compile_rule(c, &c->def->rules[i], &set->rules[i]);
    }
    c->rule = SIZE_MAX;
    if (r == 0)
        r = check_unique(c);
    if (r == 0)
        r = compile_watch(c);
    return r;
}

int rule_set_compile(const struct rule_set_def *def, struct rule_set **out, struct rule_set_error *error)
{
    struct rule_set_error ignored;
    struct compiler c = {.def = def, .error = error ? error : &ignored, .rule = SIZE_MAX};
    int r;

    c.set = calloc(1, sizeof *c.set);
    if (!c.set)
        return -ENOMEM;
    r = compile_all(&c);
    if (r < 0) {
        rule_set_free(c.set);
        return r;
    }
    *out = c.set;
    return 0;
}

void rule_set_free(struct rule_set *set)
{
    if (!set)
        return;
    arena_free(&set->arena);
    free(set);
}

size_t rule_set_size(const struct rule_set *set)
{
    return set->n_rules;
}

bool rule_set_advises(const struct rule_set *set)
{
    return set->advise;
}
