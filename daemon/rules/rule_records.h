/*
 * Private to the rules library: a rule file as it was read, every value with its place, before anything is known of
 * its meaning. docs/rules-format.md describes the keys.
 */
#ifndef ITEXD_RULES_RECORDS_H
#define ITEXD_RULES_RECORDS_H

#include "daemon/rules/rules.h"
#include "daemon/yaml/yaml_table.h"

struct solution_record {
    struct yaml_place place;
    struct yaml_map when;
    struct yaml_map set;
    struct yaml_texts unset;
    struct yaml_map xla_flag;
    struct yaml_texts drop_xla_flag;
    bool drop_unknown_flags;
    bool inline_flags_file;
    struct yaml_texts obligation;
};

struct variant_record {
    struct yaml_place place;
    struct yaml_maps when;
    int outcome;
    int strikes;
};

/* What an example promises; a key that is not there is not compared. */
struct expect_record {
    struct yaml_place place;
    bool holds;
    struct yaml_place holds_place;
    bool applied;
    struct yaml_place applied_place;
    struct yaml_text verdict, mode, predicted_mode, outcome;
    struct yaml_map set;
    struct yaml_texts unset, obligations, unknown, because, rules;
};

struct example_record {
    struct yaml_place place;
    struct yaml_map given, env, script;
    struct yaml_texts oversized;
    int policy;
    struct yaml_place policy_place;
    int apply;
    struct expect_record expect;
};

struct rule_record {
    struct yaml_place place;
    struct yaml_text id;
    int severity;
    int outcome;
    struct yaml_place outcome_place;
    int strikes;
    bool service;
    struct yaml_texts itex;
    struct yaml_maps when, unless;
    struct yaml_list outcome_where; /* struct variant_record */
    struct yaml_text message;
    struct yaml_list solution; /* struct solution_record */
    struct yaml_text solution_text, source;
    struct yaml_list examples; /* struct example_record */
};

struct xla_flag_record {
    struct yaml_place place;
    struct yaml_text name;
    int type;
    struct yaml_texts itex;
};

struct rule_file_record {
    const char *file;
    struct yaml_text name, title;
    int policy;
    struct yaml_place policy_place;
    struct yaml_list xla_flags; /* struct xla_flag_record */
    struct yaml_list rules;     /* struct rule_record */
};

extern const struct yaml_table rule_file_table;

/* What a rule's definition was made from, for examples and the reference. */
struct rule_origin {
    const struct rule_file_record *file;
    const struct rule_record *record;
};

/* A set: records and definitions live in memory; origins[i] belongs to definitions.rules[i]. */
struct rules {
    struct yaml_memory memory;
    struct rule_file_record *files;
    size_t n_files;
    struct rule_origin *origins;
    struct rule_set_def definitions;
    struct rule_set *compiled;
    char digest[RULES_DIGEST_SIZE];
};

/* The typed items of a list of records. */
#define RECORDS(list, type) ((const struct type *)(list).items)

/* Generations by name, as rules and flags list them: "2.14", "2.15", "newest". 0 where there is none such. */
unsigned rule_generation_bit(const char *name);

/* Reports what the tables cannot see: facts and values that do not exist, variables that may not be set ... 0 whatever
 * was found, or -ENOMEM. */
int rules_check(const struct rules *rules, struct yaml_messages *messages);

/* Makes the definitions from checked records. 0, -ENOMEM. */
int rules_build(struct rules *rules);

#endif
