/*
 * bench-resolver RULES: what one resolution costs, with the shipped rules and with 10 000 made-up ones beside them.
 *
 * Every call is timed alone; the clock's own cost is measured and taken off the median. Ratios are against the first
 * line, so that numbers of different machines can be compared.
 */
#include "daemon/resolver/facts.h"
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <string.h>
#include <time.h>

#define ROUNDS 20000u
#define MADE_UP 10000u
#define CONDITIONS 4u

struct job {
    const char *name;
    const struct env_variable *env;
    size_t n_env;
    const struct input_fact *facts;
    size_t n_facts;
};

static const struct env_variable plain_env[] = {
    {.name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "1"},
    {.name = "ITEX_DISABLE_XLA", .value = "1"},
    {.name = "ITEX_OPS_OVERRIDE", .value = "0"},
    {.name = "ITEX_VERBOSE", .value = "0"},
    {.name = "ZE_FLAT_DEVICE_HIERARCHY", .value = "FLAT"},
    {.name = "OMP_NUM_THREADS", .value = "24"},
    {.name = "SLURM_JOB_ID", .value = "4711"},
    {.name = "SLURM_LOCALID", .value = "0"},
    {.name = "SLURM_NTASKS", .value = "8"},
    {.name = "CCL_ATL_TRANSPORT", .value = "mpi"},
};

static const struct env_variable broken_env[] = {
    {.name = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", .value = "0"},
    {.name = "ITEX_OPS_OVERRIDE", .value = "1"},
    {.name = "TF_XLA_FLAGS", .value = "--tf_xla_clustering_debug"},
    {.name = "SLURM_JOB_ID", .value = "4711"},
};

static const struct input_fact known_facts[] = {
    {"keras", "3", FROM_DECLARED},
    {"jit", "off", FROM_DECLARED},
    {"custom_ops", "false", FROM_DECLARED},
    {"itex", "2.15.0.3", FROM_NODE},
};

static const struct input_fact broken_facts[] = {
    {"keras", "2", FROM_DECLARED},
    {"jit", "on", FROM_DECLARED},
    {"custom_ops", "false", FROM_DECLARED},
    {"itex", "newest", FROM_NODE},
};

#define N(array) (sizeof(array) / sizeof *(array))
static const struct job jobs[] = {
    {"all known, nothing to fix", plain_env, N(plain_env), known_facts, N(known_facts)},
    {"all known, a chain of two fixes", broken_env, N(broken_env), broken_facts, N(broken_facts)},
    {"all unknown (36 assignments)", plain_env, N(plain_env), NULL, 0},
};

static unsigned long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (unsigned long long)time.tv_sec * 1000000000ull + (unsigned long long)time.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    unsigned long long left = *(const unsigned long long *)a;
    unsigned long long right = *(const unsigned long long *)b;

    return (left > right) - (left < right);
}

static unsigned long long clock_cost(void)
{
    unsigned long long start = now();

    for (unsigned i = 0; i < 1000; i++)
        now();
    return (now() - start) / 1000;
}

/* Prints one line and returns the median, 0 where a resolution failed. */
static double measure(const struct rule_set *rules, const char *which, const struct job *job, double first)
{
    CLEANUP(resolution_free) struct resolution result = RESOLUTION_INIT;
    CLEANUP(freep) unsigned long long *samples = calloc(ROUNDS, sizeof *samples);
    struct resolve_input input = {.env = job->env, .n_env = job->n_env, .facts = job->facts, .n_facts = job->n_facts};
    unsigned long long clock = clock_cost();
    double median;
    char error[256];

    for (unsigned i = 0; samples && i < ROUNDS; i++) {
        unsigned long long start = now();

        if (resolve(rules, &input, &result, error, sizeof error) < 0)
            return 0;
        samples[i] = now() - start;
    }
    if (!samples)
        return 0;
    qsort(samples, ROUNDS, sizeof *samples, ascending);
    median = (double)samples[ROUNDS / 2] - (double)clock;
    printf("%-16s %-34s median %7.0f ns  p99 %7llu ns  ratio %6.1f\n", which, job->name, median,
           samples[ROUNDS * 99 / 100], first > 0 ? median / first : 1.0);
    return median;
}

