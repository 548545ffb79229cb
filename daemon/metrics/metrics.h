/*
 * Metrics: what the loop counts (counts.h), the snapshot that it makes of it and of everything else on request
 * (snapshot.h, exchange.h), and the thread that gives it out over HTTP (http.h). docs/metrics.md is for people.
 *
 * Sockets: those that systemd passed for metrics, which alone may be TCP, and the Unix socket that the option
 * metrics_socket names. Without any there is no thread, and what is counted is never seen.
 */
#ifndef ITEXD_METRICS_METRICS_H
#define ITEXD_METRICS_METRICS_H

#include "daemon/listener.h"

struct service;
struct metrics;

/* When all parts of the service are there. Takes passed sockets over, also on failure. *out stays NULL where there is
 * nothing to serve on. 0, or -errno with a text of what is wrong and what to do. */
int metrics_init(struct service *service, const struct listener_passed *passed, struct metrics **out, char *error,
                 size_t error_size);
/* Before any part of the service goes. NULL is none. */
void metrics_free(struct metrics *metrics);

#endif
