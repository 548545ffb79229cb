/*
 * Inside of a compiled rule set; for the resolver's own files only.
 *
 * A dimension is what a condition can look at: a fact (dimension = enum fact_id) or a predicate on a text fact
 * (FACT_COUNT + its number). A state has one small number per dimension; a test is a dimension and the mask of
 * the numbers that satisfy it.
 *
 * Each clause under which a rule holds is watched at one of its tests, the one that fewest jobs satisfy: it stands in
 * the list of every number that satisfies that test. A match looks through the lists of the current numbers only.
 */
#ifndef ITEXD_RESOLVER_COMPILED_H
#define ITEXD_RESOLVER_COMPILED_H

#include "daemon/resolver/arena.h"
#include "daemon/resolver/facts.h"
#include "daemon/resolver/rule_set.h"
#include "daemon/resolver/xla_flags.h"

#define NO_RULE UINT32_MAX
#define MAX_ACTIONS 64u /* of one rule */

enum { PREDICATE_UNKNOWN, PREDICATE_FALSE, PREDICATE_TRUE };

struct test {
    uint16_t dimension;
    uint32_t mask;
};

struct clause {
    const struct test *tests;
    uint32_t n_tests;
};

/* A variable that matters: it is parsed, changed by a rule, or named in a message. Sorted by name. */
struct set_variable {
    const char *name;
    int16_t facts; /* enum variable_id, or -1 */
};

struct set_obligation {
    const char *token;
    int fact; /* -1: settles none */
    uint8_t value;
};

struct set_action {
    enum action_kind kind;
    uint32_t target; /* set_variable, flag or set_obligation */
    const char *value;
    struct clause when;
};

struct set_variant {
    struct clause when;
    enum outcome outcome;
    enum stage stage;
};

enum piece_kind { PIECE_TEXT, PIECE_FACT, PIECE_VARIABLE, PIECE_SET, PIECE_DETAIL };

/* A part of a message. */
struct piece {
    enum piece_kind kind;
    const char *text; /* for PIECE_TEXT, with length in target */
    uint32_t target;
};

struct template
{
    const struct piece *pieces;
    size_t n_pieces;
    bool names_set; /* has a PIECE_SET */
    bool absent;
};

struct set_rule {
    const char *id;
    const char *source;
    struct template message;
    struct template solution;
    enum severity severity;
    enum outcome outcome;
    enum stage stage;
    bool service;
    const struct clause *any;
    uint32_t n_any;
    const struct clause *unless;
    uint32_t n_unless;
    const struct set_variant *variants;
    uint32_t n_variants;
    const struct set_action *actions;
    uint32_t n_actions;
    uint32_t first_action; /* the number of its first action in the whole set */
};

struct predicate {
    enum fact_id fact;
    const char *const *values;
    size_t n_values;
};

/* A clause of some rule, where it is watched. */
struct watched {
    struct clause clause;
    uint32_t rule;
};

struct rule_set {
    struct arena arena; /* holds everything below */
    bool advise;
    struct set_rule *rules;
    size_t n_rules;
    size_t n_actions;
    struct set_variable *variables;
    size_t n_variables;
    uint32_t variable_of[VARIABLE_COUNT]; /* set_variable of each parsed variable */
    uint32_t *hash;                       /* names to variables, open addressing; UINT32_MAX: free */
    size_t hash_size;
    struct set_obligation *obligations;
    size_t n_obligations;
    struct xla_flags flags;
    int auto_jit; /* index of the flag, or XLA_NO_FLAG */
    int device_api;
    struct predicate *predicates;
    size_t n_predicates;
    size_t n_dimensions;
    struct watched *watched;    /* grouped by list */
    uint32_t *watch_lists;      /* where each list begins, one more than there are */
    uint32_t *first_list;       /* of each dimension: the list of its number 0 */
    uint16_t *watch_dimensions; /* those with any list that is not empty */
    size_t n_watch_dimensions;
    uint32_t n_always; /* clauses without tests: the first in watched, before all lists */
};

static inline bool clause_holds(const struct clause *clause, const uint8_t *numbers)
{
    for (uint32_t i = 0; i < clause->n_tests; i++)
        if (!(clause->tests[i].mask >> numbers[clause->tests[i].dimension] & 1))
            return false;
    return true;
}

/* The variable of that name, or -1 where it does not matter. */
long rule_set_variable(const struct rule_set *set, const char *name);

/* Evaluates a predicate on a text (NULL: unknown). */
uint8_t predicate_value(const struct predicate *predicate, const char *text);

/* Sets the bit of every rule that holds. bits has rule_words(set) words. */
void rules_match(const struct rule_set *set, const uint8_t *numbers, uint64_t *bits);

static inline size_t rule_words(const struct rule_set *set)
{
    return (set->n_rules + 63) / 64;
}

static inline bool bit_test(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* The first bit that is set from `from` on, NO_RULE: none. */
static inline uint32_t next_bit(const uint64_t *bits, size_t words, uint32_t from)
{
    for (size_t word = from / 64; word < words; word++) {
        uint64_t left = bits[word];

        if (word == from / 64)
            left &= ~UINT64_C(0) << (from % 64);
        if (left)
            return (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left);
    }
    return NO_RULE;
}

#endif
