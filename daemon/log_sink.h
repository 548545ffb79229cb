/*
 * Where an entry goes: to the journal if stderr is its stream, else to stderr. May block, for the log's thread.
 */
#ifndef ITEXD_DAEMON_LOG_SINK_H
#define ITEXD_DAEMON_LOG_SINK_H

#include "daemon/log_entry.h"

/* Looks whether stderr is the journal's. */
void log_sink_open(void);
/* The journal's socket, from the next open on; for tests. */
void log_sink_use(const char *path);

/* 0; -EAGAIN: the journal is there and has had no room for a moment, the entry is to be tried again; else it is lost.
 */
int log_sink_write(const struct log_entry *entry);

#endif
