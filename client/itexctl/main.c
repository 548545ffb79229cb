/*
 * itexctl: the command line of itexd. Finds the command, parses its options and the ones that stand anywhere, and gives
 * help from the same tables. What a command could not write to stdout becomes an error here.
 */
#include "client/itexctl/complete.h"
#include "client/itexctl/errors.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static const struct option_def global_options[] = {
    {"socket", OPTION_TEXT, offsetof(struct context, socket), "PATH", "socket of itexd"},
    {"no-color", OPTION_FLAG, offsetof(struct context, no_color), NULL, "no colour; NO_COLOR does the same"},
    {"help", OPTION_FLAG, offsetof(struct context, help), NULL, "show this help"},
    {"version", OPTION_FLAG, offsetof(struct context, version), NULL, "show the version"},
    {"format", OPTION_TEXT, offsetof(struct context, format), "FORMAT", "how to print the answer"},
    {"json", OPTION_FLAG, offsetof(struct context, json), NULL, "short for --format json"},
};
/* The last two are for commands that have formats; without a choice they are refused, and help is silent about them. */
#define N_FORMAT_OPTIONS 2

/* One a line, however many there are. */
/* clang-format off */
static const struct command *const commands[] = {
    &command_status,
    &command_resolve,
    &command_env,
    &command_run,
    &command_check,
    &command_explain,
    &command_query,
    &command_devices,
    &command_leases,
    &command_rules,
    &command_replay,
    &command_doctor,
    &command_backup,
    &command_complete,
    NULL,
};
/* clang-format on */

#define MAX_GROUPS 8

const char *command_word(const struct command *command)
{
    const char *space = strrchr(command->name, ' ');
    return space ? space + 1 : command->name;
}

const struct command *find_command(const struct command *const *list, const char *word)
{
    for (; list && *list; list++)
        if (strcmp(command_word(*list), word) == 0)
            return *list;
    return NULL;
}

/* ---- Help ------------------------------------------------------------------------------------------- */

static struct option_group global_group(struct context *context)
{
    return (struct option_group){"Everywhere", global_options, LENGTH(global_options), context};
}

static void print_commands(const struct command *const *list)
{
    printf("\nCommands:\n");
    for (; *list; list++)
        if ((*list)->summary)
            printf("  %-18s %s\n", command_word(*list), (*list)->summary);
}

static int print_help(struct context *context, const struct command *command)
{
    struct option_group globals = global_group(context);
    if (!command) {
        printf("Usage: itexctl [OPTION...] COMMAND ...\n\nAsks itexd, the resolution service of this node.\n");
        print_commands(commands);
        options_print(stdout, &globals);
        printf("\nitexctl COMMAND --help tells more; so does itexctl(1).\n");
        return EXIT_DONE;
    }
    printf("Usage: itexctl %s%s%s\n\n", command->name, command->usage[0] ? " " : "", command->usage);
    if (command->summary)
        printf("%c%s.\n", toupper((unsigned char)command->summary[0]), command->summary + 1);
    if (command->commands)
        print_commands(command->commands);
    for (size_t i = 0; i < command->n_groups; i++)
        options_print(stdout, &command->groups[i]);
    if (!command->formats)
        globals.n_defs -= N_FORMAT_OPTIONS;
    options_print(stdout, &globals);
    if (command->formats) {
        printf("\nFORMAT is one of:");
        for (const char *const *format = command->formats; *format; format++)
            printf(" %s", *format);
        printf(" (default: %s)\n", command->formats[0]);
    }
    return EXIT_DONE;
}

static int print_version(void)
{
    printf("itexctl %s (protocol %u.%u)\n", ITEXD_VERSION, ITEXD_PROTOCOL_MAJOR, ITEXD_PROTOCOL_MINOR);
    return EXIT_DONE;
}

/* ---- Finding the command ----------------------------------------------------------------------------- */

static const char *command_name_at(size_t i, const void *data)
{
    const struct command *const *list = data;
    return list[i] && list[i]->summary ? command_word(list[i]) : NULL;
}

static int refuse_command(const struct command *const *list, const char *name)
{
    const char *near = nearest_name(name, command_name_at, list);
    if (near)
        return fail(EXIT_USAGE, "unknown command \"%.60s\"; did you mean %s?", name, near);
    return fail(EXIT_USAGE, "unknown command \"%.60s\"; itexctl --help lists them", name);
}

/* ---- Running it -------------------------------------------------------------------------------------- */

static int refuse_usage(const struct context *context, const char *error)
{
    int status = fail_usage(context, "%s", error);
    if (context->command->refused)
        context->command->refused(context, status);
    return status;
}

static int choose_format(struct context *context)
{
    const char *const *formats = context->command->formats;
    if (context->json && context->format && strcmp(context->format, "json") != 0)
        return fail(EXIT_USAGE, "--json and --format %s exclude each other", context->format);
    if (context->json)
        context->format = "json";
    if (!context->format) {
        context->format = formats ? formats[0] : NULL;
        return EXIT_DONE;
    }
    for (const char *const *format = formats; format && *format; format++) {
        if (strcmp(*format, context->format) == 0) {
            context->json = strcmp(context->format, "json") == 0;
            return EXIT_DONE;
        }
    }
    char error[128];
    snprintf(error, sizeof(error), "%s cannot print as \"%.40s\"", context->command->name, context->format);
    context->format = NULL;
    return refuse_usage(context, error);
}

