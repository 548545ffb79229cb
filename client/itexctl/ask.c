/*
 * Options into a request: see ask.h. Facts are checked here against the same table as the service's, so that a mistake
 * is answered with what would have been right.
 */
#include "client/itexctl/ask.h"
#include "client/core/device_view.h"
#include "client/core/environment.h"
#include "client/core/job.h"
#include "client/core/resolve_request.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/script.h"
#include "daemon/resolver/facts.h"
#include "daemon/resolver/variables.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const keras_versions[] = {"0", "2", "3", NULL};
static const char *const jit_values[] = {"on", "off", "auto", NULL};
static const char *const bind_values[] = {"node", "rank", NULL};
static const char *const apply_values[] = {"errors", NULL};

const struct option_def ask_job_options[7] = {
    {"keras", OPTION_CHOICE, offsetof(struct ask, keras), "0|2|3", "Keras version the script uses, 0: none",
     keras_versions},
    {"jit", OPTION_CHOICE, offsetof(struct ask, jit), "on|off|auto", "jit_compile as the model has it", jit_values},
    {"custom-ops", OPTION_FLAG, offsetof(struct ask, custom_ops), NULL, "the script uses ITEX's own operators"},
    {"itex", OPTION_TEXT, offsetof(struct ask, itex), "VERSION",
     "version of intel-extension-for-tensorflow, or newest"},
    {"fact", OPTION_LIST, offsetof(struct ask, facts), "NAME=VALUE", "declare any other fact; itexctl(1) lists them"},
    {"env", OPTION_LIST, offsetof(struct ask, env), "NAME=VALUE",
     "a variable as the job will have it, instead of the caller's own"},
    {"job", OPTION_TEXT, offsetof(struct ask, job), "ID", "job id; default: the scheduler's"},
};

const struct option_def ask_script_options[4] = {
    {"script", OPTION_TEXT, offsetof(struct ask, script), "FILE",
     "the Python script, where the command does not name it"},
    {"python", OPTION_TEXT, offsetof(struct ask, python), "PATH", "the Python it is analysed with; default: its own"},
    {"no-cache", OPTION_FLAG, offsetof(struct ask, no_cache), NULL, "analyse it anew, and keep nothing"},
    {"check-timeout", OPTION_DURATION, offsetof(struct ask, check_timeout), "T",
     "wait that long for the analysis; default 30s", NULL, 1},
};

const struct option_def ask_device_options[10] = {
    {"gpus", OPTION_TEXT, offsetof(struct ask, gpus), "N[:tile]",
     "devices wanted: cards, or tiles with :tile; run: 1 unless told otherwise, 0 for none"},
    {"exclusive", OPTION_FLAG, offsetof(struct ask, exclusive), NULL, "nobody else gets them (the default)"},
    {"shared", OPTION_FLAG, offsetof(struct ask, shared), NULL, "others may share them"},
    {"memory", OPTION_TEXT, offsetof(struct ask, memory), "SIZE", "free memory each must have, such as 8G"},
    {"model", OPTION_TEXT, offsetof(struct ask, model), "NAME", "device model, or a part of its name"},
    {"numa", OPTION_NUMBER, offsetof(struct ask, numa), "NODE", "NUMA node they are preferably on", NULL, 0, 4095},
    {"bind", OPTION_CHOICE, offsetof(struct ask, bind), "node|rank",
     "one mask for all ranks of the node (default), or one device per rank", bind_values},
    {"wait", OPTION_DURATION, offsetof(struct ask, wait), "T", "wait that long for devices; default 0"},
    {"allow-none", OPTION_FLAG, offsetof(struct ask, allow_none), NULL, "go on where the node has no devices"},
    {"holder", OPTION_NUMBER, offsetof(struct ask, holder), "PID",
     "the process that holds the devices until it ends; resolve and env give none without", NULL, 1, INT_MAX},
};

