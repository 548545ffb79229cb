/*
 * One table-driven option parser for every command.
 *
 * Options are long (--name VALUE, --name=VALUE); -h is --help. They may stand between operands; "--" ends them. What a
 * table says is also what --help prints, so the two cannot differ.
 */
#ifndef ITEXCTL_OPTIONS_H
#define ITEXCTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *: NULL unless given */
    OPTION_CHOICE,   /* const char *, one of choices */
    OPTION_LIST,     /* struct text_list: each time one more */
    OPTION_NUMBER,   /* int64_t, -1 unless given */
    OPTION_DURATION, /* int64_t milliseconds, -1 unless given */
};

/* The texts point into argv. */
struct text_list {
    const char **items;
    size_t n_items;
};

struct option_def {
    const char *name; /* without dashes */
    enum option_kind kind;
    size_t offset;        /* of the value, in the group's values */
    const char *argument; /* what --help calls the value */
    const char *help;
    const char *const *choices; /* ends with NULL */
    int64_t minimum, maximum;   /* of a number; maximum 0: none */
};

/* A table and where its values go. */
struct option_group {
    const char *title; /* for --help */
    const struct option_def *defs;
    size_t n_defs;
    void *values;
};

/* argv after parsing: the operands, in order. */
struct operands {
    char **items;
    int n_items;
};

/*
 * Parses argv[0..argc), moving the operands to its front. stop_at_operand: everything from the first operand on is an
 * operand (a command to run). 0; -ENOMEM; -EINVAL with a message that names the option and what it wants.
 */
int options_parse(const struct option_group *groups, size_t n_groups, int argc, char **argv, bool stop_at_operand,
                  struct operands *operands, char *error, size_t error_size);
/* Frees the lists that parsing made. */
void options_clear(const struct option_group *groups, size_t n_groups);
void options_print(FILE *out, const struct option_group *group);

/* "250ms", "2", "2s", "1.5m", "1h" in milliseconds; -1 where it is none of these. */
int64_t duration_parse(const char *text);
/* A decimal number without sign; false where it is none or out of range. */
bool number_parse(const char *text, int64_t minimum, int64_t maximum, int64_t *out);

/* The candidate that looks most like word, NULL where none is near. get gives the i-th name, NULL at the end. */
const char *nearest_name(const char *word, const char *(*get)(size_t i, const void *data), const void *data);

#endif
