/* Reading rules: see rule_input.h. */
#include "client/itexctl/rule_input.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *shipped_rules_path(void)
{
    const char *path = getenv("ITEXD_RULES");
    return path && path[0] ? path : ITEXD_RULES_DIR;
}

int read_rule_files(const char *const *paths, size_t n_paths, struct rule_files *files, struct failure *failure)
{
    if (n_paths == 0)
        return failure_set(failure, EXIT_USAGE, "which FILE? It may also be a folder of *.yaml files");
    for (size_t i = 0; i < n_paths; i++) {
        int r = rule_files_read(paths[i], files);
        if (r == -EEXIST)
            return failure_set(failure, EXIT_BAD_CONFIG,
                               "cannot read the rules in %s: two files of a set have one name", paths[i]);
        if (r < 0)
            return failure_set(failure, EXIT_BAD_CONFIG, "cannot read the rules in %s: %s%s", paths[i], strerror(-r),
                               strcmp(paths[i], shipped_rules_path()) == 0 ? "; install them, or name others" : "");
    }
    return 0;
}

/* All mistakes, a line each. */
static int refuse_rules(const struct yaml_messages *messages, struct failure *failure)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    fprintf(out, "%zu mistake%s in the rules", messages->n_errors, messages->n_errors == 1 ? "" : "s");
    for (size_t i = 0; i < messages->n_items; i++)
        if (!messages->items[i].warning)
            fprintf(out, "\n%s", messages->items[i].text);
    fclose(out);
    failure_set(failure, EXIT_BAD_CONFIG, "%s", text);
    free(text);
    return -1;
}

int compile_rules(const struct rule_files *files, struct rules **rules, struct failure *failure)
{
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    int r = rules_load(files, rules, &messages);
    if (r == -EINVAL)
        return refuse_rules(&messages, failure);
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "cannot compile the rules: %s", strerror(-r)) : 0;
}

int read_rules(const char *path, struct rules **rules, struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    if (read_rule_files(&path, 1, &files, failure) < 0)
        return -1;
    return compile_rules(&files, rules, failure);
}
