/* What run and env do to the environment: the decision's changes, --env, and where the service is. */
#ifndef ITEXCTL_PLAN_H
#define ITEXCTL_PLAN_H

#include "client/core/apply.h"
#include "client/itexctl/decide.h"

/* A decision wins over --env, which it was resolved with. 0, or -1 with *failure. */
int plan_build(const struct decided *decided, const struct ask *ask, struct apply_plan *plan, struct failure *failure);
/* Without a decision: --env only. 0, or -1 without memory. */
int plan_unmanaged(const struct ask *ask, struct apply_plan *plan);
/* Lets the job's hook end it where it gets another mode than was decided. 0, or -1 without memory. */
int plan_require_mode(struct apply_plan *plan);

#endif
