/*
 * The listening socket: itexd's own, made safely, or the one that systemd passed.
 *
 * A socket of our own is guarded by a lock file beside it (PATH.lock), held as long as we listen: of two services
 * started at once one gets it. A socket left over by a crash is recognised by that nobody answers and replaced; a
 * file that is no socket is never touched. At the end the socket is unlinked only if the path still names ours.
 */
#ifndef ITEXD_DAEMON_LISTENER_H
#define ITEXD_DAEMON_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct listener {
    int fd;
    int lock;   /* -1: systemd's socket */
    char *path; /* of the socket in the file system */
    dev_t device;
    ino_t inode;
};
#define LISTENER_NULL                                                                                                  \
    {                                                                                                                  \
        .fd = -1, .lock = -1                                                                                           \
    }

/* systemd's socket where one was passed, else path. 0; -errno with a text of what is wrong and what to do. */
int listener_open(struct listener *listener, const char *path, unsigned mode, char *error, size_t error_size);
void listener_close(struct listener *listener);

#endif
