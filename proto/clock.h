/* The two clocks: one for people and the database, one for deadlines. */
#ifndef ITEXD_PROTO_CLOCK_H
#define ITEXD_PROTO_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970, UTC. */
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of a clock that nobody can set (CLOCK_MONOTONIC). */
static inline uint64_t clock_steady_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_steady_us(void)
{
    return clock_steady_ns() / 1000;
}

static inline uint64_t clock_steady_ms(void)
{
    return clock_steady_us() / 1000;
}

#endif
