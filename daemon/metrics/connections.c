#include "daemon/metrics/connections.h"
#include "proto/clock.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define LISTENERS_MAX 16
#define ACCEPT_PAUSE_MS 100

struct connection {
    TAILQ_ENTRY(connection) link;
    struct bufferevent *buffer; /* evhttp's, and a reference of ours */
    uint64_t until_ms;          /* steady clock */
};

struct connections {
    struct event_base *base;
    struct evhttp *server;
    struct evconnlistener *listeners[LISTENERS_MAX]; /* the server's */
    size_t n_listeners;
    TAILQ_HEAD(, connection) list; /* oldest first */
    size_t n, limit;
    unsigned deadline_ms;
    struct event *sweep;
    struct event *resume; /* pending after accepting has failed */
};

static const struct timeval sweep_time = {.tv_usec = CONNECTIONS_SWEEP_MS * 1000};
static const struct timeval accept_pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};

/* As many as there is room for. */
static void set_accepting(struct connections *all)
{
    bool accepting = all->n < all->limit && !evtimer_pending(all->resume, NULL);

    for (size_t i = 0; i < all->n_listeners; i++)
        if (accepting)
            evconnlistener_enable(all->listeners[i]);
        else
            evconnlistener_disable(all->listeners[i]);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    set_accepting(context);
}

/* Out of descriptors, most likely: trying again at once would spin. The callback gets evhttp's context and none of
 * ours; there is one server in a process. */
static struct connections *served;

static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)listener;
    (void)context;
    evtimer_add(served->resume, &accept_pause);
    set_accepting(served);
}

static void close_connection(struct connections *all, struct connection *connection)
{
    TAILQ_REMOVE(&all->list, connection, link);
    bufferevent_decref(connection->buffer);
    free(connection);
    all->n--;
}

static bool was_let_go(struct bufferevent *buffer)
{
    bufferevent_data_cb on_read, on_write;
    bufferevent_event_cb on_event;

    bufferevent_getcb(buffer, &on_read, &on_write, &on_event, NULL);
    return !on_read && !on_write && !on_event;
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct connections *all = context;
    struct connection *connection, *next;
    uint64_t now = clock_steady_ms();

    (void)fd;
    (void)what;
    for (connection = TAILQ_FIRST(&all->list); connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (was_let_go(connection->buffer))
            close_connection(all, connection);
        else if (now >= connection->until_ms)
            shutdown(bufferevent_getfd(connection->buffer), SHUT_RDWR);
    }
    set_accepting(all);
    if (all->n > 0)
        evtimer_add(all->sweep, &sweep_time);
}

/* evhttp gives it its descriptor and callbacks when this has returned. */
static struct bufferevent *make_buffer(struct event_base *base, void *context)
{
    struct connections *all = context;
    struct bufferevent *buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct connection *connection = calloc(1, sizeof *connection);

    if (!buffer || !connection) {
        if (buffer)
            bufferevent_free(buffer);
        free(connection);
        return NULL; /* evhttp tries to make one of its own, which nobody counts */
    }
    bufferevent_incref(buffer);
    connection->buffer = buffer;
    connection->until_ms = clock_steady_ms() + all->deadline_ms;
    TAILQ_INSERT_TAIL(&all->list, connection, link);
    all->n++;
    if (all->n == 1)
        evtimer_add(all->sweep, &sweep_time);
    if (all->n == all->limit)
        set_accepting(all);
    return buffer;
}

struct connections *connections_new(struct event_base *base, struct evhttp *server, size_t limit, unsigned deadline_ms)
{
    struct connections *all = calloc(1, sizeof *all);

    if (!all)
        return NULL;
    TAILQ_INIT(&all->list);
    all->base = base;
    all->server = server;
    all->limit = limit;
    all->deadline_ms = deadline_ms;
    all->sweep = evtimer_new(base, on_sweep, all);
    all->resume = evtimer_new(base, on_resume, all);
    if (!all->sweep || !all->resume) {
        connections_free(all);
        return NULL;
    }
    evhttp_set_bevcb(server, make_buffer, all);
    served = all;
    return all;
}

void connections_free(struct connections *all)
{
    struct connection *connection;

    if (!all)
        return;
    while ((connection = TAILQ_FIRST(&all->list)))
        close_connection(all, connection);
    if (all->sweep)
        event_free(all->sweep);
    if (all->resume)
        event_free(all->resume);
    free(all);
}

int connections_listen(struct connections *all, int fd)
{
    struct evconnlistener *listener;

    if (all->n_listeners == LISTENERS_MAX)
        return -ENOMEM;
    listener = evconnlistener_new(all->base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!listener)
        return -ENOMEM;
    if (!evhttp_bind_listener(all->server, listener)) {
        evconnlistener_free(listener);
        return -ENOMEM;
    }
    evconnlistener_set_error_cb(listener, on_accept_error);
    all->listeners[all->n_listeners++] = listener;
    return 0;
}
