/* Counting decisions by rule: an outcome remembers where its rules' counters are, so that the ids are looked up once.
 */
#include "daemon/metrics/counts.h"

#include <stdlib.h>
#include <string.h>

#define NO_RULE UINT32_MAX

struct rule_names *rule_names_get(struct rule_names *names)
{
    if (names)
        atomic_fetch_add_explicit(&names->references, 1, memory_order_relaxed);
    return names;
}

void rule_names_put(struct rule_names *names)
{
    if (names && atomic_fetch_sub_explicit(&names->references, 1, memory_order_acq_rel) == 1)
        free(names);
}

void counts_deinit(struct counts *counts)
{
    rule_names_put(counts->rules.names);
    free(counts->rules.counts);
    counts->rules = (struct rule_counts){.names = NULL};
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static struct rule_names *make_names(const struct rule_set_def *set)
{
    size_t size = sizeof(struct rule_names) + set->n_rules * sizeof(char *);
    struct rule_names *names;
    char *at;

    for (size_t i = 0; i < set->n_rules; i++)
        size += strlen(set->rules[i].id) + 1;
    names = malloc(size);
    if (!names)
        return NULL;
    atomic_init(&names->references, 1);
    names->n = set->n_rules;
    names->names = (const char **)(names + 1);
    at = (char *)(names->names + set->n_rules);
    for (size_t i = 0; i < set->n_rules; i++) {
        names->names[i] = at;
        at = stpcpy(at, set->rules[i].id) + 1;
    }
    qsort(names->names, names->n, sizeof *names->names, by_name);
    return names;
}

static uint32_t find(const struct rule_names *names, const char *name)
{
    const char **found =
        names && names->n > 0 ? bsearch(&name, names->names, names->n, sizeof *names->names, by_name) : NULL;

    return found ? (uint32_t)(found - names->names) : NO_RULE;
}

/* What was counted under the old names goes to the new, or to the others. */
static void carry_over(struct rule_counts *rules, const struct rule_names *names, uint64_t *counts)
{
    for (size_t i = 0; rules->names && i < rules->names->n; i++) {
        uint32_t at = counts ? find(names, rules->names->names[i]) : NO_RULE;

        *(at == NO_RULE ? &rules->other : &counts[at]) += rules->counts[i];
    }
}

void counts_adopt(struct counts *counts, const struct rule_set_def *set)
{
    struct rule_counts *rules = &counts->rules;
    struct rule_names *names = make_names(set);
    uint64_t *numbers = names ? calloc(names->n + 1, sizeof *numbers) : NULL;

    if (!numbers) {
        rule_names_put(names);
        names = NULL;
    }
    carry_over(rules, names, numbers);
    rule_names_put(rules->names);
    free(rules->counts);
    rules->names = names;
    rules->counts = numbers;
    rules->generation++;
}

static void look_up(const struct rule_counts *rules, struct outcome_entry *outcome)
{
    for (size_t i = 0; i < outcome->n_rules; i++)
        outcome->counted.rules[i] = find(rules->names, outcome->rules[i]);
    outcome->counted.generation = rules->generation;
}

void counts_decision(struct counts *counts, struct outcome_entry *outcome)
{
    struct rule_counts *rules = &counts->rules;
    const struct outcome_counted *counted = &outcome->counted;

    counts->decisions[counted->mode][counted->verdict]++;
    counts->predicted[counted->predicted]++;
    if (counted->generation == 0 || counted->generation != rules->generation)
        look_up(rules, outcome);
    for (size_t i = 0; i < outcome->n_rules; i++)
        if (counted->rules[i] == NO_RULE)
            rules->other++;
        else
            rules->counts[counted->rules[i]]++;
}
