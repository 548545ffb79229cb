/* Making, checking and removing the listening socket. May wait for the file system: used at start and end only. */
#include "daemon/listener.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

struct report {
    char *text;
    size_t size;
};

static int fail(const struct report *report, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(const struct report *report, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(report->text, report->size, format, arguments);
    va_end(arguments);
    return error;
}

static int fill_address(const char *path, struct sockaddr_un *address, const struct report *report)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] != '/')
        return fail(report, -EINVAL, "socket path %s is not absolute; give one that begins with /", path);
    if (strlen(path) >= sizeof address->sun_path)
        return fail(report, -ENAMETOOLONG, "socket path %s is longer than %zu bytes; choose a shorter one", path,
                    sizeof address->sun_path - 1);
    strcpy(address->sun_path, path);
    return 0;
}

static int take_lock(const char *path, int *lock, const struct report *report)
{
    char name[sizeof((struct sockaddr_un *)0)->sun_path + sizeof ".lock"];
    CLEANUP(closep) int fd = -1;

    snprintf(name, sizeof name, "%s.lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(report, -errno, "cannot create %s: %s; the directory must exist and be writable for itexd", name,
                    strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return fail(report, -EADDRINUSE, "another itexd holds %s; stop it or choose another socket", name);
    *lock = TAKE_FD(fd);
    return 0;
}

/* Removes what a crashed itexd left; anything else in the way is an error. */
static int clear_path(const struct sockaddr_un *address, const struct report *report)
{
    CLEANUP(closep) int probe = -1;
    struct stat info;

    if (lstat(address->sun_path, &info) < 0)
        return errno == ENOENT ? 0 : fail(report, -errno, "cannot look at %s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return fail(report, -EEXIST, "%s exists and is not a socket; move it away or choose another path",
                    address->sun_path);
    probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return fail(report, -errno, "cannot make a socket: %s", strerror(errno));
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 || errno != ECONNREFUSED)
        return fail(report, -EADDRINUSE, "another program serves %s; stop it or choose another path",
                    address->sun_path);
    if (unlink(address->sun_path) < 0)
        return fail(report, -errno, "cannot remove the stale socket %s: %s", address->sun_path, strerror(errno));
    return 0;
}

static int open_own(struct listener *listener, const char *path, unsigned mode, const struct report *report)
{
    struct sockaddr_un address;
    struct stat info;
    int error = fill_address(path, &address, report);

    if (error == 0)
        error = take_lock(path, &listener->lock, report);
    if (error == 0)
        error = clear_path(&address, report);
    if (error < 0)
        return error;
    listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 || bind(listener->fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        lstat(path, &info) < 0)
        return fail(report, -errno, "cannot bind %s: %s", path, strerror(errno));
    listener->path = strdup(path);
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
    if (!listener->path)
        return fail(report, -ENOMEM, "out of memory");
    /* Not through a link, should somebody have put one in its place. */
    if (fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) < 0 || listen(listener->fd, BACKLOG) < 0)
        return fail(report, -errno, "cannot listen on %s: %s", path, strerror(errno));
    return 0;
}

static int open_passed(struct listener *listener, const struct report *report)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    int fd = SD_LISTEN_FDS_START;

    if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
        return fail(report, -ENOTSOCK,
                    "the passed socket is no listening Unix socket of packets; the socket unit needs "
                    "ListenSequentialPacket=");
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return fail(report, -errno, "cannot prepare the passed socket: %s", strerror(errno));
    listener->fd = fd;
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sun_path[0] == '/')
        listener->path = strndup(address.sun_path, sizeof address.sun_path);
    else
        listener->path = strdup("(passed by systemd)");
    return listener->path ? 0 : fail(report, -ENOMEM, "out of memory");
}

int listener_open(struct listener *listener, const char *path, unsigned mode, char *error, size_t error_size)
{
    const struct report report = {error, error_size};
    int passed = sd_listen_fds(1);
    int result;

    *listener = (struct listener)LISTENER_NULL;
    if (passed < 0)
        result = fail(&report, passed, "cannot take the sockets that systemd passed: %s", strerror(-passed));
    else if (passed > 1)
        result = fail(&report, -EINVAL, "%d sockets were passed; itexd takes one", passed);
    else
        result = passed == 1 ? open_passed(listener, &report) : open_own(listener, path, mode, &report);
    if (result < 0)
        listener_close(listener);
    return result;
}

void listener_close(struct listener *listener)
{
    struct stat info;

    if (listener->lock >= 0 && listener->path && lstat(listener->path, &info) == 0 && S_ISSOCK(info.st_mode) &&
        info.st_dev == listener->device && info.st_ino == listener->inode)
        unlink(listener->path);
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->lock >= 0)
        close(listener->lock); /* the file stays: removing it would let two services hold "the" lock */
    free(listener->path);
    *listener = (struct listener)LISTENER_NULL;
}
