/*
 * What is known of a job from its script, found before anybody is asked for a decision: the script and its interpreter,
 * what the analyser says about it (kept from an earlier time where nothing has changed), and the environment that the
 * script will have. Nothing here stops a job: where nothing can be found out, nothing is known, and `problem` says why.
 */
#ifndef ITEXCTL_EXAMINE_H
#define ITEXCTL_EXAMINE_H

#include "client/itexctl/ask.h"
#include "client/itexctl/findings.h"
#include "client/itexctl/script.h"

struct examined {
    struct script script;
    char **environment; /* of the script, NULL at the end; the array is from malloc, the strings are others' */
    char *interpreter;  /* that analysed it, or would; NULL */
    const char *file;   /* what was analysed; NULL: no source */
    struct findings findings;
    bool known;    /* findings hold something */
    bool kept;     /* they were found earlier */
    char *problem; /* NULL */
};
#define EXAMINED_INIT                                                                                                  \
    {                                                                                                                  \
        .script = SCRIPT_INIT                                                                                          \
    }
void examined_clear(struct examined *examined);

/* All: 0, or -1 with *failure: a --script or --python that is not there, no memory. */

/* Of a command (NULL at the end). look: false leaves it at the command line. */
int examine_command(const struct ask *ask, char *const *command, bool look, struct examined *examined,
                    struct failure *failure);
/* Of a file that was named. look: false only finds its interpreter. */
int examine_file(const struct ask *ask, const char *file, bool look, struct examined *examined,
                 struct failure *failure);

/* Of the file that --script names, for resolve and env; where there is none, nothing is done. What stands in the way of
 * an analysis is told in one line. */
int examine_named(const struct ask *ask, struct examined *examined, struct failure *failure);

/* The variables that the script sets or takes away before the import, whatever happens; NULL: not this one. */
const struct found_variable *examined_variable(const struct examined *examined, const char *name);

/* The interpreter's question about the file; for --fix. Its strings are those of ask and examined. */
struct analyser_question;
void examined_question(const struct ask *ask, const struct examined *examined, struct analyser_question *question);

#endif
