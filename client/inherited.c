/* The decision that a process runs under already, as ITEXD_DECISION names it, fetched from who made it. */
#include "client/handles.h"

#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>

static void reply_freep(Itexd__V1__Reply **reply)
{
    itexd__v1__reply__free_unpacked(*reply, NULL);
}

/* ID:DIGEST:OBLIGATIONS; 0 for what no itexd can have put there, and where nothing was recorded. */
static uint64_t inherited_id(void)
{
    const char *text = getenv("ITEXD_DECISION");
    char *end;

    if (!text || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    uint64_t id = strtoull(text, &end, 10);
    return errno == 0 && *end == ':' ? id : 0;
}

static int ask(struct connection *connection, uint64_t id, unsigned timeout_ms, Itexd__V1__Reply **reply)
{
    Itexd__V1__Explain explain = ITEXD__V1__EXPLAIN__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;

    explain.has_decision = 1;
    explain.decision = id;
    request.body_case = ITEXD__V1__REQUEST__BODY_EXPLAIN;
    request.explain = &explain;
    return connection_call(connection, &request, -1, timeout_ms, reply);
}

itex_status itex_decision_inherited(const char *socket, unsigned timeout_ms, itex_decision **decision)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(reply_freep) Itexd__V1__Reply *reply = NULL;
    char error[ERROR_SIZE];
    uint64_t id = inherited_id();

    if (!decision || timeout_ms == 0 || (socket && !*socket) || id == 0)
        return ITEX_ERR_ARGUMENT;
    if (connection_new(&connection, socket, "libitexclient") < 0)
        return ITEX_ERR_MEMORY;
    int result = ask(connection, id, timeout_ms, &reply);
    itex_status status = status_of_call(result, reply, connection, error);
    if (status != ITEX_OK)
        return status;
    if (reply->body_case != ITEXD__V1__REPLY__BODY_DECISION || !reply->decision->outcome)
        return ITEX_ERR_SERVICE;
    const ProtobufCBinaryData *asked = &reply->decision->request_id;
    bool known = reply->decision->has_request_id && asked->len == REQUEST_ID_SIZE;
    itex_decision *found = decision_new(connection, reply, timeout_ms, known ? asked->data : NULL);
    if (!found)
        return ITEX_ERR_MEMORY;
    connection = NULL; /* it has both now */
    reply = NULL;
    *decision = found;
    return ITEX_OK;
}
