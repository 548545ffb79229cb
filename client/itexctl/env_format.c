/* Formats for whatever starts the job: see env_format.h. */
#include "client/itexctl/env_format.h"
#include "client/itexctl/quote.h"

#include <string.h>

#define APPTAINER_PREFIX "APPTAINERENV_"
#define NAME_SIZE 256

static const char *const names[ENV_FORMAT_COUNT] = {
    [ENV_SH] = "sh",         [ENV_FISH] = "fish",           [ENV_CSH] = "csh",
    [ENV_DOCKER] = "docker", [ENV_APPTAINER] = "apptainer", [ENV_SYSTEMD] = "systemd",
};

int env_format_by_name(const char *name)
{
    for (int i = 0; i < ENV_FORMAT_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static bool is_shell(enum env_format format)
{
    return format <= ENV_CSH;
}

/* The socket's directory, which is what a container mounts: the socket itself is made anew by a restart. */
static int directory_length(const char *socket)
{
    const char *slash = strrchr(socket, '/');
    return slash && slash > socket ? (int)(slash - socket) : 1;
}

/* ---- docker ----------------------------------------------------------------------------------------- */

static void docker_print(FILE *out, const struct apply_plan *plan, const char *socket)
{
    fputs("# For docker or podman run --env-file; the container also needs\n", out);
    fputs("#   --device=/dev/dri   all of it: the mask counts the node's cards\n", out);
    if (socket)
        fprintf(out, "#   --volume=%.*s:%.*s   to report what it got\n", directory_length(socket), socket,
                directory_length(socket), socket);
    for (size_t i = 0; i < plan->n_changes; i++)
        if (plan->changes[i].value)
            fprintf(out, "%s=%s\n", plan->changes[i].name, plan->changes[i].value);
        else
            fprintf(out, "# %s must not be set in the image\n", plan->changes[i].name);
}

/* ---- apptainer -------------------------------------------------------------------------------------- */

static void apptainer_print(FILE *out, const struct apply_plan *plan, const char *socket)
{
    char name[sizeof(APPTAINER_PREFIX) + NAME_SIZE];
    for (size_t i = 0; i < plan->n_changes; i++) {
        snprintf(name, sizeof(name), APPTAINER_PREFIX "%s", plan->changes[i].name);
        shell_change(out, SHELL_SH, name, plan->changes[i].value);
        if (!plan->changes[i].value)
            shell_change(out, SHELL_SH, plan->changes[i].name, NULL);
    }
    if (socket)
        fprintf(out, "export APPTAINER_BIND=\"${APPTAINER_BIND:+$APPTAINER_BIND,}\"'%.*s';\n", directory_length(socket),
                socket);
}

/* ---- systemd ---------------------------------------------------------------------------------------- */

/* systemd reads C escapes between double quotes, and expands % in most settings. */
static void systemd_value(FILE *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else if (*value == '%')
            fputs("%%", out);
        else if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
}

static void systemd_print(FILE *out, const struct apply_plan *plan)
{
    fputs("[Service]\n", out);
    for (size_t i = 0; i < plan->n_changes; i++) {
        if (!plan->changes[i].value) {
            fprintf(out, "UnsetEnvironment=%s\n", plan->changes[i].name);
            continue;
        }
        fprintf(out, "Environment=\"%s=", plan->changes[i].name);
        systemd_value(out, plan->changes[i].value);
        fputs("\"\n", out);
    }
}

/* ---- All -------------------------------------------------------------------------------------------- */

static int check(enum env_format format, const struct apply_plan *plan, struct failure *failure)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (format == ENV_DOCKER && plan->changes[i].value && strchr(plan->changes[i].value, '\n'))
            return failure_set(failure, EXIT_NEGATIVE,
                               "the value of %s has a line break, which an environment file cannot hold; "
                               "--format json has it",
                               plan->changes[i].name);
    return 0;
}

int env_format_print(FILE *out, enum env_format format, const struct apply_plan *plan, const char *socket,
                     struct failure *failure)
{
    if (check(format, plan, failure) < 0)
        return -1;
    if (format == ENV_DOCKER)
        docker_print(out, plan, socket);
    else if (format == ENV_APPTAINER)
        apptainer_print(out, plan, socket);
    else if (format == ENV_SYSTEMD)
        systemd_print(out, plan);
    else
        for (size_t i = 0; i < plan->n_changes; i++)
            shell_change(out, (enum shell)format, plan->changes[i].name, plan->changes[i].value);
    return 0;
}

/* docker refuses a name with blanks; a unit whose condition fails is not started. */
void env_format_refuse(FILE *out, enum env_format format, int status)
{
    if (format == ENV_DOCKER)
        fprintf(out, "itexctl env has failed with status %d\n", status);
    else if (format == ENV_SYSTEMD)
        fprintf(out, "[Service]\nExecCondition=/bin/sh -c 'exit %d'\n", status);
    else
        shell_status(out, is_shell(format) ? (enum shell)format : SHELL_SH, status);
}
