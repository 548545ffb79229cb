/* See bench_load.h. A turn of the loop handles every ready connection once; nothing is allocated while it measures. */
#include "bench_load.h"

#include "proto/framing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Due requests are sent in ticks: waking for each would take a core from the service under measurement. */
#define OPEN_LOOP_TICK_NS 200000u

struct connection {
    int fd;
    uint64_t since;   /* when its request was sent, or was due */
    size_t received;  /* of a reply on a stream */
    uint8_t head[64]; /* a stream's reply so far; only short replies come on streams */
};

struct load {
    struct load_target target;
    int epoll;
    unsigned count, n_idle;
    struct connection *connections;
    unsigned *idle;
    uint8_t packet[ITEXD_MAX_PACKET];
    uint8_t answer[ITEXD_MAX_PACKET];
};

int bench_connect(int type, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        bench_fail("the path of a socket is too long: %s", path);
    strcpy(address.sun_path, path);
    for (int tries = 0; tries < 500; tries++) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (fd < 0)
            bench_fail("socket: %s", strerror(errno));
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
            bench_fail("%s: %s", path, strerror(errno));
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    bench_fail("%s: nobody listens", path);
}

static void greet(struct load *load, int fd)
{
    if (!load->target.greeting)
        return;
    size_t size = load->target.greeting(load->packet, sizeof load->packet);
    if (send(fd, load->packet, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_fail("%s: hello: %s", load->target.path, strerror(errno));
    ssize_t got = recv(fd, load->answer, sizeof load->answer, 0);
    if (got <= 0)
        bench_fail("%s: no answer to hello", load->target.path);
    load->target.reply(load->target.context, load->answer, (size_t)got);
}

struct load *load_open(const struct load_target *target, unsigned connections)
{
    struct load *load = calloc(1, sizeof *load);
    if (load) {
        load->connections = calloc(connections, sizeof *load->connections);
        load->idle = calloc(connections, sizeof *load->idle);
    }
    if (!load || !load->connections || !load->idle)
        bench_fail("no memory for %u connections", connections);
    load->target = *target;
    load->count = connections;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        bench_fail("epoll_create1: %s", strerror(errno));
    for (unsigned i = 0; i < connections; i++) {
        int fd = bench_connect(target->type, target->path);
        greet(load, fd);
        load->connections[i].fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_fail("epoll_ctl: %s", strerror(errno));
    }
    return load;
}

void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->count; i++)
        close(load->connections[i].fd);
    close(load->epoll);
    free(load->connections);
    free(load->idle);
    free(load);
}

static void send_next(struct load *load, struct connection *connection, uint64_t since)
{
    size_t size = load->target.request(load->target.context, load->packet);
    connection->since = since;
    connection->received = 0;
    if (send(connection->fd, load->packet, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_fail("%s: send: %s", load->target.path, strerror(errno));
}

/* Whether the connection's reply is whole now. */
static bool receive(struct load *load, struct connection *connection)
{
    ssize_t got = recv(connection->fd, load->answer, sizeof load->answer, 0);
    if (got <= 0)
        bench_fail("%s: the service closed a connection", load->target.path);
    if (load->target.type == SOCK_SEQPACKET)
        return load->target.reply(load->target.context, load->answer, (size_t)got) > 0;
    if (connection->received + (size_t)got > sizeof connection->head)
        bench_fail("%s: a longer reply than expected", load->target.path);
    memcpy(connection->head + connection->received, load->answer, (size_t)got);
    connection->received += (size_t)got;
    return load->target.reply(load->target.context, connection->head, connection->received) > 0;
}

static void record(struct load_result *result, uint64_t since, uint64_t now)
{
    samples_add(&result->latency_us, (double)(now - since) / 1000.0);
    result->done++;
}

void load_closed_loop(struct load *load, double seconds, struct load_result *result)
{
    *result = (struct load_result){.done = 0};
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now = start;
    unsigned outstanding = load->count;
    for (unsigned i = 0; i < load->count; i++)
        send_next(load, &load->connections[i], now_ns());
    while (outstanding) {
        struct epoll_event events[64];
        int ready = epoll_wait(load->epoll, events, 64, 10000);
        if (ready == 0)
            bench_fail("%s: no reply within 10 s", load->target.path);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = &load->connections[events[i].data.u32];
            if (!receive(load, connection))
                continue;
            now = now_ns();
            record(result, connection->since, now);
            if (now < end)
                send_next(load, connection, now);
            else
                outstanding--;
        }
    }
    result->seconds = (double)(now - start) / 1e9;
}

static struct timespec until(uint64_t now, uint64_t due)
{
    uint64_t left = due > now ? due - now : 0;
    return (struct timespec){.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
}

/* Sends what is due while there is a connection to send it on; a due request without one waits and ages. */
static uint64_t send_due(struct load *load, uint64_t start, double interval, uint64_t sent, uint64_t total)
{
    uint64_t now = now_ns();
    while (sent < total && load->n_idle) {
        uint64_t due = start + (uint64_t)((double)sent * interval);
        if (due > now)
            break;
        send_next(load, &load->connections[load->idle[--load->n_idle]], due);
        sent++;
    }
    return sent;
}

void load_open_loop(struct load *load, double rate, double seconds, struct load_result *result)
{
    *result = (struct load_result){.done = 0};
    uint64_t total = (uint64_t)(rate * seconds), sent = 0, start = now_ns();
    double interval = 1e9 / rate;
    load->n_idle = 0;
    for (unsigned i = 0; i < load->count; i++)
        load->idle[load->n_idle++] = i;
    while (result->done < total) {
        sent = send_due(load, start, interval, sent, total);
        struct timespec wait = {.tv_sec = 10};
        if (sent < total && load->n_idle)
            wait = until(now_ns(), start + (uint64_t)((double)sent * interval) + OPEN_LOOP_TICK_NS);
        struct epoll_event events[64];
        int ready = epoll_pwait2(load->epoll, events, 64, &wait, NULL);
        if (ready == 0 && wait.tv_sec >= 10)
            bench_fail("%s: no reply within 10 s", load->target.path);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = &load->connections[events[i].data.u32];
            if (!receive(load, connection))
                continue;
            record(result, connection->since, now_ns());
            load->idle[load->n_idle++] = events[i].data.u32;
        }
    }
    result->seconds = (double)(now_ns() - start) / 1e9;
}

void load_one_by_one(struct load *load, unsigned count, struct samples *latency_us)
{
    struct connection *connection = &load->connections[0];
    for (unsigned i = 0; i < count; i++) {
        uint64_t start = now_ns();
        send_next(load, connection, start);
        while (!receive(load, connection))
            ;
        samples_add(latency_us, (double)(now_ns() - start) / 1000.0);
    }
}
