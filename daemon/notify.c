/* A thin layer over sd_notify: one datagram each, to a manager that always reads. */
#include "daemon/notify.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    sd_notify(0, "WATCHDOG=1");
}

int notify_init(struct notify *notify, struct event_base *base)
{
    uint64_t interval_us;

    notify->watchdog = NULL;
    if (sd_watchdog_enabled(0, &interval_us) <= 0)
        return 0;
    const struct timeval half = {.tv_sec = (time_t)(interval_us / 2 / 1000000),
                                 .tv_usec = (suseconds_t)(interval_us / 2 % 1000000)};
    notify->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, NULL);
    return notify->watchdog && event_add(notify->watchdog, &half) == 0 ? 0 : -ENOMEM;
}

void notify_deinit(struct notify *notify)
{
    if (notify->watchdog)
        event_free(notify->watchdog);
    notify->watchdog = NULL;
}

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_steady_us());
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\n') /* the next line would be another assignment */
            *at = ' ';
    sd_notifyf(0, "STATUS=%s", text);
}
