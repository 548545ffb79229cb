/*
 * Metrics over HTTP, in a thread of its own with an event base of its own, by libevent's evhttp.
 *
 * GET and HEAD of /metrics, and a word of greeting at /. Whatever a scraper sends or does not send, it takes
 * HTTP_CONNECTIONS connections at most (others wait in the kernel's queue), HTTP_HEADER_BYTES of header, no body, and
 * HTTP_DEADLINE_MS from connecting to having read its answer. A connection is for one request: so a deadline for the
 * connection is all that is needed, and no idle one takes another's place.
 *
 * The numbers of an answer are of a moment after its request came (exchange.h), unless the loop does not give any
 * within HTTP_PATIENCE_MS; then they are the last, and itexd_snapshot_age_seconds says so.
 */
#ifndef ITEXD_METRICS_HTTP_H
#define ITEXD_METRICS_HTTP_H

#include "daemon/metrics/exchange.h"

#define HTTP_CONNECTIONS 64
#define HTTP_HEADER_BYTES 8192
#define HTTP_DEADLINE_MS 5000
#define HTTP_PATIENCE_MS 1000

struct http;

/* Starts the thread. The descriptors listen, are not blocking, and stay the caller's; first is taken over on success.
 * NULL with errno. */
struct http *http_start(struct exchange *exchange, const int *fds, size_t n_fds, struct snapshot *first,
                        const char *database);
/* Ends and joins it; connections are cut. NULL is none. */
void http_stop(struct http *http);

#endif
