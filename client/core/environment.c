/*
 * The list is short (some dozens of names), so it is searched from the front. A name is either in `variables` or in
 * `oversized`, never in both.
 */
#include "client/core/environment.h"

#include "client/core/flags_file.h"
#include "daemon/resolver/variables.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

const char *environment_lookup(char *const *envp, const char *name)
{
    size_t length = strlen(name);

    for (; envp && *envp; envp++)
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
            return *envp + length + 1;
    return NULL;
}

static int find(const struct environment *e, const char *name)
{
    for (size_t i = 0; i < e->n_variables; i++)
        if (strcmp(e->variables[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int find_oversized(const struct environment *e, const char *name)
{
    for (size_t i = 0; i < e->n_oversized; i++)
        if (strcmp(e->oversized[i], name) == 0)
            return (int)i;
    return -1;
}

static void forget(struct environment *e, const char *name)
{
    int at = find(e, name);

    if (at >= 0) {
        free(e->variables[at].name);
        free(e->variables[at].value);
        e->variables[at] = e->variables[--e->n_variables];
    }
    at = find_oversized(e, name);
    if (at >= 0) {
        free(e->oversized[at]);
        e->oversized[at] = e->oversized[--e->n_oversized];
    }
}

static int add_oversized(struct environment *e, const char *name)
{
    if (e->n_oversized >= ITEXD_MAX_VARIABLES)
        return 0; /* the service takes no more names, and one is enough to make it say so */
    CLEANUP(freep) char *copy = strdup(name);
    char **grown = realloc(e->oversized, (e->n_oversized + 1) * sizeof *grown);

    if (grown)
        e->oversized = grown;
    if (!grown || !copy)
        return -ENOMEM;
    e->oversized[e->n_oversized++] = TAKE_PTR(copy);
    return 0;
}

/* The name must not be there yet. */
static int add(struct environment *e, const char *name, const char *value)
{
    if (strlen(name) > ITEXD_MAX_NAME)
        return 0; /* nothing that anybody reads has such a name */
    if (strlen(value) > ITEXD_MAX_VALUE || e->n_variables >= ITEXD_MAX_VARIABLES)
        return add_oversized(e, name);

    CLEANUP(freep) char *name_copy = strdup(name);
    CLEANUP(freep) char *value_copy = strdup(value);
    struct environment_variable *grown = realloc(e->variables, (e->n_variables + 1) * sizeof *grown);
    if (grown)
        e->variables = grown;
    if (!grown || !name_copy || !value_copy)
        return -ENOMEM;
    e->variables[e->n_variables++] =
        (struct environment_variable){.name = TAKE_PTR(name_copy), .value = TAKE_PTR(value_copy)};
    return 0;
}

int environment_collect(struct environment *e, char *const *envp)
{
    for (; envp && *envp; envp++) {
        const char *equals = strchr(*envp, '=');
        if (!equals || equals == *envp)
            continue;
        CLEANUP(freep) char *name = strndup(*envp, (size_t)(equals - *envp));
        if (!name)
            return -ENOMEM;
        if (!variable_collected(name) || find(e, name) >= 0 || find_oversized(e, name) >= 0)
            continue;
        int r = add(e, name, equals + 1);
        if (r < 0)
            return r;
    }
    return 0;
}

int environment_override(struct environment *e, const char *name, const char *value)
{
    if (!name || !*name || strchr(name, '='))
        return -EINVAL;
    if (!variable_collected(name))
        return 0;
    forget(e, name);
    return value ? add(e, name, value) : 0;
}

const char *environment_get(const struct environment *e, const char *name)
{
    int at = find(e, name);

    return at >= 0 ? e->variables[at].value : NULL;
}

/* TensorFlow's rule: an empty value is nothing, one whose first non-blank is '-' holds flags, any other is a name. */
static bool names_file(const char *value)
{
    return *value && value[strspn(value, " \t\r\n")] != '-';
}

int environment_read_flags_file(struct environment *e, const char *script_value)
{
    const char *value = script_value ? script_value : environment_get(e, "TF_XLA_FLAGS");

    free(e->flags_text);
    e->flags_text = NULL;
    e->flags_source = FLAGS_NO_FILE;
    if (!value || !names_file(value))
        return 0;
    int r = flags_file_read(value, ITEXD_MAX_FLAGS_FILE, &e->flags_text);
    if (r == -ENOMEM)
        return r;
    e->flags_source = r == 0 ? FLAGS_FILE : r == -ENOENT ? FLAGS_MISSING : FLAGS_UNREADABLE;
    if (r == -EFBIG && find_oversized(e, "xla_flags_file") < 0)
        return add_oversized(e, "xla_flags_file");
    return 0;
}

void environment_free(struct environment *e)
{
    for (size_t i = 0; i < e->n_variables; i++) {
        free(e->variables[i].name);
        free(e->variables[i].value);
    }
    for (size_t i = 0; i < e->n_oversized; i++)
        free(e->oversized[i]);
    free(e->variables);
    free(e->oversized);
    free(e->flags_text);
    *e = (struct environment)ENVIRONMENT_INIT;
}
