/* See calls.h. */
#include "tests/unit/client/calls.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

struct connection *connect_to(const char *path)
{
    struct connection *c = NULL;

    assert_int_equal(connection_new(&c, path, "test"), 0);
    return c;
}

int status_call(struct connection *c, unsigned timeout, Itexd__V1__Reply **reply)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;

    *reply = NULL;
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    return connection_call(c, &request, -1, timeout, reply);
}
