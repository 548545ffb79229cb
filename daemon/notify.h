/* What systemd is told: readiness, reloads, a status line, and that the loop is alive. Nothing without a manager.
 * Never waits: see notify.c. */
#ifndef ITEXD_DAEMON_NOTIFY_H
#define ITEXD_DAEMON_NOTIFY_H

#include <event2/event.h>
#include <stdint.h>

struct notify {
    struct event *watchdog; /* NULL: not asked for */
    struct event *retry;    /* of READY=1 */
};

/* Starts the watchdog's messages, at half its interval. 0, -ENOMEM. */
int notify_init(struct notify *notify, struct event_base *base);
void notify_deinit(struct notify *notify);
void notify_ready(struct notify *notify);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
