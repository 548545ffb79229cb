/*
 * Changes of the environment as commands of a shell, for eval.
 *
 *     sh     eval "$(itexctl env)"
 *     fish   itexctl env --format fish | source
 *     csh    eval "`itexctl env --format csh`"
 *
 * A value comes through byte for byte, whatever it holds. Each command ends with ';' and stands on one line, except
 * that sh keeps newlines inside its quotes. In csh a value with a newline needs tcsh, whose $'\n' it uses; the old csh
 * refuses it loudly.
 */
#ifndef ITEXCTL_QUOTE_H
#define ITEXCTL_QUOTE_H

#include <stdio.h>

enum shell { SHELL_SH, SHELL_FISH, SHELL_CSH };

/* value NULL: unset. name must be a plain variable name. */
void shell_change(FILE *out, enum shell shell, const char *name, const char *value);
/* A word of a command line, as sh reads it: in quotes only where it needs them. */
void shell_word(FILE *out, const char *word);
/* A command that ends with that status. */
void shell_status(FILE *out, enum shell shell, int status);

#endif
