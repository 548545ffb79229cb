/* Conditions and examples: whether the facts they name exist and can take the values they give. */
#include "daemon/resolver/facts.h"
#include "daemon/resolver/variables.h"
#include "daemon/resolver/version.h"
#include "daemon/rules/rule_check.h"

#include <string.h>

static void report_unknown_fact(const struct rule_check *check, const struct yaml_text *name)
{
    const char *names[FACT_COUNT], *nearest;

    for (int fact = 0; fact < FACT_COUNT; fact++)
        names[fact] = fact_table[fact].name;
    nearest = yaml_messages_full(check->messages) ? NULL : yaml_nearest(name->text, names, FACT_COUNT);
    if (nearest)
        yaml_error(check->messages, name->place, "there is no fact \"%.*s\"; did you mean \"%s\"?",
                   yaml_shown(name->text), name->text, nearest);
    else
        yaml_error(check->messages, name->place, "there is no fact \"%.*s\"; facts.yaml lists them",
                   yaml_shown(name->text), name->text);
}

static void report_impossible(const struct rule_check *check, const struct fact_info *info,
                              const struct yaml_text *value, const char *bare)
{
    char list[256];
    size_t used = 0;

    list[0] = '\0';
    for (size_t i = 1; i < info->n_values && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s, ", info->values[i]);
    yaml_error(check->messages, value->place, "the fact \"%s\" cannot be \"%.*s\"; it can be %sunknown", info->name,
               yaml_shown(bare), bare, list);
}

static void check_value(const struct rule_check *check, int fact, const struct yaml_text *value)
{
    const struct fact_info *info = &fact_table[fact];
    const char *bare = rule_bare_value(value->text);

    if (info->type != FACT_TYPE_TEXT) {
        if (fact_value_by_name((enum fact_id)fact, bare) < 0)
            report_impossible(check, info, value, bare);
    } else if (*bare == '\0') {
        yaml_error(check->messages, value->place, "an empty value for the fact \"%s\"; give a text or version bounds",
                   info->name);
    } else if (strchr("<>=", bare[0]) && !version_bounds_valid(bare)) {
        yaml_error(check->messages, value->place,
                   "\"%.*s\" is not a version condition; write it like >=2.16 or >=2.16,<2.18", yaml_shown(bare), bare);
    }
}

static void check_condition(const struct rule_check *check, const struct yaml_pair *pair)
{
    int fact = fact_by_name(pair->key.text);
    bool negated;

    if (fact < 0) {
        report_unknown_fact(check, &pair->key);
        return;
    }
    if (pair->values.n_items == 0) {
        yaml_error(check->messages, pair->key.place, "the condition on \"%s\" lists no value", pair->key.text);
        return;
    }
    negated = pair->values.items[0].text[0] == '!';
    for (size_t i = 0; i < pair->values.n_items; i++) {
        const struct yaml_text *value = &pair->values.items[i];
        if ((value->text[0] == '!') != negated)
            yaml_error(check->messages, value->place,
                       "values with and without \"!\" in one condition; negate all of them or none");
        check_value(check, fact, value);
    }
}

void rule_check_clause(const struct rule_check *check, const struct yaml_map *clause)
{
    for (size_t i = 0; i < clause->n_items; i++)
        check_condition(check, &clause->items[i]);
}

void rule_check_clauses(const struct rule_check *check, const struct yaml_maps *clauses)
{
    for (size_t i = 0; i < clauses->n_items; i++)
        rule_check_clause(check, &clauses->items[i]);
}

const struct yaml_text *rule_check_single(const struct rule_check *check, const struct yaml_pair *pair)
{
    if (pair->values.n_items == 1)
        return &pair->values.items[0];
    yaml_error(check->messages, pair->key.place, "\"%.*s\" needs a single value", yaml_shown(pair->key.text),
               pair->key.text);
    return NULL;
}

/* Where the flags come from is the one thing about the environment that the client must tell. */
static bool told_by_client(int fact, const char *value)
{
    return fact == FACT_XLA_FLAGS_SOURCE && (strcmp(value, "missing") == 0 || strcmp(value, "unreadable") == 0);
}

static void check_given(const struct rule_check *check, const struct yaml_pair *pair)
{
    int fact = fact_by_name(pair->key.text);
    const struct yaml_text *value = rule_check_single(check, pair);
    const struct fact_info *info;

    if (fact < 0)
        report_unknown_fact(check, &pair->key);
    if (fact < 0 || !value)
        return;
    info = &fact_table[fact];
    if (info->origin == FACT_DERIVED)
        yaml_error(check->messages, pair->key.place, "the fact \"%s\" is derived; give those it follows from",
                   info->name);
    else if (info->origin == FACT_ENVIRONMENT && !told_by_client(fact, value->text))
        yaml_error(check->messages, pair->key.place, "the fact \"%s\" is read from %s; set that under env", info->name,
                   fact_variables[info->variable].name);
    else if (info->type != FACT_TYPE_TEXT && fact_value_by_name((enum fact_id)fact, value->text) < 0)
        report_impossible(check, info, value, value->text);
}

static void check_environment(const struct rule_check *check, const struct yaml_map *env)
{
    for (size_t i = 0; i < env->n_items; i++) {
        const struct yaml_text *name = &env->items[i].key;
        rule_check_single(check, &env->items[i]);
        if (!variable_collected(name->text))
            yaml_error(check->messages, name->place, "the variable \"%.*s\" is not looked at by any fact or rule",
                       yaml_shown(name->text), name->text);
    }
}

static void check_rules_exist(const struct rule_check *check, const struct yaml_texts *ids)
{
    for (size_t i = 0; i < ids->n_items; i++)
        if (!rule_check_has_id(check, ids->items[i].text))
            yaml_error(check->messages, ids->items[i].place, "there is no rule \"%.*s\" in this set",
                       yaml_shown(ids->items[i].text), ids->items[i].text);
}

/* One of the names that name_of gives for numbers from 0 to last, or the extra one. */
static void check_name(const struct rule_check *check, const struct yaml_text *text, const char *(*name_of)(int),
                       int last, const char *extra)
{
    char list[256];
    size_t used = 0;

    if (!text->text || strcmp(text->text, extra) == 0)
        return;
    list[0] = '\0';
    for (int i = 0; i <= last && used < sizeof(list); i++) {
        if (!name_of(i))
            continue;
        if (strcmp(name_of(i), text->text) == 0)
            return;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s, ", name_of(i));
    }
    yaml_error(check->messages, text->place, "must be one of %s%s, not \"%.*s\"", list, extra, yaml_shown(text->text),
               text->text);
}

static const char *mode_by_number(int number)
{
    return mode_name((enum mode)number);
}

static const char *verdict_by_number(int number)
{
    return verdict_name((enum verdict)number);
}

static const char *outcome_by_number(int number)
{
    return outcome_name((enum outcome)number);
}

static void check_expectation(const struct rule_check *check, const struct expect_record *expect)
{
    check_name(check, &expect->verdict, verdict_by_number, VERDICT_REJECTED, "ok");
    check_name(check, &expect->mode, mode_by_number, MODE_NPD_XLA, "unknown");
    check_name(check, &expect->predicted_mode, mode_by_number, MODE_NPD_XLA, "unknown");
    check_name(check, &expect->outcome, outcome_by_number, OUTCOME_NO_DEVICE, "unknown");
    for (size_t i = 0; i < expect->set.n_items; i++)
        rule_check_single(check, &expect->set.items[i]);
    check_rules_exist(check, &expect->because);
    check_rules_exist(check, &expect->rules);
}

void rule_check_examples(const struct rule_check *check, const struct rule_record *rule)
{
    const struct example_record *examples = RECORDS(rule->examples, example_record);

    for (size_t i = 0; i < rule->examples.n_items; i++) {
        for (size_t j = 0; j < examples[i].given.n_items; j++)
            check_given(check, &examples[i].given.items[j]);
        check_environment(check, &examples[i].env);
        check_environment(check, &examples[i].script);
        check_expectation(check, &examples[i].expect);
    }
}
