/* The list of mistakes: formats, makes each text safe to print, counts. Never fails; what memory does not allow to
 * keep is only counted. */
#include "daemon/yaml/yaml_messages.h"

#include "proto/cleanup.h"

#include <stdint.h>
#include <string.h>

enum { SHOWN_BYTES = 60 };

int yaml_shown(const char *text)
{
    size_t length = strlen(text);

    if (length <= SHOWN_BYTES)
        return (int)length;
    length = SHOWN_BYTES;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

/* A message is one line on a terminal, whatever the file has in it. */
static void make_printable(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f)
            *at = ' ';
        else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            at[0] = at[1] = ' ';
    }
}

static char *format_message(struct yaml_place place, bool warning, const char *format, va_list arguments)
{
    CLEANUP(freep) char *text = NULL;
    const char *kind = warning ? "warning: " : "";
    char *line = NULL;
    int written;

    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
        return NULL;
    }
    if (place.line > 0)
        written = asprintf(&line, "%s:%u:%u: %s%s", place.file, place.line, place.column, kind, text);
    else
        written = asprintf(&line, "%s%s%s%s", place.file ? place.file : "", place.file ? ": " : "", kind, text);
    if (written < 0)
        return NULL;
    make_printable(line);
    return line;
}

static void add(struct yaml_messages *messages, bool warning, char *text)
{
    size_t n = messages->n_items;

    if (!text) {
        messages->out_of_memory = true;
        return;
    }
    if ((n & (n - 1)) == 0) {
        struct yaml_message *items = realloc(messages->items, (n ? 2 * n : 1) * sizeof(*items));
        if (!items) {
            messages->out_of_memory = true;
            free(text);
            return;
        }
        messages->items = items;
    }
    messages->items[messages->n_items++] = (struct yaml_message){.warning = warning, .text = text};
}

static void message(struct yaml_messages *messages, struct yaml_place place, bool warning, const char *format,
                    va_list arguments)
{
    if (!warning)
        messages->n_errors++;
    if (yaml_messages_full(messages))
        return;
    if (messages->n_items == YAML_MAX_MESSAGES - 1)
        add(messages, warning, strdup("more mistakes are not listed; correct these first"));
    else
        add(messages, warning, format_message(place, warning, format, arguments));
}

void yaml_error(struct yaml_messages *messages, struct yaml_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    message(messages, place, false, format, arguments);
    va_end(arguments);
}

void yaml_warning(struct yaml_messages *messages, struct yaml_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    message(messages, place, true, format, arguments);
    va_end(arguments);
}

void yaml_messages_clear(struct yaml_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++)
        free(messages->items[i].text);
    free(messages->items);
    *messages = (struct yaml_messages)YAML_MESSAGES_INIT;
}
