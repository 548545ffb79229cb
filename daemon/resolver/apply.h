/* Applying one rule's solution to a run. */
#ifndef ITEXD_RESOLVER_APPLY_H
#define ITEXD_RESOLVER_APPLY_H

#include "daemon/resolver/fixpoint.h"

/* Takes every action of the rule whose own clause holds, all judged on the state before. 0 or -ENOMEM. */
int apply_rule(struct run *run, uint32_t rule);

#endif
