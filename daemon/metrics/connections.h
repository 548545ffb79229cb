/*
 * What evhttp does not limit: how many connections there are, and how long each may last.
 *
 * evhttp tells nobody when a connection ends. So a reference to each connection's bufferevent is kept, and looked at
 * every CONNECTIONS_SWEEP_MS while there are any: one that has no callbacks any more has been let go by evhttp (who has
 * told the client so by a FIN), and is closed. One whose time is over is shut down, upon which evhttp finds it closed
 * and lets it go. Past the limit nothing is accepted until one has gone; others wait in the kernel's queue.
 */
#ifndef ITEXD_METRICS_CONNECTIONS_H
#define ITEXD_METRICS_CONNECTIONS_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

#define CONNECTIONS_SWEEP_MS 50

struct connections;

/* NULL without memory. Freed after the server. */
struct connections *connections_new(struct event_base *base, struct evhttp *server, size_t limit, unsigned deadline_ms);
void connections_free(struct connections *connections);
/* Accepts from fd, which stays the caller's. 0, -ENOMEM. */
int connections_listen(struct connections *connections, int fd);

#endif
