/* Connections to a fake service and the plainest call, for the tests of the connection. */
#ifndef ITEXD_TESTS_CALLS_H
#define ITEXD_TESTS_CALLS_H

#include "client/core/connection.h"
#include "tests/unit/client/fake_service.h"

#define LONG_MS 10000u /* where an answer is expected */
#define SHORT_MS 150u  /* where the deadline is */

struct connection *connect_to(const char *path);
/* As connection_call. *reply is NULL where none came. */
int status_call(struct connection *c, unsigned timeout, Itexd__V1__Reply **reply);

#endif
