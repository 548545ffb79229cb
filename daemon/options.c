/* What is made of the table: options_table.h. Defaults are texts, read as the command line's are. */
#include "daemon/options.h"
#include "daemon/options_check.h"
#include "daemon/options_table.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* getopt's `val`: which option, above every character. */
#define OPTION_BASE 256

static void *target(struct options *options, const struct option_def *def)
{
    return (char *)options + def->offset;
}

static void command_line_name(const struct option_def *def, char *name, size_t size)
{
    snprintf(name, size, "%s", def->name);
    for (char *at = name; *at; at++)
        if (*at == '_')
            *at = '-';
}

/* ---- Values from the command line and from defaults ------------------------------------------------------- */

static int set_number(const struct option_def *def, const char *text, uint64_t *number, const char **why)
{
    static char range[96];
    uint64_t value = 0;
    int error;

    if (def->kind == YAML_UNSIGNED)
        error = yaml_parse_unsigned(text, &value, why);
    else if (def->kind == YAML_SIZE)
        error = yaml_parse_size(text, &value, why);
    else
        error = yaml_parse_duration(text, &value, why);
    if (error < 0)
        return error;
    if (value < def->min || (def->max != 0 && value > def->max)) {
        snprintf(range, sizeof range, "must be from %" PRIu64 " to %" PRIu64 "%s", def->min, def->max,
                 def->kind == YAML_DURATION ? " ms" : "");
        *why = range;
        return -EINVAL;
    }
    *number = value;
    return 0;
}

static int set_word(const struct option_def *def, const char *text, int *word, const char **why)
{
    static char words[96];
    size_t used = 0;

    words[0] = '\0';
    for (int i = 0; def->words[i]; i++) {
        if (strcmp(def->words[i], text) == 0) {
            *word = i;
            return 0;
        }
        used +=
            (size_t)snprintf(words + used, sizeof words - used, "%s%s", i ? ", " : "must be one of ", def->words[i]);
    }
    *why = words;
    return -EINVAL;
}

/* 0; -EINVAL, *why says what is expected; -ENOMEM. */
static int set_value(struct options *options, const struct option_def *def, const char *text, const char **why)
{
    void *to = target(options, def);

    switch (def->kind) {
    case YAML_TEXT: {
        struct yaml_text *value = to;
        if (!*text) {
            *why = "must not be empty";
            return -EINVAL;
        }
        *value = (struct yaml_text){.text = yaml_memory_copy(&options->memory, text, strlen(text)),
                                    .place = {.file = OPTIONS_COMMAND_LINE}};
        return value->text ? 0 : -ENOMEM;
    }
    case YAML_BOOL:
        return yaml_parse_bool(text, to, why);
    case YAML_ENUM:
        return set_word(def, text, to, why);
    default:
        return set_number(def, text, to, why);
    }
}

static int set_defaults(struct options *options)
{
    const char *why;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_def *def = &option_table[i];
        int error = def->fallback ? set_value(options, def, def->fallback, &why) : 0;
        if (error < 0)
            return error;
    }
    return 0;
}

/* ---- The command line ------------------------------------------------------------------------------------- */

static const struct yaml_place command_line = {.file = OPTIONS_COMMAND_LINE};

static void wrong_option(int kind, const char *given, struct yaml_messages *messages)
{
    const char *names[OPTION_COUNT];
    char texts[OPTION_COUNT][48];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        command_line_name(&option_table[i], texts[i], sizeof texts[i]);
        names[i] = texts[i];
    }
    if (kind == ':') {
        yaml_error(messages, command_line, "option %s needs a value", given);
        return;
    }
    char bare[48];
    int length = (int)strcspn(given, "=");
    snprintf(bare, sizeof bare, "%.*s", length, given + strspn(given, "-"));
    bare[strcspn(bare, "=")] = '\0';
    const char *near = yaml_nearest(bare, names, OPTION_COUNT);
    if (near)
        yaml_error(messages, command_line, "unknown option %.*s; did you mean --%s?", length, given, near);
    else
        yaml_error(messages, command_line, "unknown option %.*s; see itexd --help", length, given);
}

