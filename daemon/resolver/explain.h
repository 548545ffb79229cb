/* From the end of a run to what the caller reads. */
#ifndef ITEXD_RESOLVER_EXPLAIN_H
#define ITEXD_RESOLVER_EXPLAIN_H

#include "daemon/resolver/fixpoint.h"
#include "daemon/resolver/input.h"

/* Private part of a resolution. */
struct resolution_arena {
    struct arena arena;
};

/* Everything of the result but `unknown`. own is the job's own state. 0 or -ENOMEM. */
int explain(const struct run *run, const struct state *own, const struct input_notes *notes, enum policy policy,
            struct resolution *result);

/* Only the changes and obligations. 0 or -ENOMEM. */
int explain_changes(const struct run *run, struct resolution *result);

/* message.c: a template with the job's own values. own may be NULL (service rules by resolution_add). */
struct message_values {
    const struct base *base;
    const struct state *own;
    const char *named;  /* for {set} */
    const char *detail; /* for {detail} */
};
/* NULL when memory is out; the template must not be absent. */
const char *message_write(const struct template *template, const struct message_values *values, struct arena *arena);

#endif
