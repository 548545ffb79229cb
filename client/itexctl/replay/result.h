/*
 * What a resolution came to, as far as two are compared: in one piece of memory, shared by reference.
 *
 * Made from a resolution or from a stored Outcome alike, so that equal ones compare equal.
 */
#ifndef ITEXCTL_REPLAY_RESULT_H
#define ITEXCTL_REPLAY_RESULT_H

#include "daemon/resolver/resolver.h"
#include "itexd.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

struct result_variable {
    const char *name;
    const char *value; /* NULL: unset */
};
struct result_rule {
    const char *id;
    bool applied;
    bool forbids; /* an error or unsupported that nothing was done about */
};

struct result {
    unsigned references;
    const char *why; /* not NULL: it could not be resolved, for this reason; there is nothing else then */
    const char *verdict;
    const char *mode, *predicted_mode, *predicted_outcome; /* NULL: none */
    const struct result_variable *env;
    const char *const *obligations;
    const struct result_rule *rules; /* of the diagnostics */
    size_t n_env, n_obligations, n_rules;
};

/* NULL without memory. */
struct result *result_from_resolution(const struct resolution *resolution);
struct result *result_from_outcome(const Itexd__V1__Outcome *outcome);
struct result *result_without(const char *why);
struct result *result_get(struct result *result);
void result_put(struct result *result); /* NULL is fine */

/* In what two differ. */
enum change {
    CHANGE_REJECTED,    /* was not rejected, and would be */
    CHANGE_UNREJECTED,  /* the other way round */
    CHANGE_VERDICT,     /* any other change of the verdict */
    CHANGE_MODE,        /* that the job is to run in */
    CHANGE_PREDICTED,   /* mode or outcome of the job's own environment */
    CHANGE_ENVIRONMENT, /* variables that are set or unset */
    CHANGE_OBLIGATIONS,
    CHANGE_RULES, /* only which rules hold or are applied, and what the job is told */
    CHANGES,
};
/* Bits, 1 << change. */
unsigned result_compare(const struct result *from, const struct result *to);

/* The rules that a change may be owed to, as far as the two tell: all that hold in one of them only. */
#define BLAME_RULES 4
enum blame_how {
    BLAME_BY,        /* they hold, or are applied, and were not */
    BLAME_WITHOUT,   /* they did, and do no longer */
    BLAME_OTHERWISE, /* they are applied in both, and one of them does something else */
    BLAME_NONE,
};
struct blame {
    enum blame_how how;
    const char *rules[BLAME_RULES]; /* of one of the two results */
    size_t n_rules;
    bool more; /* than these */
};
struct blame result_blame(enum change change, const struct result *from, const struct result *to);

#endif
