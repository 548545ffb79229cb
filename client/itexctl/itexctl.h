/*
 * itexctl: what all commands share. Each command is one file with one struct command; main.c has the table.
 *
 * A command returns the exit status. It prints its answer on stdout and, where it fails, one clear message on stderr
 * (errors.h), so that output may be piped on.
 */
#ifndef ITEXCTL_ITEXCTL_H
#define ITEXCTL_ITEXCTL_H

#include "client/itexctl/options.h"

#include <stdbool.h>
#include <stddef.h>

/* The options that stand anywhere, and what was called. */
struct context {
    const struct command *command;
    const char *socket; /* NULL: $ITEXD_SOCKET or the default */
    const char *format; /* one of the command's formats */
    bool json;
    bool no_color;
    bool help;
    bool version;
    void *values; /* of the command's own options */
};

struct command {
    const char *name;                  /* "resolve", "rules list" */
    const char *summary;               /* a line for the overview */
    const char *usage;                 /* operands and options after the name; complete_values.c reads it, too */
    const char *const *formats;        /* ends with NULL, the first is the default; NULL: no choice */
    const struct option_group *groups; /* values are offsets from context.values, see main.c */
    size_t n_groups;
    size_t values_size;
    bool runs_program; /* operands are a command line: options end at the first of them */
    int (*run)(struct context *context, const struct operands *operands);
    /* Called where the options are wrong, so that run never is; may be NULL. */
    void (*refused)(const struct context *context, int status);
    /* Ends with NULL; run, where there is one, is for operands that name none of them. */
    const struct command *const *commands;
};

extern const struct command command_status;
extern const struct command command_resolve;
extern const struct command command_env;
extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_explain;
extern const struct command command_query;
extern const struct command command_replay;
extern const struct command command_rules;
extern const struct command command_doctor;
extern const struct command command_backup;
extern const struct command command_devices;
extern const struct command command_leases;

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
