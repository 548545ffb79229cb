/*
 * Between the wire and the resolver: reads a Resolve (or stored Facts) as resolver input, and writes a resolution as
 * the Outcome that is sent and stored.
 *
 * Pure: no I/O. Packing is deterministic - equal facts and rules give equal bytes - because the store keeps equal
 * blobs once. The daemon uses it for requests, itexctl for offline resolution, replay and alternatives.
 */
#ifndef ITEXD_DECISION_DECISION_H
#define ITEXD_DECISION_DECISION_H

#include "daemon/resolver/resolver.h"
#include "itexd.pb-c.h"

/* Resolver input whose strings point into the message it was read from. */
struct decision_input {
    struct resolve_input resolve;
    struct env_variable *env;
    struct input_fact *facts;
    const char **oversized; /* those that any fact or rule reads, sorted */
};
#define DECISION_INPUT_INIT                                                                                            \
    {                                                                                                                  \
        .env = NULL                                                                                                    \
    }

/*
 * Reads a request. The default policy is the rule set's unless the request names one.
 * 0; -ENOMEM; -EINVAL with a message: a name missing or twice, a value too long, an unknown policy or provenance.
 * input points into request, which must outlive it; freed by decision_input_clear.
 */
int decision_input_read(const Itexd__V1__Resolve *request, bool advise_by_default, struct decision_input *input,
                        char *error, size_t error_size);
void decision_input_clear(struct decision_input *input);

/* Whether a variable is of interest: a fact is read from it, or a rule may set it. What merely identifies a job to its
 * scheduler or launcher is not, so that equal jobs are equal. name may be NULL. */
bool decision_variable_kept(const char *name);

/*
 * What the service found besides what the request says, and the resolution therefore depends on. Borrowed throughout;
 * DECISION_FINDINGS_INIT for nothing.
 */
struct decision_note {
    const char *rule, *detail; /* of a rule marked `service`; a set without it does not speak of it */
};
struct decision_findings {
    const struct env_variable *lease; /* what resolve_input takes */
    size_t n_lease;
    const struct input_fact *node; /* facts of the node */
    size_t n_node;
    const struct decision_note *notes;
    size_t n_notes;
    bool none;     /* the job as it is sees no device */
    bool rejected; /* there is none that it could have */
};
#define DECISION_FINDINGS_INIT                                                                                         \
    {                                                                                                                  \
        .lease = NULL                                                                                                  \
    }

/*
 * Resolves the input as it was read, with what was found (NULL: nothing), under a policy that the request named or the
 * caller chose. 0; -ENOMEM; -EINVAL with a message, as resolve.
 */
int decision_resolve(const struct rule_set *rules, const struct decision_input *input,
                     const struct decision_findings *findings, struct resolution *resolution, char *error,
                     size_t error_size);

/* What was put in, as it is stored: an owned buffer (malloc) of *size bytes. Only variables that any fact or rule reads
 * are kept, sorted by name. The resolved facts are included, for reading; replay uses env, the facts not inferred, and
 * what was found. findings NULL: nothing was. */
int decision_pack_facts(const Itexd__V1__Resolve *request, const struct decision_findings *findings,
                        const struct resolution *resolution, uint8_t **data, size_t *size);
/* The resolution as Outcome. alternatives may be NULL (not asked). */
int decision_pack_outcome(const struct resolution *resolution, const struct alternative *alternatives,
                          size_t n_alternatives, uint8_t **data, size_t *size);

/* Turns stored Facts back into a request, for resolving again. Free with itexd__v1__resolve__free_unpacked. */
int decision_request_from_facts(const Itexd__V1__Facts *facts, const char *policy, Itexd__V1__Resolve **request);

/*
 * Resolves stored Facts again, under whatever rules: with the set that they were resolved by, the outcome is the same.
 * 0; -ENOMEM; -ENOTSUP: not all that it depended on is in the facts, error says which way; -EINVAL: these rules know no
 * such fact or value, error says what.
 */
int decision_replay(const struct rule_set *rules, const Itexd__V1__Facts *facts, const char *policy,
                    struct resolution *resolution, char *error, size_t error_size);

#endif
