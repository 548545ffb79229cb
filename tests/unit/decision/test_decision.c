/* Requests into resolver input and resolutions into messages: what is refused, what is kept, equal bytes for equals. */
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct request {
    Itexd__V1__Resolve message;
    Itexd__V1__Variable variables[8], *env[8];
    Itexd__V1__ScriptVariable script_variables[4], *script_env[4];
    Itexd__V1__Fact fact_messages[8], *facts[8];
};

static void request_init(struct request *request)
{
    memset(request, 0, sizeof(*request));
    itexd__v1__resolve__init(&request->message);
    request->message.env = request->env;
    request->message.script_env = request->script_env;
    request->message.facts = request->facts;
}

static void add_env(struct request *request, const char *name, const char *value)
{
    size_t i = request->message.n_env++;
    itexd__v1__variable__init(&request->variables[i]);
    request->variables[i].name = (char *)name;
    request->variables[i].value = (char *)value;
    request->env[i] = &request->variables[i];
}

static void add_script(struct request *request, const char *name, const char *value)
{
    size_t i = request->message.n_script_env++;
    itexd__v1__script_variable__init(&request->script_variables[i]);
    request->script_variables[i].name = (char *)name;
    request->script_variables[i].value = (char *)value;
    request->script_variables[i].file = (char *)"train.py";
    request->script_variables[i].has_line = 1;
    request->script_variables[i].line = 7;
    request->script_env[i] = &request->script_variables[i];
}

static void add_fact(struct request *request, const char *name, const char *value, const char *from)
{
    size_t i = request->message.n_facts++;
    itexd__v1__fact__init(&request->fact_messages[i]);
    request->fact_messages[i].name = (char *)name;
    request->fact_messages[i].value = (char *)value;
    request->fact_messages[i].from = (char *)from;
    request->facts[i] = &request->fact_messages[i];
}

static void assert_refused(const struct request *request, const char *word)
{
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256] = "";
    assert_int_equal(decision_input_read(&request->message, false, &input, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, word));
    assert_null(input.env);
}

static void input_points_into_request(void **state)
{
    (void)state;
    struct request request;
    request_init(&request);
    add_env(&request, "TF_XLA_FLAGS", "--tf_xla_auto_jit=1");
    add_env(&request, "ITEX_OPS_OVERRIDE", "1");
    add_env(&request, "ITEX_GONE", NULL);
    add_fact(&request, "keras", "3", "declared");
    add_fact(&request, "keras", "2", "script");
    add_fact(&request, "jit", "auto", NULL);
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    assert_int_equal(decision_input_read(&request.message, true, &input, error, sizeof(error)), 0);
    assert_int_equal(input.resolve.policy, POLICY_ADVISE);
    assert_false(input.resolve.apply_errors);
    assert_int_equal(input.resolve.n_env, 2);
    assert_string_equal(input.resolve.env[0].name, "ITEX_OPS_OVERRIDE");
    assert_ptr_equal(input.resolve.env[1].value, request.variables[0].value);
    assert_int_equal(input.resolve.n_facts, 3);
    assert_int_equal(input.resolve.facts[1].from, FROM_SCRIPT);
    assert_int_equal(input.resolve.facts[2].from, FROM_DECLARED);
    decision_input_clear(&input);
    assert_null(input.resolve.env);
}

static void policy_of_the_request_wins(void **state)
{
    (void)state;
    struct request request;
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    request_init(&request);
    request.message.policy = (char *)"enforce";
    request.message.has_apply_errors = request.message.apply_errors = 1;
    assert_int_equal(decision_input_read(&request.message, true, &input, error, sizeof(error)), 0);
    assert_int_equal(input.resolve.policy, POLICY_ENFORCE);
    assert_true(input.resolve.apply_errors);
    decision_input_clear(&input);
    request.message.policy = (char *)"maybe";
    assert_refused(&request, "policy \"maybe\"");
}

static void script_beats_environment(void **state)
{
    (void)state;
    struct request request;
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    request_init(&request);
    add_env(&request, "ITEX_DISABLE_XLA", "1");
    add_env(&request, "ITEX_VERBOSE", "1");
    add_script(&request, "ITEX_DISABLE_XLA", "0");
    assert_int_equal(decision_input_read(&request.message, false, &input, error, sizeof(error)), 0);
    assert_int_equal(input.resolve.n_env, 2);
    assert_string_equal(input.env[0].value, "0");
    assert_string_equal(input.env[0].file, "train.py");
    assert_int_equal(input.env[0].line, 7);
    assert_null(input.env[1].file);
    decision_input_clear(&input);
}

