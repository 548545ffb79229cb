/* One line when recording stops, one when it resumes; never one per decision. */
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

static void tell(struct service *service, const struct store_status *status)
{
    struct recording *recording = &service->recording;

    if (status->moved_aside[0] && !recording->aside_told) {
        recording->aside_told = true;
        log_event(EVENT_DATABASE_MOVED_ASIDE, LOG_TEXT(FIELD_PATH, service->options.database.text),
                  LOG_TEXT(FIELD_KEPT, status->moved_aside),
                  LOG_TEXT(FIELD_MESSAGE, "the database was corrupt; a new one was started"));
    }
    if (status->recording == recording->lost) {
        recording->lost = !status->recording;
        if (recording->lost)
            log_event(EVENT_RECORDING_STOPPED, LOG_TEXT(FIELD_MESSAGE, status->problem));
        else
            log_event(EVENT_RECORDING_RESUMED, LOG_TEXT(FIELD_PATH, service->options.database.text));
        status_notify(service);
    }
}

void recording_check(struct service *service)
{
    struct recording *recording = &service->recording;
    struct store_status status;

    if (service->leases)
        leases_check_history(service->leases);
    if (store_recording(service->store) == recording->lost || !recording->again) {
        store_status(service->store, &status);
        tell(service, &status);
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