/* Applies every option; with messages NULL just those that the file cannot have, without a word about mistakes. */
static int read_command_line(int argc, char **argv, struct options *options, struct yaml_messages *messages)
{
    struct option table[OPTION_COUNT + 1] = {{.name = NULL}};
    char names[OPTION_COUNT][48];
    int found;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        command_line_name(&option_table[i], names[i], sizeof names[i]);
        table[i] = (struct option){.name = names[i],
                                   .has_arg = option_table[i].argument ? required_argument : optional_argument,
                                   .val = OPTION_BASE + (int)i};
    }
    optind = 0;
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (found == 'h') {
            options->help = true;
            continue;
        }
        if (found == '?' || found == ':') {
            if (messages)
                wrong_option(found, argv[optind - 1], messages);
            continue;
        }
        const struct option_def *def = &option_table[found - OPTION_BASE];
        const char *why = NULL;
        int error = 0;
        if (messages || def->command_line_only)
            error = set_value(options, def, optarg ? optarg : "true", &why);
        if (error == -EINVAL && messages)
            yaml_error(messages, command_line, "--%s is \"%s\"; it %s", table[found - OPTION_BASE].name,
                       optarg ? optarg : "", why);
        else if (error == -ENOMEM)
            return error;
    }
    if (messages && optind < argc)
        yaml_error(messages, command_line, "unexpected argument %s; see itexd --help", argv[optind]);
    return 0;
}

/* ---- The file --------------------------------------------------------------------------------------------- */

static int read_whole(const char *path, char **text, size_t *size)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    size_t room = 0;

    *text = NULL;
    *size = 0;
    if (!file)
        return -errno;
    errno = 0;
    do {
        if (*size == room) {
            room = room ? room * 2 : 4096;
            char *larger = room <= YAML_MAX_BYTES ? realloc(*text, room) : NULL;
            if (!larger)
                return room <= YAML_MAX_BYTES ? -ENOMEM : -EFBIG;
            *text = larger;
        }
        *size += fread(*text + *size, 1, room - *size, file);
    } while (!feof(file) && !ferror(file));
    return ferror(file) ? -(errno ? errno : EIO) : 0;
}

/* 0 and errors in messages, -ENOMEM. */
static int read_file(struct options *options, bool named, struct yaml_messages *messages)
{
    struct yaml_field fields[OPTION_COUNT];
    struct yaml_table table = {
        .what = "configuration", .size = sizeof *options, .fields = fields, .may_be_empty = true};
    const char *path = options->config.text;
    CLEANUP(freep) char *text = NULL;
    size_t size;
    int error = read_whole(path, &text, &size);

    if (error == -ENOENT && !named)
        return 0;
    if (error < 0) {
        yaml_error(messages, (struct yaml_place){.file = path}, "cannot be read: %s", strerror(-error));
        return 0;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_def *def = &option_table[i];
        if (!def->command_line_only)
            fields[table.n_fields++] = (struct yaml_field){.key = def->name,
                                                           .kind = def->kind,
                                                           .offset = def->offset,
                                                           .min = def->min,
                                                           .max = def->max,
                                                           .names = def->words};
    }
    error = yaml_read(path, text, size, &table, options, &options->memory, messages);
    return error == -ENOMEM ? error : 0;
}

/* ---- All together ----------------------------------------------------------------------------------------- */

int options_load(int argc, char **argv, struct options *options, struct yaml_messages *messages)
{
    size_t before = messages->n_errors, file_errors;
    int error = set_defaults(options);
    const char *default_file = options->config.text;

    if (error == 0)
        error = read_command_line(argc, argv, options, NULL);
    if (error < 0 || options->help || options->version)
        return error;
    error = read_file(options, options->config.text != default_file, messages);
    file_errors = messages->n_errors;
    if (error == 0)
        error = read_command_line(argc, argv, options, messages);
    if (error < 0)
        return error;
    if (messages->n_errors > file_errors)
        return OPTIONS_USAGE;
    if (file_errors == before && options_check(options, messages))
        return OPTIONS_USAGE;
    return messages->n_errors > before ? OPTIONS_CONFIGURATION : OPTIONS_OK;
}

