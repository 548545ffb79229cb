/*
 * The job's environment as the service needs it: the variables that variable_collected names, as the job will have
 * them, and the text of the file that TF_XLA_FLAGS may name, read in the job's own view.
 *
 * Values are sent whole or not at all: one that is too long is named in `oversized` instead. A list holds each name
 * once; where the environment itself has a name twice, the first counts, as for getenv.
 */
#ifndef ITEXD_CLIENT_ENVIRONMENT_H
#define ITEXD_CLIENT_ENVIRONMENT_H

#include <stddef.h>

enum flags_source {
    FLAGS_NO_FILE,    /* TF_XLA_FLAGS is unset, empty, or holds the flags themselves */
    FLAGS_FILE,       /* flags_text is the file's text */
    FLAGS_MISSING,    /* cannot be opened: TensorFlow would abort */
    FLAGS_UNREADABLE, /* too large, not text, or a read error: what it says is not known */
};

struct environment_variable {
    char *name;
    char *value;
};

struct environment {
    struct environment_variable *variables;
    size_t n_variables;
    char **oversized;
    size_t n_oversized;
    enum flags_source flags_source;
    char *flags_text; /* only with FLAGS_FILE */
};

#define ENVIRONMENT_INIT                                                                                               \
    {                                                                                                                  \
        .flags_source = FLAGS_NO_FILE                                                                                  \
    }

/* The value of a variable in envp ("NAME=VALUE", NULL at the end), as getenv; NULL where it is not there. */
const char *environment_lookup(char *const *envp, const char *name);

/* Adds what variable_collected takes from envp ("NAME=VALUE", NULL at the end). 0 or -ENOMEM. */
int environment_collect(struct environment *environment, char *const *envp);
/*
 * One variable as the job will have it; value NULL: unset. A name that is not collected is of no interest to the
 * service and is left out. 0, -ENOMEM, -EINVAL for a name that is empty or has '='.
 */
int environment_override(struct environment *environment, const char *name, const char *value);
/* NULL if it is not there (or oversized). */
const char *environment_get(const struct environment *environment, const char *name);
/*
 * Reads the file that TF_XLA_FLAGS names, if it does; where it is too large, the fact's name, xla_flags_file, is among
 * `oversized`. To be called last. script_value: what the job's script sets
 * TF_XLA_FLAGS to, which then counts instead; NULL: it does not. 0 or -ENOMEM; all else is flags_source.
 */
int environment_read_flags_file(struct environment *environment, const char *script_value);
void environment_free(struct environment *environment);

#endif
