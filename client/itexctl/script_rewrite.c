/*
 * The command as it is to be executed: see script.h. It is written anew, word by word, with what belongs between
 * them: the assignments that an env needs, and the runner.
 */
#include "client/itexctl/script.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void script_command_clear(struct script_command *command)
{
    for (size_t i = 0; i < command->n_owned; i++)
        free(command->owned[i]);
    free(command->owned);
    free(command->argv);
    *command = (struct script_command)SCRIPT_COMMAND_INIT;
}

/* Whether an env on the command line would undo the change: it sets the variable, takes it away, or starts anew. */
static bool undone(const struct script *script, const struct apply_change *change)
{
    bool touched = script->cleared && change->value;
    for (size_t i = 0; i < script->n_variables; i++)
        touched |= strcmp(script->variables[i].name, change->name) == 0;
    return touched && script->env_end != SCRIPT_NO_WORD;
}

static bool is_assignment_of(const struct script *script, size_t word, const char *name)
{
    for (size_t i = 0; i < script->n_variables; i++)
        if (script->variables[i].word == word && script->variables[i].value &&
            strcmp(script->variables[i].name, name) == 0)
            return true;
    return false;
}

/* The assignments that the plan decides otherwise are left out. */
static bool replaced(const struct script *script, const struct apply_plan *plan, size_t word)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (is_assignment_of(script, word, plan->changes[i].name))
            return true;
    return false;
}

static int add_assignments(const struct script *script, const struct apply_plan *plan, struct script_command *command,
                           size_t *n)
{
    for (size_t i = 0; i < plan->n_changes; i++) {
        const struct apply_change *change = &plan->changes[i];
        if (!change->value || !undone(script, change))
            continue;
        char *text = NULL;
        if (asprintf(&text, "%s=%s", change->name, change->value) < 0)
            return -ENOMEM;
        command->owned[command->n_owned++] = text;
        command->argv[(*n)++] = text;
    }
    return 0;
}

static bool needed(const struct script *script, const char *runner, const struct apply_plan *plan)
{
    bool any = runner != NULL;
    for (size_t i = 0; i < plan->n_changes; i++)
        any |= undone(script, &plan->changes[i]);
    return any;
}

int script_rewrite(const struct script *script, const char *runner, const struct apply_plan *plan,
                   struct script_command *command)
{
    size_t n = 0;
    if (!needed(script, runner, plan))
        return 0;
    command->argv = calloc(script->n_words + plan->n_changes + 2, sizeof(*command->argv));
    command->owned = calloc(plan->n_changes + 1, sizeof(*command->owned));
    if (!command->argv || !command->owned)
        return -ENOMEM;
    for (size_t i = 0; i <= script->n_words; i++) {
        if (i == script->env_end && add_assignments(script, plan, command, &n) < 0)
            return -ENOMEM;
        if (runner && i == script->subject)
            command->argv[n++] = (char *)runner;
        if (i < script->n_words && !replaced(script, plan, i))
            command->argv[n++] = script->words[i];
    }
    command->argv[n] = NULL;
    return 0;
}
