/* From what the caller gives to the base of a resolution, with every check of it. */
#ifndef ITEXD_RESOLVER_INPUT_H
#define ITEXD_RESOLVER_INPUT_H

#include "daemon/resolver/state.h"

/* What the input itself gives reason to tell. */
struct input_notes {
    const char **conflicts; /* facts that two sources tell differently */
    size_t n_conflicts;
    const char *oversized; /* names, NULL: none */
};

/* Fills base, whose set, input and arena are set. 0; -ENOMEM; -EINVAL with a message. */
int input_read(struct base *base, struct input_notes *notes, char *error, size_t error_size);

#endif
