/*
 * An event with its values: copied when it happens, formatted later by the log's thread, as a line or as an entry of
 * the journal. Pure.
 */
#ifndef ITEXD_DAEMON_LOG_ENTRY_H
#define ITEXD_DAEMON_LOG_ENTRY_H

#include "daemon/log.h"

#define LOG_LINE 2048          /* longer lines are cut, visibly */
#define LOG_TEXT_MAX 4096      /* so are longer texts */
#define LOG_ENTRY_MAX 16384    /* of values; those that have no room are left out */
#define LOG_MESSAGE_MAX 1024   /* of an entry's MESSAGE */
#define LOG_DATAGRAM_MAX 32768 /* holds the largest entry, and fits into a socket's buffer as it is by default */

struct log_entry {
    enum log_event event;
    size_t size;
    unsigned char values[];
};

/* The caller frees it. NULL: no memory. */
struct log_entry *log_entry_new(enum log_event event, const struct log_value *values);

/* Both return the size. A line ends with a newline; with_priority: it begins with <N>. */
size_t log_entry_line(const struct log_entry *entry, bool with_priority, char line[LOG_LINE]);
size_t log_entry_datagram(const struct log_entry *entry, char datagram[LOG_DATAGRAM_MAX]);

/* NAME, or NAME-VARIANT: what a row is called. */
const char *log_event_label(enum log_event event, char *text, size_t size);

#endif
