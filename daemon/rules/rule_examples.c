/*
 * Runs a set's examples: each is resolved and compared with what it expects, key by key. What differs is an error at
 * the example's own place, with what was expected and what came.
 */
#include "daemon/rules/rule_records.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

#define SCRIPT_NAME "job.py"

struct run {
    const struct rules *rules;
    const struct rule_record *rule;
    const struct expect_record *expect;
    const struct resolution *result;
    struct yaml_messages *messages;
};

static void differs(const struct run *run, struct yaml_place place, const char *what, const char *expected,
                    const char *is)
{
    yaml_error(run->messages, place, "example of %s: %s is %s, expected %s", run->rule->id.text, what, is, expected);
}

static void compare_name(const struct run *run, const struct yaml_text *expected, const char *what, const char *is)
{
    if (!is)
        is = "unknown";
    if (expected->text && strcmp(expected->text, is) != 0)
        differs(run, expected->place, what, expected->text, is);
}

static const struct diagnostic *find_diagnostic(const struct resolution *result, const char *rule)
{
    for (size_t i = 0; i < result->n_diagnostics; i++)
        if (strcmp(result->diagnostics[i].rule, rule) == 0)
            return &result->diagnostics[i];
    return NULL;
}

/* "a b c", or "nothing", for a message. The caller frees it; NULL without memory. */
static char *join(const char *const *items, size_t n)
{
    CLEANUP(freep) char *text = NULL;
    size_t size = 0;
    FILE *stream;

    if (n == 0)
        return strdup("nothing");
    stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    for (size_t i = 0; i < n; i++)
        fprintf(stream, "%s%s", i ? " " : "", items[i]);
    if (fclose(stream) != 0)
        return NULL;
    return TAKE_PTR(text);
}

