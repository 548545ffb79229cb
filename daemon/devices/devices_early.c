/*
 * Requests about devices that come before anything is known of them: whoever starts the service by its first question
 * gets an answer to it. A copy of the request waits with its call.
 */
#include "daemon/devices/devices_own.h"
#include "daemon/service.h"
#include "proto/cleanup.h"

#include <stdlib.h>

struct early {
    Itexd__V1__Request *request;
    devices_early_fn handle;
};

static void early_free(void *state)
{
    struct early *early = state;

    itexd__v1__request__free_unpacked(early->request, NULL);
    free(early);
}

static Itexd__V1__Request *copy(const Itexd__V1__Request *request)
{
    size_t size = itexd__v1__request__get_packed_size(request);
    CLEANUP(freep) uint8_t *bytes = malloc(size + 1);

    if (!bytes)
        return NULL;
    itexd__v1__request__pack(request, bytes);
    return itexd__v1__request__unpack(NULL, size, bytes);
}

bool devices_early(struct call *call, const Itexd__V1__Request *request, devices_early_fn handle)
{
    struct devices *devices = call->service->devices;
    struct early *early = devices->patient ? calloc(1, sizeof *early) : NULL;

    if (!early)
        return false;
    early->handle = handle;
    early->request = copy(request);
    if (!early->request) {
        free(early);
        return false;
    }
    call->state = early;
    call->free_state = early_free;
    call_wait(call, &devices->early);
    return true;
}

/* Answering one may end its peer, and cut others off from theirs; they stay in the list. */
void devices_end_patience(struct devices *devices)
{
    struct call *call;

    devices->patient = false;
    while ((call = TAILQ_FIRST(&devices->early))) {
        struct early *early = call->state;

        TAILQ_REMOVE(&devices->early, call, waiting);
        call->waits_on = NULL;
        call->state = NULL; /* the handler may keep something of its own there */
        call->free_state = NULL;
        early->handle(call, early->request, -1);
        early_free(early);
    }
}

void devices_check_patience(struct devices *devices)
{
    if (devices->settled && LIST_EMPTY(&devices->puts))
        devices_end_patience(devices);
}