const struct option_def ask_policy_options[7] = {
    {"advise", OPTION_FLAG, offsetof(struct ask, advise), NULL, "change nothing, say what would be right"},
    {"apply", OPTION_CHOICE, offsetof(struct ask, apply), "errors", "apply only what avoids errors", apply_values},
    {"require", OPTION_FLAG, offsetof(struct ask, require), NULL, "fail with status 69 without a service"},
    {"offline", OPTION_FLAG, offsetof(struct ask, offline), NULL, "decide here, without the service; not recorded"},
    {"rules", OPTION_TEXT, offsetof(struct ask, rules), "PATH", "rule file or folder for --offline; default: shipped"},
    {"alternatives", OPTION_FLAG, offsetof(struct ask, alternatives), NULL, "also show other minimal changes"},
    {"timeout", OPTION_DURATION, offsetof(struct ask, timeout), "T", "wait that long for the service; default 2s", NULL,
     1},
};

const struct option_def ask_clean_option[1] = {
    {"clean-env", OPTION_FLAG, offsetof(struct ask, clean_env), NULL, "leave the caller's own variables out"},
};

bool ask_split(const char *option, char name[ASK_NAME_SIZE], const char **value)
{
    const char *equals = strchr(option, '=');
    if (!equals || equals == option || equals - option >= ASK_NAME_SIZE)
        return false;
    memcpy(name, option, (size_t)(equals - option));
    name[equals - option] = '\0';
    *value = equals + 1;
    return true;
}

static int memory_failure(struct failure *failure, int r)
{
    return failure_set(failure, EXIT_INTERNAL, "cannot build the request: %s", strerror(-r));
}

/* ---- Facts ------------------------------------------------------------------------------------------ */

static const char *fact_name_at(size_t i, const void *data)
{
    (void)data;
    return i < FACT_COUNT ? fact_table[i].name : NULL;
}

static int refuse_value(int id, const char *value, struct failure *failure)
{
    char values[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < fact_table[id].n_values && used < sizeof(values) - 1; i++)
        used += (size_t)snprintf(values + used, sizeof(values) - used, "%s%s", i ? ", " : "", fact_table[id].values[i]);
    return failure_set(failure, EXIT_USAGE, "fact %s takes one of %s, not \"%.80s\"", fact_table[id].name, values,
                       value);
}

static int check_fact(const char *name, const char *value, struct failure *failure)
{
    int id = fact_by_name(name);
    if (id < 0) {
        const char *near = nearest_name(name, fact_name_at, NULL);
        return failure_set(failure, EXIT_USAGE, "no fact is called %s%s%s%s itexctl(1) lists them", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : ";");
    }
    const struct fact_info *fact = &fact_table[id];
    if (fact->origin == FACT_DERIVED)
        return failure_set(failure, EXIT_USAGE,
                           "fact %s follows from other facts and cannot be declared; set the variables it comes from "
                           "with --env",
                           name);
    if (fact->origin == FACT_ENVIRONMENT)
        return failure_set(failure, EXIT_USAGE,
                           "fact %s is read from the environment and cannot be declared; use --env %s=VALUE", name,
                           fact->variable >= 0 ? fact_variables[fact->variable].name : "NAME");
    if (fact->type != FACT_TYPE_TEXT && fact_value_by_name((enum fact_id)id, value) < 0)
        return refuse_value(id, value, failure);
    return 0;
}

/* --keras 3 and --fact keras=2: none of the two is the one that is meant. */
static int check_once(const Itexd__V1__Resolve *request, const char *name, const char *value, struct failure *failure)
{
    for (size_t i = 0; i < request->n_facts; i++)
        if (strcmp(request->facts[i]->name, name) == 0 && strcmp(request->facts[i]->value, value) != 0)
            return failure_set(failure, EXIT_USAGE, "fact %s is declared twice, as \"%.40s\" and as \"%.40s\"", name,
                               request->facts[i]->value, value);
    return 0;
}

static int add_fact(Itexd__V1__Resolve *request, const char *name, const char *value, struct failure *failure)
{
    if (!value)
        return 0;
    if (check_fact(name, value, failure) < 0 || check_once(request, name, value, failure) < 0)
        return -1;
    int r = resolve_request_fact(request, name, value, "declared");
    return r < 0 ? memory_failure(failure, r) : 0;
}

