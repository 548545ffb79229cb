/* Applying to a run: the lease, or one rule's solution. */
#ifndef ITEXD_RESOLVER_APPLY_H
#define ITEXD_RESOLVER_APPLY_H

#include "daemon/resolver/fixpoint.h"

/* Sets everything that the lease decides, which no rule may change from then on. 0 or -ENOMEM. */
int apply_lease(struct run *run);

/* Takes every action of the rule whose own clause holds, all judged on the state before. 0 or -ENOMEM. */
int apply_rule(struct run *run, uint32_t rule);

#endif
