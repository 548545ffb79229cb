/* A decision told as a story: who asked, what the job brought, what would have happened, why, what was done. */
#ifndef ITEXCTL_STORY_H
#define ITEXCTL_STORY_H

#include "client/itexctl/output.h"

/* What is told besides the decision; each may be NULL. */
struct story_extras {
    const Itexd__V1__RuleSetName *in_force;
    const Itexd__V1__Outcome *now; /* what the set in force would decide */
};

void print_story(const struct printer *printer, const Itexd__V1__Decision *decision, const struct story_extras *extras);

/* story_short.c: the whole in a few sentences, and why a job may have got something else than was decided. */
void tell_in_short(const struct printer *printer, const Itexd__V1__Decision *decision);
void tell_mismatch(const struct printer *printer, const Itexd__V1__Decision *decision);
/* story_now.c: what would be decided today, against what was. */
void tell_now(const struct printer *printer, const Itexd__V1__Decision *decision, const struct story_extras *extras);

#endif