static int add_facts(const struct ask *ask, Itexd__V1__Resolve *request, struct failure *failure)
{
    char name[ASK_NAME_SIZE];
    const char *value;
    if (add_fact(request, "keras", ask->keras, failure) < 0 || add_fact(request, "jit", ask->jit, failure) < 0 ||
        add_fact(request, "itex", ask->itex, failure) < 0 ||
        add_fact(request, "custom_ops", ask->custom_ops ? "true" : NULL, failure) < 0)
        return -1;
    for (size_t i = 0; i < ask->facts.n_items; i++) {
        if (!ask_split(ask->facts.items[i], name, &value))
            return failure_set(failure, EXIT_USAGE, "--fact takes NAME=VALUE, not \"%.80s\"", ask->facts.items[i]);
        if (add_fact(request, name, value, failure) < 0)
            return -1;
    }
    return 0;
}

/* What the analyser found, checked when it was read. */
static int add_found(const struct examined *examined, Itexd__V1__Resolve *request)
{
    const struct findings *findings = &examined->findings;
    int r = 0;
    for (size_t i = 0; i < findings->n_facts && r >= 0; i++)
        r = resolve_request_fact(request, findings->facts[i].name, findings->facts[i].value, "script");
    for (size_t i = 0; i < findings->n_installation && r >= 0; i++)
        r = resolve_request_fact(request, findings->installation[i].name, findings->installation[i].value, "node");
    return r;
}

/* ---- Environment ------------------------------------------------------------------------------------ */

/* Letters, digits and '_': also what every shell takes, since env prints the name into a script. */
static bool variable_name_valid(const char *name)
{
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return !name[length] && !(name[0] >= '0' && name[0] <= '9');
}

static int override_variables(const struct ask *ask, struct environment *environment, struct failure *failure)
{
    char name[ASK_NAME_SIZE];
    const char *value;
    for (size_t i = 0; i < ask->env.n_items; i++) {
        if (!ask_split(ask->env.items[i], name, &value) || !variable_name_valid(name))
            return failure_set(failure, EXIT_USAGE, "--env takes NAME=VALUE, not \"%.80s\"", ask->env.items[i]);
        int r = environment_override(environment, name, value);
        if (r < 0)
            return memory_failure(failure, r);
    }
    return 0;
}

/* What an env on the command line does to it. */
static int add_command_variables(const struct script *script, struct environment *environment)
{
    int r = 0;
    for (size_t i = 0; i < script->n_variables && r >= 0; i++) {
        const struct script_variable *variable = &script->variables[i];
        r = variable->name[0] ? environment_override(environment, variable->name, variable->value) : 0;
    }
    return r;
}

/* What the script itself sets is told apart from what it finds; what it takes away is not there. */
static int add_script_variables(const struct examined *examined, Itexd__V1__Resolve *request,
                                struct environment *environment)
{
    const struct findings *findings = &examined->findings;
    int r = 0;
    for (size_t i = 0; i < findings->n_variables && r >= 0; i++) {
        const struct found_variable *variable = &findings->variables[i];
        bool last = examined_variable(examined, variable->name) == variable;
        if (!last || !variable_collected(variable->name) || strlen(variable->name) > ITEXD_MAX_NAME)
            continue;
        if (!variable->value)
            r = environment_override(environment, variable->name, NULL);
        else if (strlen(variable->value) <= ITEXD_MAX_VALUE)
            r = resolve_request_script_variable(request, variable->name, variable->value, variable->place.file,
                                                variable->place.line);
    }
    return r;
}

static int collect_environment(const struct ask *ask, const struct examined *examined, struct environment *environment,
                               struct failure *failure)
{
    bool nothing = ask->clean_env || (examined && examined->script.cleared);
    int r = nothing ? 0 : environment_collect(environment, environ);
    if (r >= 0 && examined)
        r = add_command_variables(&examined->script, environment);
    return r < 0 ? memory_failure(failure, r) : override_variables(ask, environment, failure);
}

