/*
 * Listening sockets: itexd's own, made safely, and those that systemd passed.
 *
 * A socket of our own is guarded by a lock file beside it (PATH.lock), held as long as we listen: of two services
 * started at once one gets it. A socket left over by a crash is recognised by that nobody answers and replaced; a
 * file that is no socket is never touched. At the end the socket is unlinked only if the path still names ours.
 *
 * What a passed socket is for is told by its name (FileDescriptorName= of its unit, else the unit's own): "itexd" or
 * "itexd.socket" is for requests, "metrics" or "itexd-metrics.socket" for metrics. A single one without a name is for
 * requests, so that systemd-socket-activate and other starters serve. Any other is refused: a socket that somebody
 * connects to and nobody serves would look like a service that hangs.
 */
#ifndef ITEXD_DAEMON_LISTENER_H
#define ITEXD_DAEMON_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct listener {
    int fd;
    int lock;   /* -1: systemd's socket */
    char *path; /* of the socket in the file system; of a passed one, what people call its address */
    dev_t device;
    ino_t inode;
};
#define LISTENER_NULL                                                                                                  \
    {                                                                                                                  \
        .fd = -1, .lock = -1                                                                                           \
    }

#define LISTENER_METRICS_MAX 8

/* What systemd passed; -1 and 0 where it passed none. A unit may listen at several addresses for metrics. */
struct listener_passed {
    int requests;
    int metrics[LISTENER_METRICS_MAX];
    size_t n_metrics;
};
#define LISTENER_PASSED_NULL                                                                                           \
    {                                                                                                                  \
        .requests = -1                                                                                                 \
    }

/* All return 0, or -errno with a text of what is wrong and what to do. */

/* Once, at the start: the variables that tell of the sockets are unset. Whoever takes a descriptor owns it. */
int listener_take_passed(struct listener_passed *passed, char *error, size_t error_size);
/* Takes a passed descriptor over, also on failure. */
int listener_adopt(struct listener *listener, int fd, char *error, size_t error_size);
/* Makes one of our own; type is SOCK_SEQPACKET or SOCK_STREAM. */
int listener_open(struct listener *listener, const char *path, unsigned mode, int type, char *error, size_t error_size);
void listener_close(struct listener *listener);

#endif
