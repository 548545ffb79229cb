/*
 * Mistakes found in files, in the order they were found. Each text reads file:line:column: what is wrong and what to
 * do, ready to be shown. Configuration and rule files share it.
 *
 * A list stops growing at YAML_MAX_MESSAGES (its last line then says so), but errors go on being counted.
 */
#ifndef ITEXD_YAML_MESSAGES_H
#define ITEXD_YAML_MESSAGES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define YAML_MAX_MESSAGES 1000

struct yaml_message {
    bool warning;
    char *text;
};

struct yaml_messages {
    struct yaml_message *items;
    size_t n_items;
    size_t n_errors;    /* errors among them, and those beyond the limit */
    bool out_of_memory; /* a message could not be kept */
};

#define YAML_MESSAGES_INIT                                                                                             \
    {                                                                                                                  \
        .items = NULL                                                                                                  \
    }

/* Where something stands in a file. Lines and columns count from 1, columns in characters; line 0 is "nowhere in
 * particular" and is left out of the message. */
struct yaml_place {
    const char *file;
    unsigned line;
    unsigned column;
};

/* Adds an error or a warning at a place. A message that cannot be kept still counts. */
void yaml_error(struct yaml_messages *messages, struct yaml_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void yaml_warning(struct yaml_messages *messages, struct yaml_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a further message is only counted, so that no hint needs to be looked for. */
static inline bool yaml_messages_full(const struct yaml_messages *messages)
{
    return messages->n_items >= YAML_MAX_MESSAGES;
}

/* How many bytes of a text to show in a message, as the precision of %.*s: all of a short one, else a beginning that
 * ends with a whole character. */
int yaml_shown(const char *text);

void yaml_messages_clear(struct yaml_messages *messages);

#endif
