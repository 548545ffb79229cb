/* Which job this is, as its scheduler says: Slurm, PBS, LSF, Flux; and which of the node's ranks. Claimed, not proven.
 */
#ifndef ITEXD_CLIENT_JOB_H
#define ITEXD_CLIENT_JOB_H

#include <stdbool.h>
#include <stdint.h>

/* Both point into envp; NULL where there is none, or one that is too long to be sent. The step is Slurm's only. */
struct job_id {
    const char *job;
    const char *step;
};

struct job_id job_find(char *const *envp);

struct local_rank {
    uint32_t size; /* ranks of this step on this node */
    uint32_t rank; /* from 0 */
};

/* As the launcher says: Intel MPI and MPICH, Open MPI, MVAPICH, PALS, Slurm, Horovod, and Flux on one node. False where
 * one of the two is not known. */
bool job_local_rank(char *const *envp, struct local_rank *rank);

/* False for a rank that is not its node's first, also where it is not known how many there are. */
bool job_first_rank(char *const *envp);

#endif
