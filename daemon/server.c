/* Accepting, refusing and looking after peers. */
#include "daemon/server.h"
#include "daemon/log.h"
#include "daemon/refusal.h"
#include "daemon/wire.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS 1000
#define ACCEPT_PAUSE_MS 100

static const struct timeval sweep_time = {.tv_usec = 0, .tv_sec = SWEEP_MS / 1000};
static const struct timeval accept_pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};

void server_time(struct peer *peer, enum peer_timing timing)
{
    struct server *server = peer->server;

    if (peer->timing == PEER_TIMED_HELLO)
        TAILQ_REMOVE(&server->without_hello, peer, timed);
    else if (peer->timing == PEER_TIMED_QUEUE)
        TAILQ_REMOVE(&server->slow, peer, timed);
    peer->timing = timing;
    if (timing == PEER_UNTIMED)
        return;
    if (timing == PEER_TIMED_HELLO)
        TAILQ_INSERT_TAIL(&server->without_hello, peer, timed);
    else
        TAILQ_INSERT_TAIL(&server->slow, peer, timed);
    if (!evtimer_pending(server->sweep, NULL))
        evtimer_add(server->sweep, &sweep_time);
}

static void close_late(struct peer_list *list, uint64_t limit_ms, uint64_t now, const char *why)
{
    struct peer *peer;

    while ((peer = TAILQ_FIRST(list)) && now - peer->since_ms >= limit_ms)
        peer_close(peer, why);
}

/* Runs only while somebody has a deadline, so that an idle service sleeps. */
static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    uint64_t now = clock_steady_ms();

    (void)fd;
    (void)what;
    close_late(&server->without_hello, server->limits.hello_ms, now, "it did not say hello in time");
    close_late(&server->slow, server->limits.stall_ms, now, "it does not read what it asked for");
    if (!TAILQ_EMPTY(&server->without_hello) || !TAILQ_EMPTY(&server->slow))
        evtimer_add(server->sweep, &sweep_time);
}

static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    struct peer *peer;

    (void)fd;
    (void)what;
    while ((peer = TAILQ_FIRST(&server->gone))) {
        TAILQ_REMOVE(&server->gone, peer, link);
        peer_free(peer);
    }
}

/* Runs behind all that was ready with the first packet of the turn. */
static void on_turn_end(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;

    (void)fd;
    (void)what;
    server->turn++;
    server->turn_began = false;
}

bool server_has_time(struct server *server, struct quota_user *user)
{
    if (!server->turn_began)
        event_active(server->turn_end, EV_TIMEOUT, 0);
    server->turn_began = true;
    if (user->turn != server->turn)
        user->turn_us = 0;
    user->turn = server->turn;
    return user->turn_us < SERVER_TURN_US;
}

/* Once a second at most: whoever knocks without end shall not fill the log as well. */
static void tell_refusal(struct server *server, const struct peer *peer, uint64_t limit)
{
    uint64_t now = clock_steady_ms();

    if (server->told_ms != 0 && now - server->told_ms < 1000)
        return;
    log_event(EVENT_CONNECTION_REFUSED, LOG_NUMBER(FIELD_UID, peer->who.uid), LOG_NUMBER(FIELD_PID, peer->who.pid),
              LOG_NUMBER(FIELD_LIMIT, limit), LOG_NUMBER(FIELD_SINCE_LAST, server->refused - server->refused_told));
    server->told_ms = now;
    server->refused_told = server->refused;
}

/* Tells a client that stays outside why; it gets one packet and end of file. */
static void refuse(struct server *server, struct peer *peer, enum refusal refusal, uint64_t limit)
{
    char number[24];

    snprintf(number, sizeof number, "%llu", (unsigned long long)limit);
    server->refused++;
    server->refused_why[refusal]++;
    tell_refusal(server, peer, limit);
    peer_send(peer, server->outbound, wire_refusal(server->outbound, 0, refusal, number));
    peer_finish(peer);
}

static void welcome(struct server *server, int fd)
{
    struct peer *peer;
    int error = peer_new(server, fd, &peer);

    if (error < 0) {
        log_event(EVENT_PEER_NOT_ACCEPTED, LOG_TEXT(FIELD_WHY, strerror(-error)));
        return;
    }
    TAILQ_INSERT_TAIL(&server->peers, peer, link);
    server->n_peers++;
    if (server->n_peers > server->limits.connections) {
        refuse(server, peer, REFUSED_CONNECTIONS, server->limits.connections);
        return;
    }
    peer->charged = quota_charge(peer->user, QUOTA_CONNECTIONS, 1);
    if (!peer->charged) {
        refuse(server, peer, REFUSED_UID_CONNECTIONS, server->limits.user.connections);
        return;
    }
    server_time(peer, PEER_TIMED_HELLO);
    event_add(peer->readable, NULL);
}

