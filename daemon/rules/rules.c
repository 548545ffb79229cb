/* Loading a set: read every file, check the whole, build the definitions, compile. Errors of a later step are only
 * looked for where the earlier ones found none that would only repeat themselves. */
#include "daemon/rules/rule_records.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    rule_set_free(rules->compiled);
    yaml_memory_clear(&rules->memory);
    free(rules);
}

/* Reads the files' records; a file with mistakes keeps what could be read of it. */
static int read_files(const struct rule_files *files, struct rules *rules, struct yaml_messages *messages)
{
    size_t total = 0;

    rules->n_files = files->n_files;
    rules->files = yaml_memory_get(&rules->memory, files->n_files, sizeof(*rules->files));
    if (!rules->files)
        return -ENOMEM;
    for (size_t i = 0; i < files->n_files; i++) {
        const struct rule_file *file = &files->files[i];
        int r;

        total += file->size;
        if (total > RULES_MAX_BYTES) {
            yaml_error(messages, (struct yaml_place){.file = file->name},
                       "the rule files together are larger than %u MiB", RULES_MAX_BYTES >> 20);
            return -EINVAL;
        }
        rules->files[i].file = yaml_memory_copy(&rules->memory, file->name, strlen(file->name));
        if (!rules->files[i].file)
            return -ENOMEM;
        r = yaml_read(file->name, file->text, file->size, &rule_file_table, &rules->files[i], &rules->memory, messages);
        if (r < 0 && r != -EINVAL)
            return r;
    }
    return 0;
}

/* The checks before should have found everything; what only the compiler sees is reported at its rule. */
static int compile(struct rules *rules, struct yaml_messages *messages)
{
    struct rule_set_error error = {.rule = SIZE_MAX};
    struct yaml_place place = {.file = rules->files[0].file};
    int r = rule_set_compile(&rules->definitions, &rules->compiled, &error);

    if (r == -EINVAL) {
        if (error.rule < rules->definitions.n_rules)
            place = rules->origins[error.rule].record->place;
        yaml_error(messages, place, "%s", error.text);
    }
    return r;
}

static int load(const struct rule_files *files, struct rules *rules, struct yaml_messages *messages)
{
    size_t errors = messages->n_errors;
    int r = read_files(files, rules, messages);

    if (r < 0)
        return r;
    r = rules_check(rules, messages);
    if (r < 0)
        return r;
    if (messages->n_errors > errors)
        return -EINVAL;
    r = rules_build(rules);
    if (r < 0)
        return r;
    return compile(rules, messages);
}

int rules_load(const struct rule_files *files, struct rules **out, struct yaml_messages *messages)
{
    CLEANUP(rules_freep) struct rules *rules = calloc(1, sizeof(*rules));
    int r;

    if (!rules)
        return -ENOMEM;
    r = load(files, rules, messages);
    if (r < 0)
        return r;
    rule_files_digest(files, rules->digest);
    *out = TAKE_PTR(rules);
    return 0;
}

const struct rule_set *rules_compiled(const struct rules *rules)
{
    return rules->compiled;
}

const struct rule_set_def *rules_definitions(const struct rules *rules)
{
    return &rules->definitions;
}

const char *rules_name(const struct rules *rules)
{
    return rules->definitions.name;
}

const char *rules_digest(const struct rules *rules)
{
    return rules->digest;
}
