/*
 * Failures and their exit statuses, in one place. A function that can fail fills a struct failure and returns -1; the
 * command reports it once: one message on stderr, and the status.
 */
#ifndef ITEXCTL_ERRORS_H
#define ITEXCTL_ERRORS_H

#include "itexd.pb-c.h"

#include <stdbool.h>

enum exit_status {
    EXIT_DONE = 0,
    EXIT_NEGATIVE = 1,
    EXIT_USAGE = 2,
    EXIT_UNAVAILABLE = 69,
    EXIT_INTERNAL = 70,
    EXIT_TRY_AGAIN = 75,
    EXIT_NOT_PERMITTED = 77,
    EXIT_BAD_CONFIG = 78,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
};

struct failure {
    enum exit_status status;
    bool unavailable; /* fail-open covers it: absent, slow or incompatible */
    char *text;
};
#define FAILURE_INIT                                                                                                   \
    {                                                                                                                  \
        .text = NULL                                                                                                   \
    }
void failure_clear(struct failure *failure);

struct connection;

/* All return -1, for "return failure_set(...)". */
__attribute__((format(printf, 3, 4))) int failure_set(struct failure *failure, enum exit_status status,
                                                      const char *format, ...);
/* From what connection_call returned (not CALL_OK). */
int failure_from_call(struct failure *failure, const struct connection *connection, int call_result);
/* From an Error of the service. */
int failure_from_service(struct failure *failure, const Itexd__V1__Error *error);

/* Prints and returns the exit status. */
int failure_report(const struct failure *failure);
/* The same for a failure that needs no struct. */
__attribute__((format(printf, 2, 3))) int fail(enum exit_status status, const char *format, ...);
struct context;

/* Wrong use of a command: "itexctl: explain takes ...; see itexctl explain --help". Returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int fail_usage(const struct context *context, const char *format, ...);
/* The same for the first operand of a command that takes none, or not so many. */
int fail_operand(const struct context *context, const char *operand);
/* A line for a person that changes nothing. */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
/* The same with another end than a new line. */
void note_part(const char *text, const char *end);

#endif