/* Out of descriptors: gives up the reserve to tell one client, then rests. */
static void turn_one_away(struct server *server)
{
    close(server->reserve);
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        size_t size = wire_refusal(server->outbound, 0, REFUSED_DESCRIPTORS, NULL);

        frame_send(fd, server->outbound, size, -1);
        peer_discard_unread(fd);
        close(fd);
        server->refused++;
        server->refused_why[REFUSED_DESCRIPTORS]++;
    }
    server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_accepting(struct server *server, int error)
{
    log_event(EVENT_ACCEPT_PAUSED, LOG_TEXT(FIELD_WHY, strerror(error)), LOG_NUMBER(FIELD_MS, ACCEPT_PAUSE_MS));
    event_del(server->acceptable);
    evtimer_add(server->resume_accept, &accept_pause);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;

    (void)what;
    for (int i = 0; i < SERVER_ACCEPTS_PER_TURN; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (client >= 0) {
            welcome(server, client);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        int error = errno;
        if (error == EMFILE || error == ENFILE)
            turn_one_away(server);
        pause_accepting(server, error);
        return;
    }
}

static void on_resume_accept(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;

    (void)fd;
    (void)what;
    if (!server->stopping)
        event_add(server->acceptable, NULL);
}

int server_init(struct server *server, struct event_base *base, struct listener *listener,
                const struct server_limits *limits, const struct server_callbacks *callbacks)
{
    server->base = base;
    server->callbacks = *callbacks;
    server->listener = *listener;
    *listener = (struct listener)LISTENER_NULL;
    server_set_limits(server, limits);
    TAILQ_INIT(&server->peers);
    TAILQ_INIT(&server->gone);
    TAILQ_INIT(&server->without_hello);
    TAILQ_INIT(&server->slow);
    TAILQ_INIT(&server->held_peers);
    server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->acceptable = event_new(base, server->listener.fd, EV_READ | EV_PERSIST, on_acceptable, server);
    server->resume_accept = evtimer_new(base, on_resume_accept, server);
    server->sweep = evtimer_new(base, on_sweep, server);
    server->reap = evtimer_new(base, on_reap, server);
    server->turn_end = evtimer_new(base, on_turn_end, server);
    server->turn = 1; /* a new user's is 0 */
    if (!server->acceptable || !server->resume_accept || !server->sweep || !server->reap || !server->turn_end)
        return -ENOMEM;
    if (server->reserve < 0)
        return -errno;
    return event_add(server->acceptable, NULL) < 0 ? -ENOMEM : 0;
}

void server_set_limits(struct server *server, const struct server_limits *limits)
{
    server->limits = *limits;
    server->quota.limits = limits->user;
}

void server_greeted(struct peer *peer)
{
    peer->state = PEER_READY;
    server_time(peer, STAILQ_EMPTY(&peer->packets) ? PEER_UNTIMED : PEER_TIMED_QUEUE);
}

void server_hold(struct server *server)
{
    server->held = true;
}

void server_resume(struct server *server)
{
    struct peer *peer;

    if (!server->held || server->stopping)
        return;
    server->held = false;
    while ((peer = TAILQ_FIRST(&server->held_peers)))
        peer_unhold(peer);
}

void server_stop(struct server *server)
{
    struct peer *peer, *next;

    server->stopping = true;
    event_del(server->acceptable);
    evtimer_del(server->resume_accept);
    for (peer = TAILQ_FIRST(&server->peers); peer; peer = next) {
        next = TAILQ_NEXT(peer, link);
        peer_hold(peer);
        if (peer->state != PEER_READY)
            continue;
        peer_send(peer, server->outbound, wire_event(server->outbound, "stopping", "itexd is stopping"));
    }
}

bool server_flushed(const struct server *server)
{
    return TAILQ_EMPTY(&server->slow);
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

void server_deinit(struct server *server)
{
    struct peer *peer;

    if (!server->base)
        return;
    while ((peer = TAILQ_FIRST(&server->peers)))
        peer_close(peer, NULL);
    on_reap(-1, 0, server);
    free_event(&server->acceptable);
    free_event(&server->resume_accept);
    free_event(&server->sweep);
    free_event(&server->reap);
    free_event(&server->turn_end);
    if (server->reserve >= 0)
        close(server->reserve);
    listener_close(&server->listener);
    server->base = NULL;
}
