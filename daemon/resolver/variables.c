/* Two allowlists over one matcher. An entry that ends in '*' is a prefix, any other is a whole name. */
#include "daemon/resolver/variables.h"

#include <stddef.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof *(array))

static const char *const settable[] = {
    "ITEX_*", "TF_*",  "ZE_*",  "ZES_*",   "SYCL_*", "UR_*", "ONEAPI_DEVICE_SELECTOR",
    "KMP_*",  "OMP_*", "CCL_*", "I_MPI_*", "XLA_*",
};

/* Names code to load, so it stays the administrator's. */
static const char *const refused[] = {"ZE_ENABLE_ALT_DRIVERS"};

static const char *const only_collected[] = {
    "KERAS_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "NEOReadDebugKeys",
    "SLURM_*",
    "PBS_*",
    "LSB_*",
    "FLUX_*",
    "MPI_LOCAL*",
    "OMPI_COMM_WORLD_*",
    "PALS_*",
    "PMI_*",
    "HOROVOD_*",
    "SETVARS_COMPLETED",
};

/* Secrets under the names above: Terraform's, which shares TensorFlow's prefix, and those of schedulers. */
static const char *const secret[] = {"TF_VAR_*", "TF_TOKEN_*", "TF_CLI_*", "SLURM_JWT", "PBS_JOBCOOKIE"};

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(list[i]);

        if (list[i][length - 1] == '*' ? strncmp(name, list[i], length - 1) == 0 : strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

static bool well_formed(const char *name)
{
    if (*name == '\0' || (*name >= '0' && *name <= '9'))
        return false;
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

bool variable_settable(const char *name)
{
    return well_formed(name) && listed(name, settable, N(settable)) && !listed(name, refused, N(refused)) &&
           !listed(name, secret, N(secret));
}

bool variable_collected(const char *name)
{
    return variable_settable(name) ||
           (well_formed(name) && listed(name, only_collected, N(only_collected)) && !listed(name, secret, N(secret)));
}
