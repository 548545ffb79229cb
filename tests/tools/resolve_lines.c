/*
 * resolve-lines RULES: resolves JSON lines from stdin, one answer line each, for tests that compare the resolver with
 * something else. The format of a request and of an answer is in tests/reference/harness.py.
 *
 * Here facts are declared, but for xla_flags_source (which the client tells from the environment). A line that cannot
 * be resolved gives {"error": text}, and so does one that comes to something else when it is resolved again from what a
 * decision keeps of it; a file of rules that cannot be loaded ends the program with status 1.
 */
#include "daemon/resolver/resolver.h"
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"
#include "tests/tools/replayed.h"

#include <json-c/json.h>
#include <string.h>

struct request {
    struct env_variable *env;
    struct env_variable *lease;
    struct input_fact *facts;
    struct resolve_input input;
    bool alternatives;
};

static void request_clear(struct request *request)
{
    free(request->env);
    free(request->lease);
    free(request->facts);
}

static void putp(struct json_object **object)
{
    json_object_put(*object);
}

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static const char *text_of(struct json_object *object, const char *key)
{
    return json_object_get_string(member(object, key));
}

static size_t size_of(struct json_object *object)
{
    if (!object)
        return 0;
    return json_object_is_type(object, json_type_array) ? json_object_array_length(object)
                                                        : (size_t)json_object_object_length(object);
}

/* ---- Requests --------------------------------------------------------------------------------------- */

static void add_script(struct request *request, const char *name, struct json_object *entry)
{
    struct env_variable variable = {
        .name = name,
        .value = text_of(entry, "value"),
        .file = text_of(entry, "file"),
        .line = (unsigned)json_object_get_int(member(entry, "line")),
    };

    for (size_t i = 0; i < request->input.n_env; i++) {
        if (strcmp(request->env[i].name, name) == 0) {
            request->env[i] = variable;
            return;
        }
    }
    request->env[request->input.n_env++] = variable;
}

/* Both a list of {"name", ...} and an object by name are taken. */
static void read_script(struct request *request, struct json_object *script)
{
    if (json_object_is_type(script, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(script); i++) {
            struct json_object *entry = json_object_array_get_idx(script, i);

            add_script(request, text_of(entry, "name"), entry);
        }
    } else if (script) {
        json_object_object_foreach(script, name, entry) add_script(request, name, entry);
    }
}

static void add_fact(struct request *request, const char *name, const char *value)
{
    enum provenance from = strcmp(name, "xla_flags_source") == 0 ? FROM_ENVIRONMENT : FROM_DECLARED;

    if (value)
        request->facts[request->input.n_facts++] = (struct input_fact){name, value, from};
}

static void read_lease(struct request *request, struct json_object *lease)
{
    if (!lease)
        return;
    json_object_object_foreach(lease, name, value) request->lease[request->input.n_lease++] =
        (struct env_variable){.name = name, .value = json_object_get_string(value)};
    request->input.lease = request->lease;
}

static bool read_request(struct json_object *line, struct request *request)
{
    struct json_object *env = member(line, "env");
    struct json_object *facts = member(line, "facts");
    struct json_object *script = member(line, "script_env");
    struct json_object *lease = member(line, "lease");
    const char *policy = text_of(line, "policy");

    request->env = calloc(size_of(env) + size_of(script) + 1, sizeof *request->env);
    request->lease = calloc(size_of(lease) + 1, sizeof *request->lease);
    request->facts = calloc(size_of(facts) + 1, sizeof *request->facts);
    if (!request->env || !request->lease || !request->facts)
        return false;
    read_lease(request, lease);
    if (env) {
        json_object_object_foreach(env, name, value) request->env[request->input.n_env++] =
            (struct env_variable){.name = name, .value = json_object_get_string(value)};
    }
    read_script(request, script);
    add_fact(request, "itex", text_of(line, "itex"));
    if (facts) {
        json_object_object_foreach(facts, name, value) add_fact(request, name, json_object_get_string(value));
    }
    request->input.env = request->env;
    request->input.facts = request->facts;
    request->input.policy = policy && strcmp(policy, "advise") == 0 ? POLICY_ADVISE : POLICY_ENFORCE;
    request->input.apply_errors = json_object_get_boolean(member(line, "apply_errors"));
    request->alternatives = json_object_get_boolean(member(line, "alternatives"));
    return true;
}

/* ---- Answers ---------------------------------------------------------------------------------------- */

static struct json_object *text(const char *value)
{
    return value ? json_object_new_string(value) : NULL;
}

static struct json_object *texts(const char *const *items, size_t n)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < n; i++)
        json_object_array_add(list, text(items[i]));
    return list;
}

static struct json_object *env_object(const struct resolved_variable *env, size_t n)
{
    struct json_object *object = json_object_new_object();
    struct json_object *set = json_object_new_object();
    struct json_object *unset = json_object_new_array();

