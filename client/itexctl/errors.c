/* Failures and their exit statuses: see errors.h. */
#include "client/itexctl/errors.h"
#include "client/core/connection.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/output.h"
#include "proto/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void failure_clear(struct failure *failure)
{
    free(failure->text);
    *failure = (struct failure)FAILURE_INIT;
}

__attribute__((format(printf, 3, 0))) static int set(struct failure *failure, enum exit_status status,
                                                     const char *format, va_list arguments)
{
    failure_clear(failure);
    failure->status = status;
    if (vasprintf(&failure->text, format, arguments) < 0)
        failure->text = NULL;
    return -1;
}

int failure_set(struct failure *failure, enum exit_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(failure, status, format, arguments);
    va_end(arguments);
    return -1;
}

int failure_from_call(struct failure *failure, const struct connection *connection, int call_result)
{
    const char *text = connection_error(connection);
    if (call_result < 0)
        return failure_set(failure, EXIT_INTERNAL, "%s", text[0] ? text : strerror(-call_result));
    if (call_result == CALL_TOO_LARGE)
        return failure_set(failure, EXIT_USAGE, "%s", text);
    if (call_result == CALL_WRONG_PROCESS)
        return failure_set(failure, EXIT_INTERNAL, "%s", text);
    failure_set(failure, EXIT_UNAVAILABLE, "%s", text);
    failure->unavailable = true;
    return -1;
}

int failure_from_service(struct failure *failure, const Itexd__V1__Error *error)
{
    static const struct {
        Itexd__V1__Error__Code code;
        enum exit_status status;
        bool unavailable;
    } statuses[] = {
        {ITEXD__V1__ERROR__CODE__BAD_REQUEST, EXIT_USAGE, false},
        {ITEXD__V1__ERROR__CODE__NO_HELLO, EXIT_INTERNAL, false},
        {ITEXD__V1__ERROR__CODE__INCOMPATIBLE, EXIT_UNAVAILABLE, true},
        {ITEXD__V1__ERROR__CODE__NOT_PERMITTED, EXIT_NOT_PERMITTED, false},
        {ITEXD__V1__ERROR__CODE__NOT_FOUND, EXIT_NEGATIVE, false},
        {ITEXD__V1__ERROR__CODE__TOO_LARGE, EXIT_USAGE, false},
        {ITEXD__V1__ERROR__CODE__LIMIT, EXIT_TRY_AGAIN, false},
        {ITEXD__V1__ERROR__CODE__BUSY, EXIT_TRY_AGAIN, false},
        {ITEXD__V1__ERROR__CODE__STOPPING, EXIT_UNAVAILABLE, true},
        {ITEXD__V1__ERROR__CODE__BAD_RULES, EXIT_BAD_CONFIG, false},
        {ITEXD__V1__ERROR__CODE__STORE, EXIT_TRY_AGAIN, false},
        {ITEXD__V1__ERROR__CODE__INTERNAL, EXIT_INTERNAL, false},
        {ITEXD__V1__ERROR__CODE__LOCKED, EXIT_NOT_PERMITTED, false},
    };
    failure_set(failure, EXIT_INTERNAL, "%s", error->text ? error->text : "itexd reported an error without a text");
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        if (error->has_code && statuses[i].code == error->code) {
            failure->status = statuses[i].status;
            failure->unavailable = statuses[i].unavailable;
        }
    }
    return -1;
}

/* Text from elsewhere must not steer the terminal; lines stay lines. */
static void print_plain(const char *text)
{
    while (*text) {
        size_t length = *text == '\n' || *text == '\t' ? 0 : steering(text);

        fputc(length ? '?' : *text, stderr);
        text += length ? length : 1;
    }
}

void note_part(const char *text, const char *end)
{
    fflush(stdout);
    fputs("itexctl: ", stderr);
    print_plain(text);
    fputs(end, stderr);
}

int failure_report(const struct failure *failure)
{
    note_part(failure->text ? failure->text : "out of memory", "\n");
    return failure->status;
}

int fail(enum exit_status status, const char *format, ...)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    va_list arguments;
    va_start(arguments, format);
    set(&failure, status, format, arguments);
    va_end(arguments);
    return failure_report(&failure);
}

int fail_usage(const struct context *context, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    const char *name = context->command->name, *said = text ? text : "takes something else";
    size_t length = strlen(said);
    bool question = length > 0 && said[length - 1] == '?'; /* which is not continued */
    return fail(EXIT_USAGE, "%s%s itexctl %s --help", said, question ? " See" : "; see", name);
}

int fail_operand(const struct context *context, const char *operand)
{
    return fail_usage(context, "unexpected argument \"%.60s\"", operand);
}

void note(const char *format, ...)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    va_list arguments;
    va_start(arguments, format);
    set(&failure, EXIT_DONE, format, arguments);
    va_end(arguments);
    failure_report(&failure);
}