static int run_parsed(struct context *context, const struct operands *operands)
{
    if (context->help)
        return print_help(context, context->command);
    if (context->version)
        return print_version();
    if (context->socket && !context->socket[0])
        return refuse_usage(context, "--socket takes a path, not \"\"");
    int status = choose_format(context);
    return status != EXIT_DONE ? status : context->command->run(context, operands);
}

static size_t collect_groups(struct context *context, struct option_group groups[MAX_GROUPS])
{
    size_t n = 0;
    groups[n++] = global_group(context);
    for (size_t i = 0; i < context->command->n_groups && n < MAX_GROUPS; i++) {
        groups[n] = context->command->groups[i];
        groups[n++].values = context->values;
    }
    return n;
}

static int run_command(struct context *context, int argc, char **argv)
{
    struct option_group groups[MAX_GROUPS];
    struct operands operands;
    char error[512];
    CLEANUP(freep) void *values = calloc(1, context->command->values_size + 1);
    if (!values)
        return fail(EXIT_INTERNAL, "out of memory");
    context->values = values;
    size_t n_groups = collect_groups(context, groups);
    int r =
        options_parse(groups, n_groups, argc, argv, context->command->runs_program, &operands, error, sizeof(error));
    int status;
    if (r == -EINVAL)
        status = refuse_usage(context, error);
    else if (r < 0)
        status = fail(EXIT_INTERNAL, "out of memory");
    else
        status = run_parsed(context, &operands);
    options_clear(groups, n_groups);
    return status;
}

/*
 * What a group that is also a command is called with: one of its commands, or, with `misspelt`, what was meant to be
 * one - several words, the first of which looks like one. Looks only.
 */
static bool calls_subcommand(const struct command *group, int argc, char **argv, const char **misspelt)
{
    struct context unused = {.command = group};
    const struct option_group globals = global_group(&unused);
    struct operands operands;
    char error[512];
    CLEANUP(freep) char **words = calloc((size_t)argc + 1, sizeof(*words));
    *misspelt = NULL;
    if (!words)
        return false;
    memcpy(words, argv, (size_t)argc * sizeof(*words));
    if (options_parse(&globals, 1, argc, words, true, &operands, error, sizeof(error)) < 0 || operands.n_items == 0)
        return false;
    const char *word = operands.items[0];
    if (find_command(group->commands, word))
        return true;
    if (operands.n_items > 1 && nearest_name(word, command_name_at, group->commands))
        *misspelt = word;
    return false;
}

/* A command with commands of its own: the next operand names one of them. */
static int run_group(struct context *context, const struct command *group, int argc, char **argv)
{
    const struct option_group globals = global_group(context);
    struct operands operands;
    char error[512];
    const char *misspelt;
    context->command = group;
    if (group->run && !calls_subcommand(group, argc, argv, &misspelt))
        return misspelt ? refuse_command(group->commands, misspelt) : run_command(context, argc, argv);
    if (options_parse(&globals, 1, argc, argv, true, &operands, error, sizeof(error)) < 0)
        return refuse_usage(context, error);
    if (context->help)
        return print_help(context, group);
    if (operands.n_items == 0)
        return fail_usage(context, "which of its commands?");
    const struct command *command = find_command(group->commands, operands.items[0]);
    if (!command)
        return refuse_command(group->commands, operands.items[0]);
    context->command = command;
    return run_command(context, operands.n_items - 1, operands.items + 1);
}

/* "itexctl help COMMAND" is what many try first. */
static int run_help(struct context *context, const struct operands *operands)
{
    const struct command *const *list = commands;
    const struct command *command = NULL;
    for (int i = 1; i < operands->n_items && list; i++) {
        command = find_command(list, operands->items[i]);
        if (!command)
            return refuse_command(list, operands->items[i]);
        list = command->commands;
    }
    return print_help(context, command);
}

static int run(struct context *context, int argc, char **argv)
{
    const struct option_group globals = global_group(context);
    struct operands operands;
    char error[512];
    if (options_parse(&globals, 1, argc, argv, true, &operands, error, sizeof(error)) < 0)
        return fail(EXIT_USAGE, "%s (options of a command come after its name; itexctl --help lists the commands)",
                    error);
    if (operands.n_items == 0 && context->version)
        return print_version();
    if (operands.n_items == 0 && context->help)
        return print_help(context, NULL);
    if (operands.n_items == 0)
        return fail(EXIT_USAGE, "which command? itexctl --help lists them");
    if (strcmp(operands.items[0], "help") == 0)
        return run_help(context, &operands);
    const struct command *command = find_command(commands, operands.items[0]);
    if (!command)
        return refuse_command(commands, operands.items[0]);
    if (command->commands)
        return run_group(context, command, operands.n_items - 1, operands.items + 1);
    context->command = command;
    return run_command(context, operands.n_items - 1, operands.items + 1);
}

/* A reader that went away (head) wanted no more; anything else that stops output is an error. */
static int finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status;
    return fail(EXIT_INTERNAL, "cannot write the answer: %s", strerror(errno));
}

const struct option_def *all_global_options(size_t *count)
{
    *count = LENGTH(global_options);
    return global_options;
}

const struct command *const *all_commands(void)
{
    return commands;
}

/*
 * A standard descriptor that is closed would be the next one to be opened, and the answer be written into the socket.
 * What stands in for it fails as a closed one does, and is closed again in a command that is run.
 */
static void occupy_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_PATH | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct context context = {.command = NULL};
    occupy_standard_descriptors();
    setlocale(LC_CTYPE, "");
    int status = run(&context, argc > 0 ? argc - 1 : 0, argv + (argc > 0));
    return finish_output(status);
}
