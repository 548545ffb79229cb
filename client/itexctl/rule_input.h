/* Rules that itexctl reads itself, from files or folders of them. */
#ifndef ITEXCTL_RULE_INPUT_H
#define ITEXCTL_RULE_INPUT_H

#include "client/itexctl/errors.h"
#include "daemon/rules/rules.h"

/* The folder of the shipped rules: $ITEXD_RULES, else where they are installed. */
const char *shipped_rules_path(void);

/* All: 0, or -1 with *failure. */

/* Adds the files at these paths; a folder stands for its *.yaml files. */
int read_rule_files(const char *const *paths, size_t n_paths, struct rule_files *files, struct failure *failure);
/* Checks and compiles; what is wrong with the rules is the failure, a line for each mistake. */
int compile_rules(const struct rule_files *files, struct rules **rules, struct failure *failure);
/* Both, for one path. */
int read_rules(const char *path, struct rules **rules, struct failure *failure);

#endif