static void oversized_names_are_those_of_interest(void **state)
{
    (void)state;
    struct request request;
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    char verbose[] = "ITEX_VERBOSE", impossible[] = "CCL_:", job[] = "SLURM_JOB_ID", backend[] = "KERAS_BACKEND";
    char *names[] = {verbose, impossible, job, backend};
    request_init(&request);
    request.message.oversized = names;
    request.message.n_oversized = 4;
    assert_int_equal(decision_input_read(&request.message, false, &input, error, sizeof(error)), 0);
    assert_int_equal(input.resolve.n_oversized, 2);
    assert_string_equal(input.resolve.oversized[0], "ITEX_VERBOSE");
    assert_string_equal(input.resolve.oversized[1], "KERAS_BACKEND");
    decision_input_clear(&input);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    CLEANUP(freep) char *huge = malloc(ITEXD_MAX_VALUE + 2);
    memset(huge, 'x', ITEXD_MAX_VALUE + 1);
    huge[ITEXD_MAX_VALUE + 1] = '\0';
    struct request request;

    request_init(&request);
    add_env(&request, "ITEX_A", "1");
    add_env(&request, "ITEX_A", "1");
    assert_refused(&request, "ITEX_A is given twice");
    request_init(&request);
    add_env(&request, "ITEX_A", "1");
    add_env(&request, "ITEX_A", "2");
    add_script(&request, "ITEX_A", "3");
    assert_refused(&request, "ITEX_A is given twice");
    request_init(&request);
    add_env(&request, NULL, "1");
    assert_refused(&request, "without a name");
    request_init(&request);
    add_env(&request, "ITEX_LONG", huge);
    assert_refused(&request, "ITEX_LONG: its value is longer");
    request_init(&request);
    add_script(&request, "ITEX_A", NULL);
    assert_refused(&request, "what is missing");
    request_init(&request);
    add_fact(&request, "keras", "3", "declared");
    add_fact(&request, "keras", "2", "declared");
    assert_refused(&request, "keras is given twice");
    request_init(&request);
    add_fact(&request, "keras", NULL, "declared");
    assert_refused(&request, "value is missing");
    request_init(&request);
    add_fact(&request, "keras", "3", "inferred");
    assert_refused(&request, "cannot come from \"inferred\"");
    request_init(&request);
    add_fact(&request, "itex", huge, "declared");
    assert_refused(&request, "itex: its value is longer");
    request_init(&request);
    add_fact(&request, "xla_flags_file", huge, "declared");
    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    assert_int_equal(decision_input_read(&request.message, false, &input, error, sizeof(error)), 0);
    decision_input_clear(&input);
}

static const struct resolved_fact resolved_facts[] = {
    {"keras", "3", FROM_DECLARED},
    {"jit", "unknown", FROM_UNKNOWN},
    {"xla_flags_source", "missing", FROM_ENVIRONMENT},
    {"ops_override", "true", FROM_ENVIRONMENT},
    {"xla", "true", FROM_INFERRED},
};

static Itexd__V1__Facts *packed_facts(const struct request *request, uint8_t **data, size_t *size)
{
    struct resolution resolution = RESOLUTION_INIT;
    resolution.facts = resolved_facts;
    resolution.n_facts = sizeof(resolved_facts) / sizeof(*resolved_facts);
    assert_int_equal(decision_pack_facts(&request->message, NULL, &resolution, data, size), 0);
    return itexd__v1__facts__unpack(NULL, *size, *data);
}

