/* Eight bytes a step through a 64x64->128 bit multiplication, whose halves are folded together. */
#include "daemon/hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_seed(void)
{
    uint64_t seed;
    struct timespec now;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed)
        return seed;
    /* Only in the first moments of a machine's life; a weak seed then is better than waiting. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    return fold((uint64_t)now.tv_nsec | 1, (uint64_t)now.tv_sec ^ (uintptr_t)&seed);
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t state = seed ^ (size * UINT64_C(0xd6e8feb86659fd93));
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        state = fold(state ^ word, seed | UINT64_C(0x9e3779b97f4a7c15));
    }
    word = 0;
    memcpy(&word, at, size);
    state = fold(state ^ word, seed | UINT64_C(0x9e3779b97f4a7c15));
    return fold(state, UINT64_C(0xa0761d6478bd642f));
}
