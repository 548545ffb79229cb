/*
 * Completion for shells: itexctl __complete -- WORD... prints what the last word may become, a line each, with a tab
 * and a description behind some. A line that begins with a colon is for the script that called:
 *
 *   :files       file names, too
 *   :command N   word N begins another command's line, which is completed as that command has it
 */
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

/* ---- What a word may become: complete_values.c --------------------------------------------------------- */

struct completion {
    struct context *context;
    const struct command *command;
    const char *word;   /* as far as it is written */
    const char *prefix; /* that candidates bring in front: "--mode=" */
};

/* A candidate, if the word begins it. description may be NULL. */
void complete_with(const struct completion *completion, const char *text, const char *description);
void complete_option_value(const struct completion *completion, const struct option_def *option);
/* Operand number `position`, from 0, as the command's usage names it. */
void complete_operand(const struct completion *completion, int position);

#endif
