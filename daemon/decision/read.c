/*
 * A request, or stored Facts, as resolver input.
 *
 * Checks everything that a hostile packet can get wrong before the resolver sees it: names that are missing or given
 * twice, values over the limit, words outside their vocabulary. Strings are never copied: the input points into the
 * message. What the service reads is in `request`; nothing here looks at the process.
 */
#include "daemon/decision/decision.h"
#include "daemon/decision/stored.h"
#include "daemon/resolver/facts.h"
#include "daemon/resolver/variables.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* More than every fact declared by every source; bounds the search for duplicates. */
#define MAX_FACTS 128u
/* Words and version numbers; only the text of a flags file is longer. */
#define MAX_FACT_VALUE 256u
#define MAX_SCRIPT_PATH 4096u

__attribute__((format(printf, 3, 4))) static int refuse(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* By name, what the script sets before what the environment has. */
static int compare_variables(const void *left, const void *right)
{
    const struct env_variable *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (b->file != NULL) - (a->file != NULL);
}

static int check_variable(const char *name, const char *value, char *error, size_t error_size)
{
    if (!name || !name[0])
        return refuse(error, error_size, "a variable without a name");
    if (strlen(name) > ITEXD_MAX_NAME)
        return refuse(error, error_size, "variable %.40s...: its name is longer than %u bytes", name, ITEXD_MAX_NAME);
    if (value && strlen(value) > ITEXD_MAX_VALUE)
        return refuse(error, error_size, "variable %s: its value is longer than %u bytes; name it as oversized instead",
                      name, ITEXD_MAX_VALUE);
    return 0;
}

/* Copies the environment, then the script's assignments, into input->env, unsorted. */
static int collect_variables(const Itexd__V1__Resolve *request, struct decision_input *input, size_t *count,
                             char *error, size_t error_size)
{
    size_t n = 0;
    for (size_t i = 0; i < request->n_env; i++) {
        const Itexd__V1__Variable *variable = request->env[i];
        int r = check_variable(variable->name, variable->value, error, error_size);
        if (r < 0)
            return r;
        if (variable->value)
            input->env[n++] = (struct env_variable){.name = variable->name, .value = variable->value};
    }
    for (size_t i = 0; i < request->n_script_env; i++) {
        const Itexd__V1__ScriptVariable *variable = request->script_env[i];
        int r = check_variable(variable->name, variable->value, error, error_size);
        if (r < 0)
            return r;
        if (!variable->value)
            return refuse(error, error_size, "variable %s: the script sets it, but to what is missing", variable->name);
        if (variable->file && strlen(variable->file) > MAX_SCRIPT_PATH)
            return refuse(error, error_size, "variable %s: the script's path is longer than %u bytes", variable->name,
                          MAX_SCRIPT_PATH);
        input->env[n++] = (struct env_variable){.name = variable->name,
                                                .value = variable->value,
                                                .file = variable->file ? variable->file : "script",
                                                .line = variable->has_line ? variable->line : 0};
    }
    *count = n;
    return 0;
}

/* Drops what the script overrides; whatever else is there twice is a mistake. */
static int unite_variables(struct env_variable *env, size_t *count, char *error, size_t error_size)
{
    size_t kept = 0;
    qsort(env, *count, sizeof(*env), compare_variables);
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || strcmp(env[kept - 1].name, env[i].name) != 0) {
            env[kept++] = env[i];
            continue;
        }
        bool overridden = env[i - 1].file && !env[i].file; /* sorted: env[i - 1] has the same name */
        if (!overridden)
            return refuse(error, error_size, "variable %s is given twice", env[i].name);
    }
    *count = kept;
    return 0;
}

static int read_variables(const Itexd__V1__Resolve *request, struct decision_input *input, char *error,
                          size_t error_size)
{
    size_t n = request->n_env + request->n_script_env;
    if (n > ITEXD_MAX_VARIABLES)
        return refuse(error, error_size, "%zu variables are more than the %u that a request may hold", n,
                      ITEXD_MAX_VARIABLES);
    input->env = calloc(n ? n : 1, sizeof(*input->env));
    if (!input->env)
        return -ENOMEM;
    int r = collect_variables(request, input, &n, error, error_size);
    if (r >= 0)
        r = unite_variables(input->env, &n, error, error_size);
    input->resolve.env = input->env;
    input->resolve.n_env = n;
    return r;
}

