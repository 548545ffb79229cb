/* itexctl run --dry-run: everything that would be done, and nothing of it. */
#ifndef ITEXCTL_RUN_SHOW_H
#define ITEXCTL_RUN_SHOW_H

#include "client/itexctl/decide.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/run_say.h"

struct run_shown {
    const struct examined *examined;
    const struct hook *hook;
    const struct apply_plan *plan; /* what would be changed; empty where nothing would run */
    char *const *command;          /* as it would be executed */
};

/* A decision; the exit status. */
int run_show(const struct context *context, const struct decided *decided, const struct run_shown *shown);
/* That there is none. */
int run_show_unmanaged(const struct context *context, const struct failure *failure, const struct run_shown *shown);

#endif
