/*
 * The load generator: one process, one epoll set, many connections with one request outstanding on each. It speaks
 * to itexd and to redis-server alike, so that both are driven by the same code.
 */
#ifndef ITEXD_BENCH_LOAD_H
#define ITEXD_BENCH_LOAD_H

#include "bench_stats.h"

#include <stdbool.h>
#include <stdint.h>

struct load_target {
    int type; /* SOCK_SEQPACKET or SOCK_STREAM */
    const char *path;
    size_t (*greeting)(uint8_t *buffer, size_t size); /* sent first and answered; NULL: none */
    size_t (*request)(void *context, uint8_t *buffer);
    /* How many bytes a whole reply has, given what has arrived; 0: more is to come. Ends the program on an error. */
    size_t (*reply)(void *context, const uint8_t *data, size_t size);
    void *context;
};

struct load;

struct load *load_open(const struct load_target *target, unsigned connections);
void load_close(struct load *load);

struct load_result {
    struct samples latency_us;
    double seconds;
    uint64_t done;
};

/* Each connection sends its next request as soon as it has its reply. */
void load_closed_loop(struct load *load, double seconds, struct load_result *result);
/* Requests become due at a fixed rate whatever the replies do; latency counts from when a request was due. */
void load_open_loop(struct load *load, double rate, double seconds, struct load_result *result);
/* Like the closed loop with a fixed number of requests, blocking, on the first connection. */
void load_one_by_one(struct load *load, unsigned count, struct samples *latency_us);

/* A connected socket, tried for up to five seconds. */
int bench_connect(int type, const char *path);

#endif
