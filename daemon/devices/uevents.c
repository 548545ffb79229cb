/* libudev checks that the sender is the kernel. A lost event (the socket's buffer was full) counts as one. */
#include "daemon/devices/uevents.h"
#include "proto/clock.h"

#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_TURN 64
#define RECEIVE_BUFFER (1 << 20)

struct uevents {
    struct udev *udev;
    struct udev_monitor *monitor;
    struct event *readable, *quiet;
    uevents_filter_fn filter;
    uevents_settled_fn settled;
    void *context;
    uint64_t first_ms; /* of those not told yet; 0: there are none */
    unsigned n;
    char last[96];
};

static void arm(struct uevents *uevents)
{
    uint64_t now = clock_steady_ms(), wait = UEVENTS_QUIET_MS, end;
    struct timeval timeout;

    if (uevents->first_ms == 0)
        uevents->first_ms = now;
    end = uevents->first_ms + UEVENTS_LONGEST_MS;
    if (now + wait > end)
        wait = end > now ? end - now : 0;
    timeout = (struct timeval){.tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000)};
    evtimer_add(uevents->quiet, &timeout);
}

static void take(struct uevents *uevents, struct udev_device *device)
{
    struct uevent event = {
        .subsystem = udev_device_get_subsystem(device),
        .action = udev_device_get_action(device),
        .name = udev_device_get_sysname(device),
        .hotplug = udev_device_get_property_value(device, "HOTPLUG"),
        .pci_class = udev_device_get_property_value(device, "PCI_CLASS"),
        .pci_id = udev_device_get_property_value(device, "PCI_ID"),
    };

    if (!uevents->filter(&event))
        return;
    uevents->n++;
    snprintf(uevents->last, sizeof uevents->last, "%s %s %s", event.subsystem ? event.subsystem : "?",
             event.action ? event.action : "?", event.name ? event.name : "?");
    arm(uevents);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct uevents *uevents = context;
    struct udev_device *device;

    (void)fd;
    (void)what;
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        errno = 0;
        device = udev_monitor_receive_device(uevents->monitor);
        if (!device && errno == ENOBUFS) {
            uevents->n++;
            snprintf(uevents->last, sizeof uevents->last, "more than could be read");
            arm(uevents);
        }
        if (!device)
            return;
        take(uevents, device);
        udev_device_unref(device);
    }
}

static void on_quiet(evutil_socket_t fd, short what, void *context)
{
    struct uevents *uevents = context;
    unsigned n = uevents->n;

    (void)fd;
    (void)what;
    uevents->n = 0;
    uevents->first_ms = 0;
    uevents->settled(uevents->context, uevents->last, n);
}

static int listen_to(struct uevents *uevents, struct event_base *base, const char *const *subsystems)
{
    int error = 0;

    uevents->udev = udev_new();
    uevents->monitor = uevents->udev ? udev_monitor_new_from_netlink(uevents->udev, "kernel") : NULL;
    if (!uevents->monitor)
        return errno > 0 ? -errno : -ENOMEM;
    for (size_t i = 0; subsystems[i] && error >= 0; i++)
        error = udev_monitor_filter_add_match_subsystem_devtype(uevents->monitor, subsystems[i], NULL);
    if (error >= 0)
        error = udev_monitor_enable_receiving(uevents->monitor);
    if (error < 0)
        return error;
    udev_monitor_set_receive_buffer_size(uevents->monitor, RECEIVE_BUFFER); /* the default will do as well */
    uevents->quiet = evtimer_new(base, on_quiet, uevents);
    uevents->readable =
        event_new(base, udev_monitor_get_fd(uevents->monitor), EV_READ | EV_PERSIST, on_readable, uevents);
    return uevents->quiet && uevents->readable && event_add(uevents->readable, NULL) == 0 ? 0 : -ENOMEM;
}

int uevents_open(struct event_base *base, const char *const *subsystems, uevents_filter_fn filter,
                 uevents_settled_fn settled, void *context, struct uevents **out)
{
    struct uevents *uevents = calloc(1, sizeof *uevents);
    int error;

    *out = NULL;
    if (!uevents)
        return -ENOMEM;
    uevents->filter = filter;
    uevents->settled = settled;
    uevents->context = context;
    error = listen_to(uevents, base, subsystems);
    if (error < 0) {
        uevents_free(uevents);
        return error;
    }
    *out = uevents;
    return 0;
}

void uevents_free(struct uevents *uevents)
{
    if (!uevents)
        return;
    if (uevents->readable)
        event_free(uevents->readable);
    if (uevents->quiet)
        event_free(uevents->quiet);
    udev_monitor_unref(uevents->monitor);
    udev_unref(uevents->udev);
    free(uevents);
}