static void compare_lists(const struct run *run, struct yaml_place place, const char *what, const char *const *expected,
                          size_t n_expected, const char *const *is, size_t n_is)
{
    CLEANUP(freep) char *expected_text = NULL, *is_text = NULL;
    bool same = n_expected == n_is;

    for (size_t i = 0; same && i < n_is; i++)
        same = strcmp(expected[i], is[i]) == 0;
    if (same)
        return;
    expected_text = join(expected, n_expected);
    is_text = join(is, n_is);
    differs(run, place, what, expected_text ? expected_text : "?", is_text ? is_text : "?");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Compares with an expected list, in its order (or without order); a list that is not in the file is not compared. */
static int compare_texts(const struct run *run, const struct yaml_texts *expected, const char *what,
                         const char *const *is, size_t n_is, bool ordered)
{
    CLEANUP(freep) const char **sorted = NULL;
    CLEANUP(freep) const char **names = NULL;

    if (expected->place.line == 0)
        return 0;
    names = calloc(expected->n_items + 1, sizeof(*names));
    sorted = calloc(n_is + 1, sizeof(*sorted));
    if (!names || !sorted)
        return -ENOMEM;
    for (size_t i = 0; i < expected->n_items; i++)
        names[i] = expected->items[i].text;
    for (size_t i = 0; i < n_is; i++)
        sorted[i] = is[i];
    if (!ordered) {
        qsort(names, expected->n_items, sizeof(*names), by_text);
        qsort(sorted, n_is, sizeof(*sorted), by_text);
    }
    compare_lists(run, expected->place, what, names, expected->n_items, sorted, n_is);
    return 0;
}

static int compare_unset(const struct run *run)
{
    CLEANUP(freep) const char **unset = calloc(run->result->n_env + 1, sizeof(*unset));
    size_t n = 0;

    if (!unset)
        return -ENOMEM;
    for (size_t i = 0; i < run->result->n_env; i++)
        if (!run->result->env[i].value)
            unset[n++] = run->result->env[i].name;
    return compare_texts(run, &run->expect->unset, "unset", unset, n, false);
}

static const struct yaml_text *expected_value(const struct expect_record *expect, const char *name)
{
    for (size_t i = 0; i < expect->set.n_items; i++)
        if (strcmp(expect->set.items[i].key.text, name) == 0)
            return &expect->set.items[i].values.items[0];
    return NULL;
}

static const char *set_value(const struct resolution *result, const char *name)
{
    for (size_t i = 0; i < result->n_env; i++)
        if (result->env[i].value && strcmp(result->env[i].name, name) == 0)
            return result->env[i].value;
    return NULL;
}

/* All that is set must be expected, all that is expected must be set. */
static void compare_set(const struct run *run)
{
    const struct expect_record *expect = run->expect;

    if (expect->set.place.line == 0)
        return;
    for (size_t i = 0; i < expect->set.n_items; i++) {
        const char *name = expect->set.items[i].key.text, *is = set_value(run->result, name);
        const struct yaml_text *expected = &expect->set.items[i].values.items[0];
        if (!is || strcmp(is, expected->text) != 0)
            differs(run, expected->place, name, expected->text, is ? is : "not set");
    }
    for (size_t i = 0; i < run->result->n_env; i++) {
        const struct resolved_variable *variable = &run->result->env[i];
        if (variable->value && !expected_value(expect, variable->name))
            differs(run, expect->set.place, variable->name, "not set", variable->value);
    }
}

static int compare_diagnostics(const struct run *run)
{
    const struct diagnostic *own = find_diagnostic(run->result, run->rule->id.text);
    CLEANUP(freep) const char **ids = calloc(run->result->n_diagnostics + 1, sizeof(*ids));
    int r;

    if (!ids)
        return -ENOMEM;
    if (run->expect->holds_place.line && run->expect->holds != (own != NULL))
        differs(run, run->expect->holds_place, "holds", run->expect->holds ? "true" : "false", own ? "true" : "false");
    if (run->expect->applied_place.line && run->expect->applied != (own && own->applied))
        differs(run, run->expect->applied_place, "applied", run->expect->applied ? "true" : "false",
                own && own->applied ? "true" : "false");
    r = compare_texts(run, &run->expect->because, "because", own ? own->because : NULL, own ? own->n_because : 0, true);
    for (size_t i = 0; i < run->result->n_diagnostics; i++)
        ids[i] = run->result->diagnostics[i].rule;
    return r < 0 ? r : compare_texts(run, &run->expect->rules, "rules", ids, run->result->n_diagnostics, false);
}

static int compare(const struct run *run)
{
    const struct resolution *result = run->result;
    int r;

    compare_name(run, &run->expect->verdict, "verdict", verdict_name(result->verdict));
    compare_name(run, &run->expect->mode, "mode", mode_name(result->mode));
    compare_name(run, &run->expect->predicted_mode, "predicted_mode", mode_name(result->predicted_mode));
    compare_name(run, &run->expect->outcome, "outcome",
                 result->predicted_outcome_known ? outcome_name(result->predicted_outcome) : NULL);
    compare_set(run);
    r = compare_unset(run);
    if (r == 0)
        r = compare_texts(run, &run->expect->obligations, "obligations", result->obligations, result->n_obligations,
                          false);
    if (r == 0)
        r = compare_texts(run, &run->expect->unknown, "unknown", result->unknown, result->n_unknown, true);
    return r < 0 ? r : compare_diagnostics(run);
}

/* What an example gives, as the resolver takes it. */
struct given {
    struct env_variable *env;
    struct input_fact *facts;
    const char **oversized;
};

static void givenp(struct given *given)
{
    free(given->env);
    free(given->facts);
    free(given->oversized);
}

static bool in_map(const struct yaml_map *map, const char *name)
{
    for (size_t i = 0; i < map->n_items; i++)
        if (strcmp(map->items[i].key.text, name) == 0)
            return true;
    return false;
}

static size_t fill_env(const struct example_record *example, struct env_variable *env)
{
    size_t n = 0;

    for (size_t i = 0; i < example->env.n_items; i++) {
        const struct yaml_pair *pair = &example->env.items[i];
        if (!in_map(&example->script, pair->key.text)) /* the script's own setting beats it */
            env[n++] = (struct env_variable){.name = pair->key.text, .value = pair->values.items[0].text};
    }
    for (size_t i = 0; i < example->script.n_items; i++) {
        const struct yaml_pair *pair = &example->script.items[i];
        env[n++] = (struct env_variable){
            .name = pair->key.text, .value = pair->values.items[0].text, .file = SCRIPT_NAME, .line = (unsigned)i + 1};
    }
    return n;
}

static int fill_input(const struct example_record *example, struct given *given, struct resolve_input *input)
{
    given->env = calloc(example->env.n_items + example->script.n_items + 1, sizeof(*given->env));
    given->facts = calloc(example->given.n_items + 1, sizeof(*given->facts));
    given->oversized = calloc(example->oversized.n_items + 1, sizeof(*given->oversized));
    if (!given->env || !given->facts || !given->oversized)
        return -ENOMEM;
    for (size_t i = 0; i < example->given.n_items; i++) {
        const struct yaml_pair *pair = &example->given.items[i];
        bool told = strcmp(pair->key.text, "xla_flags_source") == 0;
        given->facts[i] = (struct input_fact){.name = pair->key.text,
                                              .value = pair->values.items[0].text,
                                              .from = told ? FROM_ENVIRONMENT : FROM_DECLARED};
    }
    for (size_t i = 0; i < example->oversized.n_items; i++)
        given->oversized[i] = example->oversized.items[i].text;
    *input = (struct resolve_input){
        .env = given->env,
        .n_env = fill_env(example, given->env),
        .facts = given->facts,
        .n_facts = example->given.n_items,
        .apply_errors = example->apply == 1,
        .oversized = given->oversized,
        .n_oversized = example->oversized.n_items,
    };
    return 0;
}

static int run_example(const struct rules *rules, const struct rule_record *rule, const struct example_record *example,
                       struct resolution *result, struct yaml_messages *messages)
{
    CLEANUP(givenp) struct given given = {.env = NULL};
    struct resolve_input input;
    char error[256];
    int r = fill_input(example, &given, &input);

    if (r < 0)
        return r;
    /* An example shows what a rule does; a set that only advises is no reason to show nothing. */
    input.policy = example->policy_place.line ? (enum policy)example->policy : POLICY_ENFORCE;
    resolution_reset(result);
    r = resolve(rules->compiled, &input, result, error, sizeof(error));
    if (r == -EINVAL) {
        yaml_error(messages, example->place, "example of %s: %s", rule->id.text, error);
        return 0;
    }
    if (r < 0)
        return r;
    return compare(&(struct run){
        .rules = rules, .rule = rule, .expect = &example->expect, .result = result, .messages = messages});
}

size_t rules_run_examples(const struct rules *rules, struct yaml_messages *messages)
{
    struct resolution result = RESOLUTION_INIT;
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < rules->definitions.n_rules; i++) {
        const struct rule_record *rule = rules->origins[i].record;
        const struct example_record *examples = RECORDS(rule->examples, example_record);
        for (size_t j = 0; r == 0 && j < rule->examples.n_items; j++, n++)
            r = run_example(rules, rule, &examples[j], &result, messages);
    }
    if (r < 0)
        yaml_error(messages, (struct yaml_place){.line = 0}, "out of memory after %zu examples", n);
    resolution_free(&result);
    return n;
}
