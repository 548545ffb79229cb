/*
 * The resolver: from a job's environment and facts to a decision. Pure: no I/O, no clock, no global state,
 * libc only. Thread-safe: everything a call touches is in its arguments.
 *
 * What it does, in this order: parse the environment exactly as the native code and the Python code of ITEX
 * would (they differ), derive the facts that rules test, match the rules against the job's own state (the
 * prediction), then apply the first rule that holds and whose solution is not in force, derive anew, start
 * over, until nothing is left to apply (the decision). docs/resolution.md is the reference.
 *
 * Results live in an arena owned by struct resolution and are valid until resolution_reset or
 * resolution_free, as long as the rule set lives. A resolution can be reused for any number of calls and then
 * allocates nothing.
 */
#ifndef ITEXD_RESOLVER_RESOLVER_H
#define ITEXD_RESOLVER_RESOLVER_H

#include "daemon/resolver/rule_set.h"

#define RESOLVER_MAX_DIAGNOSTICS 100
#define RESOLVER_MAX_ALTERNATIVES 16

enum mode { MODE_UNKNOWN, MODE_NONE, MODE_STREAM_EXECUTOR, MODE_NPD, MODE_NPD_XLA };
enum verdict { VERDICT_OK, VERDICT_FIXED, VERDICT_ADVISED, VERDICT_REJECTED };
enum policy { POLICY_ENFORCE, POLICY_ADVISE };
enum provenance {
    FROM_UNKNOWN,
    FROM_INFERRED,
    FROM_NODE,
    FROM_ENVIRONMENT,
    FROM_SCRIPT,
    FROM_DECLARED, /* the highest wins; a difference is the diagnostic fact-conflict */
};

/* A variable of the job's own environment. Names are unique; value is never NULL (absent = not in the list). */
struct env_variable {
    const char *name;
    const char *value;
    const char *file; /* not NULL: the script sets it here, before the import, and beats the environment */
    unsigned line;
};

struct input_fact {
    const char *name;
    const char *value;
    enum provenance from; /* FROM_DECLARED, FROM_SCRIPT, FROM_ENVIRONMENT or FROM_NODE */
};

struct resolve_input {
    const struct env_variable *env;
    size_t n_env;
    const struct input_fact *facts;
    size_t n_facts;
    enum policy policy;
    bool apply_errors;            /* apply solutions of errors and unsupported only */
    const char *const *oversized; /* variables that were too long to send: their facts are unknown */
    size_t n_oversized;
    /* What a lease sets (value NULL: unsets), under every policy and before any rule is applied. The prediction does
     * not know of it; in the end it is in env like every change, where it is one, and a rule that wants such a variable
     * otherwise is a contradiction. Where the verdict is rejected nothing of it is in env, for there will be no lease.
     * Names: those that the parsers read, and ZE_ENABLE_PCI_ID_DEVICE_ORDER; -EINVAL for others. */
    const struct env_variable *lease;
    size_t n_lease;
};

struct resolved_fact {
    const char *name;
    const char *value; /* "unknown" where it is */
    enum provenance from;
};

struct resolved_variable {
    const char *name;
    const char *value; /* NULL: unset it */
};

struct diagnostic {
    const char *rule;
    enum severity severity;
    enum outcome outcome;
    const char *message;
    const char *solution; /* NULL: none */
    const char *source;
    bool applied;
    const char *const *because; /* rules, first cause first */
    size_t n_because;
};

struct alternative {
    const struct resolved_variable *env;
    size_t n_env;
    const char *const *obligations;
    size_t n_obligations;
    enum mode mode;
};

struct resolution {
    enum verdict verdict;
    enum mode mode;
    enum mode predicted_mode; /* MODE_UNKNOWN: the import does not succeed, gives no XPU, or not known */
    enum outcome predicted_outcome;
    bool predicted_outcome_known;      /* false: would be ok, but `unknown` is not empty */
    const char *itex;                  /* as declared or found; NULL: unknown */
    const struct resolved_fact *facts; /* known ones in the table's order, and the four that `unknown` ranges over */
    size_t n_facts;
    const char *const *unknown;
    size_t n_unknown;
    const struct resolved_variable *env; /* changes only, sorted by name */
    size_t n_env;
    const char *const *obligations;
    size_t n_obligations;
    const struct diagnostic *diagnostics; /* file order */
    size_t n_diagnostics;
    size_t diagnostics_omitted;
    struct resolution_arena *arena; /* private */
};

#define RESOLUTION_INIT                                                                                                \
    {                                                                                                                  \
        .arena = NULL                                                                                                  \
    }

/*
 * Resolves. 0; -ENOMEM; -EINVAL with a message in error[] (a fact that does not exist, is derived, comes from the
 * environment, or cannot take the value; an environment name that is empty or has '=').
 */
int resolve(const struct rule_set *rules, const struct resolve_input *input, struct resolution *result, char *error,
            size_t error_size);

/*
 * Other minimal changes, of up to two variables, after which no rule forbids the mode and nothing is left to
 * change; obligations may remain. Does not include the changes of the resolution itself. Expensive (about a
 * hundred resolutions): never call it in the service's loop. *out lives in result's arena; result must hold the
 * resolution of the same input.
 */
int resolve_alternatives(const struct rule_set *rules, const struct resolve_input *input, struct resolution *result,
                         const struct alternative **out, size_t *n_out);

void resolution_reset(struct resolution *result);
void resolution_free(struct resolution *result);

/*
 * Adds a diagnostic that the caller found itself under a rule marked `service` (fact-conflict, ruleset-differs,
 * scheduler-owns, no-device ...): severity, outcome, text and source come from the rule, {detail} in its message
 * is replaced. -ENOENT where the set has no such rule.
 */
int resolution_add(const struct rule_set *rules, struct resolution *result, const char *rule, const char *detail);

const char *mode_name(enum mode mode); /* NULL for MODE_UNKNOWN */
const char *verdict_name(enum verdict verdict);
const char *provenance_name(enum provenance from);

#endif