static void facts_are_equal_for_equal_jobs(void **state)
{
    (void)state;
    struct request one, other;
    CLEANUP(freep) uint8_t *one_data = NULL, *other_data = NULL;
    size_t one_size, other_size;
    request_init(&one);
    add_env(&one, "TF_XLA_FLAGS", "flags.txt");
    add_env(&one, "ITEX_OPS_OVERRIDE", "1");
    add_env(&one, "KERAS_BACKEND", "jax");
    add_env(&one, "SLURM_JOB_ID", "11");
    request_init(&other);
    add_env(&other, "SLURM_JOB_ID", "12");
    add_env(&other, "KERAS_BACKEND", "jax");
    add_env(&other, "ITEX_OPS_OVERRIDE", "1");
    add_env(&other, "TF_XLA_FLAGS", "flags.txt");
    Itexd__V1__Facts *facts = packed_facts(&one, &one_data, &one_size);
    assert_int_equal(facts->n_env, 3);
    assert_string_equal(facts->env[0]->name, "ITEX_OPS_OVERRIDE");
    assert_string_equal(facts->env[2]->name, "TF_XLA_FLAGS");
    itexd__v1__facts__free_unpacked(facts, NULL);
    itexd__v1__facts__free_unpacked(packed_facts(&other, &other_data, &other_size), NULL);
    assert_int_equal(one_size, other_size);
    assert_memory_equal(one_data, other_data, one_size);
}

static void facts_come_back_as_a_request(void **state)
{
    (void)state;
    struct request request;
    CLEANUP(freep) uint8_t *data = NULL;
    size_t size;
    request_init(&request);
    add_env(&request, "TF_XLA_FLAGS", "flags.txt");
    add_script(&request, "ITEX_DISABLE_XLA", "1");
    request.message.has_apply_errors = request.message.apply_errors = 1;
    Itexd__V1__Facts *facts = packed_facts(&request, &data, &size);
    Itexd__V1__Resolve *again = NULL;
    assert_int_equal(decision_request_from_facts(facts, "advise", &again), 0);
    itexd__v1__facts__free_unpacked(facts, NULL);
    assert_string_equal(again->policy, "advise");
    assert_true(again->apply_errors);
    assert_int_equal(again->n_env, 1);
    assert_int_equal(again->n_script_env, 1);
    assert_int_equal(again->n_facts, 2);
    assert_string_equal(again->facts[0]->name, "keras");
    assert_string_equal(again->facts[0]->from, "declared");
    assert_string_equal(again->facts[1]->name, "xla_flags_source");

    struct decision_input input = DECISION_INPUT_INIT;
    char error[256];
    assert_int_equal(decision_input_read(again, false, &input, error, sizeof(error)), 0);
    assert_int_equal(input.resolve.n_env, 2);
    decision_input_clear(&input);
    itexd__v1__resolve__free_unpacked(again, NULL);
}

/* What the service found, and what a weaker source said, belong to what is replayed. */
static void findings_are_kept(void **state)
{
    (void)state;
    struct request request;
    struct resolution resolution = RESOLUTION_INIT;
    const struct env_variable lease[] = {{"ZE_AFFINITY_MASK", "0", NULL, 0}, {"ONEAPI_DEVICE_SELECTOR", NULL, NULL, 0}};
    const struct decision_note notes[] = {{"scheduler-owns", "a job of Slurm"}};
    const struct input_fact node[] = {{"keras", "2", FROM_NODE}, {"devices", "some", FROM_NODE}};
    const struct decision_findings findings = {
        .lease = lease, .n_lease = 2, .node = node, .n_node = 2, .notes = notes, .n_notes = 1, .none = true};
    CLEANUP(freep) uint8_t *data = NULL;
    size_t size;
    request_init(&request);
    add_fact(&request, "keras", "2", "script");
    add_fact(&request, "keras", "3", NULL);
    resolution.facts = resolved_facts;
    resolution.n_facts = 1;
    assert_int_equal(decision_pack_facts(&request.message, &findings, &resolution, &data, &size), 0);
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, size, data);
    assert_true(facts->replayable && facts->no_device && !facts->refused);
    assert_int_equal(facts->n_overridden, 3);
    assert_string_equal(facts->overridden[0]->name, "devices");
    assert_string_equal(facts->overridden[1]->from, "node");
    assert_string_equal(facts->overridden[2]->from, "script");
    assert_int_equal(facts->n_lease_env, 2);
    assert_string_equal(facts->lease_env[0]->value, "0");
    assert_null(facts->lease_env[1]->value);
    assert_string_equal(facts->notes[0]->detail, "a job of Slurm");
    Itexd__V1__Resolve *again = NULL;
    assert_int_equal(decision_request_from_facts(facts, NULL, &again), 0);
    assert_int_equal(again->n_facts, 4); /* the one that won, and the three */
    itexd__v1__resolve__free_unpacked(again, NULL);
    itexd__v1__facts__free_unpacked(facts, NULL);
}

