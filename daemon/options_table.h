/* Every option: one line of the table is its place in the configuration file, on the command line and in --help. */
#ifndef ITEXD_DAEMON_OPTIONS_TABLE_H
#define ITEXD_DAEMON_OPTIONS_TABLE_H

#include "daemon/options.h"

struct option_def {
    const char *name;     /* of the file; with '-' for '_' on the command line */
    const char *argument; /* for --help; NULL: a switch */
    const char *fallback; /* the default, NULL: none */
    const char *help;
    enum yaml_kind kind;
    size_t offset;
    uint64_t min, max; /* of numbers; max 0: no limit */
    const char *const *words;
    bool command_line_only;
    bool needs_restart;
};

#define OPTION_COUNT 45
extern const struct option_def option_table[OPTION_COUNT];

#endif
