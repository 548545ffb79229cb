/* Options that are right by themselves and still cannot be used: checked when file and command line are read. */
#ifndef ITEXD_DAEMON_OPTIONS_CHECK_H
#define ITEXD_DAEMON_OPTIONS_CHECK_H

#include "daemon/options.h"

/* The place of a value that was given there. */
#define OPTIONS_COMMAND_LINE "command line"

/* Says each mistake under the name by which the option was given; true where one is on the command line. Also turns
 * socket_mode_text into socket_mode. */
bool options_check(struct options *options, struct yaml_messages *messages);

#endif