/* ---- Made-up rules: about values that a job seldom has, as real rules are ---- */

struct made_up {
    struct rule_def rule;
    struct rule_clause clause;
    struct rule_condition conditions[CONDITIONS];
    const char *values[CONDITIONS];
    struct rule_action action;
    char id[16];
};

static unsigned draw(unsigned *state, unsigned n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

static void make_rule(struct made_up *made, unsigned number, unsigned *state)
{
    snprintf(made->id, sizeof made->id, "made-up-%u", number);
    for (unsigned i = 0; i < CONDITIONS; i++) {
        const struct fact_info *fact;

        unsigned value;

        do {
            fact = &fact_table[draw(state, FACT_COUNT)];
            value = 1 + draw(state, fact->n_values - 1u);
        } while (fact->type == FACT_TYPE_TEXT || value == fact->unset);
        made->values[i] = fact->values[value];
        made->conditions[i] = (struct rule_condition){.fact = fact->name, .values = &made->values[i], .n_values = 1};
    }
    made->clause = (struct rule_clause){made->conditions, CONDITIONS};
    made->action = (struct rule_action){.kind = ACTION_SET, .name = "OMP_DYNAMIC", .value = "false"};
    made->rule =
        (struct rule_def){.id = made->id,
                          .severity = SEVERITY_WARNING,
                          .outcome = OUTCOME_WARNING,
                          .stage = STAGE_RUN,
                          .generations = 1u << GENERATION_2_14 | 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST,
                          .any = &made->clause,
                          .n_any = 1,
                          .message = "made up",
                          .source = "bench",
                          .actions = &made->action,
                          .n_actions = 1};
}

static struct rule_set *with_made_up(const struct rule_set_def *shipped)
{
    CLEANUP(freep) struct made_up *made = calloc(MADE_UP, sizeof *made);
    CLEANUP(freep) struct rule_def *rules = calloc(shipped->n_rules + MADE_UP, sizeof *rules);
    struct rule_set_def def = *shipped;
    struct rule_set_error error = {.text = "out of memory"};
    struct rule_set *set = NULL;
    unsigned state = 1;

    if (!made || !rules)
        return NULL;
    memcpy(rules, shipped->rules, shipped->n_rules * sizeof *rules);
    for (unsigned i = 0; i < MADE_UP; i++) {
        make_rule(&made[i], i, &state);
        rules[shipped->n_rules + i] = made[i].rule;
    }
    def.rules = rules;
    def.n_rules = shipped->n_rules + MADE_UP;
    if (rule_set_compile(&def, &set, &error) < 0)
        fprintf(stderr, "bench-resolver: %s\n", error.text);
    return set;
}

static int measure_all(const struct rules *shipped)
{
    CLEANUP(rule_set_freep) struct rule_set *large = NULL;
    unsigned long long start = now();
    double first = 0;
    char which[32];

    large = with_made_up(rules_definitions(shipped));
    if (!large)
        return 1;
    printf("compiling %u rules: %.1f ms\n", MADE_UP, (double)(now() - start) / 1e6);
    snprintf(which, sizeof which, "%zu rules", rule_set_size(rules_compiled(shipped)));
    for (size_t i = 0; i < N(jobs); i++) {
        double median = measure(rules_compiled(shipped), which, &jobs[i], first);

        if (i == 0)
            first = median;
    }
    snprintf(which, sizeof which, "%zu rules", rule_set_size(large));
    for (size_t i = 0; i < N(jobs); i++)
        measure(large, which, &jobs[i], first);
    return first > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(rules_freep) struct rules *rules = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: bench-resolver RULES\n");
        return 2;
    }
    if (rule_files_read(argv[1], &files) < 0 || rules_load(&files, &rules, &messages) < 0) {
        fprintf(stderr, "bench-resolver: cannot load %s\n", argv[1]);
        return 1;
    }
    return measure_all(rules);
}
