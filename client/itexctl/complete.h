/* Completion for shells: itexctl complete -- WORD... prints what the last word may become. */
#ifndef ITEXCTL_COMPLETE_H
#define ITEXCTL_COMPLETE_H

#include "client/itexctl/itexctl.h"

extern const struct command command_complete; /* not in the overview: for completion scripts */
const struct command *const *all_commands(void);
const struct option_def *all_global_options(size_t *count);

#endif
