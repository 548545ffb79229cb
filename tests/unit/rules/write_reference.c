/* Writes the reference of a rule set to standard output:
 *
 *     write-reference DB_RULES_FOLDER > docs/rules.md
 */
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <string.h>

int main(int argc, char **argv)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: write-reference FOLDER\n");
        return 2;
    }
    r = rule_files_read(argv[1], &files);
    if (r == 0)
        r = rules_load(&files, &rules, &messages);
    for (size_t i = 0; i < messages.n_items; i++)
        fprintf(stderr, "%s\n", messages.items[i].text);
    if (r == 0)
        r = rules_write_reference(rules, stdout);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", argv[1], strerror(-r));
    return r < 0 || fflush(stdout) != 0;
}
