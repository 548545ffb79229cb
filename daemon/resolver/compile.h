/* Steps of compiling a rule set; shared by rule_set.c and its helpers only. */
#ifndef ITEXD_RESOLVER_COMPILE_H
#define ITEXD_RESOLVER_COMPILE_H

#include "daemon/resolver/compiled.h"

struct compiler {
    struct rule_set *set;
    const struct rule_set_def *def;
    struct rule_set_error *error;
    size_t rule; /* being compiled */
};

/* Fills the error and returns -EINVAL. */
int compile_error(struct compiler *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* compile_names.c: variables and obligations that the rules name; and lookup. */
int compile_variables(struct compiler *c);
int compile_obligations(struct compiler *c);

/* compile_clauses.c */
int compile_clause(struct compiler *c, const struct rule_clause *def, unsigned generations, struct clause *out);

/* compile_watch.c: the last step. */
int compile_watch(struct compiler *c);

/* compile_template.c. text may be NULL. service permits {detail}. */
int compile_template(struct compiler *c, const char *text, bool service, struct template *out);

/* Calls a function for each {NAME} of a text that is neither a fact nor a word of the template's own. */
int template_names(const char *text, int (*visit)(void *userdata, const char *name, size_t length), void *userdata);

#endif
