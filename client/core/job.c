/* The schedulers in the order in which they are asked; one job runs under one of them, nested ones under the first. */
#include "client/core/job.h"

#include "proto/framing.h"

#include <stddef.h>
#include <string.h>

static const char *lookup(char *const *envp, const char *name)
{
    size_t length = strlen(name);

    for (; envp && *envp; envp++)
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=') {
            const char *value = *envp + length + 1;
            return *value && strlen(value) <= ITEXD_MAX_VALUE ? value : NULL;
        }
    return NULL;
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
