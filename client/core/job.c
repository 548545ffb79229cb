/* The schedulers in the order in which they are asked; one job runs under one of them, nested ones under the first. */
#include "client/core/job.h"

#include "client/core/environment.h"
#include "proto/framing.h"

#include <stddef.h>
#include <string.h>

static const char *lookup(char *const *envp, const char *name)
{
    const char *value = environment_lookup(envp, name);

    return value && *value && strlen(value) <= ITEXD_MAX_NAME ? value : NULL;
}

struct job_id job_find(char *const *envp)
{
    static const char *const others[] = {"PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID"};
    struct job_id id = {.job = lookup(envp, "SLURM_JOB_ID")};

    if (id.job) {
        id.step = lookup(envp, "SLURM_STEP_ID");
        return id;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others && !id.job; i++)
        id.job = lookup(envp, others[i]);
    return id;
}
