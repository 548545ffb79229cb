/* Completion for shells: itexctl complete -- WORD... prints what the last word may become. */
#ifndef ITEXCTL_COMPLETE_H
#define ITEXCTL_COMPLETE_H

#include "client/itexctl/itexctl.h"

extern const struct command command_complete; /* not in the overview: for completion scripts */

/* main.c: the tables, and finding a command in one of them. */
const struct command *const *all_commands(void);
const struct option_def *all_global_options(size_t *count);
/* "list" of "rules list": how it is called among its own. */
const char *command_word(const struct command *command);
/* NULL where there is none; list ends with NULL and may be NULL. */
const struct command *find_command(const struct command *const *list, const char *word);

#endif
