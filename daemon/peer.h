/*
 * One connected client: who it is, what it still has to read, which of its requests are unanswered.
 *
 * A peer lives from accept until peer_close; its memory goes at the end of the loop's turn, so that code further up
 * the stack may still look at it (state PEER_GONE). Nothing is kept per peer that can be shared: packets are received
 * into the server's one buffer, and the outbound queue is empty unless the client is slow.
 */
#ifndef ITEXD_DAEMON_PEER_H
#define ITEXD_DAEMON_PEER_H

#include "daemon/process.h"
#include "daemon/quota.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum peer_state {
    PEER_NEW,       /* has not said hello */
    PEER_READY,     /* may ask */
    PEER_FINISHING, /* is read no more; closes when its queue is empty */
    PEER_GONE,
};

struct call;
struct packet;
struct server;

struct peer {
    TAILQ_ENTRY(peer) link;    /* all, or those whose memory is about to go */
    TAILQ_ENTRY(peer) timed;   /* those who have a deadline, as `timing` says */
    TAILQ_ENTRY(peer) pausing; /* those not read for now, if `held` */
    enum peer_timing { PEER_UNTIMED, PEER_TIMED_HELLO, PEER_TIMED_QUEUE } timing;
    bool held;
    struct server *server;
    int fd;
    enum peer_state state;
    bool charged;      /* its connection is counted for its user */
    int administrator; /* -1: not looked up yet */
    struct process who;
    struct quota_user *user;
    struct event *readable, *writable;
    LIST_HEAD(peer_calls, call) calls;
    STAILQ_HEAD(peer_packets, packet) packets;
    size_t outbound;   /* bytes in packets */
    uint64_t since_ms; /* accepted, or when the queue last moved */
};

/* Takes fd over, also on failure. 0, -errno. */
int peer_new(struct server *server, int fd, struct peer **out);
/* Sends now or queues; a peer that has let too much pile up is dropped. */
void peer_send(struct peer *peer, const uint8_t *data, size_t size);
/* No more is read; what is queued is sent, then the connection ends. */
void peer_finish(struct peer *peer);
/* Ends the connection at once. why is for the log. Harmless on a peer that has gone. */
void peer_close(struct peer *peer, const char *why);
/* Reading stops and starts as the server as a whole allows. */
void peer_hold(struct peer *peer);
void peer_unhold(struct peer *peer);
/* A socket closed with unread packets resets the other side, which would then miss the answers it already has. Takes a
 * few only: who goes on sending is no client that reads. */
void peer_discard_unread(int fd);
/* At the end of the turn. */
void peer_free(struct peer *peer);

#endif
