/*
 * run --supervise: itexctl stays as the parent of the command, for jobs whose first process ends before their work
 * does.
 *
 * The command and all it starts are one tree: whoever loses its parent becomes a child of this process (subreaper). The
 * supervisor, which holds the lease, lives until the last of them has ended, and then ends as the command itself did:
 * with its status, or by its signal. What others send to the supervisor goes to the command, and once that has ended to
 * the others of its tree. A terminal tells its whole process group by itself, so what comes from there is not sent
 * again. Should the supervisor be killed, the command gets SIGTERM.
 */
#ifndef ITEXCTL_SUPERVISE_H
#define ITEXCTL_SUPERVISE_H

#include "client/itexctl/service.h"

/*
 * Starts the command with this process's environment and returns when nothing of it is left: its exit status, 126 or
 * 127 where it could not be executed, 70 where the process could not be made. Where a signal ended it, this process is
 * ended by the same signal. connection (may be NULL) is closed in the command; what the service says about devices
 * meanwhile is printed.
 */
int supervise(char **command, struct connection *connection);

#endif
