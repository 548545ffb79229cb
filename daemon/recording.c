/* One event when recording stops, one when it resumes; never one per decision. */
#include "daemon/recording.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/status.h"

static const struct timeval second = {.tv_sec = 1};

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    recording_check(context);
}

static void tell_stopped(const struct store_status *status)
{
    log_event(EVENT_RECORDING_STOPPED,
              LOG_TEXT(FIELD_MESSAGE, status->problem[0] ? status->problem : "it was over before it was looked at"));
}

/* Every interruption is told, also one that began and ended between two looks. */
static void tell(struct service *service, const struct store_status *status, uint64_t interruptions)
{
    struct recording *recording = &service->recording;
    bool changed = false;

    if (status->moved_aside[0] && !recording->aside_told) {
        recording->aside_told = true;
        log_event(EVENT_DATABASE_MOVED_ASIDE, LOG_TEXT(FIELD_PATH, service->options.database.text),
                  LOG_TEXT(FIELD_KEPT, status->moved_aside),
                  LOG_TEXT(FIELD_MESSAGE, "the database was corrupt; a new one was started"));
    }
    for (; recording->interruptions != interruptions; recording->interruptions++) {
        if (!recording->lost)
            tell_stopped(status);
        log_event(EVENT_RECORDING_RESUMED, LOG_TEXT(FIELD_PATH, service->options.database.text));
        recording->lost = false;
        changed = true;
    }
    if (!status->recording && !recording->lost) {
        tell_stopped(status);
        recording->lost = changed = true;
    }
    if (changed)
        status_notify(service);
}

void recording_check(struct service *service)
{
    struct recording *recording = &service->recording;
    const uint64_t interruptions = store_interruptions(service->store); /* before the rest: what comes is seen again */
    struct store_status status;

    if (service->leases)
        leases_check_history(service->leases);
    if (store_recording(service->store) == recording->lost || interruptions != recording->interruptions ||
        !recording->again) {
        store_status(service->store, &status);
        tell(service, &status, interruptions);
    }
    if (!recording->again)
        recording->again = evtimer_new(service->base, on_again, service);
    if (recording->lost && recording->again && !evtimer_pending(recording->again, NULL))
        evtimer_add(recording->again, &second);
}

void recording_deinit(struct recording *recording)
{
    if (recording->again)
        event_free(recording->again);
    recording->again = NULL;
}
