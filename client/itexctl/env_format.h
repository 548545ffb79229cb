/*
 * A decision's changes of the environment for whatever starts the job.
 *
 * Shells (sh, fish, csh): commands for eval, see quote.h.
 * docker:    an environment file, for docker or podman run --env-file. It cannot unset; a container begins with the
 *            image's environment. Comments say what else the container needs.
 * apptainer: commands of sh, for eval before apptainer or singularity: APPTAINERENV_NAME comes through --cleanenv too,
 *            and what is to be unset is so in the shell, whose environment the container inherits otherwise.
 * systemd:   a drop-in of a unit.
 *
 * In each a value comes through byte for byte, or is refused. What is printed instead where there is nothing valid to
 * apply makes that which reads it fail too.
 */
#ifndef ITEXCTL_ENV_FORMAT_H
#define ITEXCTL_ENV_FORMAT_H

#include "client/core/apply.h"
#include "client/itexctl/errors.h"

#include <stdio.h>

enum env_format { ENV_SH, ENV_FISH, ENV_CSH, ENV_DOCKER, ENV_APPTAINER, ENV_SYSTEMD, ENV_FORMAT_COUNT };

/* -1 where the name is none of them. */
int env_format_by_name(const char *name);
/* 0, or -1 with *failure where the format cannot express one of the changes; nothing is printed then. socket: its path,
 * NULL where the job will not find the service. */
int env_format_print(FILE *out, enum env_format format, const struct apply_plan *plan, const char *socket,
                     struct failure *failure);
/* What fails with that status, or as near as the format can. */
void env_format_refuse(FILE *out, enum env_format format, int status);

#endif
