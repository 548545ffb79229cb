/*
 * The kernel's own events (uevents), heard by the loop: libudev's monitor "kernel", which needs no udev daemon and
 * works in a container.
 *
 * A storm of events is one: `settled` runs UEVENTS_QUIET_MS after the last of them, UEVENTS_LONGEST_MS after the first
 * at most.
 */
#ifndef ITEXD_DEVICES_UEVENTS_H
#define ITEXD_DEVICES_UEVENTS_H

#include "daemon/devices/uevent_filter.h"

#include <event2/event.h>

#define UEVENTS_QUIET_MS 500
#define UEVENTS_LONGEST_MS 5000

struct uevents;

typedef bool (*uevents_filter_fn)(const struct uevent *event);
/* what: the last event, "drm change card0"; n: how many there were. */
typedef void (*uevents_settled_fn)(void *context, const char *what, unsigned n);

/* subsystems ends with NULL. 0; -errno where there is nothing to listen to (*out is then NULL). */
int uevents_open(struct event_base *base, const char *const *subsystems, uevents_filter_fn filter,
                 uevents_settled_fn settled, void *context, struct uevents **out);
void uevents_free(struct uevents *uevents);

#endif
