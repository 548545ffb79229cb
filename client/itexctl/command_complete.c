/*
 * itexctl __complete -- WORD...: see complete.h. The words are those behind "itexctl"; the last one, which may be
 * empty, is the one to complete. Never fails and never takes long: completion has nobody to tell, and somebody who
 * waits.
 */
#include "client/itexctl/complete.h"
#include "client/itexctl/errors.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* Whatever it waits for by then is not worth waiting for. */
#define PATIENCE_MS 800

/* How far the words before the last one have led. */
struct walk {
    const struct command *command;     /* NULL: none yet */
    const struct command *const *list; /* of which the next operand may be one */
    const struct option_def *awaits;   /* an option whose value comes next */
    bool ended;                        /* options, by "--" */
    int n_operands;                    /* of the command */
    int program;                       /* where another command's line begins, -1: nowhere */
    bool lost;                         /* the words make no sense */
};

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const struct option_def *find_in(const struct option_def *defs, size_t n_defs, const char *name, size_t length)
{
    for (size_t i = 0; i < n_defs; i++)
        if (strlen(defs[i].name) == length && strncmp(defs[i].name, name, length) == 0)
            return &defs[i];
    return NULL;
}

static const struct option_def *find_option(const struct command *command, const char *name, size_t length)
{
    size_t n_globals;
    const struct option_def *globals = all_global_options(&n_globals);
    const struct option_def *found = find_in(globals, n_globals, name, length);
    for (size_t i = 0; command && !found && i < command->n_groups; i++)
        found = find_in(command->groups[i].defs, command->groups[i].n_defs, name, length);
    return found;
}

/* ---- The words before ------------------------------------------------------------------------------------ */

static void note_value(struct context *context, const struct option_def *option, const char *value)
{
    if (strcmp(option->name, "socket") == 0 && value[0])
        context->socket = value;
}

static void pass_option(struct context *context, struct walk *walk, const char *word)
{
    const char *name = word + 2, *value = strchr(word, '=');
    const struct option_def *option = find_option(walk->command, name, strcspn(name, "="));
    if (!option || option->kind == OPTION_FLAG)
        return;
    if (value)
        note_value(context, option, value + 1);
    else
        walk->awaits = option;
}

static void pass_operand(struct walk *walk, const char *word, int at)
{
    const struct command *next = walk->n_operands == 0 ? find_command(walk->list, word) : NULL;
    if (next) {
        walk->command = next;
        walk->list = next->commands;
    } else if (!walk->command || !walk->command->run) {
        walk->lost = true;
    } else if (walk->command->runs_program) {
        walk->program = at;
    } else {
        walk->n_operands++;
    }
}

static struct walk walk_words(struct context *context, const struct operands *words)
{
    struct walk walk = {.list = all_commands(), .program = -1};
    for (int i = 0; i < words->n_items - 1 && walk.program < 0 && !walk.lost; i++) {
        const char *word = words->items[i];
        if (walk.awaits) {
            note_value(context, walk.awaits, word);
            walk.awaits = NULL;
        } else if (!walk.ended && strcmp(word, "--") == 0) {
            walk.ended = true;
        } else if (!walk.ended && begins(word, "--")) {
            pass_option(context, &walk, word);
        } else if (i > 0 || strcmp(word, "help") != 0) {
            pass_operand(&walk, word, i);
        }
    }
    return walk;
}

/* ---- The last one ------------------------------------------------------------------------------------------ */

static void complete_names(const struct completion *completion, const struct command *const *list)
{
    for (; list && *list; list++)
        if ((*list)->summary)
            complete_with(completion, command_word(*list), (*list)->summary);
}

static void complete_options_of(const struct completion *completion, const struct option_def *defs, size_t n_defs)
{
    char name[64];
    for (size_t i = 0; i < n_defs; i++) {
        snprintf(name, sizeof(name), "--%s", defs[i].name);
        complete_with(completion, name, defs[i].help);
    }
}

/* --format and --json only where there is a choice. */
static void complete_options(const struct completion *completion)
{
    size_t n_globals;
    const struct command *command = completion->command;
    const struct option_def *globals = all_global_options(&n_globals);
    for (size_t i = 0; command && i < command->n_groups; i++)
        complete_options_of(completion, command->groups[i].defs, command->groups[i].n_defs);
    for (size_t i = 0; i < n_globals; i++) {
        bool about_formats = strcmp(globals[i].name, "format") == 0 || strcmp(globals[i].name, "json") == 0;
        if (!about_formats || (command && command->formats))
            complete_options_of(completion, &globals[i], 1);
    }
}

/* "--mode=np" */
static void complete_value_behind(struct completion *completion, const char *equals)
{
    static char prefix[64];
    const char *name = completion->word + 2;
    const struct option_def *option = find_option(completion->command, name, (size_t)(equals - name));
    if (!option || option->kind == OPTION_FLAG)
        return;
    snprintf(prefix, sizeof(prefix), "--%s=", option->name);
    completion->prefix = prefix;
    completion->word = equals + 1;
    complete_option_value(completion, option);
}

static void complete_last(struct completion *completion, const struct walk *walk, int at)
{
    const char *equals = strchr(completion->word, '=');
    if (walk->awaits) {
        complete_option_value(completion, walk->awaits);
    } else if (walk->program >= 0) {
        printf(":command %d\n", walk->program);
    } else if (!walk->ended && begins(completion->word, "--") && equals) {
        complete_value_behind(completion, equals);
    } else if (!walk->ended && completion->word[0] == '-') {
        complete_options(completion);
    } else {
        if (walk->n_operands == 0)
            complete_names(completion, walk->list);
        if (walk->command && walk->command->runs_program)
            printf(":command %d\n", at);
        else if (walk->command && walk->command->run)
            complete_operand(completion, walk->n_operands);
    }
}

static void give_up(int number)
{
    (void)number;
    _exit(0);
}

static void be_quick(void)
{
    struct itimerval timer = {.it_value = {.tv_usec = PATIENCE_MS * 1000}};
    signal(SIGALRM, give_up);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int complete_run(struct context *context, const struct operands *operands)
{
    if (operands->n_items == 0)
        return EXIT_DONE;
    be_quick();
    int at = operands->n_items - 1;
    struct walk walk = walk_words(context, operands);
    struct completion completion = {context, walk.command, operands->items[at], ""};
    if (!walk.lost)
        complete_last(&completion, &walk, at);
    return EXIT_DONE;
}

const struct command command_complete = {
    .name = "__complete",
    .usage = "-- WORD...",
    .runs_program = true,
    .run = complete_run,
};
