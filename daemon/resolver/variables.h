/* Which environment variables take part: libc only, shared by the resolver, the client library and itexctl. */
#ifndef ITEXD_RESOLVER_VARIABLES_H
#define ITEXD_RESOLVER_VARIABLES_H

#include <stdbool.h>

/* May a rule set or unset it? ITEX_*, TF_*, ZE_*, ZES_*, SYCL_*, UR_*, ONEAPI_DEVICE_SELECTOR, KMP_*, OMP_*, CCL_*,
 * I_MPI_*, XLA_*; never LD_*, PATH, PYTHON*, nor one of those names that says what code is loaded or started, or from
 * where (ZE_ENABLE_ALT_DRIVERS, *_LIBRARY, *_PATH and more). Names are letters, digits, '_'. */
bool variable_settable(const char *name);

/* Does the client send it? What is settable, and what is only looked at: KERAS_BACKEND, CUDA_VISIBLE_DEVICES,
 * NEOReadDebugKeys, SLURM_*, PBS_*, LSB_*, FLUX_*, launcher ranks (OMPI_COMM_WORLD_*, MPI_LOCAL*, PALS_*, PMI_*,
 * HOROVOD_*), SETVARS_COMPLETED. Secrets that have such names are neither sent nor set: Terraform's TF_VAR_*,
 * TF_TOKEN_* and TF_CLI_*, SLURM_JWT, PBS_JOBCOOKIE. */
bool variable_collected(const char *name);

#endif
