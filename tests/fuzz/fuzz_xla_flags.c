/*
 * TF_XLA_FLAGS, the one value that is a language: any bytes as its value, in each generation. What must hold: no crash,
 * and what the resolver makes of it is final - resolved again, nothing more is to be done.
 */
#include "fuzz.h"

#include "daemon/resolver/resolver.h"
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ENV 16

struct job {
    struct env_variable env[MAX_ENV];
    size_t n_env;
    struct input_fact facts[3];
};

/* The job after it applied what was decided; strings go on belonging to the resolution. */
static void apply(struct job *job, const struct resolution *resolution)
{
    for (size_t i = 0; i < resolution->n_env; i++) {
        const struct resolved_variable *change = &resolution->env[i];
        size_t at = 0;
        while (at < job->n_env && strcmp(job->env[at].name, change->name) != 0)
            at++;
        if (change->value && at < MAX_ENV) {
            job->env[at] = (struct env_variable){.name = change->name, .value = change->value};
            job->n_env += at == job->n_env;
        } else if (at < job->n_env) {
            job->env[at] = job->env[--job->n_env];
        }
    }
}

static void resolve_job(const struct job *job, struct resolution *resolution)
{
    char error[256];
    struct resolve_input input = {
        .env = job->env, .n_env = job->n_env, .facts = job->facts, .n_facts = 3, .policy = POLICY_ENFORCE};
    if (resolve(rules_compiled(fuzz_shipped_rules()), &input, resolution, error, sizeof error) < 0)
        fuzz_broken(error);
}

static void check_value(const char *value, const char *itex, const char *keras, const char *npd)
{
    static struct resolution first = RESOLUTION_INIT, second = RESOLUTION_INIT;
    struct job job = {
        .env = {{.name = "TF_XLA_FLAGS", .value = value}, {.name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = npd}},
        .n_env = 2,
        .facts = {{"itex", itex, FROM_DECLARED}, {"keras", keras, FROM_DECLARED}, {"jit", "off", FROM_DECLARED}},
    };
    resolve_job(&job, &first);
    apply(&job, &first);
    resolve_job(&job, &second);
    if (first.verdict != VERDICT_REJECTED && second.n_env > 0)
        fuzz_broken("resolved again, more is to be changed");
    if (first.verdict != VERDICT_REJECTED && first.mode == MODE_NONE)
        fuzz_broken("no mode, and not rejected");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const generations[] = {"2.14.0.1", "2.15.0.3", "newest"}, *const keras[] = {"0", "2", "3"};
    char *value = malloc(size + 1);
    if (!value)
        return 0;
    memcpy(value, data, size);
    value[size] = '\0';
    for (size_t i = 0; i < 3; i++) {
        check_value(value, generations[i], keras[size % 3], "1");
        check_value(value, generations[i], keras[(size + 1) % 3], "0");
    }
    free(value);
    return 0;
}
