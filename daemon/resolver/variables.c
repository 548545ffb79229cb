/*
 * Two allowlists over one matcher. An entry that ends in '*' is a prefix, one that begins with it a suffix, any other a
 * whole name.
 */
#include "daemon/resolver/variables.h"

#include <stddef.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof *(array))

static const char *const settable[] = {
    "ITEX_*", "TF_*",  "ZE_*",  "ZES_*",   "SYCL_*", "UR_*", "ONEAPI_DEVICE_SELECTOR",
    "KMP_*",  "OMP_*", "CCL_*", "I_MPI_*", "XLA_*",
};

/*
 * What names code to load or programs to start, or where it is looked for, stays the job's own: a service that somebody
 * has taken over could as well set LD_PRELOAD. TensorFlow's pluggable devices, oneCCL's MPI, OFI and kernels, Intel
 * MPI's PMI and OFI go by the suffixes; OpenMP's tools, Unified Runtime's adapters and SYCL's older plugins and its
 * cache of device code have names of their own.
 */
static const char *const refused[] = {
    "ZE_ENABLE_ALT_DRIVERS", "*_LIBRARY",      "*_LIBRARIES",        "*_PATH",        "*_ROOT",
    "UR_ADAPTERS_*",         "SYCL_CACHE_DIR", "SYCL_OVERRIDE_PI_*", "I_MPI_HYDRA_*", "SYCL_CONFIG_FILE_NAME",
};

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

static bool matches(const char *name, const char *entry)
{
    size_t length = strlen(entry), size = strlen(name);

    if (entry[0] == '*')
        return size >= length - 1 && strcmp(name + size - (length - 1), entry + 1) == 0;
    if (entry[length - 1] == '*')
        return strncmp(name, entry, length - 1) == 0;
    return strcmp(name, entry) == 0;
}

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (matches(name, list[i]))
            return true;
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
