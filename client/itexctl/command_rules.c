/* itexctl rules: the group. Its commands are in rules_service.c, rules_history.c, rules_load.c (the service's sets) and
 * rules_local.c.
 */
#include "client/itexctl/commands_rules.h"

static const struct command *const commands[] = {
    &command_rules_list,     &command_rules_show,    &command_rules_load,      &command_rules_activate,
    &command_rules_rollback, &command_rules_history, &command_rules_reload,    &command_rules_check,
    &command_rules_test,     &command_rules_diff,    &command_rules_reference, NULL,
};

const struct command command_rules = {
    .name = "rules",
    .summary = "list, load, check and activate rule sets",
    .usage = "COMMAND [OPTION...]",
    .commands = commands,
};
