/*
 * The listening socket and all peers. It knows packets, not requests: what a packet means is the owner's business, who
 * is told by callbacks.
 *
 * Limits: connections in all and per uid, bytes queued for a peer and for a uid, SERVER_PACKETS_PER_TURN packets of a
 * peer, SERVER_TURN_US for all packets of a uid and SERVER_ACCEPTS_PER_TURN connections a turn, a time for hello and
 * for a queue to move. A turn ends when everything that was ready at its beginning has had its chance; so however many
 * connections one user has, and however dear its requests are, another waits for one such share of it at most.
 */
#ifndef ITEXD_DAEMON_SERVER_H
#define ITEXD_DAEMON_SERVER_H

#include "daemon/listener.h"
#include "daemon/peer.h"
#include "daemon/refusal.h"
#include "proto/framing.h"

#define SERVER_PACKETS_PER_TURN 16
#define SERVER_ACCEPTS_PER_TURN 64
#define SERVER_TURN_US 4000 /* and the packet with which it is passed */

TAILQ_HEAD(peer_list, peer);

struct server_limits {
    uint64_t connections;     /* in all */
    uint64_t outbound_bytes;  /* queued for one peer */
    uint64_t hello_ms;        /* for a new peer to say hello */
    uint64_t stall_ms;        /* for a queue to move */
    struct quota_limits user; /* of one uid */
};

struct server_callbacks {
    void *context;
    /* A packet of 1 to ITEXD_MAX_PACKET bytes; fd (or -1) is the callee's to close. */
    void (*packet)(void *context, struct peer *peer, const uint8_t *data, size_t size, int fd);
    /* May descriptors come from the peer? From any other they are dropped unseen. */
    bool (*trusted)(void *context, struct peer *peer);
    /* A packet that could not be received whole: -EMSGSIZE, -EPROTO (more than one descriptor). */
    void (*bad_packet)(void *context, struct peer *peer, int error);
    /* The peer has gone; its calls must be let go. */
    void (*gone)(void *context, struct peer *peer);
};

struct server {
    struct event_base *base;
    struct server_callbacks callbacks;
    struct server_limits limits;
    struct quota quota;
    struct listener listener;
    struct event *acceptable, *resume_accept, *sweep, *reap, *turn_end;
    int reserve; /* a descriptor given up to tell a client that there are no more */
    uint64_t turn;
    bool turn_began; /* somebody was read in it */
    bool held;       /* nobody is read */
    bool stopping;
    struct peer_list peers, gone, without_hello, slow, held_peers; /* the timed ones oldest first */
    size_t n_peers;
    uint64_t packet_us;             /* steady clock: when the packet that is being handled was read */
    uint64_t refused_why[REFUSALS]; /* connections */
    uint64_t refused, refused_told; /* connections; those of them that the log knows of */
    uint64_t told_ms;
    uint8_t inbound[ITEXD_MAX_PACKET];
    uint8_t outbound[ITEXD_MAX_PACKET]; /* scratch for whoever packs an answer */
};

/* Takes over listener. 0, -errno. */
int server_init(struct server *server, struct event_base *base, struct listener *listener,
                const struct server_limits *limits, const struct server_callbacks *callbacks);
void server_set_limits(struct server *server, const struct server_limits *limits);
/* Nobody is read until server_resume: what comes next waits in the sockets. */
void server_hold(struct server *server);
void server_resume(struct server *server);
/* No more connections and no more requests. */
void server_stop(struct server *server);
/* True when nothing waits to be read by any peer. */
bool server_flushed(const struct server *server);
/* The peer has said hello. */
void server_greeted(struct peer *peer);
void server_deinit(struct server *server);

/* For peer.c: has the user time left in this turn? Then the packet that is read next is on its account. */
bool server_has_time(struct server *server, struct quota_user *user);
/* For peer.c: what the peer's deadline is for; the time counts from its since_ms. */
void server_time(struct peer *peer, enum peer_timing timing);

#endif
