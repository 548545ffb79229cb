/*
 * What a scheduler has given to a job, read from the job's own environment in the job's own view. Pure.
 *
 * A scheduler's allocation is never fought: it is recorded (so that nobody else is given those devices while the job
 * lives) and checked, and its mask is put out again with the hierarchy it was meant for. Where the mask, the render
 * nodes that the job can open and the scheduler's own list (SLURM_STEP_GPUS, SLURM_JOB_GPUS) do not fit together,
 * nothing is touched and `differs` says how.
 */
#ifndef ITEXD_LEASES_ALLOCATION_H
#define ITEXD_LEASES_ALLOCATION_H

#include "daemon/leases/mask.h"

/* Looks a variable of the job up; NULL: not set. */
typedef const char *(*allocation_lookup_fn)(void *context, const char *name);

struct allocation {
    bool found;            /* a scheduler's job at all */
    const char *scheduler; /* "Slurm", "PBS", "LSF", "Flux" */
    struct units units;    /* what it selects; none: it selects nothing */
    char differs[256];     /* "" where the views agree */
    bool emit;             /* the hierarchy below is to be set beside the mask, which stays as it is */
    enum hierarchy hierarchy;
};

void allocation_read(const struct pool *pool, uint64_t visible, allocation_lookup_fn lookup, void *context,
                     struct allocation *out);

#endif