static int add_environment(const struct ask *ask, const struct examined *examined, Itexd__V1__Resolve *request,
                           struct failure *failure)
{
    CLEANUP(environment_free) struct environment environment = ENVIRONMENT_INIT;
    const struct found_variable *flags = examined ? examined_variable(examined, "TF_XLA_FLAGS") : NULL;
    if (collect_environment(ask, examined, &environment, failure) < 0)
        return -1;
    int r = examined ? add_script_variables(examined, request, &environment) : 0;
    if (r >= 0)
        r = environment_read_flags_file(&environment, flags ? flags->value : NULL);
    if (r >= 0)
        r = resolve_request_environment(request, &environment);
    return r < 0 ? memory_failure(failure, r) : 0;
}

/* ---- What the job runs under already ----------------------------------------------------------------- */

static int add_job(const struct ask *ask, Itexd__V1__Resolve *request)
{
    struct job_id id = job_find(environ);
    if (ask->job)
        id = (struct job_id){ask->job, NULL};
    return resolve_request_job(request, id.job, id.step);
}

static int add_holder(const struct ask *ask, Itexd__V1__Resolve *request, struct failure *failure)
{
    int r = ask->holder < 0 ? 0 : resolve_request_holder(request, (pid_t)ask->holder);
    if (r == -ESRCH)
        return failure_set(failure, EXIT_USAGE, "--holder %lld: there is no such process", (long long)ask->holder);
    return r < 0 ? memory_failure(failure, r) : 0;
}

/* ---- Devices ---------------------------------------------------------------------------------------- */

static bool gpus_parse(const char *text, uint32_t *count, bool *tiles)
{
    char digits[16];
    int64_t number;
    size_t length = strcspn(text, ":");
    *tiles = text[length] == ':';
    if (length >= sizeof(digits) || (*tiles && strcmp(text + length, ":tile") != 0))
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!number_parse(digits, 0, 4096, &number))
        return false;
    *count = (uint32_t)number;
    return true;
}

/* "8G", "512M", "1024" (bytes). */
static bool size_parse(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    bool complete = unit ? !end[1] || strcmp(end + 1, "iB") == 0 : !*end;
    if (errno || !complete || value > UINT64_MAX >> shift)
        return false;
    *bytes = value << shift;
    return true;
}

/* What of the options makes no sense without devices; NULL: nothing. */
static const char *device_detail(const struct ask *ask)
{
    return ask->memory      ? "memory"
           : ask->model     ? "model"
           : ask->shared    ? "shared"
           : ask->exclusive ? "exclusive"
           : ask->bind      ? "bind"
           : ask->numa >= 0 ? "numa"
                            : NULL;
}

static int fill_devices(const struct ask *ask, Itexd__V1__DeviceRequest *devices, struct failure *failure)
{
    if (ask->memory && !size_parse(ask->memory, &devices->memory_bytes))
        return failure_set(failure, EXIT_USAGE, "--memory takes a size such as 8G, not \"%.40s\"", ask->memory);
    devices->has_memory_bytes = ask->memory != NULL;
    devices->has_shared = devices->has_allow_none = 1;
    devices->shared = ask->shared;
    devices->allow_none = ask->allow_none;
    devices->has_wait_ms = ask->wait >= 0;
    devices->wait_ms = ask->wait < 0 ? 0 : ask->wait > UINT32_MAX ? UINT32_MAX : (uint32_t)ask->wait;
    devices->has_numa = ask->numa >= 0;
    devices->numa = ask->numa >= 0 ? (int32_t)ask->numa : 0;
    int r = resolve_request_string(&devices->model, ask->model);
    if (r >= 0)
        r = resolve_request_string(&devices->bind, ask->bind);
    if (r >= 0)
        r = device_view_add(devices, environ);
    return r < 0 ? memory_failure(failure, r) : 0;
}