static const char *const chain[] = {"keras3-3"};
static const struct resolved_variable changes[] = {{"ITEX_DISABLE_XLA", "1"}, {"TF_USE_LEGACY_KERAS", NULL}};
static const char *const obligations[] = {"jit_compile=False"};
static const struct diagnostic diagnostics[] = {
    {"keras3-6", SEVERITY_ERROR, OUTCOME_ABORT, "cannot close NPD", "set it", "page", true, chain, 1},
};

static struct resolution sample_resolution(void)
{
    return (struct resolution){
        .verdict = VERDICT_FIXED,
        .mode = MODE_NPD_XLA,
        .predicted_outcome = OUTCOME_ABORT,
        .predicted_outcome_known = true,
        .unknown = chain,
        .n_unknown = 1,
        .env = changes,
        .n_env = 2,
        .obligations = obligations,
        .n_obligations = 1,
        .diagnostics = diagnostics,
        .n_diagnostics = 1,
        .diagnostics_omitted = 3,
    };
}

static void outcome_says_everything(void **state)
{
    (void)state;
    struct resolution resolution = sample_resolution();
    CLEANUP(freep) uint8_t *data = NULL, *again = NULL;
    size_t size, again_size;
    assert_int_equal(decision_pack_outcome(&resolution, NULL, 0, &data, &size), 0);
    assert_int_equal(decision_pack_outcome(&resolution, NULL, 0, &again, &again_size), 0);
    assert_int_equal(size, again_size);
    assert_memory_equal(data, again, size);
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, size, data);
    assert_string_equal(outcome->verdict, "fixed");
    assert_string_equal(outcome->mode, "npd+xla");
    assert_null(outcome->predicted_mode);
    assert_string_equal(outcome->predicted_outcome, "abort");
    assert_string_equal(outcome->env[0]->value, "1");
    assert_null(outcome->env[1]->value);
    assert_string_equal(outcome->diagnostics[0]->because[0], "keras3-3");
    assert_string_equal(outcome->diagnostics[0]->severity, "error");
    assert_true(outcome->diagnostics[0]->applied);
    assert_int_equal(outcome->diagnostics_omitted, 3);
    assert_false(outcome->alternatives_asked);
    itexd__v1__outcome__free_unpacked(outcome, NULL);
}

static void outcome_holds_alternatives(void **state)
{
    (void)state;
    struct resolution resolution = sample_resolution();
    const struct alternative alternatives[] = {
        {.env = changes, .n_env = 1, .mode = MODE_NPD},
        {.env = &changes[1], .n_env = 1, .obligations = obligations, .n_obligations = 1, .mode = MODE_STREAM_EXECUTOR},
    };
    CLEANUP(freep) uint8_t *data = NULL;
    size_t size;
    resolution.predicted_outcome_known = false;
    assert_int_equal(decision_pack_outcome(&resolution, alternatives, 2, &data, &size), 0);
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, size, data);
    assert_null(outcome->predicted_outcome);
    assert_true(outcome->alternatives_asked);
    assert_int_equal(outcome->n_alternatives, 2);
    assert_int_equal(outcome->n_env, 2);
    assert_string_equal(outcome->alternatives[0]->mode, "npd");
    assert_string_equal(outcome->alternatives[1]->env[0]->name, "TF_USE_LEGACY_KERAS");
    assert_string_equal(outcome->alternatives[1]->obligations[0], "jit_compile=False");
    itexd__v1__outcome__free_unpacked(outcome, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_points_into_request),
        cmocka_unit_test(policy_of_the_request_wins),
        cmocka_unit_test(script_beats_environment),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(oversized_names_are_those_of_interest),
        cmocka_unit_test(facts_are_equal_for_equal_jobs),
        cmocka_unit_test(facts_come_back_as_a_request),
        cmocka_unit_test(findings_are_kept),
        cmocka_unit_test(outcome_says_everything),
        cmocka_unit_test(outcome_holds_alternatives),
    };
    return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}
