/*
 * Templates are packed once with marks where the job id and the request id go; sending copies a template and
 * overwrites the marks. So the generator costs a memcpy a request.
 */
#include "bench_requests.h"
#include "bench_stats.h"

#include "itexd.pb-c.h"
#include "proto/framing.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_DIGITS 12
#define MAX_ENV 20
#define MAX_FACTS 8

struct template
{
    uint8_t *data;
    size_t size, job, request_id, own; /* own: 0 where it has none */
};

struct request_pool {
    struct template templates[BENCH_ENVIRONMENTS];
    uint64_t sent;
};

static const char JOB_MARK[] = "############", OWN_MARK[] = "%%%%%%%%%%%%";
static uint8_t REQUEST_MARK[16] = "@@@@@@@@@@@@@@@@";

uint64_t bench_random(void)
{
    static uint64_t state;
    if (!state)
        state = now_ns() | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

/* One request under construction; the message's strings are literals or point here. */
struct draft {
    Itexd__V1__Variable variables[MAX_ENV], *env[MAX_ENV];
    Itexd__V1__Fact fact_store[MAX_FACTS], *facts[MAX_FACTS];
    Itexd__V1__Resolve resolve;
    char threads[8], node[16];
};

static void add_variable(struct draft *draft, const char *name, const char *value)
{
    if (!value)
        return;
    size_t n = draft->resolve.n_env++;
    itexd__v1__variable__init(&draft->variables[n]);
    draft->variables[n].name = (char *)name;
    draft->variables[n].value = (char *)value;
    draft->env[n] = &draft->variables[n];
}

static void add_fact(struct draft *draft, const char *name, const char *value)
{
    if (!value)
        return;
    size_t n = draft->resolve.n_facts++;
    itexd__v1__fact__init(&draft->fact_store[n]);
    draft->fact_store[n].name = (char *)name;
    draft->fact_store[n].value = (char *)value;
    draft->fact_store[n].from = (char *)"declared";
    draft->facts[n] = &draft->fact_store[n];
}

/* What a batch system and oneAPI put into every job's environment. */
static void add_surroundings(struct draft *draft, unsigned number)
{
    snprintf(draft->threads, sizeof draft->threads, "%u", 4 + number % 50);
    snprintf(draft->node, sizeof draft->node, "gpu%04u", number % 7);
    add_variable(draft, "OMP_NUM_THREADS", draft->threads);
    add_variable(draft, "SLURM_JOB_ID", JOB_MARK);
    add_variable(draft, "SLURM_JOB_NODELIST", draft->node);
    add_variable(draft, "SLURM_LOCALID", "0");
    add_variable(draft, "SLURM_NTASKS", "1");
    add_variable(draft, "CCL_ATL_TRANSPORT", "ofi");
    add_variable(draft, "CCL_PROCESS_LAUNCHER", "hydra");
    add_variable(draft, "I_MPI_PIN_DOMAIN", "socket");
    add_variable(draft, "KMP_AFFINITY", "granularity=fine,compact,1,0");
    add_variable(draft, "ITEX_VERBOSE", number % 3 ? NULL : "0");
}

/* 3 x 3 x 5 x 3 x 3 x 2 combinations, of which the pool takes every fourth. */
static void add_choices(struct draft *draft, unsigned number)
{
    static const char *const keras[] = {"3", "2", "0"}, *const jit[] = {"auto", "on", "off"};
    static const char *const flags[] = {NULL, "--tf_xla_auto_jit=1", "--tf_xla_auto_jit=2", "--tf_xla_clustering_debug",
                                        "--tf_xla_auto_jit=2 --tf_xla_use_device_api=true"};
    static const char *const npd[] = {NULL, "1", "0"}, *const ops[] = {NULL, "1", "0"};
    static const char *const itex[] = {"newest", "2.15.0.3"};
    unsigned rest = number * 4 + 1;
    add_fact(draft, "keras", keras[rest % 3]);
    add_fact(draft, "jit", jit[(rest /= 3) % 3]);
    add_variable(draft, "TF_XLA_FLAGS", flags[(rest /= 3) % 5]);
    add_variable(draft, "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", npd[(rest /= 5) % 3]);
    add_variable(draft, "ITEX_OPS_OVERRIDE", ops[(rest /= 3) % 3]);
    add_fact(draft, "itex", itex[(rest /= 3) % 2]);
    add_fact(draft, "setuptools", number % 2 ? "69.5.1" : "75.8.0");
    add_fact(draft, "lib_flavour", "gpu");
}

static size_t find_mark(const struct template *template, const void *mark, size_t size)
{
    const uint8_t *found = memmem(template->data, template->size, mark, size);
    if (!found)
        bench_fail("a request was packed without its mark");
    return (size_t)(found - template->data);
}

static void build_template(struct template *template, unsigned number, bool distinct)
{
    struct draft *draft = calloc(1, sizeof *draft);
    if (!draft)
        bench_fail("no memory for requests");
    itexd__v1__resolve__init(&draft->resolve);
    draft->resolve.env = draft->env;
    draft->resolve.facts = draft->facts;
    draft->resolve.has_request_id = 1;
    draft->resolve.request_id = (ProtobufCBinaryData){sizeof REQUEST_MARK, REQUEST_MARK};
    draft->resolve.job = (char *)JOB_MARK;
    add_surroundings(draft, number);
    add_choices(draft, number);
    add_variable(draft, "OMP_PLACES", distinct ? OWN_MARK : NULL);

    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.has_id = 1;
    request.id = 1;
    request.body_case = ITEXD__V1__REQUEST__BODY_RESOLVE;
    request.resolve = &draft->resolve;
    template->size = itexd__v1__request__get_packed_size(&request);
    template->data = malloc(template->size);
    if (!template->data)
        bench_fail("no memory for requests");
    itexd__v1__request__pack(&request, template->data);
    template->request_id = find_mark(template, REQUEST_MARK, sizeof REQUEST_MARK);
    template->own = distinct ? find_mark(template, OWN_MARK, JOB_DIGITS) : 0;
    /* The job's own field comes after the variables, so its mark is the last one. */
    template->job = 0;
    for (size_t at = 0; at + JOB_DIGITS <= template->size; at++)
        if (memcmp(template->data + at, JOB_MARK, JOB_DIGITS) == 0)
            template->job = at;
    free(draft);
}

static struct request_pool *pool_new(bool distinct)
{
    struct request_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        bench_fail("no memory for requests");
    for (unsigned i = 0; i < BENCH_ENVIRONMENTS; i++)
        build_template(&pool->templates[i], i, distinct);
    return pool;
}

struct request_pool *request_pool_new(void)
{
    return pool_new(false);
}

struct request_pool *request_pool_new_distinct(void)
{
    return pool_new(true);
}

void request_pool_free(struct request_pool *pool)
{
    for (unsigned i = 0; i < BENCH_ENVIRONMENTS; i++)
        free(pool->templates[i].data);
    free(pool);
}

static void write_number(uint8_t *at, uint64_t number)
{
    for (unsigned i = JOB_DIGITS; i-- > 0; number /= 10)
        at[i] = (uint8_t)('0' + number % 10);
}

size_t request_pool_next(struct request_pool *pool, uint8_t *packet)
{
    const struct template *template = &pool->templates[bench_random() % BENCH_ENVIRONMENTS];
    memcpy(packet, template->data, template->size);
    uint64_t halves[2] = {bench_random(), bench_random()};
    memcpy(packet + template->request_id, halves, sizeof halves);
    write_number(packet + template->job, ++pool->sent);
    if (template->own)
        write_number(packet + template->own, pool->sent);
    return template->size;
}

size_t request_pool_mean_size(const struct request_pool *pool)
{
    size_t sum = 0;
    for (unsigned i = 0; i < BENCH_ENVIRONMENTS; i++)
        sum += pool->templates[i].size;
    return sum / BENCH_ENVIRONMENTS;
}

size_t bench_hello(uint8_t *packet, size_t size)
{
    Itexd__V1__Hello hello = ITEXD__V1__HELLO__INIT;
    hello.name = (char *)"bench-service";
    hello.has_major = hello.has_minor = hello.has_minimum_major = 1;
    hello.major = ITEXD_PROTOCOL_MAJOR;
    hello.minor = ITEXD_PROTOCOL_MINOR;
    hello.minimum_major = ITEXD_PROTOCOL_MINIMUM_MAJOR;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.has_id = 1;
    request.id = 1;
    request.body_case = ITEXD__V1__REQUEST__BODY_HELLO;
    request.hello = &hello;
    if (itexd__v1__request__get_packed_size(&request) > size)
        bench_fail("the hello does not fit its buffer");
    return itexd__v1__request__pack(&request, packet);
}
