/*
 * What the analyser found, kept: so that a thousand ranks of a job do not each parse the same script.
 *
 * An answer is found again where everything is as it was: the same question (script, interpreter, options, the
 * variables of Python itself, itexctl's and the analyser's version), the variables that the analyser looked at, the
 * files that were read, by their content, and the folders where modules come from, by their time or by the names of
 * modules and installed packages in them. What cannot be told to be unchanged is not kept: an interpreter that is
 * itself a script and may start any, a folder that changed meanwhile.
 *
 * The folder is $XDG_CACHE_HOME/itexctl, ~/.cache/itexctl, else itexctl-UID in $TMPDIR or /tmp. It and its files must
 * be this user's own and writable by nobody else, or they are not looked at. Any number of processes may use it at
 * once; an entry that is damaged is none. It holds some hundred entries.
 */
#ifndef ITEXCTL_CHECK_CACHE_H
#define ITEXCTL_CHECK_CACHE_H

#include "client/itexctl/analyser.h"
#include "client/itexctl/findings.h"

#include <stdbool.h>
#include <stdint.h>

#define CHECK_CACHE_DIGEST 65 /* of a SHA-256: 64 hex digits and NUL */

struct check_cache {
    int folder;                   /* -1: nothing is found and nothing kept */
    char key[CHECK_CACHE_DIGEST]; /* of the question */
    uint64_t began_ms;            /* when it was asked */
    char *beside;                 /* the script's folder, and its names then; NULL: there is none */
    char names[CHECK_CACHE_DIGEST];
};
#define CHECK_CACHE_INIT                                                                                               \
    {                                                                                                                  \
        .folder = -1                                                                                                   \
    }

/* Opens it for a question. Where that is not possible it keeps nothing; that is no error. */
void check_cache_open(struct check_cache *cache, const struct analyser_question *question);
/* True with the answer, where it was kept and holds in the job's environment. */
bool check_cache_find(const struct check_cache *cache, char *const *environment, struct analyser_answer *answer);
/* Keeps an answer and what was read of it. */
void check_cache_keep(const struct check_cache *cache, const struct analyser_answer *answer,
                      const struct findings *findings);
void check_cache_close(struct check_cache *cache);

#endif
