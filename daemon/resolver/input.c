/*
 * Input checks, and who wins where a fact is told twice: declared, script, environment, node. The one fact of the
 * environment that a caller may give is the state of the flags file, which only the job's own view shows.
 */
#include "daemon/resolver/input.h"

#include "daemon/resolver/gpus.h"
#include "daemon/resolver/version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(char *error, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    if (size) {
        va_start(arguments, format);
        vsnprintf(error, size, format, arguments);
        va_end(arguments);
    }
    return -EINVAL;
}

static int read_variables(struct base *base, char *error, size_t size)
{
    const struct resolve_input *input = base->input;

    for (size_t i = 0; i < input->n_env; i++) {
        const struct env_variable *variable = &input->env[i];
        long index;

        if (*variable->name == '\0' || strchr(variable->name, '='))
            return refuse(error, size, "'%s' cannot be the name of a variable; write NAME=VALUE", variable->name);
        index = rule_set_variable(base->set, variable->name);
        if (index < 0 || (base->own[index].file && !variable->file))
            continue;
        base->own[index] = (struct own_variable){variable->value, variable->file, variable->line};
    }
    return 0;
}

static int read_lease(struct base *base, char *error, size_t size)
{
    const struct resolve_input *input = base->input;

    if (input->n_lease == 0)
        return 0;
    base->lease = arena_array(base->arena, input->n_lease, sizeof *base->lease);
    if (!base->lease)
        return -ENOMEM;
    for (size_t i = 0; i < input->n_lease; i++) {
        long index = rule_set_variable(base->set, input->lease[i].name);

        if (index < 0)
            return refuse(error, size, "no lease sets %s", input->lease[i].name);
        base->lease[base->n_lease++] = (struct lease_variable){(uint32_t)index, input->lease[i].value};
    }
    return 0;
}

static int read_oversized(struct base *base, struct input_notes *notes)
{
    const struct resolve_input *input = base->input;
    size_t length = 0;
    char *at;

    for (size_t i = 0; i < input->n_oversized; i++) {
        long index = rule_set_variable(base->set, input->oversized[i]);

        length += strlen(input->oversized[i]) + 2;
        if (index >= 0 && !base->own[index].file)
            base->own[index] = (struct own_variable){.value = oversized_value};
    }
    if (length == 0)
        return 0;
    notes->oversized = at = arena_alloc(base->arena, length);
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; i < input->n_oversized; i++)
        at = stpcpy(stpcpy(at, i ? ", " : ""), input->oversized[i]);
    return 0;
}

/* A fact that the caller may give, as its number; -EINVAL where it may not. */
static int check_fact(const struct input_fact *fact, enum fact_id id, uint8_t *number, char *error, size_t size)
{
    const struct fact_info *info = &fact_table[id];
    struct gpus cards;
    int value;

    if (info->origin == FACT_DERIVED)
        return refuse(error, size, "%s follows from other facts and cannot be declared", fact->name);
    if (info->origin == FACT_ENVIRONMENT && id != FACT_XLA_FLAGS_SOURCE)
        return refuse(error, size, "%s comes from the variable %s; set that instead", fact->name,
                      fact_variables[info->variable].name);
    if (info->type == FACT_TYPE_TEXT) {
        *number = strcmp(fact->value, "unknown") != 0;
        if ((id == FACT_ITEX || id == FACT_TENSORFLOW) && *number && !version_names_generation(fact->value))
            return refuse(error, size, "%s: '%s' is neither a version such as 2.15.0.3 nor newest", fact->name,
                          fact->value);
        if (id == FACT_CARDS && *number && !gpus_read(fact->value, &cards))
            return refuse(error, size, "%s: '%s' is no list of how many tiles each card has, such as 2,2", fact->name,
                          fact->value);
        return 0;
    }
    value = fact_value_by_name(id, fact->value);
    if (value < 0 || (id == FACT_XLA_FLAGS_SOURCE && value && value != XLA_FLAGS_SOURCE_MISSING &&
                      value != XLA_FLAGS_SOURCE_UNREADABLE))
        return refuse(error, size, "%s cannot be '%s'", fact->name, fact->value);
    *number = (uint8_t)value;
    return 0;
}

static const char *told_value(const struct base *base, enum fact_id id)
{
    return fact_table[id].type == FACT_TYPE_TEXT ? base->texts[id] : fact_table[id].values[base->declared[id]];
}

static int note_conflict(const struct base *base, struct input_notes *notes, const struct input_fact *fact,
                         enum fact_id id)
{
    char text[256];
    const char **at;

    snprintf(text, sizeof text, "%s is %.60s (%s) and %.60s (%s)", fact->name, told_value(base, id),
             provenance_name(base->from[id]), fact->value, provenance_name(fact->from));
    if (!notes->conflicts)
        notes->conflicts = arena_array(base->arena, base->input->n_facts, sizeof *notes->conflicts);
    if (!notes->conflicts)
        return -ENOMEM;
    at = &notes->conflicts[notes->n_conflicts];
    *at = arena_strdup(base->arena, text);
    if (!*at)
        return -ENOMEM;
    notes->n_conflicts++;
    return 0;
}

static int read_fact(struct base *base, const struct input_fact *fact, struct input_notes *notes, char *error,
                     size_t size)
{
    int id = fact_by_name(fact->name);
    uint8_t number = 0;
    int r;

    if (id < 0)
        return refuse(error, size, "there is no fact '%s'", fact->name);
    r = check_fact(fact, (enum fact_id)id, &number, error, size);
    if (r < 0 || number == 0)
        return r;
    if (base->declared[id] && strcmp(told_value(base, (enum fact_id)id), fact->value) != 0) {
        r = note_conflict(base, notes, fact, (enum fact_id)id);
        if (r < 0)
            return r;
    }
    if (base->declared[id] && base->from[id] >= fact->from)
        return 0;
    base->declared[id] = number;
    base->from[id] = fact->from;
    if (fact_table[id].type == FACT_TYPE_TEXT)
        base->texts[id] = fact->value;
    return 0;
}

int input_read(struct base *base, struct input_notes *notes, char *error, size_t error_size)
{
    int r;

    base->own = arena_array(base->arena, base->set->n_variables, sizeof *base->own);
    if (!base->own)
        return -ENOMEM;
    r = read_variables(base, error, error_size);
    if (r == 0)
        r = read_oversized(base, notes);
    if (r == 0)
        r = read_lease(base, error, error_size);
    for (size_t i = 0; i < base->input->n_facts && r == 0; i++)
        r = read_fact(base, &base->input->facts[i], notes, error, error_size);
    base->flags_file_missing = base->declared[FACT_XLA_FLAGS_SOURCE] == XLA_FLAGS_SOURCE_MISSING;
    return r;
}
