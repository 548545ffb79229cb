/* The plan of run and env: see plan.h. */
#include "client/itexctl/plan.h"
#include "proto/cleanup.h"

#include <string.h>

static bool planned(const struct apply_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (strcmp(plan->changes[i].name, name) == 0)
            return true;
    return false;
}

/* --env given twice: the later one holds, as everywhere. */
int plan_unmanaged(const struct ask *ask, struct apply_plan *plan)
{
    char name[ASK_NAME_SIZE];
    const char *value;
    size_t decided = plan->n_changes;
    for (size_t i = 0; i < ask->env.n_items; i++) {
        const struct apply_plan of_the_decision = {plan->changes, decided};
        if (!ask_split(ask->env.items[i], name, &value) || planned(&of_the_decision, name))
            continue;
        if (apply_plan_add(plan, name, value) < 0)
            return -1;
    }
    return 0;
}

int plan_require_mode(struct apply_plan *plan)
{
    CLEANUP(freep) char *text = NULL;
    for (size_t i = 0; i < plan->n_changes; i++) {
        const char *value = plan->changes[i].value;
        if (strcmp(plan->changes[i].name, "ITEXD_DECISION") != 0 || !value)
            continue;
        const char *between = value[0] && value[strlen(value) - 1] == ':' ? "" : ",";
        if (asprintf(&text, "%s%srequire-mode", value, between) < 0) {
            text = NULL;
            return -1;
        }
        return apply_plan_add(plan, "ITEXD_DECISION", text);
    }
    return 0;
}

int plan_build(const struct decided *decided, const struct ask *ask, struct apply_plan *plan, struct failure *failure)
{
    char error[512] = "";
    int r = apply_plan_build(plan, decided->decision, error, sizeof(error));
    if (r != APPLY_OK)
        return failure_set(failure, r == APPLY_FORBIDDEN ? EXIT_NOT_PERMITTED : EXIT_INTERNAL, "%s", error);
    if (plan_unmanaged(ask, plan) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    if (decided->connection && !planned(plan, "ITEXD_SOCKET") &&
        apply_plan_add(plan, "ITEXD_SOCKET", connection_path(decided->connection)) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    return 0;
}
