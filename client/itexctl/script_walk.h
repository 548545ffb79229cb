/* Inside script.h: a walk along the words of a command line. */
#ifndef ITEXCTL_SCRIPT_WALK_H
#define ITEXCTL_SCRIPT_WALK_H

#include "client/itexctl/script.h"

struct walk {
    struct script *script;
    char *const *envp;
    size_t at;             /* the word that is looked at: a program */
    char *prefix;          /* of a conda environment, whose bin comes before PATH; NULL */
    const char *elsewhere; /* the option that changes the directory, so that paths mean something else; NULL */
    unsigned expansions;
    bool expanded; /* the word was put there for a shebang */
};

/* What a step of the walk comes to; -ENOMEM besides. */
enum {
    WALK_END = 0, /* script says what was found, or why nothing */
    WALK_ON = 1,  /* walk->at is the next program */
};

/* The word, or NULL behind the last one. */
static inline const char *walk_word(const struct walk *walk, size_t at)
{
    return at < walk->script->n_words ? walk->script->words[at] : NULL;
}

/* The part behind the last slash. */
const char *walk_base(const char *path);
/* Ends the walk with a reason. WALK_END or -ENOMEM. */
__attribute__((format(printf, 2, 3))) int walk_end(struct walk *walk, const char *format, ...);
/* Replaces n words by others. 0 or -ENOMEM. */
int walk_replace(struct walk *walk, size_t at, size_t n, const char *const *words, size_t n_new);
/* The file that would be executed for a word; *path NULL: none. 0 or -ENOMEM. */
int walk_find_program(const struct walk *walk, const char *word, char **path);
const char *walk_getenv(const struct walk *walk, const char *name);

/* script_prefix.c: steps over a program that only runs another one. -ENOENT: it is no such program. */
int walk_prefix(struct walk *walk);
/* script_conda.c: the same for conda run and its kind. */
int walk_conda(struct walk *walk);
/* script_python.c: ends the walk at an interpreter. */
bool is_python(const char *word);
int walk_python(struct walk *walk);

#endif
