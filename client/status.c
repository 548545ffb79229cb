/* How a call ended, in the public library's words: the one place where domain codes and wire errors become statuses. */
#include "client/handles.h"

#include <stdio.h>

#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

int itex_error_is_unavailable(itex_status status)
{
    return status == ITEX_ERR_ABSENT || status == ITEX_ERR_SLOW || status == ITEX_ERR_INCOMPATIBLE;
}

const char *itex_status_text(itex_status status)
{
    switch (status) {
    case ITEX_OK:
        return "done";
    case ITEX_AGAIN:
        return "not finished yet";
    case ITEX_ERR_ARGUMENT:
        return "an argument is wrong";
    case ITEX_ERR_MEMORY:
        return "out of memory or descriptors";
    case ITEX_ERR_ABSENT:
        return "itexd is not there";
    case ITEX_ERR_SLOW:
        return "itexd did not answer in time";
    case ITEX_ERR_INCOMPATIBLE:
        return "itexd speaks another version of the protocol";
    case ITEX_ERR_BUSY:
        return "busy, or a limit is reached: try again";
    case ITEX_ERR_REFUSED:
        return "not permitted";
    case ITEX_ERR_REJECTED:
        return "the decision is 'rejected': nothing to apply";
    case ITEX_ERR_SERVICE:
        return "itexd reported an error";
    case ITEX_ERR_ENVIRONMENT:
        return "the environment cannot be changed so; nothing was changed";
    }
    return "unknown status";
}

const char *itex_version(void)
{
    return TEXT(ITEX_MAJOR) "." TEXT(ITEX_MINOR) ".0";
}

static itex_status status_of_result(int result)
{
    if (result < 0)
        return ITEX_ERR_MEMORY; /* of this process's resources, all that can fail here */
    switch (result) {
    case CALL_OK:
        return ITEX_OK;
    case CALL_AGAIN:
        return ITEX_AGAIN;
    case CALL_ABSENT:
    case CALL_FOREIGN:
        return ITEX_ERR_ABSENT;
    case CALL_SLOW:
        return ITEX_ERR_SLOW;
    case CALL_INCOMPATIBLE:
        return ITEX_ERR_INCOMPATIBLE;
    case CALL_TOO_LARGE:
    case CALL_WRONG_PROCESS:
        return ITEX_ERR_ARGUMENT;
    default:
        return ITEX_ERR_SERVICE;
    }
}

static itex_status status_of_error(const Itexd__V1__Error *error)
{
    switch (error->has_code ? error->code : ITEXD__V1__ERROR__CODE__UNKNOWN) {
    case ITEXD__V1__ERROR__CODE__BUSY:
    case ITEXD__V1__ERROR__CODE__LIMIT:
    case ITEXD__V1__ERROR__CODE__STOPPING:
        return ITEX_ERR_BUSY;
    case ITEXD__V1__ERROR__CODE__NOT_PERMITTED:
    case ITEXD__V1__ERROR__CODE__LOCKED:
        return ITEX_ERR_REFUSED;
    case ITEXD__V1__ERROR__CODE__INCOMPATIBLE:
        return ITEX_ERR_INCOMPATIBLE;
    default:
        return ITEX_ERR_SERVICE;
    }
}

itex_status status_of_call(int result, const Itexd__V1__Reply *reply, const struct connection *connection, char *error)
{
    itex_status status = status_of_result(result);
    const char *text = connection_error(connection);

    if (result == CALL_OK && reply && reply->body_case == ITEXD__V1__REPLY__BODY_ERROR) {
        status = status_of_error(reply->error);
        text = reply->error->text ? reply->error->text : itex_status_text(status);
    }
    if (status != ITEX_OK && status != ITEX_AGAIN)
        snprintf(error, ERROR_SIZE, "%s", *text ? text : itex_status_text(status));
    return status;
}
