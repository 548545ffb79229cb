/* The schedulers in the order in which they are asked; one job runs under one of them, nested ones under the first. */
#include "client/core/job.h"

#include "client/core/environment.h"
#include "proto/framing.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* More ranks than any node has processors for. */
#define MOST_RANKS 65536

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

/* "4", and Slurm's "4(x2)" for two nodes of four: in both the number comes first. */
static bool number_of(char *const *envp, const char *name, uint32_t *number)
{
    const char *text = environment_lookup(envp, name);
    char *end;

    if (!text || *text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    if ((*end != '\0' && *end != '(') || strchr(end, ',') || value >= MOST_RANKS)
        return false;
    *number = (uint32_t)value;
    return true;
}

/* Flux says how many tasks there are in all, which on one node are the node's. */
static bool flux_rank(char *const *envp, struct local_rank *rank)
{
    uint32_t nodes;

    return number_of(envp, "FLUX_JOB_NNODES", &nodes) && nodes == 1 && number_of(envp, "FLUX_JOB_SIZE", &rank->size) &&
           number_of(envp, "FLUX_TASK_LOCAL_ID", &rank->rank) && rank->rank < rank->size;
}

bool job_local_rank(char *const *envp, struct local_rank *rank)
{
    static const char *const launchers[][2] = {
        {"MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
        {"MV2_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_RANK"},
        {"PALS_LOCAL_SIZE", "PALS_LOCAL_RANKID"},
        {"SLURM_STEP_TASKS_PER_NODE", "SLURM_LOCALID"},
        {"SLURM_NTASKS_PER_NODE", "SLURM_LOCALID"},
        {"HOROVOD_LOCAL_SIZE", "HOROVOD_LOCAL_RANK"},
    };

    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++)
        if (number_of(envp, launchers[i][0], &rank->size) && number_of(envp, launchers[i][1], &rank->rank) &&
            rank->rank < rank->size)
            return true;
    return flux_rank(envp, rank);
}

bool job_first_rank(char *const *envp)
{
    static const char *const ranks[] = {"MPI_LOCALRANKID",   "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK",
                                        "PALS_LOCAL_RANKID", "FLUX_TASK_LOCAL_ID",         "SLURM_LOCALID",
                                        "HOROVOD_LOCAL_RANK"};
    uint32_t rank;

    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        if (number_of(envp, ranks[i], &rank))
            return rank == 0; /* the inner launcher's, of two */
    return true;
}
