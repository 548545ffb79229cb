/*
 * What a decision changes in a job's environment, as a plan that is checked whole before anything is changed.
 *
 * Whatever the service says, only variables that variable_settable names are ever touched, so that neither a bad
 * rule nor somebody else's service can put LD_PRELOAD into a job. ITEXD_DECISION is added, for the hook inside the
 * job and for inner runs: ID:RULESETDIGEST:OBLIGATIONS, ID 0 where the decision is not recorded, obligations joined by
 * ',' ("," and "%" inside one are written %2C and %25). With a lease come ITEXD_LEASE, its number, and
 * ITEXD_LOCAL_DEVICE, the index of the process's own device among those it sees.
 */
#ifndef ITEXD_CLIENT_APPLY_H
#define ITEXD_CLIENT_APPLY_H

#include "itexd.pb-c.h"

#include <stddef.h>

enum apply_result {
    APPLY_OK = 0,
    APPLY_REJECTED = 1,  /* the decision's verdict is rejected: nothing valid to apply */
    APPLY_FORBIDDEN = 2, /* a variable that may not be touched, or no sensible change: see the error text */
};

struct apply_change {
    char *name;
    char *value; /* NULL: unset */
};

struct apply_plan {
    struct apply_change *changes;
    size_t n_changes;
};

#define APPLY_PLAN_INIT                                                                                                \
    {                                                                                                                  \
        .changes = NULL                                                                                                \
    }

/* enum apply_result or -ENOMEM. plan is empty unless APPLY_OK; error says what and which, "" otherwise. */
int apply_plan_build(struct apply_plan *plan, const Itexd__V1__Decision *decision, char *error, size_t error_size);
/*
 * A change of the caller's own (ITEXD_SOCKET, ITEXD_LEASE, what --env asked for), not checked against the list.
 * Replaces one of the same name. 0, -ENOMEM, -EINVAL for a name that is empty or has '='.
 */
int apply_plan_add(struct apply_plan *plan, const char *name, const char *value);
void apply_plan_free(struct apply_plan *plan);

/* Changes this process's environment: all or nothing. 0 or -errno. */
int apply_plan_setenv(const struct apply_plan *plan);

/* The text of ITEXD_DECISION, from malloc; NULL without memory. */
char *decision_text(const Itexd__V1__Decision *decision);

#endif
