#include "fuzz.h"

#include "daemon/rules/rules.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_broken(const char *what)
{
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

const struct rules *fuzz_shipped_rules(void)
{
    static struct rules *rules;
    struct rule_files files = RULE_FILES_INIT;
    struct yaml_messages messages = YAML_MESSAGES_INIT;
    if (rules)
        return rules;
    if (rule_files_read(FUZZ_RULES, &files) < 0 || rules_load(&files, &rules, &messages) < 0)
        fuzz_broken("the shipped rules cannot be read: " FUZZ_RULES);
    rule_files_clear(&files);
    yaml_messages_clear(&messages);
    return rules;
}