/* Whether the options go together, and how many devices they come to. */
static int check_devices(const struct ask *ask, enum ask_for whom, uint32_t *count, bool *tiles,
                         struct failure *failure)
{
    const char *detail = device_detail(ask);
    if (ask->exclusive && ask->shared)
        return failure_set(failure, EXIT_USAGE, "--exclusive and --shared exclude each other");
    if (ask->gpus && !gpus_parse(ask->gpus, count, tiles))
        return failure_set(failure, EXIT_USAGE, "--gpus takes N or N:tile, not \"%.40s\"", ask->gpus);
    if (!ask->gpus && whom == ASK_FOR_COMMAND && !ask->offline)
        *count = 1;
    if (*count > 0 && whom == ASK_FOR_LAUNCHER)
        return failure_set(failure, EXIT_USAGE,
                           "--gpus is for the processes that the launcher starts: put itexctl run behind the launcher");
    if (*count > 0 && whom == ASK_FOR_HOLDER && ask->holder < 0 && !ask->offline)
        return failure_set(
            failure, EXIT_USAGE,
            "--gpus needs a process that holds the devices, for this one ends before the job starts: add "
            "--holder $$ for the shell, or use itexctl run");
    if (*count == 0 && detail)
        return failure_set(failure, EXIT_USAGE, "--%s says what devices are wanted: --gpus says how many, from 1",
                           detail);
    return 0;
}

static int add_devices(const struct ask *ask, enum ask_for whom, Itexd__V1__Resolve *request, struct failure *failure)
{
    uint32_t count = 0;
    bool tiles = false;
    if (whom == ASK_FOR_NOBODY)
        return 0;
    if (check_devices(ask, whom, &count, &tiles, failure) < 0)
        return -1;
    if (count == 0)
        return 0;
    Itexd__V1__DeviceRequest *devices = resolve_request_devices(request);
    if (!devices)
        return memory_failure(failure, -ENOMEM);
    devices->has_count = devices->has_tiles = 1;
    devices->count = count;
    devices->tiles = tiles;
    devices->has_by_default = devices->by_default = !ask->gpus && !device_detail(ask);
    return fill_devices(ask, devices, failure);
}

/* ---- The request ------------------------------------------------------------------------------------- */

static int fill_request(const struct ask *ask, enum ask_for whom, const struct examined *examined,
                        Itexd__V1__Resolve *request, struct failure *failure)
{
    if (add_facts(ask, request, failure) < 0 || add_environment(ask, examined, request, failure) < 0 ||
        add_devices(ask, whom, request, failure) < 0 || add_holder(ask, request, failure) < 0)
        return -1;
    int r = examined ? add_found(examined, request) : 0;
    if (r >= 0)
        r = add_job(ask, request);
    if (r >= 0)
        r = resolve_request_inherited(request, environ);
    if (r >= 0)
        r = resolve_request_policy(request, ask->advise ? "advise" : NULL);
    request->has_launcher = request->launcher = whom == ASK_FOR_LAUNCHER;
    request->has_apply_errors = request->apply_errors = ask->apply != NULL;
    if (r >= 0)
        r = resolve_request_fit(request);
    if (r == -EMSGSIZE)
        return failure_set(failure, EXIT_USAGE, "the declared facts are too long for a request");
    return r < 0 ? memory_failure(failure, r) : 0;
}

int ask_request(const struct ask *ask, enum ask_for whom, const struct examined *examined, Itexd__V1__Resolve **request,
                struct failure *failure)
{
    uint8_t id[REQUEST_ID_SIZE];
    if (ask->rules && !ask->offline)
        return failure_set(failure, EXIT_USAGE, "--rules goes with --offline: the service has rules of its own");
    int r = request_id_new(id);
    if (r < 0)
        return memory_failure(failure, r);
    CLEANUP(resolve_request_freep) Itexd__V1__Resolve *built = resolve_request_new(id);
    if (!built)
        return memory_failure(failure, -ENOMEM);
    if (fill_request(ask, whom, examined, built, failure) < 0)
        return -1;
    *request = TAKE_PTR(built);
    return 0;
}
