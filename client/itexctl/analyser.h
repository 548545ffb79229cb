/*
 * Runs the job's own Python with the analyser, which reads a script and executes nothing of it.
 *
 * The child has the job's environment without what itexd put there, /dev/null as its input, and a process group of its
 * own, which is killed whole at the deadline, where it says too much, and where this process dies.
 */
#ifndef ITEXCTL_ANALYSER_H
#define ITEXCTL_ANALYSER_H

#include "client/itexctl/errors.h"

#include <stdint.h>

#define ANALYSER_DEFAULT_TIMEOUT_MS 30000

struct analyser_question {
    const char *interpreter;  /* as it is executed */
    const char *options;      /* of Python's own: letters, as script.options */
    char *const *environment; /* of the job, NULL at the end */
    const char *itex, *bind;  /* NULL: not said */
    const char *file;         /* the source; NULL: see module and code */
    const char *module;       /* what stood behind -m; NULL */
    const char *code;         /* what stood behind -c; NULL. Without any of them only what is installed is asked. */
    bool fix, write;          /* print a diff of what can be put right; and put it right */
    int64_t timeout_ms;
};

struct analyser_answer {
    char *text;
    size_t size;
};
#define ANALYSER_ANSWER_INIT                                                                                           \
    {                                                                                                                  \
        .text = NULL                                                                                                   \
    }
void analyser_answer_clear(struct analyser_answer *answer);

/* The folder of the Python package: $ITEXD_PYTHON_DIR, else where it is installed. */
const char *python_package_folder(void);
/* A file of the package itexclient there; from malloc, NULL without memory. */
char *python_package_file(const char *name);

/*
 * 0 with what it printed, JSON unless a diff was asked for; -1 with *failure in one line that names interpreter and
 * script: there is no analyser, it cannot be executed, it failed (with the last line that it said), was killed, was not
 * ready in time, or said too much.
 */
int analyser_run(const struct analyser_question *question, struct analyser_answer *answer, struct failure *failure);

#endif
