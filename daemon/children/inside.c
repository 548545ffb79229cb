/*
 * Inside a child: its page, and one request after the other until the service closes its end.
 *
 * Nothing here outlives a request, and the process never leaves by exit(): a driver may have threads in calls, and its
 * exit handlers would run beneath them.
 */
#include "daemon/children/inside.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_DONE 0
#define EXIT_BROKEN 70

struct child_page *inside_page(void)
{
    static struct child_page own;
    struct stat status;
    struct child_page *page = MAP_FAILED;

    /* A file that is shorter than the mapping would be a SIGBUS at the first write. */
    if (fstat(CHILD_PAGE_FD, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= (off_t)sizeof *page)
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, CHILD_PAGE_FD, 0);
    if (page == MAP_FAILED)
        return &own;
    close(CHILD_PAGE_FD);
    return page;
}

/* A packet's length; ends the process where the other side has gone. */
static size_t receive(uint8_t *packet, size_t size)
{
    for (;;) {
        ssize_t length = recv(CHILD_SOCKET_FD, packet, size, MSG_TRUNC);

        if (length == 0)
            _exit(EXIT_DONE);
        if (length > (ssize_t)size)
            _exit(EXIT_BROKEN);
        if (length > 0)
            return (size_t)length;
        if (errno == ECONNRESET)
            _exit(EXIT_DONE);
        if (errno != EAGAIN && errno != EINTR)
            _exit(EXIT_BROKEN);
        poll(&(struct pollfd){.fd = CHILD_SOCKET_FD, .events = POLLIN}, 1, -1);
    }
}

static void transmit(const uint8_t *packet, size_t length)
{
    while (send(CHILD_SOCKET_FD, packet, length, MSG_NOSIGNAL) < 0) {
        if (errno == EPIPE || errno == ECONNRESET)
            _exit(EXIT_DONE);
        if (errno != EAGAIN && errno != EINTR)
            _exit(EXIT_BROKEN);
        poll(&(struct pollfd){.fd = CHILD_SOCKET_FD, .events = POLLOUT}, 1, -1);
    }
}

/* What does not fit into a packet is an error of the request, not of the child. */
static void answer(const Itexd__Child__Reply *reply)
{
    CLEANUP(freep) uint8_t *packet = NULL;
    Itexd__Child__Reply too_long = ITEXD__CHILD__REPLY__INIT;
    char text[96];
    size_t length = itexd__child__reply__get_packed_size(reply);

    if (length > CHILD_PACKET_MAX) {
        snprintf(text, sizeof text, "the answer has %zu bytes, more than the %d of a packet", length, CHILD_PACKET_MAX);
        too_long.has_id = reply->has_id;
        too_long.id = reply->id;
        too_long.error = text;
        reply = &too_long;
        length = itexd__child__reply__get_packed_size(reply);
    }
    packet = malloc(length ? length : 1);
    if (!packet)
        _exit(EXIT_BROKEN);
    itexd__child__reply__pack(reply, packet);
    transmit(packet, length);
}

void inside_serve(inside_handler handler, void *context)
{
    uint8_t *packet = malloc(CHILD_PACKET_MAX);

    if (!packet)
        _exit(EXIT_BROKEN);
    for (;;) {
        size_t length = receive(packet, CHILD_PACKET_MAX);
        Itexd__Child__Request *request = itexd__child__request__unpack(NULL, length, packet);
        Itexd__Child__Reply reply = ITEXD__CHILD__REPLY__INIT;

        if (!request)
            _exit(EXIT_BROKEN);
        reply.has_id = request->has_id;
        reply.id = request->id;
        handler(context, request, &reply);
        answer(&reply);
        itexd__child__request__free_unpacked(request, NULL);
    }
}
