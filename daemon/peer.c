/* Sending, receiving and ending of one connection. */
#include "daemon/peer.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/clock.h"
#include "proto/framing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
    STAILQ_ENTRY(packet) link;
    size_t size;
    uint8_t data[];
};

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);

int peer_new(struct server *server, int fd, struct peer **out)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int error = -ENOMEM;

    if (!peer) {
        close(fd);
        return -ENOMEM;
    }
    *peer = (struct peer){
        .server = server, .fd = fd, .state = PEER_NEW, .administrator = -1, .since_ms = clock_steady_ms()};
    LIST_INIT(&peer->calls);
    STAILQ_INIT(&peer->packets);
    peer->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, peer);
    if (peer->readable) {
        error = process_of_peer(fd, &peer->who);
        if (error == 0) {
            peer->user = quota_user_get(&server->quota, peer->who.uid);
            error = peer->user ? 0 : -ENOMEM;
        }
    }
    if (error < 0) {
        peer_free(peer);
        return error;
    }
    *out = peer;
    return 0;
}

void peer_free(struct peer *peer)
{
    struct packet *packet;

    while ((packet = STAILQ_FIRST(&peer->packets))) {
        STAILQ_REMOVE_HEAD(&peer->packets, link);
        free(packet);
    }
    if (peer->outbound > 0)
        quota_release(peer->user, QUOTA_BYTES, peer->outbound);
    if (peer->charged)
        quota_release(peer->user, QUOTA_CONNECTIONS, 1);
    quota_user_put(peer->user);
    if (peer->readable)
        event_free(peer->readable);
    if (peer->writable)
        event_free(peer->writable);
    if (peer->fd >= 0)
        close(peer->fd);
    free(peer);
}

/* A queue moved, or began: the peer's time to read starts anew. */
static void queue_moved(struct peer *peer)
{
    peer->since_ms = clock_steady_ms();
    if (peer->state != PEER_NEW)
        server_time(peer, PEER_TIMED_QUEUE);
}

static int enqueue(struct peer *peer, const uint8_t *data, size_t size)
{
    struct packet *packet;

    if (peer->outbound + size > peer->server->limits.outbound_bytes)
        return -ENOBUFS;
    if (!peer->writable) {
        peer->writable = event_new(peer->server->base, peer->fd, EV_WRITE | EV_PERSIST, on_writable, peer);
        if (!peer->writable)
            return -ENOMEM;
    }
    packet = malloc(sizeof *packet + size);
    if (!packet || !quota_charge(peer->user, QUOTA_BYTES, size)) {
        free(packet);
        return packet ? -EDQUOT : -ENOMEM;
    }
    packet->size = size;
    memcpy(packet->data, data, size);
    if (STAILQ_EMPTY(&peer->packets)) {
        event_add(peer->writable, NULL);
        queue_moved(peer);
    }
    STAILQ_INSERT_TAIL(&peer->packets, packet, link);
    peer->outbound += size;
    return 0;
}

/* Clients hang up at any moment, as often as they like: that is not worth a line in the log. */
static void close_failed(struct peer *peer, int error)
{
    bool hung_up = error == 0 || error == -EPIPE || error == -ECONNRESET;

    peer_close(peer, hung_up ? NULL : strerror(-error));
}

void peer_send(struct peer *peer, const uint8_t *data, size_t size)
{
    int error = -EAGAIN;

    if (peer->state == PEER_GONE)
        return;
    if (STAILQ_EMPTY(&peer->packets))
        error = frame_send(peer->fd, data, size, -1);
    if (error == -EAGAIN)
        error = enqueue(peer, data, size);
    if (error == -ENOBUFS || error == -EDQUOT)
        peer_close(peer, "it does not read what it asked for");
    else if (error < 0)
        close_failed(peer, error);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    struct packet *packet;

    (void)what;
    while ((packet = STAILQ_FIRST(&peer->packets))) {
        int error = frame_send(fd, packet->data, packet->size, -1);

        if (error == -EAGAIN)
            return;
        if (error < 0) {
            close_failed(peer, error);
            return;
        }
        STAILQ_REMOVE_HEAD(&peer->packets, link);
        peer->outbound -= packet->size;
        quota_release(peer->user, QUOTA_BYTES, packet->size);
        free(packet);
        queue_moved(peer);
    }
    event_del(peer->writable);
    if (peer->timing == PEER_TIMED_QUEUE)
        server_time(peer, PEER_UNTIMED);
    if (peer->state == PEER_FINISHING)
        peer_close(peer, NULL);
}

