/*
 * The fixpoint: from the job's own state to one where nothing is left to apply.
 *
 * Who owns what keeps it finite: a variable, a flag or a settled fact belongs to the first rule that changed it, a
 * second rule that wants something else is a contradiction and its action is blocked for the rest of the run.
 */
#ifndef ITEXD_RESOLVER_FIXPOINT_H
#define ITEXD_RESOLVER_FIXPOINT_H

#include "daemon/resolver/state.h"

/* An obligation in the order of issue: a token of the set, or a change of a variable that the script sets. */
struct issued {
    bool script;
    uint32_t index; /* set_obligation, or variable */
};

/* Owner of what a lease sets, and cause of what it brings about; no rule. */
#define LEASE_OWNER (NO_RULE - 1)

struct contradiction {
    uint32_t first; /* a rule, or LEASE_OWNER */
    uint32_t second;
    const struct set_action *action; /* of the second, which is not taken */
};

struct run {
    struct base *base;
    bool apply_errors;
    bool quiet; /* nobody will read the diagnostics: no texts, no causes */
    struct state state;
    uint64_t *own_holds; /* rules that hold for the job's own state */
    uint64_t *holds;     /* ... now, at last in the end */
    uint64_t *ever;      /* ... at any time */
    uint32_t *cause;     /* of each rule in ever but not in own_holds: the rule applied before, or LEASE_OWNER */
    uint8_t *outcome;    /* of each rule in ever, when it began to hold */
    const char **named;  /* of each rule whose message asks for it: the variables behind it then */
    uint32_t *owner;     /* rule per variable; the whole of TF_XLA_FLAGS has three owners of its own */
    uint32_t *flag_owner;
    uint32_t flags_unset_by;
    uint32_t flags_inlined_by;
    uint32_t flags_dropped_by;
    uint32_t *obliged_by;
    struct issued *issued;
    size_t n_issued;
    size_t n_lease_issued; /* the first of them: because of the lease */
    uint64_t *blocked;     /* per action of the set */
    struct contradiction *contradictions;
    size_t n_contradictions;
    enum outcome worst;    /* of own_holds */
    bool anything_changed; /* a variable, at least once */
    bool import_fails;     /* by a rule of own_holds */
    bool rejected;
};

/* Room for runs with this base. 0 or -ENOMEM. */
int run_alloc(struct base *base, struct run *run);

/* From the state `from` on; run->apply_errors and quiet are the caller's. 0 or -ENOMEM. */
int run_to_end(struct run *run, const struct state *from);

/* Is the variable changed in the environment by the end (not: in the script)? */
bool run_changes(const struct run *run, size_t variable);

/* Is part of the rule's solution not in force, whether policy permits it or not? */
bool run_pending(const struct run *run, uint32_t rule);

#endif
