/* Comparing rule sets: see rule_diff.h. Rules are compared as text, part by part. */
#include "client/itexctl/rule_diff.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 6

/* Lengths before texts: two different rules never give the same text. */
static void put(FILE *out, const char *text)
{
    if (text)
        fprintf(out, "%zu:%s ", strlen(text), text);
    else
        fputs("- ", out);
}

static void put_clause(FILE *out, const struct rule_clause *clause)
{
    fprintf(out, "(%zu ", clause->n_conditions);
    for (size_t i = 0; i < clause->n_conditions; i++) {
        const struct rule_condition *condition = &clause->conditions[i];
        put(out, condition->fact);
        fprintf(out, "%d %zu ", condition->negated, condition->n_values);
        for (size_t j = 0; j < condition->n_values; j++)
            put(out, condition->values[j]);
    }
    fputs(") ", out);
}

static void put_clauses(FILE *out, const struct rule_clause *clauses, size_t n)
{
    fprintf(out, "[%zu ", n);
    for (size_t i = 0; i < n; i++)
        put_clause(out, &clauses[i]);
    fputs("] ", out);
}

static void put_conditions(FILE *out, const struct rule_def *rule)
{
    fprintf(out, "%u %d ", rule->generations, rule->service);
    put_clauses(out, rule->any, rule->n_any);
    put_clauses(out, rule->unless, rule->n_unless);
}

static void put_outcomes(FILE *out, const struct rule_def *rule)
{
    fprintf(out, "%d %d ", (int)rule->outcome, (int)rule->stage);
    for (size_t i = 0; i < rule->n_variants; i++) {
        fprintf(out, "%d %d ", (int)rule->variants[i].outcome, (int)rule->variants[i].stage);
        put_clause(out, &rule->variants[i].when);
    }
}

static void put_actions(FILE *out, const struct rule_def *rule)
{
    put(out, rule->solution);
    for (size_t i = 0; i < rule->n_actions; i++) {
        fprintf(out, "%d ", (int)rule->actions[i].kind);
        put(out, rule->actions[i].name);
        put(out, rule->actions[i].value);
        put_clause(out, &rule->actions[i].when);
    }
}

/* One part of a rule; the names are for people. */
static const char *put_part(FILE *out, const struct rule_def *rule, int part)
{
    switch (part) {
    case 0:
        fprintf(out, "%d ", (int)rule->severity);
        return "severity";
    case 1:
        put_outcomes(out, rule);
        return "outcome";
    case 2:
        put_conditions(out, rule);
        return "conditions";
    case 3:
        put_actions(out, rule);
        return "solution";
    case 4:
        put(out, rule->message);
        return "message";
    default:
        put(out, rule->source);
        return "source";
    }
}

static char *part_text(const struct rule_def *rule, int part, const char **name)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    const char *part_name = put_part(out, rule, part);
    if (name)
        *name = part_name;
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* The parts that differ, joined by ", ", or NULL with *memory false where none does. */
static char *differing_parts(const struct rule_def *from, const struct rule_def *to, bool *memory)
{
    char *list = NULL;
    *memory = false;
    for (int part = 0; part < PARTS; part++) {
        const char *name = NULL;
        CLEANUP(freep) char *a = part_text(from, part, &name);
        CLEANUP(freep) char *b = part_text(to, part, NULL);
        if (!a || !b)
            *memory = true;
        if (*memory || strcmp(a, b) == 0)
            continue;
        char *longer = NULL;
        if (asprintf(&longer, "%s%s%s", list ? list : "", list ? ", " : "", name) < 0)
            *memory = true;
        free(list);
        list = longer;
    }
    return list;
}

static const struct rule_def *find(const struct rule_set_def *set, const char *id)
{
    for (size_t i = 0; i < set->n_rules; i++)
        if (strcmp(set->rules[i].id, id) == 0)
            return &set->rules[i];
    return NULL;
}

/* The next rule from *i on which the other set has too. */
static const struct rule_def *next_common(const struct rule_set_def *set, const struct rule_set_def *other, size_t *i)
{
    for (; *i < set->n_rules; (*i)++)
        if (find(other, set->rules[*i].id))
            return &set->rules[(*i)++];
    return NULL;
}

/* The first rule where the orders part. */
static void report_order(const struct rule_set_def *from, const struct rule_set_def *to, rule_change_fn report,
                         void *data)
{
    size_t i = 0, j = 0;
    const struct rule_def *a, *b;
    while ((a = next_common(from, to, &i)) && (b = next_common(to, from, &j))) {
        if (strcmp(a->id, b->id) != 0) {
            report(RULE_MOVED, b, a->id, data);
            return;
        }
    }
}

int rule_diff(const struct rule_set_def *from, const struct rule_set_def *to, rule_change_fn report, void *data)
{
    for (size_t i = 0; i < from->n_rules; i++)
        if (!find(to, from->rules[i].id))
            report(RULE_REMOVED, &from->rules[i], NULL, data);
    for (size_t i = 0; i < to->n_rules; i++) {
        const struct rule_def *old = find(from, to->rules[i].id);
        bool memory = false;
        CLEANUP(freep) char *parts = old ? differing_parts(old, &to->rules[i], &memory) : NULL;
        if (memory)
            return -ENOMEM;
        if (!old || parts)
            report(old ? RULE_CHANGED : RULE_ADDED, &to->rules[i], parts, data);
    }
    report_order(from, to, report, data);
    return 0;
}
