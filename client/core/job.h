/* Which job this is, as its scheduler says: Slurm, PBS, LSF, Flux. Claimed, not proven. */
#ifndef ITEXD_CLIENT_JOB_H
#define ITEXD_CLIENT_JOB_H

/* Both point into envp; NULL where there is none, or one that is too long to be sent. The step is Slurm's only. */
struct job_id {
    const char *job;
    const char *step;
};

struct job_id job_find(char *const *envp);

#endif
