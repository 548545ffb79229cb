/*
 * The checks of a whole set, after all of its files were read: rules one by one, and what must be so across files -
 * ids and flags that are there once, one name, one policy.
 */
#include "daemon/rules/rule_check.h"

#include "daemon/resolver/facts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

enum { MAX_ID = 64, MAX_FLAGS = 1000 };

unsigned rule_generation_bit(const char *name)
{
    int value = fact_value_by_name(FACT_GENERATION, name);

    return value > 0 ? 1u << value : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool rule_check_has_id(const struct rule_check *check, const char *id)
{
    return bsearch(&id, check->ids, check->n_ids, sizeof(*check->ids), by_name) != NULL;
}

static void check_generations(const struct rule_check *check, const struct yaml_texts *names)
{
    for (size_t i = 0; i < names->n_items; i++)
        if (rule_generation_bit(names->items[i].text) == 0)
            yaml_error(check->messages, names->items[i].place,
                       "\"%.*s\" is not a generation of ITEX; they are 2.14, 2.15 and newest",
                       yaml_shown(names->items[i].text), names->items[i].text);
}

static void check_id(const struct rule_check *check, const struct yaml_text *id)
{
    if (!id->text)
        return;
    if (strlen(id->text) > MAX_ID || id->text[strspn(id->text, RULE_ID_CHARACTERS)] != '\0' || id->text[0] == '-')
        yaml_error(check->messages, id->place,
                   "\"%.*s\" is not an id: %d small letters, digits and '-' at most, not '-' first",
                   yaml_shown(id->text), id->text, MAX_ID);
}

static void check_outcome(const struct rule_check *check, const struct rule_record *rule)
{
    const struct variant_record *variants = RECORDS(rule->outcome_where, variant_record);

    if (rule->outcome_place.line == 0)
        return;
    if (rule->severity == SEVERITY_INFO && rule->outcome != OUTCOME_OK)
        yaml_error(check->messages, rule->outcome_place, "the outcome of an info rule is ok");
    if (rule->severity != SEVERITY_INFO && rule->outcome == OUTCOME_OK)
        yaml_error(check->messages, rule->outcome_place,
                   "an outcome that is ok needs no rule; say what happens, or make it an info rule");
    for (size_t i = 0; i < rule->outcome_where.n_items; i++)
        rule_check_clauses(check, &variants[i].when);
}

static void check_service(const struct rule_check *check, const struct rule_record *rule)
{
    if (rule->when.n_items || rule->unless.n_items || rule->outcome_where.n_items)
        yaml_error(check->messages, rule->place,
                   "a service rule is issued by the service itself; it has neither when, unless nor outcome_where");
    if (rule->examples.n_items)
        yaml_error(check->messages, rule->examples.place, "a service rule has no examples: nothing matches it");
}

static void check_matched(const struct rule_check *check, const struct rule_record *rule)
{
    if (rule->when.n_items == 0 && rule->when.place.line == 0)
        yaml_error(check->messages, rule->place, "a rule needs \"when\" (or service: true)");
    rule_check_clauses(check, &rule->when);
    rule_check_clauses(check, &rule->unless);
    rule_check_examples(check, rule);
    if (rule->examples.place.line == 0)
        yaml_warning(check->messages, rule->place, "rule \"%s\" has no examples; nothing shows that it works",
                     rule->id.text ? rule->id.text : "");
}

static void check_rule(const struct rule_check *check, const struct rule_record *rule)
{
    check_id(check, &rule->id);
    check_generations(check, &rule->itex);
    check_outcome(check, rule);
    rule_check_texts(check, rule);
    rule_check_solution(check, rule);
    if (rule->service)
        check_service(check, rule);
    else
        check_matched(check, rule);
}

/* Names that must be there once in the set, with their places. */
struct named {
    const struct yaml_text *text;
    size_t order;
};

static int by_text_and_order(const void *a, const void *b)
{
    const struct named *first = a, *second = b;
    int difference = strcmp(first->text->text, second->text->text);

    if (difference != 0)
        return difference;
    return first->order < second->order ? -1 : 1;
}

static void check_unique(const struct rule_check *check, struct named *names, size_t n, const char *what)
{
    qsort(names, n, sizeof(*names), by_text_and_order);
    for (size_t i = 1; i < n; i++) {
        const struct yaml_text *text = names[i].text, *first = names[i - 1].text;
        if (strcmp(text->text, first->text) == 0)
            yaml_error(check->messages, text->place, "the %s \"%.*s\" is there already, in %s:%u", what,
                       yaml_shown(text->text), text->text, first->place.file, first->place.line);
    }
}

static int check_unique_ids(struct rule_check *check, size_t n_rules)
{
    CLEANUP(freep) struct named *names = calloc(n_rules + 1, sizeof(*names));
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < check->rules->n_files; i++) {
        const struct rule_record *rules = RECORDS(check->rules->files[i].rules, rule_record);
        for (size_t j = 0; j < check->rules->files[i].rules.n_items; j++)
            if (rules[j].id.text)
                names[n] = (struct named){.text = &rules[j].id, .order = n}, n++;
    }
    check_unique(check, names, n, "rule");
    for (size_t i = 0; i < n; i++)
        check->ids[i] = names[i].text->text;
    check->n_ids = n;
    return 0;
}

