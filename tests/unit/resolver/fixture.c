#include "fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 32

const struct xla_flag_def some_flags[] = {
    {"tf_xla_use_device_api_for_auto_jit", XLA_FLAG_BOOL, ALL_GENERATIONS},
    {"tf_xla_use_device_api", XLA_FLAG_BOOL, ALL_GENERATIONS},
    {"tf_xla_auto_jit", XLA_FLAG_AUTO_JIT, ALL_GENERATIONS},
    {"tf_xla_min_cluster_size", XLA_FLAG_INT32, ALL_GENERATIONS},
    {"tf_xla_clustering_fuel", XLA_FLAG_INT64, ALL_GENERATIONS},
    {"tf_xla_ops_to_cluster", XLA_FLAG_STRING, ALL_GENERATIONS},
    {"tf_xla_clustering_debug", XLA_FLAG_BOOL, ALL_GENERATIONS},
    {"tf_xla_persistent_cache_read_only", XLA_FLAG_BOOL, 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST},
};
const size_t n_some_flags = N(some_flags);

static struct rule_set_def def_of(const struct rule_def *rules, size_t n)
{
    return (struct rule_set_def){
        .name = "test", .rules = rules, .n_rules = n, .xla_flags = some_flags, .n_xla_flags = n_some_flags};
}

struct rule_set *set_of(const struct rule_def *rules, size_t n)
{
    struct rule_set_def def = def_of(rules, n);
    struct rule_set_error error = {.text = ""};
    struct rule_set *set = NULL;

    if (rule_set_compile(&def, &set, &error) < 0)
        fail_msg("rule %zu: %s", error.rule, error.text);
    return set;
}

const char *compile_failure(const struct rule_def *rules, size_t n)
{
    static struct rule_set_error error;
    struct rule_set_def def = def_of(rules, n);
    struct rule_set *set = NULL;
    int r = rule_set_compile(&def, &set, &error);

    if (r == 0)
        rule_set_free(set);
    assert_int_not_equal(r, 0);
    return error.text;
}

/* Words are kept until the next call of the same test program's resolution. */
static char storage[8192];

void resolve_words_with(const struct rule_set *set, const char *words, const struct resolve_input *more,
                        struct resolution *result)
{
    struct env_variable env[MAX_WORDS];
    struct input_fact facts[MAX_WORDS];
    struct resolve_input input = more ? *more : (struct resolve_input){.env = NULL};
    size_t n_env = 0;
    size_t n_facts = 0;
    char error[256];
    char *rest = NULL;

    for (size_t i = 0; i < input.n_env; i++)
        env[n_env++] = input.env[i];
    for (size_t i = 0; i < input.n_facts; i++)
        facts[n_facts++] = input.facts[i];
    snprintf(storage, sizeof storage, "%s", words);
    for (char *word = strtok_r(storage, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');

        assert_non_null(value);
        *value++ = '\0';
        for (char *at = value; *at; at++)
            *at = *at == '~' ? ' ' : *at;
        if (strcmp(value, "@") == 0)
            *value = '\0';
        if (isupper((unsigned char)*word))
            env[n_env++] = (struct env_variable){.name = word, .value = value};
        else
            facts[n_facts++] = (struct input_fact){
                word, value, strcmp(word, "xla_flags_source") == 0 ? FROM_ENVIRONMENT : FROM_DECLARED};
    }
    input.env = env;
    input.n_env = n_env;
    input.facts = facts;
    input.n_facts = n_facts;
    if (resolve(set, &input, result, error, sizeof error) < 0)
        fail_msg("%s: %s", words, error);
}

void resolve_words(const struct rule_set *set, const char *words, struct resolution *result)
{
    resolve_words_with(set, words, NULL, result);
}

const struct diagnostic *diagnostic_of(const struct resolution *result, const char *rule)
{
    for (size_t i = 0; i < result->n_diagnostics; i++)
        if (strcmp(result->diagnostics[i].rule, rule) == 0)
            return &result->diagnostics[i];
    return NULL;
}

const char *change_of(const struct resolution *result, const char *name)
{
    for (size_t i = 0; i < result->n_env; i++)
        if (strcmp(result->env[i].name, name) == 0)
            return result->env[i].value ? result->env[i].value : "unset";
    return NULL;
}

bool has_obligation(const struct resolution *result, const char *token)
{
    for (size_t i = 0; i < result->n_obligations; i++)
        if (strcmp(result->obligations[i], token) == 0)
            return true;
    return false;
}

const char *fact_of(const struct resolution *result, const char *name)
{
    for (size_t i = 0; i < result->n_facts; i++)
        if (strcmp(result->facts[i].name, name) == 0)
            return result->facts[i].value;
    return NULL;
}

static char line[4096];

static void append(const char *text)
{
    size_t used = strlen(line);

    snprintf(line + used, sizeof line - used, "%s%s", used ? " " : "", text);
}

const char *env_line(const struct resolution *result)
{
    char text[1024];

    *line = '\0';
    for (size_t i = 0; i < result->n_env; i++) {
        snprintf(text, sizeof text, "%s%s%s", result->env[i].name, result->env[i].value ? "=" : "",
                 result->env[i].value ? result->env[i].value : "");
        append(text);
    }
    return line;
}

const char *rules_line(const struct resolution *result)
{
    *line = '\0';
    for (size_t i = 0; i < result->n_diagnostics; i++)
        append(result->diagnostics[i].rule);
    return line;
}

const char *unknown_line(const struct resolution *result)
{
    *line = '\0';
    for (size_t i = 0; i < result->n_unknown; i++)
        append(result->unknown[i]);
    return line;
}
