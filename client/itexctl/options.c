/* The option parser: see options.h. Values are written only where they are valid; the first mistake ends it. */
#include "client/itexctl/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const struct option_group *groups;
    size_t n_groups;
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->error, parser->error_size, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static void *value_of(const struct option_group *group, const struct option_def *def)
{
    return (char *)group->values + def->offset;
}

static const struct option_def *find(const struct parser *parser, const char *name, size_t length,
                                     const struct option_group **group)
{
    for (size_t i = 0; i < parser->n_groups; i++) {
        for (size_t j = 0; j < parser->groups[i].n_defs; j++) {
            const struct option_def *def = &parser->groups[i].defs[j];
            if (strlen(def->name) == length && strncmp(def->name, name, length) == 0) {
                *group = &parser->groups[i];
                return def;
            }
        }
    }
    return NULL;
}

static const char *option_name_at(size_t i, const void *data)
{
    const struct parser *parser = data;
    for (size_t g = 0; g < parser->n_groups; g++) {
        if (i < parser->groups[g].n_defs)
            return parser->groups[g].defs[i].name;
        i -= parser->groups[g].n_defs;
    }
    return NULL;
}

static int refuse_unknown(const struct parser *parser, const char *argument)
{
    char name[64];
    size_t length = strcspn(argument, "=");
    snprintf(name, sizeof(name), "%.*s", (int)(length < 60 ? length : 60), argument);
    const char *near = strncmp(name, "--", 2) == 0 ? nearest_name(name + 2, option_name_at, parser) : NULL;
    if (near)
        return refuse(parser, "unknown option %s; did you mean --%s?", name, near);
    return refuse(parser, "unknown option %s", name);
}

static int list_append(struct text_list *list, const char *text)
{
    const char **items = reallocarray(list->items, list->n_items + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    items[list->n_items++] = text;
    list->items = items;
    return 0;
}

static int store_choice(const struct parser *parser, const struct option_def *def, const char *text, const char **value)
{
    for (const char *const *choice = def->choices; *choice; choice++) {
        if (strcmp(*choice, text) == 0) {
            *value = text;
            return 0;
        }
    }
    char words[128] = "";
    size_t used = 0;
    for (const char *const *choice = def->choices; *choice && used < sizeof(words); choice++)
        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s",
                                 choice == def->choices ? ""
                                 : choice[1]            ? ", "
                                                        : " or ",
                                 *choice);
    return refuse(parser, "--%s takes %s, not \"%.40s\"", def->name, words, text);
}

static int store(const struct parser *parser, const struct option_group *group, const struct option_def *def,
                 const char *text)
{
    void *value = value_of(group, def);
    switch (def->kind) {
    case OPTION_FLAG:
        *(bool *)value = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)value = text;
        return 0;
    case OPTION_CHOICE:
        return store_choice(parser, def, text, value);
    case OPTION_LIST:
        return list_append(value, text);
    case OPTION_NUMBER:
        if (number_parse(text, def->minimum, def->maximum ? def->maximum : INT64_MAX, value))
            return 0;
        return refuse(parser, "--%s takes a whole number from %lld, not \"%.40s\"", def->name, (long long)def->minimum,
                      text);
    case OPTION_DURATION:
        *(int64_t *)value = duration_parse(text);
        if (*(int64_t *)value >= def->minimum)
            return 0;
        return refuse(parser, "--%s takes a time such as 500ms, 2s or 5m, not \"%.40s\"", def->name, text);
    }
    return -EINVAL;
}

/* One option at argv[0]; returns how many arguments it took, or -errno. */
static int parse_option(const struct parser *parser, int argc, char **argv)
{
    const char *argument = argv[0];
    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    const struct option_group *group = NULL;
    const char *name = strncmp(argument, "--", 2) == 0 ? argument + 2 : NULL;
    size_t length = name ? strcspn(name, "=") : 0;
    const struct option_def *def = name ? find(parser, name, length, &group) : NULL;
    if (!def)
        return refuse_unknown(parser, argument);
    const char *text = name[length] == '=' ? name + length + 1 : NULL;
    int taken = 1;
    if (def->kind == OPTION_FLAG && text)
        return refuse(parser, "--%s takes no value", def->name);
    if (def->kind != OPTION_FLAG && !text) {
        if (argc < 2)
            return refuse(parser, "--%s needs a value: %s", def->name, def->argument);
        text = argv[1];
        taken = 2;
    }
    int r = store(parser, group, def, text);
    return r < 0 ? r : taken;
}

static void set_absent(const struct option_group *groups, size_t n_groups)
{
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t j = 0; j < groups[i].n_defs; j++) {
            enum option_kind kind = groups[i].defs[j].kind;
            int64_t *value = value_of(&groups[i], &groups[i].defs[j]);
            if ((kind == OPTION_NUMBER || kind == OPTION_DURATION) && *value == 0)
                *value = -1;
        }
    }
}

int options_parse(const struct option_group *groups, size_t n_groups, int argc, char **argv, bool stop_at_operand,
                  struct operands *operands, char *error, size_t error_size)
{
    const struct parser parser = {groups, n_groups, error, error_size};
    int kept = 0, i = 0;
    set_absent(groups, n_groups);
    while (i < argc) {
        bool option = argv[i][0] == '-' && argv[i][1];
        if (option && strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (!option && stop_at_operand)
            break;
        if (!option) {
            argv[kept++] = argv[i++];
            continue;
        }
        int taken = parse_option(&parser, argc - i, argv + i);
        if (taken < 0)
            return taken;
        i += taken;
    }
    while (i < argc)
        argv[kept++] = argv[i++];
    if (kept < argc)
        argv[kept] = NULL; /* as a command line must end */
    *operands = (struct operands){argv, kept};
    return 0;
}

void options_clear(const struct option_group *groups, size_t n_groups)
{
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t j = 0; j < groups[i].n_defs; j++) {
            if (groups[i].defs[j].kind != OPTION_LIST)
                continue;
            struct text_list *list = value_of(&groups[i], &groups[i].defs[j]);
            free(list->items);
            *list = (struct text_list){NULL, 0};
        }
    }
}

/* Help starts in column 26 and is wrapped at 79. */
static void print_help(FILE *out, const char *text, int column)
{
    const int start = 26, end = 79;
    if (column >= start - 1) {
        fputc('\n', out);
        column = 0;
    }
    column += fprintf(out, "%*s", start - column, "");
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > start && column + 1 + length > end) {
            fprintf(out, "\n%*s", start, "");
            column = start;
        } else if (column > start) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, (size_t)length, out);
        column += length;
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

void options_print(FILE *out, const struct option_group *group)
{
    if (group->n_defs == 0)
        return;
    fprintf(out, "\n%s:\n", group->title);
    for (size_t i = 0; i < group->n_defs; i++) {
        const struct option_def *def = &group->defs[i];
        int column =
            fprintf(out, "  --%s%s%s", def->name, def->argument ? " " : "", def->argument ? def->argument : "");
        print_help(out, def->help, column);
    }
}
