/* Counts and examples: see tally.h. */
#include "client/itexctl/replay/tally.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *change_name(enum change change)
{
    static const char *const names[CHANGES] = {
        [CHANGE_REJECTED] = "rejected",       [CHANGE_UNREJECTED] = "no-longer-rejected",
        [CHANGE_VERDICT] = "verdict",         [CHANGE_MODE] = "mode",
        [CHANGE_PREDICTED] = "predicted",     [CHANGE_ENVIRONMENT] = "environment",
        [CHANGE_OBLIGATIONS] = "obligations", [CHANGE_RULES] = "rules",
    };
    return names[change];
}

const char *blame_name(enum blame_how how)
{
    static const char *const names[] = {
        [BLAME_BY] = "by", [BLAME_WITHOUT] = "without", [BLAME_OTHERWISE] = "otherwise", [BLAME_NONE] = ""};
    return names[how];
}

char *blame_rules(const struct blame *blame, const char *separator)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < blame->n_rules; i++)
        fprintf(out, "%s%s", i ? separator : "", blame->rules[i]);
    if (blame->more)
        fprintf(out, "%s...", separator);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- What changed, in words ----------------------------------------------------------------------------- */

static const struct result_variable *find_variable(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->n_env; i++)
        if (strcmp(result->env[i].name, name) == 0)
            return &result->env[i];
    return NULL;
}

static bool same_value(const struct result_variable *left, const struct result_variable *right)
{
    return left->value && right->value ? strcmp(left->value, right->value) == 0 : left->value == right->value;
}

/* Variables that the other does not change, or changes otherwise: values would make a kind of each job's own. */
static void write_variables(FILE *out, const struct result *of, const struct result *other)
{
    const char *separator = "";
    for (size_t i = 0; i < of->n_env; i++) {
        const struct result_variable *there = find_variable(other, of->env[i].name);
        if (there && same_value(&of->env[i], there))
            continue;
        fprintf(out, "%s%s %s", separator, of->env[i].value ? "set" : "unset", of->env[i].name);
        separator = ", ";
    }
}

static bool has_obligation(const struct result *result, const char *token)
{
    for (size_t i = 0; i < result->n_obligations; i++)
        if (strcmp(result->obligations[i], token) == 0)
            return true;
    return false;
}

/* A place in a script is the job's own: without it the obligation is the same for all. */
static void write_obligations(FILE *out, const struct result *of, const struct result *other)
{
    const char *separator = "";
    for (size_t i = 0; i < of->n_obligations; i++) {
        const char *token = of->obligations[i];
        if (has_obligation(other, token))
            continue;
        fprintf(out, "%s%s", separator, strncmp(token, "script:", 7) == 0 ? "script" : token);
        separator = ", ";
    }
}