static int check_unique_flags(const struct rule_check *check, size_t n_flags)
{
    CLEANUP(freep) struct named *names = calloc(n_flags + 1, sizeof(*names));
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    if (n_flags > MAX_FLAGS)
        yaml_error(check->messages, (struct yaml_place){.file = check->rules->files[0].file},
                   "more than %d flags in xla_flags; TensorFlow has fewer than a hundred", MAX_FLAGS);
    for (size_t i = 0; i < check->rules->n_files; i++) {
        const struct xla_flag_record *flags = RECORDS(check->rules->files[i].xla_flags, xla_flag_record);
        for (size_t j = 0; j < check->rules->files[i].xla_flags.n_items; j++) {
            check_generations(check, &flags[j].itex);
            if (flags[j].name.text)
                names[n] = (struct named){.text = &flags[j].name, .order = n}, n++;
        }
    }
    check_unique(check, names, n, "flag");
    return 0;
}

/* The set's name and policy stand in one of its files each. */
static void check_heads(const struct rule_check *check)
{
    const struct yaml_place *name = NULL, *policy = NULL;

    for (size_t i = 0; i < check->rules->n_files; i++) {
        const struct rule_file_record *file = &check->rules->files[i];
        if (file->name.text && name)
            yaml_error(check->messages, file->name.place, "the set's name is there already, in %s:%u", name->file,
                       name->line);
        if (file->policy_place.line && policy)
            yaml_error(check->messages, file->policy_place, "the set's policy is there already, in %s:%u", policy->file,
                       policy->line);
        name = file->name.text && !name ? &file->name.place : name;
        policy = file->policy_place.line && !policy ? &file->policy_place : policy;
    }
}

static size_t count(const struct rules *rules, bool flags)
{
    size_t n = 0;

    for (size_t i = 0; i < rules->n_files; i++)
        n += flags ? rules->files[i].xla_flags.n_items : rules->files[i].rules.n_items;
    return n;
}

int rules_check(const struct rules *rules, struct yaml_messages *messages)
{
    size_t n_rules = count(rules, false);
    CLEANUP(freep) const char **ids = calloc(n_rules + 1, sizeof(*ids));
    struct rule_check check = {.rules = rules, .messages = messages, .ids = ids};

    if (!ids || check_unique_ids(&check, n_rules) < 0 || check_unique_flags(&check, count(rules, true)) < 0)
        return -ENOMEM;
    if (n_rules == 0)
        yaml_error(messages, (struct yaml_place){.file = rules->n_files ? rules->files[0].file : NULL},
                   "no rule in the whole set; a set needs one at least");
    check_heads(&check);
    if (count(rules, true) > MAX_FLAGS) /* each solution's flags are searched among them */
        return 0;
    for (size_t i = 0; i < rules->n_files; i++)
        for (size_t j = 0; j < rules->files[i].rules.n_items; j++)
            check_rule(&check, &RECORDS(rules->files[i].rules, rule_record)[j]);
    return 0;
}