    for (size_t i = 0; i < n; i++) {
        if (env[i].value)
            json_object_object_add(set, env[i].name, text(env[i].value));
        else
            json_object_array_add(unset, text(env[i].name));
    }
    json_object_object_add(object, "set", set);
    json_object_object_add(object, "unset", unset);
    return object;
}

static struct json_object *diagnostics_list(const struct resolution *result)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < result->n_diagnostics; i++) {
        const struct diagnostic *diagnostic = &result->diagnostics[i];
        struct json_object *object = json_object_new_object();

        json_object_object_add(object, "rule", text(diagnostic->rule));
        json_object_object_add(object, "severity", text(severity_name(diagnostic->severity)));
        json_object_object_add(object, "outcome", text(outcome_name(diagnostic->outcome)));
        json_object_object_add(object, "applied", json_object_new_boolean(diagnostic->applied));
        json_object_object_add(object, "because", texts(diagnostic->because, diagnostic->n_because));
        json_object_object_add(object, "message", text(diagnostic->message));
        json_object_object_add(object, "solution", text(diagnostic->solution));
        json_object_array_add(list, object);
    }
    return list;
}

static struct json_object *facts_object(const struct resolution *result)
{
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < result->n_facts; i++) {
        struct json_object *fact = json_object_new_object();

        json_object_object_add(fact, "value", text(result->facts[i].value));
        json_object_object_add(fact, "from", text(provenance_name(result->facts[i].from)));
        json_object_object_add(object, result->facts[i].name, fact);
    }
    return object;
}

static struct json_object *alternatives_list(const struct alternative *alternatives, size_t n)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < n; i++) {
        struct json_object *object = json_object_new_object();

        json_object_object_add(object, "env", env_object(alternatives[i].env, alternatives[i].n_env));
        json_object_object_add(object, "obligations",
                               texts(alternatives[i].obligations, alternatives[i].n_obligations));
        json_object_object_add(object, "mode", text(mode_name(alternatives[i].mode)));
        json_object_array_add(list, object);
    }
    return list;
}

static struct json_object *answer_object(const struct resolution *result)
{
    struct json_object *object = json_object_new_object();
    struct json_object *predicted = json_object_new_object();

    json_object_object_add(predicted, "mode", text(mode_name(result->predicted_mode)));
    json_object_object_add(predicted, "outcome",
                           text(result->predicted_outcome_known ? outcome_name(result->predicted_outcome) : NULL));
    json_object_object_add(object, "verdict", text(verdict_name(result->verdict)));
    json_object_object_add(object, "mode", text(mode_name(result->mode)));
    json_object_object_add(object, "predicted", predicted);
    json_object_object_add(object, "unknown", texts(result->unknown, result->n_unknown));
    json_object_object_add(object, "env", env_object(result->env, result->n_env));
    json_object_object_add(object, "obligations", texts(result->obligations, result->n_obligations));
    json_object_object_add(object, "diagnostics", diagnostics_list(result));
    json_object_object_add(object, "facts", facts_object(result));
    return object;
}

static struct json_object *error_object(const char *what)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "error", text(what));
    return object;
}

static struct json_object *answer(const struct rule_set *rules, struct json_object *line, struct resolution *result)
{
    CLEANUP(request_clear) struct request request = {.env = NULL};
    const struct alternative *alternatives;
    struct json_object *object;
    char error[512];
    size_t n;

    if (!line || !json_object_is_type(line, json_type_object) || !read_request(line, &request))
        return error_object("not a JSON object");
    if (resolve(rules, &request.input, result, error, sizeof error) < 0)
        return error_object(*error ? error : "out of memory");
    if (!replayed_alike(rules, &request.input, result, error, sizeof error))
        return error_object(error);
    object = answer_object(result);
    if (!request.alternatives) {
        json_object_object_add(object, "alternatives", NULL);
    } else if (resolve_alternatives(rules, &request.input, result, &alternatives, &n) == 0) {
        json_object_object_add(object, "alternatives", alternatives_list(alternatives, n));
    }
    return object;
}

static void answer_lines(const struct rule_set *rules)
{
    CLEANUP(freep) char *line = NULL;
    CLEANUP(resolution_free) struct resolution result = RESOLUTION_INIT;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        CLEANUP(putp) struct json_object *request = json_tokener_parse(line);
        CLEANUP(putp) struct json_object *object = answer(rules, request, &result);

        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

int main(int argc, char **argv)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: resolve-lines RULES\n");
        return 2;
    }
    r = rule_files_read(argv[1], &files);
    if (r == 0)
        r = rules_load(&files, &rules, &messages);
    for (size_t i = 0; i < messages.n_items; i++)
        fprintf(stderr, "%s\n", messages.items[i].text);
    if (r < 0) {
        fprintf(stderr, "resolve-lines: cannot load %s: %s\n", argv[1], strerror(-r));
        return 1;
    }
    answer_lines(rules_compiled(rules));
    return 0;
}
