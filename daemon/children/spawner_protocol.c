/* A packet and its descriptors, over a SOCK_SEQPACKET socket. */
#include "daemon/children/spawner_protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SPAWN_NEWS_FDS * sizeof(int))];
};

int spawner_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds)
{
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    union fd_control control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n_fds * sizeof *fds)};
        memcpy(CMSG_DATA(header), fds, n_fds * sizeof *fds);
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int)sent;
}

int spawner_receive(int socket, void *data, size_t size, int *fds, size_t n_fds, int flags)
{
    struct iovec part = {.iov_base = data, .iov_len = size};
    union fd_control control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t received;

    for (size_t i = 0; i < n_fds; i++)
        fds[i] = -1;
    do
        received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (i < n_fds)
                fds[i] = fd;
            else
                close(fd);
        }
    }
    return (int)received;
}
