/*
 * Datagrams to the service manager, as sd_notify(3) describes them. sd_notify itself waits where the manager does not
 * read, and the loop must not: what cannot be sent now is dropped - the next watchdog message or status follows anyway
 * - except READY=1, which is tried again until it goes.
 */
#include "daemon/notify.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

/* -EAGAIN where the manager has not read what it was told before; other errors are the manager's affair. */
static int send_now(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(closep) int fd = -1;
    size_t length = path ? strlen(path) : 0;

    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return 0;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        return -errno;
    return 0;
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    send_now("WATCHDOG=1");
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    notify_ready(context);
}

int notify_init(struct notify *notify, struct event_base *base)
{
    uint64_t interval_us;

    *notify = (struct notify){.retry = evtimer_new(base, on_retry, notify)};
    if (!notify->retry)
        return -ENOMEM;
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
    if (notify->retry)
        event_free(notify->retry);
    *notify = (struct notify){.watchdog = NULL};
}

void notify_ready(struct notify *notify)
{
    const struct timeval pause = {.tv_usec = 100 * 1000};

    if (send_now("READY=1") == -EAGAIN)
        event_add(notify->retry, &pause);
}

void notify_reloading(void)
{
    char text[64];

    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_steady_us());
    send_now(text);
}

void notify_stopping(void)
{
    send_now("STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[512] = "STATUS=";
    size_t start = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + start, sizeof text - start, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\n') /* the next line would be another assignment */
            *at = ' ';
    send_now(text);
}
