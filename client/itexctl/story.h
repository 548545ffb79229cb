/* A decision told as a story: who asked, what the job brought, what would have happened, why, what was done. */
#ifndef ITEXCTL_STORY_H
#define ITEXCTL_STORY_H

#include "client/itexctl/output.h"

void print_story(const struct printer *printer, const Itexd__V1__Decision *decision);

#endif
