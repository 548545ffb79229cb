/* Every growth keeps the message valid, so that it can be freed at any point of its making. */
#include "client/core/resolve_request.h"

#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Bytes that the Request envelope and its id may add around a Resolve. */
#define ENVELOPE 32u

int request_id_new(uint8_t id[REQUEST_ID_SIZE])
{
    size_t filled = 0;

    while (filled < REQUEST_ID_SIZE) {
        ssize_t n = getrandom(id + filled, REQUEST_ID_SIZE - filled, 0);
        if (n < 0 && errno != EINTR)
            return -errno;
        filled += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

Itexd__V1__Resolve *resolve_request_new(const uint8_t id[REQUEST_ID_SIZE])
{
    CLEANUP(resolve_request_freep) Itexd__V1__Resolve *resolve = malloc(sizeof *resolve);

    if (!resolve)
        return NULL;
    itexd__v1__resolve__init(resolve);
    resolve->request_id.data = malloc(REQUEST_ID_SIZE);
    if (!resolve->request_id.data)
        return NULL;
    memcpy(resolve->request_id.data, id, REQUEST_ID_SIZE);
    resolve->request_id.len = REQUEST_ID_SIZE;
    resolve->has_request_id = 1;
    return TAKE_PTR(resolve);
}

void resolve_request_freep(Itexd__V1__Resolve **resolve)
{
    itexd__v1__resolve__free_unpacked(*resolve, NULL);
}

int resolve_request_string(char **field, const char *value)
{
    char *copy = value ? strdup(value) : NULL;

    if (value && !copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

/* Room for one more element of a repeated field. */
static int reserve(void *array, size_t count, size_t size)
{
    void *grown = realloc(*(void **)array, (count + 1) * size);

    if (!grown)
        return -ENOMEM;
    *(void **)array = grown;
    return 0;
}

static int add_variable(Itexd__V1__Resolve *resolve, const char *name, const char *value)
{
    if (reserve(&resolve->env, resolve->n_env, sizeof *resolve->env) < 0)
        return -ENOMEM;
    Itexd__V1__Variable *variable = malloc(sizeof *variable);
    if (!variable)
        return -ENOMEM;
    itexd__v1__variable__init(variable);
    resolve->env[resolve->n_env++] = variable;
    int r = resolve_request_string(&variable->name, name);
    return r < 0 ? r : resolve_request_string(&variable->value, value);
}

static int add_oversized(Itexd__V1__Resolve *resolve, const char *name)
{
    if (reserve(&resolve->oversized, resolve->n_oversized, sizeof *resolve->oversized) < 0)
        return -ENOMEM;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    resolve->oversized[resolve->n_oversized++] = copy;
    return 0;
}

static int add_flags_facts(Itexd__V1__Resolve *resolve, const struct environment *e)
{
    switch (e->flags_source) {
    case FLAGS_FILE:
        return resolve_request_fact(resolve, "xla_flags_file", e->flags_text, "environment");
    case FLAGS_MISSING:
        return resolve_request_fact(resolve, "xla_flags_source", "missing", "environment");
    case FLAGS_UNREADABLE:
        return resolve_request_fact(resolve, "xla_flags_source", "unreadable", "environment");
    case FLAGS_NO_FILE:
        break;
    }
    return 0;
}

int resolve_request_environment(Itexd__V1__Resolve *resolve, const struct environment *e)
{
    int r = 0;

    for (size_t i = 0; i < e->n_variables && r == 0; i++)
        r = add_variable(resolve, e->variables[i].name, e->variables[i].value);
    for (size_t i = 0; i < e->n_oversized && r == 0; i++)
        r = add_oversized(resolve, e->oversized[i]);
    return r == 0 ? add_flags_facts(resolve, e) : r;
}

int resolve_request_fact(Itexd__V1__Resolve *resolve, const char *name, const char *value, const char *from)
{
    Itexd__V1__Fact *fact = NULL;

    for (size_t i = 0; i < resolve->n_facts && !fact; i++)
        if (resolve->facts[i]->name && strcmp(resolve->facts[i]->name, name) == 0 && resolve->facts[i]->from &&
            strcmp(resolve->facts[i]->from, from) == 0)
            fact = resolve->facts[i];
    if (!fact) {
        if (reserve(&resolve->facts, resolve->n_facts, sizeof *resolve->facts) < 0)
            return -ENOMEM;
        fact = malloc(sizeof *fact);
        if (!fact)
            return -ENOMEM;
        itexd__v1__fact__init(fact);
        resolve->facts[resolve->n_facts++] = fact;
    }
    int r = resolve_request_string(&fact->name, name);
    if (r == 0)
        r = resolve_request_string(&fact->value, value);
    return r == 0 ? resolve_request_string(&fact->from, from) : r;
}

int resolve_request_script_variable(Itexd__V1__Resolve *resolve, const char *name, const char *value, const char *file,
                                    unsigned line)
{
    if (reserve(&resolve->script_env, resolve->n_script_env, sizeof *resolve->script_env) < 0)
        return -ENOMEM;
    Itexd__V1__ScriptVariable *variable = malloc(sizeof *variable);
    if (!variable)
        return -ENOMEM;
    itexd__v1__script_variable__init(variable);
    resolve->script_env[resolve->n_script_env++] = variable;
    variable->has_line = 1;
    variable->line = line;
    int r = resolve_request_string(&variable->name, name);
    if (r == 0)
        r = resolve_request_string(&variable->value, value);
    return r == 0 ? resolve_request_string(&variable->file, file) : r;
}

static int inherit_digest(Itexd__V1__Resolve *resolve, const char *decision)
{
    const char *digest = decision ? strchr(decision, ':') : NULL;
    size_t length = digest ? strcspn(++digest, ":") : 0;

    if (length == 0 || length > ITEXD_DIGEST_LENGTH)
        return 0;
    CLEANUP(freep) char *copy = strndup(digest, length);
    return copy ? resolve_request_string(&resolve->inherited_digest, copy) : -ENOMEM;
}

static void inherit_lease(Itexd__V1__Resolve *resolve, const char *text)
{
    char *end;

    if (!text || *text < '0' || *text > '9')
        return;
    errno = 0;
    resolve->lease = strtoull(text, &end, 10);
    resolve->has_lease = errno == 0 && *end == '\0' && resolve->lease > 0;
}

int resolve_request_inherited(Itexd__V1__Resolve *resolve, char *const *envp)
{
    if (resolve->devices)
        inherit_lease(resolve, environment_lookup(envp, "ITEXD_LEASE"));
    return inherit_digest(resolve, environment_lookup(envp, "ITEXD_DECISION"));
}

/* Field 22 of /proc/PID/stat, counted behind the name, which may hold anything. */
static bool start_time_of(pid_t pid, uint64_t *start)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    const char *rest = strrchr(text, ')');
    for (int field = 2; rest && field < 22; field++)
        rest = strchr(rest + 1, ' ');
    if (!rest)
        return false;
    *start = strtoull(rest + 1, NULL, 10);
    return true;
}

int resolve_request_holder(Itexd__V1__Resolve *resolve, pid_t pid)
{
    uint64_t start;

    if (pid <= 0 || !start_time_of(pid, &start))
        return -ESRCH;
    if (!resolve->holder) {
        resolve->holder = malloc(sizeof *resolve->holder);
        if (!resolve->holder)
            return -ENOMEM;
        itexd__v1__holder__init(resolve->holder);
    }
    resolve->holder->has_pid = resolve->holder->has_start_time = 1;
    resolve->holder->pid = pid;
    resolve->holder->start_time = start;
    return 0;
}

int resolve_request_job(Itexd__V1__Resolve *resolve, const char *job, const char *step)
{
    int r = resolve_request_string(&resolve->job, job);

    return r == 0 ? resolve_request_string(&resolve->step, step) : r;
}

int resolve_request_policy(Itexd__V1__Resolve *resolve, const char *policy)
{
    if (policy && strcmp(policy, "enforce") != 0 && strcmp(policy, "advise") != 0)
        return -EINVAL;
    return resolve_request_string(&resolve->policy, policy);
}

Itexd__V1__DeviceRequest *resolve_request_devices(Itexd__V1__Resolve *resolve)
{
    if (!resolve->devices) {
        resolve->devices = malloc(sizeof *resolve->devices);
        if (resolve->devices)
            itexd__v1__device_request__init(resolve->devices);
    }
    return resolve->devices;
}

/* The text of a flags file leaves room for what matters more: its state says that it is not known. */
static int drop_flags_text(Itexd__V1__Resolve *resolve, Itexd__V1__Fact *fact)
{
    int r = resolve_request_string(&fact->name, "xla_flags_source");

    if (r == 0)
        r = resolve_request_string(&fact->value, "unreadable");
    return r == 0 ? add_oversized(resolve, "xla_flags_file") : r;
}

static int drop_variable(Itexd__V1__Resolve *resolve, size_t at)
{
    Itexd__V1__Variable *variable = resolve->env[at];
    int r = resolve->n_oversized < ITEXD_MAX_VARIABLES ? add_oversized(resolve, variable->name) : 0;

    if (r < 0)
        return r;
    resolve->env[at] = resolve->env[--resolve->n_env];
    itexd__v1__variable__free_unpacked(variable, NULL);
    return 0;
}

/* -EMSGSIZE where there is nothing to drop. */
static int drop_longest(Itexd__V1__Resolve *resolve)
{
    Itexd__V1__Fact *text = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < resolve->n_facts; i++)
        if (strcmp(resolve->facts[i]->name, "xla_flags_file") == 0 &&
            strcmp(resolve->facts[i]->from, "environment") == 0)
            text = resolve->facts[i];
    for (size_t i = 1; i < resolve->n_env; i++)
        if (strlen(resolve->env[i]->value) > strlen(resolve->env[longest]->value))
            longest = i;
    if (text && (resolve->n_env == 0 || strlen(text->value) > strlen(resolve->env[longest]->value)))
        return drop_flags_text(resolve, text);
    return resolve->n_env > 0 ? drop_variable(resolve, longest) : -EMSGSIZE;
}

int resolve_request_fit(Itexd__V1__Resolve *resolve)
{
    int r = 0;

    while (r == 0 && resolve->n_env > 0 && resolve->n_env + resolve->n_script_env > ITEXD_MAX_VARIABLES)
        r = drop_longest(resolve);
    while (r == 0 && itexd__v1__resolve__get_packed_size(resolve) > ITEXD_MAX_PACKET - ENVELOPE)
        r = drop_longest(resolve);
    return r;
}
