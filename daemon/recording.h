/* Follows whether the store records, and tells the log and the service manager when that changes. */
#ifndef ITEXD_DAEMON_RECORDING_H
#define ITEXD_DAEMON_RECORDING_H

#include <event2/event.h>
#include <stdbool.h>

struct service;

struct recording {
    uint64_t interruptions; /* that have been told */
    bool lost;              /* as last told */
    bool aside_told;        /* a database that was moved aside */
    struct event *again;    /* runs while it is lost: nothing else tells of the store's return */
};

/* After the start, and whenever the store may have changed. */
void recording_check(struct service *service);
void recording_deinit(struct recording *recording);

#endif
