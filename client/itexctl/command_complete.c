/*
 * itexctl complete -- WORD...: for a shell's completion. The words are those behind "itexctl"; the last one, which may
 * be empty, is the one to complete. Prints candidates, a line each; none means file names. Never fails: completion has
 * nobody to tell.
 */
#include "client/itexctl/complete.h"

#include <stdio.h>
#include <string.h>

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void print_names(const struct command *const *list, const char *word)
{
    for (; list && *list; list++)
        if ((*list)->summary && begins(command_word(*list), word))
            puts(command_word(*list));
}

static void print_options(const struct option_def *defs, size_t n_defs, const char *word)
{
    for (size_t i = 0; i < n_defs; i++)
        if (begins(defs[i].name, word + 2))
            printf("--%s\n", defs[i].name);
}

static const struct option_def *find_option(const struct command *command, const char *name)
{
    for (size_t i = 0; i < command->n_groups; i++)
        for (size_t j = 0; j < command->groups[i].n_defs; j++)
            if (strcmp(command->groups[i].defs[j].name, name) == 0)
                return &command->groups[i].defs[j];
    return NULL;
}

static void print_list(const char *const *items, const char *word)
{
    for (; items && *items; items++)
        if (begins(*items, word))
            puts(*items);
}

static void complete_word(struct context *context, const struct command *command, const char *before, const char *word,
                          int position)
{
    const struct option_def *option = begins(before, "--") ? find_option(command, before + 2) : NULL;
    size_t n_globals;
    const struct option_def *globals = all_global_options(&n_globals);
    if (strcmp(before, "--format") == 0) {
        print_list(command->formats, word);
    } else if (option && option->kind != OPTION_FLAG) {
        print_list(option->choices, word);
    } else if (begins(word, "--")) {
        for (size_t i = 0; i < command->n_groups; i++)
            print_options(command->groups[i].defs, command->groups[i].n_defs, word);
        print_options(globals, n_globals, word);
    } else if (command->complete) {
        command->complete(context, position);
    }
}

static int complete_run(struct context *context, const struct operands *operands)
{
    const struct command *const *list = all_commands();
    const struct command *command = NULL;
    int n = operands->n_items, i = 0;
    if (n == 0)
        return 0;
    for (; i < n - 1 && list; i++) {
        const struct command *next = find_command(list, operands->items[i]);
        if (!next && (!command || !command->run))
            return 0;
        if (!next)
            break; /* an operand or an option of the group's own */
        command = next;
        list = next->commands;
    }
    if (list && i == n - 1)
        print_names(list, operands->items[n - 1]);
    if (command && command->run)
        complete_word(context, command, i < n - 1 ? operands->items[n - 2] : "", operands->items[n - 1], n - 1 - i);
    return 0;
}

const struct command command_complete = {
    .name = "complete",
    .usage = "-- WORD...",
    .runs_program = true,
    .run = complete_run,
};
