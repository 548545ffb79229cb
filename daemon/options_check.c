#include "daemon/options_check.h"
#include "daemon/children/spawner.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The spawner's lists end with NULL, and three variables are the service's own. */
#define WORKER_VARIABLES_MAX (SPAWNER_MAX_ARGUMENTS - 1 - 3)
/* The rest is for paths. */
#define WORKER_VARIABLES_LENGTH (SPAWNER_MAX_TEXT / 2)

/* Named as it was written; true where that was on the command line. */
static bool refuse_text(const char *name, const struct yaml_text *value, const char *why,
                        struct yaml_messages *messages)
{
    bool typed = value->place.file && strcmp(value->place.file, OPTIONS_COMMAND_LINE) == 0;
    char spelled[48];

    snprintf(spelled, sizeof spelled, "%s%s", typed ? "--" : "", name);
    for (char *at = spelled; typed && *at; at++)
        if (*at == '_')
            *at = '-';
    yaml_error(messages, value->place, "%s is \"%s\"; it %s", spelled, value->text, why);
    return typed;
}

static bool check_paths(const struct options *options, struct yaml_messages *messages)
{
    const struct {
        const char *name;
        const struct yaml_text *value;
    } paths[] = {
        {"socket", &options->socket}, {"database", &options->database}, {"metrics_socket", &options->metrics_socket}};
    bool typed = false;

    for (size_t i = 0; i < COUNT(paths); i++)
        if (paths[i].value->text && paths[i].value->text[0] != '/')
            typed |= refuse_text(paths[i].name, paths[i].value, "must be a path that begins with /", messages);
    return typed;
}

static bool read_mode(const char *name, const struct yaml_text *value, unsigned *mode, struct yaml_messages *messages)
{
    char *end;
    unsigned long number = strtoul(value->text, &end, 8);

    *mode = (unsigned)number;
    return (*end || number > 0777) && refuse_text(name, value, "must be octal permissions such as 0666", messages);
}

/* Of one variable of `length` characters: what is wrong, NULL for nothing. */
static const char *wrong_variable(const char *text, size_t length)
{
    /* Devices of another driver are to be seen as what they are. */
    static const char drivers[] = "ZE_ENABLE_ALT_DRIVERS=";
    size_t name = 0;

    while (name < length && (isalnum((unsigned char)text[name]) || text[name] == '_'))
        name++;
    if (name == 0 || name == length || text[name] != '=' || isdigit((unsigned char)text[0]))
        return "must be NAME=VALUE, several separated by blanks";
    if (strncmp(text, drivers, sizeof drivers - 1) == 0)
        return "must not name a driver; simulated_driver does, and says so of its devices";
    return NULL;
}

static bool check_worker_environment(const struct options *options, struct yaml_messages *messages)
{
    const struct yaml_text *value = &options->worker_environment;
    const char *why = NULL;
    size_t n = 0;

    for (const char *at = value->text ? value->text : ""; *at && !why; n++) {
        size_t length;

        at += strspn(at, " \t");
        length = strcspn(at, " \t");
        if (length == 0)
            break;
        why = wrong_variable(at, length);
        at += length;
    }
    if (!why && n > WORKER_VARIABLES_MAX)
        why = "must be 12 variables at most";
    if (!why && value->text && strlen(value->text) >= WORKER_VARIABLES_LENGTH)
        why = "must be shorter than 2048 bytes";
    return why && refuse_text("worker_environment", value, why, messages);
}

bool options_check(struct options *options, struct yaml_messages *messages)
{
    bool typed = check_paths(options, messages);

    typed |= read_mode("socket_mode", &options->socket_mode_text, &options->socket_mode, messages);
    typed |=
        read_mode("metrics_socket_mode", &options->metrics_socket_mode_text, &options->metrics_socket_mode, messages);
    typed |= check_worker_environment(options, messages);
    return typed;
}

_Static_assert(WORKER_VARIABLES_MAX == 12 && WORKER_VARIABLES_LENGTH == 2048, "the messages say so");