/* False: there is no more to read for now. */
static bool read_packet(struct peer *peer)
{
    struct server *server = peer->server;
    const struct server_callbacks *callbacks = &server->callbacks;
    int received = -1;
    bool trusted = callbacks->trusted(callbacks->context, peer);
    ssize_t size = frame_receive(peer->fd, server->inbound, trusted ? &received : NULL);

    if (size == -EAGAIN)
        return false;
    if (size > 0)
        callbacks->packet(callbacks->context, peer, server->inbound, (size_t)size, received);
    else if (size == -EMSGSIZE || size == -EPROTO)
        callbacks->bad_packet(callbacks->context, peer, (int)size);
    else
        close_failed(peer, (int)size);
    return peer->state == PEER_NEW || peer->state == PEER_READY;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    struct server *server = peer->server;
    uint64_t began = clock_steady_us(), now;
    bool more = peer->state == PEER_NEW || peer->state == PEER_READY;

    (void)fd;
    (void)what;
    for (int i = 0; more && i < SERVER_PACKETS_PER_TURN && server_has_time(server, peer->user); i++) {
        if (server->held || server->stopping) {
            peer_hold(peer);
            return;
        }
        server->packet_us = began;
        more = read_packet(peer);
        now = clock_steady_us();
        peer->user->turn_us += now - began;
        began = now;
    }
}

void peer_hold(struct peer *peer)
{
    event_del(peer->readable);
    if (!peer->held)
        TAILQ_INSERT_TAIL(&peer->server->held_peers, peer, pausing);
    peer->held = true;
}

void peer_unhold(struct peer *peer)
{
    if (peer->held)
        TAILQ_REMOVE(&peer->server->held_peers, peer, pausing);
    peer->held = false;
    if (peer->state == PEER_NEW || peer->state == PEER_READY)
        event_add(peer->readable, NULL);
}

void peer_finish(struct peer *peer)
{
    if (peer->state == PEER_GONE)
        return;
    peer->state = PEER_FINISHING;
    event_del(peer->readable);
    if (STAILQ_EMPTY(&peer->packets)) {
        peer_close(peer, NULL);
        return;
    }
    queue_moved(peer);
}

void peer_discard_unread(int fd)
{
    char byte;

    for (int i = 0; i < 64; i++)
        if (recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) <= 0)
            return;
}

void peer_close(struct peer *peer, const char *why)
{
    struct server *server = peer->server;

    if (peer->state == PEER_GONE)
        return;
    peer->state = PEER_GONE;
    if (why)
        log_event(EVENT_PEER_CLOSED, LOG_NUMBER(FIELD_UID, peer->who.uid), LOG_NUMBER(FIELD_PID, peer->who.pid),
                  LOG_TEXT(FIELD_WHY, why));
    event_del(peer->readable);
    if (peer->writable)
        event_del(peer->writable);
    peer_discard_unread(peer->fd);
    close(peer->fd);
    peer->fd = -1;
    peer_unhold(peer);
    server_time(peer, PEER_UNTIMED);
    server->callbacks.gone(server->callbacks.context, peer);
    TAILQ_REMOVE(&server->peers, peer, link);
    TAILQ_INSERT_TAIL(&server->gone, peer, link);
    server->n_peers--;
    event_active(server->reap, EV_TIMEOUT, 0);
}
