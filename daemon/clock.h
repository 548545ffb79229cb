/* The two clocks: one for people and the database, one for deadlines. */
#ifndef ITEXD_DAEMON_CLOCK_H
#define ITEXD_DAEMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970, UTC. */
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Milliseconds that nobody can set back. */
static inline uint64_t clock_steady_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The same clock, for what takes less. */
static inline uint64_t clock_steady_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
