/*
 * A rule file of any content, as rules_load gets it from a client: read, checked, compiled, its examples run. What must
 * hold: no crash; a refusal says where; what is accepted can be resolved with.
 */
#include "fuzz.h"

#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <string.h>

static void use(const struct rules *rules)
{
    static struct resolution resolution = RESOLUTION_INIT;
    struct env_variable env[] = {{.name = "ITEX_VERBOSE", .value = "3"}, {.name = "ITEX_OPS_OVERRIDE", .value = "yes"}};
    struct resolve_input input = {.env = env, .n_env = 2, .policy = POLICY_ENFORCE};
    char error[256];
    if (resolve(rules_compiled(rules), &input, &resolution, error, sizeof error) < 0)
        fuzz_broken("accepted rules cannot be resolved with");
    resolution_reset(&resolution);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_files files = RULE_FILES_INIT;
    struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    if (rule_files_add(&files, "10-fuzz.yaml", (const char *)data, size) == 0) {
        if (rules_load(&files, &rules, &messages) == 0) {
            rules_run_examples(rules, &messages);
            use(rules);
        } else if (messages.n_errors == 0 || !strstr(messages.items[0].text, "10-fuzz.yaml")) {
            fuzz_broken("refused without saying where");
        }
    }
    yaml_messages_clear(&messages);
    rule_files_clear(&files);
    return 0;
}
