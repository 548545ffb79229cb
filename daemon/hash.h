/*
 * A seeded 64-bit hash for tables in memory. Keys come from clients, so the seed is random per process: nobody outside
 * can prepare keys that collide. Never stored and never sent.
 */
#ifndef ITEXD_DAEMON_HASH_H
#define ITEXD_DAEMON_HASH_H

#include <stddef.h>
#include <stdint.h>

/* From the kernel's random numbers; call once per table. */
uint64_t hash_seed(void);
uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);

#endif
