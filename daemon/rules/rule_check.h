/* Private to the rules library: the parts of rules_check. Each reports what it finds and goes on. */
#ifndef ITEXD_RULES_CHECK_H
#define ITEXD_RULES_CHECK_H

#include "daemon/rules/rule_records.h"

struct rule_check {
    const struct rules *rules;
    struct yaml_messages *messages;
    const char **ids; /* of all rules, sorted */
    size_t n_ids;
};

bool rule_check_has_id(const struct rule_check *check, const char *id);

/* Conditions: facts that exist, with values that they can take. */
void rule_check_clause(const struct rule_check *check, const struct yaml_map *clause);
void rule_check_clauses(const struct rule_check *check, const struct yaml_maps *clauses);

/* Solutions: variables that may be set, flags and obligations that exist. */
void rule_check_solution(const struct rule_check *check, const struct rule_record *rule);

/* Texts for people: their length, and names in braces that something fills. */
void rule_check_texts(const struct rule_check *check, const struct rule_record *rule);

void rule_check_examples(const struct rule_check *check, const struct rule_record *rule);

/* A pair whose value must be one scalar. Reports and returns NULL where it is a list. */
const struct yaml_text *rule_check_single(const struct rule_check *check, const struct yaml_pair *pair);

/* A condition's value without the sign of negation. */
static inline const char *rule_bare_value(const char *value)
{
    return value[0] == '!' ? value + 1 : value;
}

/* The shape of an id: what can stand in a query, a table and a heading. */
#define RULE_ID_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

#endif
