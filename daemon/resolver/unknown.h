/* Which unknown facts matter. */
#ifndef ITEXD_RESOLVER_UNKNOWN_H
#define ITEXD_RESOLVER_UNKNOWN_H

#include "daemon/resolver/state.h"

#define MAX_UNKNOWN 4u

/*
 * Of keras, jit, custom_ops and itex those that are unknown and matter: two assignments of all the unknown ones that
 * differ in nothing else end in another mode, environment, obligations or predicted outcome. own is the job's own
 * state. names[] gets *n names, in that order. 0 or -ENOMEM.
 */
int unknown_facts(struct base *base, const struct state *own, bool apply_errors, const char *names[MAX_UNKNOWN],
                  size_t *n);

#endif
