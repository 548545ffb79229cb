/* One packet at a time over SOCK_SEQPACKET. recvmsg and sendmsg directly: a stream buffer would cut packets silently.
 */
#include "proto/framing.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for more descriptors than allowed, so that a sender's surplus arrives here and is closed. */
#define CONTROL_DESCRIPTORS 8

static int collect_descriptors(struct msghdr *message, int *first)
{
    int count = 0;

    *first = -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            if (count++ == 0)
                *first = fd;
            else
                close(fd);
        }
    }
    if (message->msg_flags & MSG_CTRUNC)
        count = CONTROL_DESCRIPTORS + 1;
    return count;
}

ssize_t frame_receive(int socket, void *buffer, int *fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = buffer, .iov_len = ITEXD_MAX_PACKET};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int received = -1;
    ssize_t length;

    if (fd) { /* else the kernel drops descriptors: closing one here could wait for whoever made its file system */
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
    }

    if (fd)
        *fd = -1;
    do
        length = recvmsg(socket, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;

    int count = fd ? collect_descriptors(&message, &received) : 0;
    bool whole = length > 0 && (size_t)length <= ITEXD_MAX_PACKET && count <= 1;
    if (received >= 0 && !whole) {
        close(received);
        received = -1;
    }
    if ((size_t)length > ITEXD_MAX_PACKET)
        return -EMSGSIZE;
    if (length > 0 && count > 1)
        return -EPROTO;
    if (fd)
        *fd = received;
    return length;
}

int frame_send(int socket, const void *data, size_t size, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (size == 0 || size > ITEXD_MAX_PACKET)
        return -EMSGSIZE;
    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return 0;
}
