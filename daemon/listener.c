/* Making, taking over, checking and removing listening sockets. May wait for the file system: used at start and end
 * only. */
#include "daemon/listener.h"
#include "proto/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

static int open_own(struct listener *listener, const char *path, unsigned mode, int type, const struct report *report)
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
    listener->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

/* ---- Passed by systemd ------------------------------------------------------------------------------------ */

static void name_inet(const void *address, int family, unsigned port, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";

    inet_ntop(family, address, host, sizeof host);
    snprintf(text, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
}

/* For the log: a path, or an address with its port. */
static char *name_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN + sizeof "[]:65535"] = "(passed by systemd)";

    if (getsockname(fd, &address.any, &size) < 0)
        return strdup(text);
    if (address.any.sa_family == AF_UNIX && address.local.sun_path[0] == '/')
        return strndup(address.local.sun_path, sizeof address.local.sun_path);
    if (address.any.sa_family == AF_INET)
        name_inet(&address.four.sin_addr, AF_INET, ntohs(address.four.sin_port), text, sizeof text);
    if (address.any.sa_family == AF_INET6)
        name_inet(&address.six.sin6_addr, AF_INET6, ntohs(address.six.sin6_port), text, sizeof text);
    return strdup(text);
}

static bool is_one_of(const char *name, const char *ours, const char *unit)
{
    return strcmp(name, ours) == 0 || strcmp(name, unit) == 0;
}

static int take_requests(struct listener_passed *passed, int fd, const struct report *report)
{
    if (passed->requests >= 0)
        return fail(report, -EINVAL, "two sockets for requests were passed; itexd takes one");
    if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
        return fail(report, -ENOTSOCK,
                    "the passed socket is no listening Unix socket of packets; the socket unit needs "
                    "ListenSequentialPacket=");
    passed->requests = fd;
    return 0;
}

static int take_metrics(struct listener_passed *passed, int fd, const struct report *report)
{
    if (passed->n_metrics == LISTENER_METRICS_MAX)
        return fail(report, -E2BIG, "more than %d sockets for metrics were passed; use fewer ListenStream= lines",
                    LISTENER_METRICS_MAX);
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return fail(report, -ENOTSOCK,
                    "the socket passed for metrics is no listening stream socket; its unit needs ListenStream= and "
                    "Accept=no");
    passed->metrics[passed->n_metrics++] = fd;
    return 0;
}

/* "unknown" is what libsystemd and systemd-socket-activate say where there is no name. */
static int take(struct listener_passed *passed, int fd, const char *name, bool single, const struct report *report)
{
    if (is_one_of(name, "itexd", "itexd.socket") || (single && is_one_of(name, "unknown", "")))
        return take_requests(passed, fd, report);
    if (is_one_of(name, "metrics", "itexd-metrics.socket"))
        return take_metrics(passed, fd, report);
    return fail(report, -EINVAL,
                "a socket named \"%s\" was passed; itexd knows \"itexd\" (requests) and \"metrics\"; set "
                "FileDescriptorName= in its unit, or take the unit out of Sockets= of itexd.service",
                name);
}

int listener_take_passed(struct listener_passed *passed, char *error, size_t error_size)
{
    const struct report report = {error, error_size};
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);
    int result = 0;

    *passed = (struct listener_passed)LISTENER_PASSED_NULL;
    if (n < 0)
        return fail(&report, n, "cannot take the sockets that systemd passed: %s", strerror(-n));
    for (int i = 0; i < n && result == 0; i++)
        result = take(passed, SD_LISTEN_FDS_START + i, names[i], n == 1, &report);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return result;
}

int listener_adopt(struct listener *listener, int fd, char *error, size_t error_size)
{
    const struct report report = {error, error_size};
    int result = 0;

    *listener = (struct listener)LISTENER_NULL;
    listener->fd = fd;
    listener->path = name_of(fd);
    if (!listener->path)
        result = fail(&report, -ENOMEM, "out of memory");
    else if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        result = fail(&report, -errno, "cannot prepare the passed socket: %s", strerror(errno));
    if (result < 0)
        listener_close(listener);
    return result;
}

int listener_open(struct listener *listener, const char *path, unsigned mode, int type, char *error, size_t error_size)
{
    const struct report report = {error, error_size};
    int result;

    *listener = (struct listener)LISTENER_NULL;
    result = open_own(listener, path, mode, type, &report);
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