void options_clear(struct options *options)
{
    yaml_memory_clear(&options->memory);
    *options = (struct options)OPTIONS_INIT;
}

/* NULL: not given. */
static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_value(const struct option_def *def, const struct options *one, const struct options *other)
{
    const char *a = (const char *)one + def->offset, *b = (const char *)other + def->offset;

    switch (def->kind) {
    case YAML_TEXT:
        return same_text(((const struct yaml_text *)(const void *)a)->text,
                         ((const struct yaml_text *)(const void *)b)->text);
    case YAML_BOOL:
        return memcmp(a, b, sizeof(bool)) == 0;
    case YAML_ENUM:
        return memcmp(a, b, sizeof(int)) == 0;
    default:
        return memcmp(a, b, sizeof(uint64_t)) == 0;
    }
}

const char *options_needs_restart(const struct options *before, const struct options *after)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (option_table[i].needs_restart && !same_value(&option_table[i], before, after))
            return option_table[i].name;
    return NULL;
}

static int keep_value(const struct option_def *def, struct options *options, const struct options *before)
{
    void *to = target(options, def);
    const void *from = (const char *)before + def->offset;

    switch (def->kind) {
    case YAML_TEXT: {
        const struct yaml_text *text = from;
        struct yaml_text *kept = to;
        *kept = (struct yaml_text){.text = NULL}; /* its place was another file's */
        if (text->text)
            kept->text = yaml_memory_copy(&options->memory, text->text, strlen(text->text));
        return text->text && !kept->text ? -ENOMEM : 0;
    }
    case YAML_BOOL:
        memcpy(to, from, sizeof(bool));
        return 0;
    case YAML_ENUM:
        memcpy(to, from, sizeof(int));
        return 0;
    default:
        memcpy(to, from, sizeof(uint64_t));
        return 0;
    }
}

int options_keep_until_restart(struct options *options, const struct options *before)
{
    int error = 0;

    for (size_t i = 0; i < OPTION_COUNT && error == 0; i++)
        if (option_table[i].needs_restart)
            error = keep_value(&option_table[i], options, before);
    options->socket_mode = before->socket_mode; /* made of two of them */
    options->metrics_socket_mode = before->metrics_socket_mode;
    return error;
}

/* Words from column `start` on, wrapped before the 80th; `column` is where the cursor is. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    const int start = 34, end = 79;

    column += fprintf(out, "%*s", start - column, "");
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > start && column + 1 + length > end)
            column = fprintf(out, "\n%*s", start, "") - 1;
        else if (column > start)
            column += fprintf(out, " ");
        column += fprintf(out, "%.*s", length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

void options_help(FILE *out)
{
    fputs("Usage: itexd [OPTION...]\n\n"
          "Decides for every training job of this node how Intel Extension for TensorFlow\nis to be run.\n\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_def *def = &option_table[i];
        char name[48], help[256];

        if (i == 0)
            fputs("Command line only:\n", out);
        else if (option_table[i - 1].command_line_only && !def->command_line_only)
            fputs("\nAlso in the configuration file, with _ for -:\n", out);
        command_line_name(def, name, sizeof name);
        snprintf(help, sizeof help, def->fallback ? "%s (%s)" : "%s", def->help, def->fallback);
        int column = fprintf(out, "  --%s%s%s", name, def->argument ? "=" : "", def->argument ? def->argument : "");
        print_wrapped(out, help, column);
    }
    fputs("\nSIGHUP reads configuration and rules again. See itexd(8) and itexd.conf(5).\n", out);
}