/* The four that a sender may claim; what is inferred or unknown is the resolver's to say. */
static bool provenance_read(const char *word, enum provenance *from)
{
    static const enum provenance accepted[] = {FROM_DECLARED, FROM_SCRIPT, FROM_ENVIRONMENT, FROM_NODE};
    for (size_t i = 0; word && i < sizeof(accepted) / sizeof(*accepted); i++) {
        if (strcmp(word, provenance_name(accepted[i])) == 0) {
            *from = accepted[i];
            return true;
        }
    }
    return false;
}

static int read_fact(const Itexd__V1__Fact *fact, struct input_fact *out, char *error, size_t error_size)
{
    if (!fact->name || !fact->name[0])
        return refuse(error, error_size, "a fact without a name");
    if (!fact->value)
        return refuse(error, error_size, "fact %.64s: its value is missing", fact->name);
    size_t limit = strcmp(fact->name, "xla_flags_file") == 0 ? ITEXD_MAX_FLAGS_FILE : MAX_FACT_VALUE;
    if (strlen(fact->value) > limit)
        return refuse(error, error_size, "fact %.64s: its value is longer than %zu bytes", fact->name, limit);
    *out = (struct input_fact){.name = fact->name, .value = fact->value, .from = FROM_DECLARED};
    if (fact->from && !provenance_read(fact->from, &out->from))
        return refuse(error, error_size,
                      "fact %.64s: it cannot come from \"%.32s\"; use declared, script, environment or node",
                      fact->name, fact->from);
    return 0;
}

static int read_facts(const Itexd__V1__Resolve *request, struct decision_input *input, char *error, size_t error_size)
{
    if (request->n_facts > MAX_FACTS)
        return refuse(error, error_size, "%zu facts are more than the %u that a request may hold", request->n_facts,
                      MAX_FACTS);
    input->facts = calloc(request->n_facts ? request->n_facts : 1, sizeof(*input->facts));
    if (!input->facts)
        return -ENOMEM;
    for (size_t i = 0; i < request->n_facts; i++) {
        struct input_fact *fact = &input->facts[i];
        int r = read_fact(request->facts[i], fact, error, error_size);
        if (r < 0)
            return r;
        for (size_t j = 0; j < i; j++)
            if (input->facts[j].from == fact->from && strcmp(input->facts[j].name, fact->name) == 0)
                return refuse(error, error_size, "fact %.64s is given twice from the same source", fact->name);
    }
    input->resolve.facts = input->facts;
    input->resolve.n_facts = request->n_facts;
    return 0;
}

static int read_policy(const Itexd__V1__Resolve *request, bool advise_by_default, struct decision_input *input,
                       char *error, size_t error_size)
{
    input->resolve.policy = advise_by_default ? POLICY_ADVISE : POLICY_ENFORCE;
    input->resolve.apply_errors = request->has_apply_errors && request->apply_errors;
    if (!request->policy)
        return 0;
    if (strcmp(request->policy, "advise") == 0)
        input->resolve.policy = POLICY_ADVISE;
    else if (strcmp(request->policy, "enforce") == 0)
        input->resolve.policy = POLICY_ENFORCE;
    else
        return refuse(error, error_size, "policy \"%.32s\" is unknown; use enforce or advise", request->policy);
    return 0;
}

