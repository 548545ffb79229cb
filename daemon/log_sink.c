/*
 * The journal's native protocol is a datagram an entry, on a socket of ours and not by libsystemd's call, because that
 * one reports success where there is no journal, waits for it without limit, and keeps its socket out of sight. The
 * datagram is addressed by path each time, so a journal that was started anew is found at once; while systemd-journald
 * restarts, its socket keeps what comes.
 *
 * The socket is made when the log starts, behind the fork of the spawner, and closed in what is executed.
 */
#include "daemon/log_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_WAITS_MS 200

static struct {
    bool open, under_journal;
    int socket;
    struct sockaddr_un address;
} sink = {.socket = -1, .address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"}};

/* JOURNAL_STREAM is "device:inode" of the stream systemd connected. */
static bool under_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat info;
    uintmax_t device, inode;

    return stream && fstat(STDERR_FILENO, &info) == 0 && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           device == info.st_dev && inode == info.st_ino;
}

void log_sink_use(const char *path)
{
    snprintf(sink.address.sun_path, sizeof sink.address.sun_path, "%s", path);
}

void log_sink_open(void)
{
    static const struct timeval patience = {.tv_usec = SEND_WAITS_MS * 1000};

    sink.open = true;
    sink.under_journal = under_journal();
    if (sink.socket >= 0)
        close(sink.socket);
    sink.socket = sink.under_journal ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (sink.socket >= 0)
        setsockopt(sink.socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static int write_journal(const struct log_entry *entry)
{
    char datagram[LOG_DATAGRAM_MAX];
    size_t size;
    ssize_t sent;

    if (sink.socket < 0)
        return -ENOTCONN;
    size = log_entry_datagram(entry, datagram);
    do
        sent = sendto(sink.socket, datagram, size, MSG_NOSIGNAL, (const struct sockaddr *)&sink.address,
                      sizeof sink.address);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static int write_line(const struct log_entry *entry)
{
    char text[LOG_LINE];
    const char *at = text;
    size_t left = log_entry_line(entry, sink.under_journal, text);

    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, at, left);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -EPIPE; /* nobody listens, for whatever reason */
        at += written;
        left -= (size_t)written;
    }
    return 0;
}

int log_sink_write(const struct log_entry *entry)
{
    int error;

    if (!sink.open)
        log_sink_open();
    error = write_journal(entry);
    return error == 0 || error == -EAGAIN ? error : write_line(entry);
}
