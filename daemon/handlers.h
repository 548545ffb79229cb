/* From a packet to the function that answers it: decoding, hello, rights, and the one table of requests. */
#ifndef ITEXD_DAEMON_HANDLERS_H
#define ITEXD_DAEMON_HANDLERS_H

#include "daemon/server.h"

struct service;

/* Of a request by the number of its body: "resolve", "devices list"; NULL: there is none. */
const char *handlers_name(size_t body);
/* The server's callbacks, with the service as their context. */
struct server_callbacks handlers_callbacks(struct service *service);

#endif
