/*
 * A plan is built whole, checked whole, and only then carried out. Carrying out sets first and unsets last, for only
 * setting can fail; on failure what was set is put back.
 */
#include "client/core/apply.h"

#include "daemon/resolver/variables.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* ---- ITEXD_DECISION ------------------------------------------------------------------------------ */

static void put_token(FILE *out, const char *token)
{
    for (; *token; token++) {
        if (*token == ',' || *token == '%')
            fprintf(out, "%%%02X", (unsigned char)*token);
        else
            fputc(*token, out);
    }
}

char *decision_text(const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    bool recorded = decision->has_recorded && decision->recorded && decision->has_id;
    const char *digest = decision->ruleset && decision->ruleset->digest ? decision->ruleset->digest : "";
    char *text = NULL;
    size_t size;

    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%" PRIu64 ":%s:", recorded ? decision->id : 0, digest);
    for (size_t i = 0; outcome && i < outcome->n_obligations; i++) {
        if (i > 0)
            fputc(',', out);
        put_token(out, outcome->obligations[i]);
    }
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- The plan ------------------------------------------------------------------------------------ */

static bool sensible_name(const char *name)
{
    return name && *name && !strchr(name, '=');
}

static struct apply_change *find(const struct apply_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (strcmp(plan->changes[i].name, name) == 0)
            return &plan->changes[i];
    return NULL;
}

int apply_plan_add(struct apply_plan *plan, const char *name, const char *value)
{
    if (!sensible_name(name))
        return -EINVAL;
    CLEANUP(freep) char *value_copy = value ? strdup(value) : NULL;
    if (value && !value_copy)
        return -ENOMEM;
    struct apply_change *change = find(plan, name);
    if (change) {
        free(change->value);
        change->value = TAKE_PTR(value_copy);
        return 0;
    }

    CLEANUP(freep) char *name_copy = strdup(name);
    struct apply_change *grown = realloc(plan->changes, (plan->n_changes + 1) * sizeof *grown);
    if (grown)
        plan->changes = grown;
    if (!grown || !name_copy)
        return -ENOMEM;
    plan->changes[plan->n_changes++] =
        (struct apply_change){.name = TAKE_PTR(name_copy), .value = TAKE_PTR(value_copy)};
    return 0;
}

void apply_plan_free(struct apply_plan *plan)
{
    for (size_t i = 0; i < plan->n_changes; i++) {
        free(plan->changes[i].name);
        free(plan->changes[i].value);
    }
    free(plan->changes);
    *plan = (struct apply_plan)APPLY_PLAN_INIT;
}

static int add_changes(struct apply_plan *plan, const Itexd__V1__Outcome *outcome, char *error, size_t error_size)
{
    for (size_t i = 0; i < outcome->n_env; i++) {
        const Itexd__V1__Variable *variable = outcome->env[i];
        const char *name = variable->name ? variable->name : "";
        if (!variable_settable(name)) {
            snprintf(error, error_size,
                     "the decision changes the variable '%.100s', which no rule may touch; nothing was changed: "
                     "tell the administrator of itexd",
                     name);
            return APPLY_FORBIDDEN;
        }
        if (find(plan, name)) {
            snprintf(error, error_size, "the decision changes %.100s twice; nothing was changed", name);
            return APPLY_FORBIDDEN;
        }
        int r = apply_plan_add(plan, name, variable->value);
        if (r < 0)
            return r;
    }
    return APPLY_OK;
}

/* What an inner run and the job itself need of the lease: which it is, and which of its devices is this process's. */
static int add_lease(struct apply_plan *plan, const Itexd__V1__Lease *lease)
{
    char number[24];

    if (!lease || !lease->has_id || lease->id == 0)
        return 0;
    snprintf(number, sizeof number, "%" PRIu64, lease->id);
    int r = apply_plan_add(plan, "ITEXD_LEASE", number);
    if (r < 0)
        return r;
    snprintf(number, sizeof number, "%u", lease->has_local_device ? lease->local_device : 0);
    return apply_plan_add(plan, "ITEXD_LOCAL_DEVICE", number);
}

static int fill_plan(struct apply_plan *plan, const Itexd__V1__Decision *decision, char *error, size_t error_size)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;

    if (!outcome) {
        snprintf(error, error_size, "the decision has no outcome; nothing was changed");
        return APPLY_FORBIDDEN;
    }
    if (outcome->verdict && strcmp(outcome->verdict, "rejected") == 0) {
        snprintf(error, error_size, "the decision is 'rejected': there is no valid mode to apply");
        return APPLY_REJECTED;
    }
    int r = add_changes(plan, outcome, error, error_size);
    if (r != APPLY_OK)
        return r;
    CLEANUP(freep) char *text = decision_text(decision);
    r = text ? apply_plan_add(plan, "ITEXD_DECISION", text) : -ENOMEM;
    return r < 0 ? r : add_lease(plan, decision->lease);
}

int apply_plan_build(struct apply_plan *plan, const Itexd__V1__Decision *decision, char *error, size_t error_size)
{
    if (error_size > 0)
        error[0] = '\0';
    int r = fill_plan(plan, decision, error, error_size);
    if (r == -ENOMEM)
        snprintf(error, error_size, "out of memory; nothing was changed");
    if (r != APPLY_OK)
        apply_plan_free(plan);
    return r;
}

/* ---- Carrying it out ----------------------------------------------------------------------------- */

/* What a variable was before; NULL: unset. Copies, for setenv may overwrite the old string. */
static int save_old(const struct apply_plan *plan, char **old)
{
    for (size_t i = 0; i < plan->n_changes; i++) {
        const char *value = getenv(plan->changes[i].name);
        if (!value)
            continue;
        old[i] = strdup(value);
        if (!old[i])
            return -ENOMEM;
    }
    return 0;
}

static int set_all(const struct apply_plan *plan, char *const *old)
{
    for (size_t i = 0; i < plan->n_changes; i++) {
        const struct apply_change *change = &plan->changes[i];
        if (!change->value || setenv(change->name, change->value, 1) == 0)
            continue;
        int error = -errno;
        while (i-- > 0) {
            const struct apply_change *done = &plan->changes[i];
            if (done->value && old[i])
                setenv(done->name, old[i], 1);
            else if (done->value)
                unsetenv(done->name);
        }
        return error;
    }
    return 0;
}

int apply_plan_setenv(const struct apply_plan *plan)
{
    char **old = calloc(plan->n_changes + 1, sizeof *old);

    if (!old)
        return -ENOMEM;
    int r = save_old(plan, old);
    if (r == 0)
        r = set_all(plan, old);
    for (size_t i = 0; i < plan->n_changes; i++) {
        if (r == 0 && !plan->changes[i].value)
            unsetenv(plan->changes[i].name);
        free(old[i]);
    }
    free(old);
    return r;
}
