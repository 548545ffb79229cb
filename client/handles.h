/* What is behind the public handles. */
#ifndef ITEXCLIENT_HANDLES_H
#define ITEXCLIENT_HANDLES_H

#include "client/core/connection.h"
#include "client/core/resolve_request.h"
#include "client/itexclient.h"

#include <stdbool.h>

#define ERROR_SIZE 512

struct setting {
    char *name;
    char *value; /* NULL: unset */
};

struct settings {
    struct setting *items;
    size_t count;
};

struct itex_request {
    pid_t owner;
    char *socket;
    unsigned timeout;
    struct settings facts;
    struct settings node_facts;
    struct settings variables;
    bool collect;
    char *policy;
    bool apply_errors;
    char *job;
    unsigned devices;
    bool tiles;
    bool shared;
    unsigned wait;
    uint64_t memory; /* 0: any */
    char *model;
    char *bind;
    bool has_numa;
    int numa;
    bool allow_none;
    pid_t holder; /* 0: the process itself */
    itex_waiting_fn on_waiting;
    void *on_waiting_data;
    bool has_id; /* the id of a request whose outcome the caller has not seen; used again */
    uint8_t id[REQUEST_ID_SIZE];
    struct connection *connection; /* only while a call is under way */
    char error[ERROR_SIZE];
};

struct itex_decision {
    pid_t owner;
    unsigned timeout;
    bool has_request_id;
    uint8_t request_id[REQUEST_ID_SIZE];
    struct connection *connection;
    Itexd__V1__Reply *reply; /* holds message */
    const Itexd__V1__Decision *message;
    itex_event_fn on_event;
    void *on_event_data;
    char error[ERROR_SIZE];
};

/* A call that ended: its status, and its failure in words in error (ERROR_SIZE). reply: what came with CALL_OK,
 * NULL where none is expected yet. */
itex_status status_of_call(int result, const Itexd__V1__Reply *reply, const struct connection *connection, char *error);
/* Takes connection and reply over; request_id has REQUEST_ID_SIZE bytes, NULL: not known. NULL without memory (nothing
 * is taken). */
itex_decision *decision_new(struct connection *connection, Itexd__V1__Reply *reply, unsigned timeout,
                            const uint8_t *request_id);

#endif