char *change_side(enum change change, const struct result *of, const struct result *other)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    switch (change) {
    case CHANGE_REJECTED:
    case CHANGE_UNREJECTED:
    case CHANGE_VERDICT:
        fputs(of->verdict, out);
        break;
    case CHANGE_MODE:
        fputs(of->mode ? of->mode : "nothing", out);
        break;
    case CHANGE_PREDICTED:
        fprintf(out, "%s, %s", of->predicted_mode ? of->predicted_mode : "no mode",
                of->predicted_outcome ? of->predicted_outcome : "not known");
        break;
    case CHANGE_ENVIRONMENT:
        write_variables(out, of, other);
        break;
    case CHANGE_OBLIGATIONS:
        write_obligations(out, of, other);
        break;
    case CHANGE_RULES:
    case CHANGES:
        break;
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- Examples ------------------------------------------------------------------------------------------- */

static int add_example(struct tally_example **examples, size_t *n, size_t room, const struct tally_example *decision)
{
    if (*n >= room)
        return 0;
    struct tally_example *larger = realloc(*examples, (*n + 1) * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    *examples = larger;
    larger[*n] = *decision;
    if (decision->job && !(larger[*n].job = strdup(decision->job)))
        return -ENOMEM;
    (*n)++;
    return 0;
}

static void clear_examples(struct tally_example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(examples[i].job);
    free(examples);
}

/* ---- Groups --------------------------------------------------------------------------------------------- */

static bool same_text(const char *left, const char *right)
{
    return left && right ? strcmp(left, right) == 0 : left == right;
}

static struct tally_group *find_group(struct tally *tally, const struct tally_group *like)
{
    for (size_t i = 0; i < tally->n_groups; i++) {
        struct tally_group *group = &tally->groups[i];
        if (group->change == like->change && group->how == like->how && same_text(group->rules, like->rules) &&
            same_text(group->from, like->from) && same_text(group->to, like->to))
            return group;
    }
    return NULL;
}

static void group_clear(struct tally_group *group)
{
    free(group->from);
    free(group->to);
    free(group->rules);
    clear_examples(group->examples, group->n_examples);
}

/* Takes over what `made` owns. */
static int add_group(struct tally *tally, struct tally_group *made, struct tally_group **out)
{
    if (tally->n_groups == TALLY_GROUPS) {
        *out = NULL;
        return 0;
    }
    struct tally_group *larger = realloc(tally->groups, (tally->n_groups + 1) * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    tally->groups = larger;
    *out = &larger[tally->n_groups++];
    **out = *made;
    *made = (struct tally_group){.from = NULL};
    return 0;
}

static int add_change(struct tally *tally, enum change change, const struct tally_example *decision,
                      const struct result *from, const struct result *to)
{
    struct blame blame = result_blame(change, from, to);
    CLEANUP(group_clear)
    struct tally_group made = {
        .change = change,
        .how = blame.how,
        .from = change_side(change, from, to),
        .to = change_side(change, to, from),
        .rules = blame_rules(&blame, ", "),
    };
    if (!made.from || !made.to || !made.rules)
        return -ENOMEM;
    struct tally_group *group = find_group(tally, &made);
    if (!group && add_group(tally, &made, &group) < 0)
        return -ENOMEM;
    tally->changed[change]++;
    if (!group) {
        tally->ungrouped++;
        return 0;
    }
    group->decisions++;
    return add_example(&group->examples, &group->n_examples, tally->examples, decision);
}

int tally_add(struct tally *tally, const struct tally_example *decision, const struct result *from,
              const struct result *to, unsigned changes)
{
    const unsigned decides = 1u << CHANGE_REJECTED | 1u << CHANGE_UNREJECTED | 1u << CHANGE_VERDICT | 1u << CHANGE_MODE;
    tally->decisions++;
    tally->replayed++;
    tally->unchanged += changes == 0;
    tally->decides += (changes & decides) != 0;
    for (int change = 0; change < CHANGES; change++)
        if (changes & 1u << change && add_change(tally, (enum change)change, decision, from, to) < 0)
            return -ENOMEM;
    return 0;
}

/* ---- Not replayed ----------------------------------------------------------------------------------------- */

static struct tally_reason *find_reason(struct tally *tally, const char *why)
{
    static const char others[] = "for other reasons";
    for (size_t i = 0; i < tally->n_reasons; i++)
        if (strcmp(tally->reasons[i].why, why) == 0)
            return &tally->reasons[i];
    if (tally->n_reasons >= TALLY_REASONS - 1 && strcmp(why, others) != 0)
        return find_reason(tally, others);
    struct tally_reason *larger = realloc(tally->reasons, (tally->n_reasons + 1) * sizeof(*larger));
    char *copy = strdup(why);
    if (larger)
        tally->reasons = larger;
    if (!larger || !copy) {
        free(copy);
        return NULL;
    }
    larger[tally->n_reasons] = (struct tally_reason){.why = copy};
    return &larger[tally->n_reasons++];
}

int tally_add_not_replayed(struct tally *tally, const struct tally_example *decision, const char *why)
{
    struct tally_reason *reason = find_reason(tally, why);
    if (!reason)
        return -ENOMEM;
    tally->decisions++;
    reason->decisions++;
    return add_example(&reason->examples, &reason->n_examples, tally->examples, decision);
}

uint64_t tally_not_replayed(const struct tally *tally)
{
    return tally->decisions - tally->replayed;
}

/* ---- The whole -------------------------------------------------------------------------------------------- */

static int compare_groups(const void *left, const void *right)
{
    const struct tally_group *a = left, *b = right;
    if (a->change != b->change)
        return (int)a->change - (int)b->change;
    return (a->decisions < b->decisions) - (a->decisions > b->decisions);
}

void tally_sort(struct tally *tally)
{
    if (tally->n_groups > 0)
        qsort(tally->groups, tally->n_groups, sizeof(*tally->groups), compare_groups);
}

void tally_clear(struct tally *tally)
{
    for (size_t i = 0; i < tally->n_groups; i++)
        group_clear(&tally->groups[i]);
    free(tally->groups);
    for (size_t i = 0; i < tally->n_reasons; i++) {
        free(tally->reasons[i].why);
        clear_examples(tally->reasons[i].examples, tally->reasons[i].n_examples);
    }
    free(tally->reasons);
}
