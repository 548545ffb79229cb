/*
 * From a command line to the Python script that it comes to, and the interpreter that runs it.
 *
 * Seen through are env (with -S), nice, numactl, taskset, time, stdbuf and the like, conda run and micromamba run,
 * a nested itexctl run, shebangs, and Python's own options. Behind anything else there may be a script or not: nothing
 * is known of it (SCRIPT_NONE), and nothing is guessed. Nothing is executed, only looked at.
 */
#ifndef ITEXCTL_SCRIPT_H
#define ITEXCTL_SCRIPT_H

#include "client/core/apply.h"

#include <stdbool.h>
#include <stddef.h>

enum script_kind {
    SCRIPT_NONE,        /* no Python that is known of */
    SCRIPT_FILE,        /* python FILE */
    SCRIPT_MODULE,      /* python -m MODULE */
    SCRIPT_CODE,        /* python -c CODE */
    SCRIPT_STDIN,       /* python - */
    SCRIPT_INTERACTIVE, /* python by itself */
    SCRIPT_NOTHING,     /* python --version and the like, or what Python refuses */
};

/* A variable as an env on the command line sets it. */
struct script_variable {
    char *name;
    char *value; /* NULL: unset */
    size_t word; /* the assignment, or the option's last word */
};

#define SCRIPT_NO_WORD ((size_t)-1)

struct script {
    enum script_kind kind;
    char **words; /* the command with shebangs written out, ends with NULL */
    size_t n_words;
    size_t program;       /* the word behind env, nice and the like: what is run in the end */
    char *program_name;   /* as it was called, before its shebang was written out; NULL: there is none */
    const char *launcher; /* that program, where it starts the ranks of a job; NULL */
    bool nested;          /* there is an inner itexctl run, which decides again and starts the job */
    char *why;            /* what ended the search, for SCRIPT_NONE and for a file that is not there; NULL */

    /* With a kind other than SCRIPT_NONE: */
    size_t subject;    /* the word behind Python's own options: FILE, -m, -c or -; n_words where there is none */
    char *interpreter; /* as it would be executed; NULL where PATH has none */
    bool has_runner;   /* our own runner stands in front of it already */
    bool missing;      /* there is no such FILE at all */
    char *file;        /* the source; NULL where it was not found, or is none (-c, -) */
    char options[8];   /* of Python's own, those that decide where modules come from: of EIPSs */

    struct script_variable *variables; /* in their order; a later one wins */
    size_t n_variables;
    bool cleared;   /* the job's environment is made from nothing (env -i) but these */
    size_t env_end; /* the word behind the last env's assignments; SCRIPT_NO_WORD: there is no env */
};
#define SCRIPT_INIT                                                                                                    \
    {                                                                                                                  \
        .kind = SCRIPT_NONE, .env_end = SCRIPT_NO_WORD                                                                 \
    }

/* Looks through a command (NULL at the end) that would be run with envp. 0 or -ENOMEM. */
int script_find(struct script *script, char *const *command, char *const *envp);
void script_clear(struct script *script);

/* "train.py", "pkg.mod", "the code behind -c", for messages; "" where there is no script. */
const char *script_name(const struct script *script);
/* The value that the job will have; NULL where it has none. envp as before. */
const char *script_getenv(const struct script *script, char *const *envp, const char *name);
/*
 * The environment that the job will have, from envp and what the command line's own env does to it. Ends with NULL;
 * the strings belong to script and envp, the array is from malloc. NULL without memory.
 */
char **script_environment(const struct script *script, char *const *envp);

/*
 * The command as it is to be executed: with the runner in front of what Python runs (NULL: without), and so that
 * the plan's changes come through an env in front of it. The strings belong to script, runner and *owned; both arrays
 * are from malloc. *argv is NULL where the command can stay as it is. 0 or -ENOMEM.
 */
struct script_command {
    char **argv;
    char **owned;
    size_t n_owned;
};
#define SCRIPT_COMMAND_INIT                                                                                            \
    {                                                                                                                  \
        .argv = NULL                                                                                                   \
    }
int script_rewrite(const struct script *script, const char *runner, const struct apply_plan *plan,
                   struct script_command *command);
void script_command_clear(struct script_command *command);

/* The interpreter for a file that somebody names: its shebang's where that is a Python, else python3, else python, in
 * envp's PATH. From malloc; *interpreter is NULL where there is none. 0 or -ENOMEM. */
int script_interpreter_for(const char *file, char *const *envp, char **interpreter);

#endif
