/* The commands under "itexctl rules". */
#ifndef ITEXCTL_COMMANDS_RULES_H
#define ITEXCTL_COMMANDS_RULES_H

#include "client/itexctl/itexctl.h"

extern const struct command command_rules_list;
extern const struct command command_rules_show;
extern const struct command command_rules_history;
extern const struct command command_rules_load;
extern const struct command command_rules_activate;
extern const struct command command_rules_rollback;
extern const struct command command_rules_reload;
extern const struct command command_rules_check;
extern const struct command command_rules_test;
extern const struct command command_rules_diff;
extern const struct command command_rules_reference;

#endif
