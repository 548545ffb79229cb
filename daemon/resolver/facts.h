/*
 * The table of facts, made at build time from db/rules/facts.yaml: names, values, and which variable and parser
 * a fact comes from. Value 0 of every fact is "unknown". A text fact has the values unknown and known here; its
 * text is kept beside.
 */
#ifndef ITEXD_RESOLVER_FACTS_H
#define ITEXD_RESOLVER_FACTS_H

#include "daemon/resolver/facts-table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fact_type { FACT_TYPE_ENUM, FACT_TYPE_BOOL, FACT_TYPE_TEXT };
enum fact_origin { FACT_DECLARED, FACT_ENVIRONMENT, FACT_DERIVED };

enum { FACT_FALSE = 1, FACT_TRUE = 2, TEXT_KNOWN = 1 };

#define FACT_MAX_ANSWERS 4

struct fact_info {
    const char *name;
    enum fact_type type;
    enum fact_origin origin;
    const char *const *values; /* [0] is "unknown" */
    uint8_t n_values;          /* with unknown */
    int16_t variable;          /* enum variable_id, or -1 */
    enum fact_parser parser;
    uint8_t answers[FACT_MAX_ANSWERS]; /* the value for each answer of the parser */
    uint8_t unset;                     /* the value where the variable is absent */
    bool always;
    const char *source;
};

struct fact_variable {
    const char *name;
    const enum fact_id *facts;
    size_t n_facts;
};

struct fact_obligation {
    const char *token;
    const char *fact; /* NULL: settles none */
    const char *value;
};

extern const struct fact_info fact_table[FACT_COUNT];
extern const enum fact_id facts_by_name[FACT_COUNT]; /* sorted */
extern const struct fact_variable fact_variables[VARIABLE_COUNT];
extern const struct fact_obligation fact_obligations[];
extern const size_t n_fact_obligations;

/* The fact of that name, or -1. */
int fact_by_name(const char *name);

/* The number of a value of an enum or bool fact ("unknown" is 0), or -1 where it cannot take it. */
int fact_value_by_name(enum fact_id fact, const char *value);

#endif
