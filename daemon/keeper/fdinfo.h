/* What a process's descriptors say of the cards it has open. */
#ifndef ITEXD_KEEPER_FDINFO_H
#define ITEXD_KEEPER_FDINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDINFO_MAX_CLIENTS 256

struct fdinfo_use {
    uint64_t cards; /* bit i: card i of the ones asked for */
    uint64_t memory_bytes;
    bool memory_known;
};

/* process: directory of it in /proc. True: read; false: not permitted, or it has ended. */
bool fdinfo_read(int process, const char *const *bdfs, size_t n_bdfs, struct fdinfo_use *use);

#endif
