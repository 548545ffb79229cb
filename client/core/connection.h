/*
 * A client's connection to itexd: one call at a time, each with a deadline, blocking or not.
 *
 * It connects by itself when a call needs it, says hello and agrees on a version before anything of the job is sent.
 * If an established connection breaks (the service is restarted), a call that may be repeated is sent again, the
 * same bytes with the same request id, until its deadline. A call that may not be repeated (it changes rules, it
 * writes a backup) is sent again only if it cannot have arrived.
 *
 * Limits: not for two threads at once; after fork only connection_free is allowed in the child. Nothing here prints,
 * raises SIGPIPE, or waits beyond the deadline.
 */
#ifndef ITEXD_CLIENT_CONNECTION_H
#define ITEXD_CLIENT_CONNECTION_H

#include "itexd.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* How a call ended. Negative values are -errno and mean that this process is in trouble (-ENOMEM, -EMFILE ...). */
enum call_result {
    CALL_OK = 0,            /* there is a reply; it may be an Error */
    CALL_AGAIN = 1,         /* connection_dispatch: not finished yet */
    CALL_ABSENT = 2,        /* no socket, nobody listening, no right to connect */
    CALL_FOREIGN = 3,       /* somebody answers there, but not itexd: no valid hello */
    CALL_SLOW = 4,          /* no answer by the deadline */
    CALL_INCOMPATIBLE = 5,  /* no common major version */
    CALL_LOST = 6,          /* connection lost; whether the request took effect is not known */
    CALL_PROTOCOL = 7,      /* itexd sent what cannot be understood */
    CALL_TOO_LARGE = 8,     /* the request does not fit into a packet */
    CALL_WRONG_PROCESS = 9, /* the connection belongs to the process that was forked from */
};

struct connection;

typedef void (*connection_event_fn)(const Itexd__V1__Event *event, void *data);

/*
 * path NULL: $ITEXD_SOCKET if not empty, else ITEXD_DEFAULT_SOCKET. name is this program's, for the service's log.
 * Does not connect yet. 0 or -errno.
 */
int connection_new(struct connection **out, const char *path, const char *name);
/* Closes it. NULL is fine. In a forked child it leaves the parent's connection undisturbed. */
void connection_free(struct connection *connection);
void connection_freep(struct connection **connection);

/* Called for each event that arrives during a call; without it events are skipped. */
void connection_on_event(struct connection *connection, connection_event_fn function, void *data);

/*
 * Sends request and waits for the reply, timeout_ms (at least 1) at most. The id of the request is set here. fd: a
 * descriptor to send along, or -1; it stays the caller's. *reply is set on CALL_OK only, freed by
 * itexd__v1__reply__free_unpacked(reply, NULL).
 */
int connection_call(struct connection *connection, Itexd__V1__Request *request, int fd, unsigned timeout_ms,
                    Itexd__V1__Reply **reply);

/*
 * The same in steps, with a deadline on clock_steady_ms (proto/clock.h). start returns 0, or as connection_call where
 * the call ends at once; it packs the request (which may be freed then; fd must stay open until the end). Then poll
 * connection_fd for POLLIN and dispatch, until dispatch gives something else than CALL_AGAIN. The descriptor is the
 * same for the whole life of the connection and also becomes readable when the deadline or a new attempt is due.
 */
int connection_start(struct connection *connection, Itexd__V1__Request *request, int fd, uint64_t deadline_ms);
int connection_fd(const struct connection *connection);
int connection_dispatch(struct connection *connection, Itexd__V1__Reply **reply);

/*
 * Between calls: delivers the events that have come, without waiting. Poll connection_fd for POLLIN before. CALL_AGAIN,
 * or CALL_LOST once the connection is closed (a later call makes a new one), or what connection_call may return.
 */
int connection_events(struct connection *connection);

/* Between calls: until the next call, which makes a new connection. In a forked child nothing happens. */
void connection_close(struct connection *connection);

/* The last failure in words: what, which, what to do. "" when there was none. */
const char *connection_error(const struct connection *connection);
/* How often it has been made: more than before where the service was restarted meanwhile. */
unsigned connection_count(const struct connection *connection);
const char *connection_path(const struct connection *connection);

#endif
