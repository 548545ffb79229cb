/*
 * What the analyser found in a script: facts with the line that each comes from, variables that the script sets,
 * findings, and what is installed. Read from its JSON, strictly: an answer that is not exactly as agreed is none, so
 * that no half of one becomes a decision.
 */
#ifndef ITEXCTL_FINDINGS_H
#define ITEXCTL_FINDINGS_H

#include "client/itexctl/errors.h"
#include "daemon/resolver/rule_set.h"

#include <stddef.h>

struct json_object;

/* All strings belong to findings.root. */

struct place {
    const char *file;      /* NULL: nowhere in particular */
    unsigned line, column; /* from 1; 0: not known */
};

struct found_fact {
    const char *name, *value; /* of the table of facts, and one that the fact can take */
    struct place place;
    const char *why; /* for a person; NULL */
};

struct found_variable {
    const char *name, *value; /* value NULL: the script takes it away */
    bool unconditional, before_import;
    struct place place;
};

struct finding {
    struct place place;
    const char *rule;
    enum severity severity;    /* info, warning or error */
    const char *message, *fix; /* fix NULL: none */
    bool fixable;              /* --fix can do it */
};

struct source_file {
    const char *path;
    const char *sha256; /* 64 hex digits; NULL: it could not be read */
    bool parsed;
};

/* A variable of the job's environment that the answer hangs on. */
struct dependence {
    const char *name, *value; /* value NULL: it is not there */
};

struct findings {
    struct json_object *root;
    const char *python;        /* its version */
    struct source_file *files; /* the script first, then what it imports from beside it */
    size_t n_files;
    struct found_fact *facts;
    size_t n_facts;
    struct found_fact *installation;
    size_t n_installation;
    struct found_variable *variables;
    size_t n_variables;
    struct finding *items;
    size_t n_items;
    bool dependences_told; /* else nothing may be kept: */
    struct dependence *variables_read;
    size_t n_variables_read;
    const char **search_path; /* where modules come from */
    size_t n_search_path;
    bool hook; /* the package itexclient is in that Python */
};
#define FINDINGS_INIT                                                                                                  \
    {                                                                                                                  \
        .root = NULL                                                                                                   \
    }

/* 0; -1 with *failure, which says what is not as agreed. */
int findings_read(const char *text, size_t size, struct findings *findings, struct failure *failure);
void findings_clear(struct findings *findings);

/* "train.py:9:5", as much of it as is known; otherwise: the file where there is none. From malloc; NULL without memory.
 */
char *place_text(const struct place *place, const char *otherwise);

#endif