bool decision_variable_kept(const char *name)
{
    if (!name)
        return false;
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (strcmp(name, fact_variables[i].name) == 0)
            return true;
    return variable_settable(name);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Only those that are stored too: what is resolved again later must come to the same. */
static int read_oversized(const Itexd__V1__Resolve *request, struct decision_input *input, char *error,
                          size_t error_size)
{
    size_t kept = 0;
    if (request->n_oversized > ITEXD_MAX_VARIABLES)
        return refuse(error, error_size, "%zu oversized variables are more than the %u that a request may hold",
                      request->n_oversized, ITEXD_MAX_VARIABLES);
    input->oversized = calloc(request->n_oversized + 1, sizeof(*input->oversized));
    if (!input->oversized)
        return -ENOMEM;
    for (size_t i = 0; i < request->n_oversized; i++) {
        int r = check_variable(request->oversized[i], NULL, error, error_size);
        if (r < 0)
            return r;
        if (decision_variable_kept(request->oversized[i]))
            input->oversized[kept++] = request->oversized[i];
    }
    qsort(input->oversized, kept, sizeof(*input->oversized), compare_names);
    input->resolve.oversized = input->oversized;
    input->resolve.n_oversized = kept;
    return 0;
}

int decision_input_read(const Itexd__V1__Resolve *request, bool advise_by_default, struct decision_input *input,
                        char *error, size_t error_size)
{
    struct decision_input read = DECISION_INPUT_INIT;
    int r = read_policy(request, advise_by_default, &read, error, error_size);
    if (r >= 0)
        r = read_oversized(request, &read, error, error_size);
    if (r >= 0)
        r = read_variables(request, &read, error, error_size);
    if (r >= 0)
        r = read_facts(request, &read, error, error_size);
    if (r < 0) {
        decision_input_clear(&read);
        return r;
    }
    *input = read;
    return 0;
}

void decision_input_clear(struct decision_input *input)
{
    free(input->env);
    free(input->facts);
    free(input->oversized);
    *input = (struct decision_input)DECISION_INPUT_INIT;
}

/*
 * What the environment says is parsed again from the environment - but for the state and the text of a flags file,
 * which only the client could see; what is inferred follows from the rest.
 */
static bool fact_replayed(const Itexd__V1__Fact *fact)
{
    enum provenance from;
    if (!fact->name || !fact->value || !provenance_read(fact->from, &from))
        return false;
    int id = fact_by_name(fact->name);
    if (id < 0 || fact_table[id].origin != FACT_ENVIRONMENT)
        return id >= 0;
    return strcmp(fact->name, "xla_flags_source") == 0 &&
           (strcmp(fact->value, "missing") == 0 || strcmp(fact->value, "unreadable") == 0);
}

/* Packs and unpacks, so that the result owns all its strings as an unpacked message does. */
static int clone_request(const Itexd__V1__Resolve *borrowed, Itexd__V1__Resolve **out)
{
    size_t size = itexd__v1__resolve__get_packed_size(borrowed);
    CLEANUP(freep) uint8_t *data = malloc(size ? size : 1);
    if (!data)
        return -ENOMEM;
    itexd__v1__resolve__pack(borrowed, data);
    *out = itexd__v1__resolve__unpack(NULL, size, data);
    return *out ? 0 : -ENOMEM;
}

void decision_borrow_request(const Itexd__V1__Facts *facts, char *policy, Itexd__V1__Fact **kept,
                             Itexd__V1__Resolve *request)
{
    itexd__v1__resolve__init(request);
    for (size_t i = 0; i < facts->n_facts; i++)
        if (fact_replayed(facts->facts[i]))
            kept[request->n_facts++] = facts->facts[i];
    for (size_t i = 0; i < facts->n_overridden; i++)
        if (fact_replayed(facts->overridden[i]))
            kept[request->n_facts++] = facts->overridden[i];
    request->facts = kept;
    request->policy = policy;
    request->n_env = facts->n_env;
    request->env = facts->env;
    request->n_script_env = facts->n_script_env;
    request->script_env = facts->script_env;
    request->n_oversized = facts->n_oversized;
    request->oversized = facts->oversized;
    request->has_launcher = facts->has_launcher;
    request->launcher = facts->launcher;
    request->has_apply_errors = facts->has_apply_errors;
    request->apply_errors = facts->apply_errors;
    request->devices = facts->devices;
}

int decision_request_from_facts(const Itexd__V1__Facts *facts, const char *policy, Itexd__V1__Resolve **request)
{
    Itexd__V1__Resolve borrowed = ITEXD__V1__RESOLVE__INIT;
    CLEANUP(freep) Itexd__V1__Fact **kept = calloc(facts->n_facts + facts->n_overridden + 1, sizeof(*kept));
    CLEANUP(freep) char *own_policy = policy ? strdup(policy) : NULL;
    if (!kept || (policy && !own_policy))
        return -ENOMEM;
    decision_borrow_request(facts, own_policy, kept, &borrowed);
    return clone_request(&borrowed, request);
}
