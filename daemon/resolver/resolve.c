/* The entry: one call reads the input, runs to the end, explains, and asks what the unknown facts would change. */
#include "daemon/resolver/explain.h"
#include "daemon/resolver/unknown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int prepare(struct resolution *result)
{
    struct resolution_arena *arena = result->arena;

    if (!arena)
        arena = calloc(1, sizeof *arena);
    if (!arena)
        return -ENOMEM;
    arena_reset(&arena->arena);
    *result = (struct resolution){.arena = arena};
    return 0;
}

static int put_unknown(struct base *base, const struct state *own, bool apply_errors, struct resolution *result)
{
    const char **names = arena_alloc(base->arena, MAX_UNKNOWN * sizeof *names);
    int r = names ? unknown_facts(base, own, apply_errors, names, &result->n_unknown) : -ENOMEM;

    result->unknown = names;
    result->predicted_outcome_known = result->predicted_outcome != OUTCOME_OK || result->n_unknown == 0;
    return r;
}

static int run(struct base *base, struct resolution *result, char *error, size_t error_size)
{
    struct run run = {.apply_errors = base->input->apply_errors};
    struct input_notes notes = {.conflicts = NULL};
    struct state own;
    int r;

    r = input_read(base, &notes, error, error_size);
    if (r == 0)
        r = state_alloc(base, &own);
    if (r == 0)
        r = state_own(base, &own);
    if (r == 0)
        r = run_alloc(base, &run);
    if (r == 0)
        r = run_to_end(&run, &own);
    if (r == 0)
        r = explain(&run, &own, &notes, base->input->policy, result);
    if (r == 0)
        r = put_unknown(base, &own, base->input->apply_errors, result);
    return r;
}

int resolve(const struct rule_set *rules, const struct resolve_input *input, struct resolution *result, char *error,
            size_t error_size)
{
    struct base base = {.set = rules, .input = input};
    int r;

    if (error_size)
        *error = '\0';
    r = prepare(result);
    if (r < 0)
        return r;
    base.arena = &result->arena->arena;
    r = run(&base, result, error, error_size);
    if (r < 0)
        resolution_reset(result);
    return r;
}

void resolution_reset(struct resolution *result)
{
    struct resolution_arena *arena = result->arena;

    if (arena)
        arena_reset(&arena->arena);
    *result = (struct resolution){.arena = arena};
}

void resolution_free(struct resolution *result)
{
    if (result->arena) {
        arena_free(&result->arena->arena);
        free(result->arena);
    }
    *result = (struct resolution)RESOLUTION_INIT;
}

static const struct set_rule *service_rule(const struct rule_set *rules, const char *id)
{
    for (size_t i = rules->n_rules; i > 0; i--)
        if (rules->rules[i - 1].service && strcmp(rules->rules[i - 1].id, id) == 0)
            return &rules->rules[i - 1];
    return NULL;
}

int resolution_add(const struct rule_set *rules, struct resolution *result, const char *rule, const char *detail)
{
    const struct set_rule *def = service_rule(rules, rule);
    struct message_values values = {.detail = detail};
    struct arena *arena;
    struct diagnostic *diagnostics;
    struct diagnostic *added;

    if (!def)
        return -ENOENT;
    if (result->n_diagnostics == RESOLVER_MAX_DIAGNOSTICS) {
        result->diagnostics_omitted++;
        return 0;
    }
    arena = &result->arena->arena;
    diagnostics = arena_alloc(arena, (result->n_diagnostics + 1) * sizeof *diagnostics);
    if (!diagnostics)
        return -ENOMEM;
    if (result->n_diagnostics)
        memcpy(diagnostics, result->diagnostics, result->n_diagnostics * sizeof *diagnostics);
    added = &diagnostics[result->n_diagnostics];
    *added =
        (struct diagnostic){.rule = def->id, .severity = def->severity, .outcome = def->outcome, .source = def->source};
    added->message = message_write(&def->message, &values, arena);
    added->solution = def->solution.absent ? NULL : message_write(&def->solution, &values, arena);
    if (!added->message || (!def->solution.absent && !added->solution))
        return -ENOMEM;
    result->diagnostics = diagnostics;
    result->n_diagnostics++;
    return 0;
}
