/* Reads /proc and socket credentials; nothing here blocks. */
#include "daemon/process.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* directory: of the process in /proc. It stays that process's own; when it has ended there is nothing in it any more.
 */
static int read_stat(int directory, uint64_t *start, pid_t *parent)
{
    char text[1024];
    CLEANUP(closep) const int fd = openat(directory, "stat", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t size = read(fd, text, sizeof text - 1);
    if (size <= 0)
        return -ESRCH;
    text[size] = '\0';

    /* The name in field 2 may hold anything, so counting starts behind its last ')'. */
    const char *rest = strrchr(text, ')');
    int ppid;
    uint64_t ticks;
    if (!rest ||
        sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64, &ppid,
               &ticks) != 2)
        return -EPROTO;
    if (start)
        *start = ticks;
    if (parent)
        *parent = ppid;
    return 0;
}

static int open_process(pid_t pid)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    return fd;
}

int process_read_stat(pid_t pid, uint64_t *start, pid_t *parent)
{
    CLEANUP(closep) const int directory = open_process(pid);

    return directory < 0 ? directory : read_stat(directory, start, parent);
}

int process_identify(pid_t pid, uid_t *uid, uint64_t *start)
{
    CLEANUP(closep) const int directory = open_process(pid);
    struct stat info;

    if (directory < 0)
        return directory;
    if (fstat(directory, &info) < 0)
        return -errno;
    *uid = info.st_uid;
    return read_stat(directory, start, NULL);
}

/* A descriptor for the process that connected; where the kernel is too old, for the one that has its pid now. */
static int open_peer_pidfd(int socket, pid_t pid)
{
    int fd = -1;
    socklen_t size = sizeof fd;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
        return fd;
    if (errno != ENOPROTOOPT)
        return -1;
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool still_runs(int pidfd)
{
    struct pollfd state = {.fd = pidfd, .events = POLLIN};

    return poll(&state, 1, 0) == 0;
}

int process_of_peer(int socket, struct process *who)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    CLEANUP(closep) int pidfd = -1;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    *who = (struct process){.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
    if (who->pid <= 0)
        return 0; /* from a pid namespace that is not below ours */

    /* The pid was the peer's while its pidfd says that it runs, so a start time read before that is its own. */
    pidfd = open_peer_pidfd(socket, who->pid);
    if (pidfd < 0 || process_read_stat(who->pid, &who->start, NULL) < 0 || !still_runs(pidfd))
        who->start = 0;
    return 0;
}

/* Whoever has the pid after its descriptor was opened, and while that says "runs", is the process it means. */
static int check_start(int pidfd, pid_t pid, uint64_t start)
{
    uint64_t now;
    int error = start != 0 ? process_read_stat(pid, &now, NULL) : 0;

    if (error == 0 && ((start != 0 && now != start) || !still_runs(pidfd)))
        error = -ESRCH;
    if (error == 0)
        return pidfd;
    close(pidfd);
    return error;
}

int process_open(pid_t pid, uint64_t start)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    return pidfd < 0 ? -errno : check_start(pidfd, pid, start);
}

int process_open_peer(int socket, const struct process *who)
{
    int pidfd = who->pid > 0 ? open_peer_pidfd(socket, who->pid) : -1;

    if (pidfd < 0)
        return who->pid > 0 ? -errno : -ESRCH;
    return check_start(pidfd, who->pid, who->start);
}

int process_peer_has_group(int socket, gid_t peer_gid, gid_t group)
{
    CLEANUP(freep) gid_t *groups = NULL;
    socklen_t size = 64 * sizeof *groups;

    if (peer_gid == group)
        return 1;
    for (int round = 0; round < 2; round++) {
        gid_t *larger = realloc(groups, size);
        if (!larger)
            return -ENOMEM;
        groups = larger;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
            for (size_t i = 0; i < size / sizeof *groups; i++)
                if (groups[i] == group)
                    return 1;
            return 0;
        }
        if (errno != ERANGE) /* else the kernel has put the size it needs into size */
            return -errno;
    }
    return -ERANGE;
}

bool process_descends_from(pid_t pid, pid_t ancestor, uint64_t start)
{
    for (int i = 0; i <= PROCESS_MAX_GENERATIONS && pid > 0; i++) {
        uint64_t ticks;
        pid_t parent;

        if (process_read_stat(pid, &ticks, &parent) < 0)
            return false;
        if (pid == ancestor)
            return start == 0 || ticks == start;
        pid = parent;
    }
    return false;
}
