/*
 * Requests as a node's jobs send them, encoded before the measurement: 200 different environments, and with every
 * packet a job id and a request id that were never sent before.
 */
#ifndef ITEXD_BENCH_REQUESTS_H
#define ITEXD_BENCH_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_ENVIRONMENTS 200

struct request_pool;

struct request_pool *request_pool_new(void);
/* The same, but each request has a variable of another value: no two have equal facts. */
struct request_pool *request_pool_new_distinct(void);
void request_pool_free(struct request_pool *pool);
/* The next request into packet (ITEXD_MAX_PACKET bytes); returns its size. */
size_t request_pool_next(struct request_pool *pool, uint8_t *packet);
/* The mean size of the encoded requests. */
size_t request_pool_mean_size(const struct request_pool *pool);
/* 64 random bits, fast; not for secrets. */
uint64_t bench_random(void);

size_t bench_hello(uint8_t *packet, size_t size);

#endif
