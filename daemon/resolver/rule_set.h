/*
 * The compiled form of a rule set: what the resolver matches against.
 *
 * A rule set is built once from plain definitions (struct rule_def, usually read from YAML by
 * daemon/rules) and never changes afterwards; any number of threads may resolve with it at once.
 * It copies everything it needs from the definitions.
 *
 * Matching. Every fact of the generated table (facts.yaml) takes one value of a small fixed list, value 0
 * being "unknown"; a condition on a text fact (a version, say) is compiled to a predicate with the values
 * unknown, false, true. A clause is watched at one of its conditions, one that a job which sets nothing does not
 * satisfy, and a resolution looks only at the clauses watched at values which the job has: rules about what a
 * job does not do cost it nothing.
 *
 * Three-valued conditions: a condition on an unknown fact does not hold (unless it lists "unknown"); an
 * `unless` holds the rule back only where it is known to be true.
 */
#ifndef ITEXD_RESOLVER_RULE_SET_H
#define ITEXD_RESOLVER_RULE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_UNSUPPORTED, SEVERITY_ERROR };

/* What becomes of the job where a rule holds and nothing is done, in ascending order. */
enum outcome {
    OUTCOME_OK,
    OUTCOME_WARNING,
    OUTCOME_SLOW,
    OUTCOME_UNSUPPORTED,
    OUTCOME_CPU,   /* trains on the CPU without a word */
    OUTCOME_EXIT0, /* ends with status 0 without training */
    OUTCOME_ERROR, /* a Python exception */
    OUTCOME_ABORT, /* death by signal */
    OUTCOME_NO_DEVICE,
};

/* When the outcome strikes: what strikes at import leaves the job without a mode. */
enum stage { STAGE_IMPORT, STAGE_RUN };

/* One condition: the fact has one of the values (or, negated, is known and has none of them). For a text
 * fact a value is an exact text or a list of version bounds such as ">=2.16,<2.18". */
struct rule_condition {
    const char *fact;
    const char *const *values;
    size_t n_values;
    bool negated;
};

/* Holds when each of its conditions does; with no condition it always holds. */
struct rule_clause {
    const struct rule_condition *conditions;
    size_t n_conditions;
};

enum action_kind {
    ACTION_SET,              /* name = value in the environment */
    ACTION_UNSET,            /* name leaves the environment */
    ACTION_XLA_FLAG,         /* --name=value in TF_XLA_FLAGS, value NULL drops the flag */
    ACTION_XLA_DROP_UNKNOWN, /* drops every token of TF_XLA_FLAGS that TensorFlow does not know */
    ACTION_XLA_INLINE,       /* TF_XLA_FLAGS = the text of the flags file */
    ACTION_OBLIGATION,       /* name is the token; value unused */
};

/* A part of a rule's solution, taken where its own clause holds too. */
struct rule_action {
    enum action_kind kind;
    const char *name;
    const char *value;
    struct rule_clause when;
};

/* Another outcome where a clause holds, the first that does wins over the rule's own. */
struct rule_variant {
    struct rule_clause when;
    enum outcome outcome;
    enum stage stage;
};

struct rule_def {
    const char *id;
    enum severity severity;
    enum outcome outcome;
    enum stage stage;
    unsigned generations;          /* bit set of 1u << enum generation (facts.h) */
    bool service;                  /* never matched: issued by code under this id, text and source from here */
    const struct rule_clause *any; /* the rule holds when one of these does ... */
    size_t n_any;
    const struct rule_clause *unless; /* ... and none of these */
    size_t n_unless;
    const struct rule_variant *variants;
    size_t n_variants;
    const char *message;  /* {NAME} is replaced by the job's value of the variable or fact NAME, {set} by the
                             variables behind the conditions that hold */
    const char *solution; /* for a person; NULL where there is none */
    const char *source;
    const struct rule_action *actions;
    size_t n_actions;
};

/* A flag that TensorFlow accepts in TF_XLA_FLAGS. The order matters: a boolean flag also swallows every
 * later name that starts with its own (TensorFlow's flag library compares prefixes). */
enum xla_flag_type { XLA_FLAG_BOOL, XLA_FLAG_STRING, XLA_FLAG_INT32, XLA_FLAG_INT64, XLA_FLAG_AUTO_JIT };
struct xla_flag_def {
    const char *name;
    enum xla_flag_type type;
    unsigned generations;
};

/* An obligation's token and the fact that it settles for later rules (NULL: none). */
struct obligation_def {
    const char *token;
    const char *fact;
    const char *value;
};

struct rule_set_def {
    const char *name;
    bool advise; /* the set's policy */
    const struct rule_def *rules;
    size_t n_rules;
    const struct xla_flag_def *xla_flags;
    size_t n_xla_flags;
    const struct obligation_def *obligations;
    size_t n_obligations;
};

struct rule_set;

/* Where compiling failed, for the caller's message: which rule (index into rules, or SIZE_MAX) and why. */
struct rule_set_error {
    size_t rule;
    char text[256];
};

/*
 * Compiles. 0, -ENOMEM, or -EINVAL with *error filled: an unknown fact, a value that the fact cannot take, a
 * duplicate id, an action on a variable that may not be set (variable_settable), an info rule with a
 * solution, more than 4096 conditions on text facts.
 */
int rule_set_compile(const struct rule_set_def *def, struct rule_set **out, struct rule_set_error *error);
void rule_set_free(struct rule_set *set);
static inline void rule_set_freep(struct rule_set **set)
{
    rule_set_free(*set);
    *set = NULL;
}

size_t rule_set_size(const struct rule_set *set);
bool rule_set_advises(const struct rule_set *set);

const char *severity_name(enum severity severity);
const char *outcome_name(enum outcome outcome);

#endif
