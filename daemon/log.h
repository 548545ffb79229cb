/*
 * The log: events of daemon/log_events.h. Under systemd (stderr is the stream that JOURNAL_STREAM names) each is an
 * entry of the journal with fields of its own, by the journal's native protocol; elsewhere, and where the journal is
 * away, a line on stderr, as key=value pairs that begin with event=. docs/journal.md is the manual of both.
 *
 * Never blocks its caller, who only copies the values: a bounded queue leads to a thread that formats and writes. What
 * has no room is lost, counted by event, and the counts are logged when there is room again; so is what goes beyond
 * the rates of docs/journal.md, unless the level is debug.
 *
 * Values may hold anything: a line stays one line, and an entry's field has its bytes as they are.
 */
#ifndef ITEXD_DAEMON_LOG_H
#define ITEXD_DAEMON_LOG_H

#include "daemon/log_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_value {
    enum log_field field;
    enum { LOG_VALUE_END, LOG_VALUE_TEXT, LOG_VALUE_TEXTS, LOG_VALUE_NUMBER } kind;
    const char *text; /* NULL: there is none */
    const char *const *texts;
    size_t n;
    int64_t number;
};

#define LOG_TEXT(name, value) ((struct log_value){.field = (name), .kind = LOG_VALUE_TEXT, .text = (value)})
#define LOG_NUMBER(name, value)                                                                                        \
    ((struct log_value){.field = (name), .kind = LOG_VALUE_NUMBER, .number = (int64_t)(value)})
/* An id, of which 0 is none. */
#define LOG_ID(name, value)                                                                                            \
    ((value) != 0 ? LOG_NUMBER((name), (value)) : (struct log_value){.field = (name), .kind = LOG_VALUE_TEXT})
/* The field as often as there are texts. */
#define LOG_TEXTS(name, values, count)                                                                                 \
    ((struct log_value){.field = (name), .kind = LOG_VALUE_TEXTS, .texts = (values), .n = (count)})

/* Starts the thread; before it, and where it cannot start, events are written directly. */
void log_start(void);
/* Writes what is queued, for a second at most, and ends the thread. */
void log_stop(void);
void log_set_level(enum log_level level);
/* How many were lost because nobody read them; not those beyond the rates. */
uint64_t log_dropped(void);

void log_values(enum log_event event, const struct log_value *values);
#define log_event(event, ...) log_values((event), (const struct log_value[]){__VA_ARGS__, {.kind = LOG_VALUE_END}})

#endif
