/*
 * The log: one line an event on stderr, as key=value pairs that begin with event=.
 *
 * Never blocks its caller. Lines go through a bounded queue to a thread of its own; where the reader of stderr does not
 * keep up, lines are dropped, counted, and the count is logged when there is room again. Under the journal (stderr is
 * the stream that JOURNAL_STREAM names) each line carries its priority as <N>.
 *
 * Values are escaped: whatever a client sends, a line stays one line.
 */
#ifndef ITEXD_DAEMON_LOG_H
#define ITEXD_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers are syslog's priorities. */
enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

struct log_field {
    const char *key;
    bool is_text;
    const char *text; /* NULL is written as "-" */
    int64_t number;
};

#define LOG_TEXT(name, value) ((struct log_field){.key = (name), .is_text = true, .text = (value)})
#define LOG_NUMBER(name, value) ((struct log_field){.key = (name), .number = (int64_t)(value)})

/* Starts the thread; before it, and where it cannot start, lines are written directly. */
void log_start(void);
/* Writes what is queued, for a second at most, and ends the thread. */
void log_stop(void);
void log_set_level(enum log_level level);
uint64_t log_dropped(void);

void log_fields(enum log_level level, const char *event, const struct log_field *fields);
#define log_event(level, event, ...)                                                                                   \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__, {.key = (const char *)0}})

#endif
