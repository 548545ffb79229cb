/* Facts that follow from others, seen through resolutions with no rules at all. */
#include "fixture.h"

#include <string.h>

static struct rule_set *set;
static struct resolution result = RESOLUTION_INIT;

static int setup(void **state)
{
    (void)state;
    set = set_of(NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolution_free(&result);
    rule_set_free(set);
    return 0;
}

/* words, a fact and the value it must have (NULL: unknown, so it is left out). */
struct expectation {
    const char *words;
    const char *fact;
    const char *value;
};

static void check(const struct expectation *expectations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *value;

        resolve_words(set, expectations[i].words, &result);
        value = fact_of(&result, expectations[i].fact);
        if ((value == NULL) != (expectations[i].value == NULL) || (value && strcmp(value, expectations[i].value) != 0))
            fail_msg("%s: %s is %s, not %s", expectations[i].words, expectations[i].fact, value ? value : "unknown",
                     expectations[i].value ? expectations[i].value : "unknown");
    }
}
#define CHECK(...) check((const struct expectation[]){__VA_ARGS__}, N(((const struct expectation[]){__VA_ARGS__})))

static void generations(void **state)
{
    (void)state;
    CHECK({"itex=newest", "generation", "newest"}, {"itex=2.16.0", "generation", "newest"},
          {"itex=2.17", "generation", "newest"}, {"itex=3.0", "generation", "newest"},
          {"itex=2.15.0.3", "generation", "2.15"}, {"itex=2.14.0.2", "generation", "2.14"},
          {"itex=1.2", "generation", "2.14"}, {"tensorflow=2.15.1", "generation", "2.15"},
          {"tensorflow=2.9", "generation", "2.14"}, {"itex=2.15 tensorflow=2.16", "generation", "2.15"},
          {"jit=on", "generation", "newest"}, {"jit=on", "generation_assumed", "true"},
          {"tensorflow=2.15.1", "generation_assumed", "false"});
}

static void modes(void **state)
{
    static const struct {
        const char *words;
        enum mode mode;
    } expectations[] = {
        {"itex=newest", MODE_NPD_XLA},
        {"itex=newest ITEX_DISABLE_XLA=1", MODE_NPD},
        {"itex=newest ITEX_DISABLE_XLA=yes", MODE_NPD_XLA},
        {"itex=newest TF_USE_LEGACY_KERAS=TRUE", MODE_NPD},
        {"itex=newest TF_USE_LEGACY_KERAS=1 ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=@", MODE_STREAM_EXECUTOR},
        {"itex=newest ITEX_DISABLE_XLA=1 TF_XLA_FLAGS=--tf_xla_auto_jit=1", MODE_NPD_XLA},
        {"itex=newest ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", MODE_UNKNOWN},
        {"itex=2.15.0.3", MODE_NPD},
        {"itex=2.15.0.3 ITEX_DISABLE_XLA=1", MODE_NPD},
        {"itex=2.15.0.3 ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", MODE_STREAM_EXECUTOR},
        {"itex=2.15.0.3 ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 TF_XLA_FLAGS=--tf_xla_auto_jit=2", MODE_NPD_XLA},
        {"itex=2.15.0.3 TF_XLA_FLAGS=/etc/flags", MODE_UNKNOWN},
        {"itex=2.15.0.3 TF_XLA_FLAGS=/etc/flags xla_flags_file=--tf_xla_auto_jit=1", MODE_NPD_XLA},
        {"itex=2.14 TF_XLA_FLAGS=--tf_xla_auto_jit=2", MODE_STREAM_EXECUTOR},
        {"itex=2.14 TF_XLA_FLAGS=/etc/flags", MODE_STREAM_EXECUTOR},
    };

    (void)state;
    for (size_t i = 0; i < N(expectations); i++) {
        resolve_words(set, expectations[i].words, &result);
        if (result.mode != expectations[i].mode)
            fail_msg("%s: %s", expectations[i].words, mode_name(result.mode));
    }
}

static void automatic_jit(void **state)
{
    (void)state;
    CHECK({"jit=on", "jit_effective", "on"}, {"jit=off", "jit_effective", "off"}, {"keras=3", "jit_effective", NULL},
          {"jit=on run_eagerly=true", "jit_effective", "off"}, {"jit=auto keras=2", "jit_effective", "off"},
          {"jit=auto keras=3", "jit_effective", "on"}, {"jit=auto keras=0", "jit_effective", NULL},
          {"jit=auto", "jit_effective", NULL}, {"jit=auto strategy=true", "jit_effective", "off"},
          {"jit=auto keras=0 strategy=true", "jit_effective", NULL},
          {"jit=auto keras=3 ITEX_OPS_OVERRIDE=TRUE", "jit_effective", "off"},
          {"jit=auto keras=3 ITEX_OPS_OVERRIDE=yes", "jit_effective", "on"},
          {"jit=auto keras=3 strategy=false", "jit_effective", "on"},
          {"jit=auto keras=3 unsupported_layer=true", "jit_effective", "off"},
          {"jit=auto keras=3 determinism=true", "jit_effective", "off"},
          {"jit=auto keras=3 run_eagerly=true", "jit_effective", "off"},
          {"jit=auto keras=3 SYCL_DEVICE_FILTER=opencl", "jit_effective", "off"},
          {"jit=auto keras=3 lib_flavour=cpu", "jit_effective", "off"},
          {"jit=auto keras=3 lib_flavour=xpu", "jit_effective", "on"},
          {"jit=on keras=3 strategy=true", "jit_effective", "on"});
}

static void the_check_of_keras(void **state)
{
    (void)state;
    CHECK({"itex=newest keras=3", "keras_check", "active"}, {"itex=newest keras=2", "keras_check", NULL},
          {"itex=2.15 keras=3", "keras_check", NULL},
          {"itex=newest keras=3 TF_USE_LEGACY_KERAS=True", "keras_check", "exempt"},
          {"itex=newest keras=3 TF_USE_LEGACY_KERAS=TRUE", "keras_check", "active"},
          {"itex=newest keras=3 ITEX_DISABLE_XLA=False", "keras_check", "exempt"},
          {"itex=newest keras=3 ITEX_DISABLE_XLA=@", "keras_check", "exempt"},
          {"itex=newest keras=3 ITEX_DISABLE_XLA=0", "keras_check", "active"},
          {"itex=newest keras=3 TF_XLA_FLAGS=--tf_xla_auto_jit=1", "keras_check", "exempt"},
          {"itex=newest keras=3 TF_XLA_FLAGS=--tf_xla_auto_jit=10", "keras_check", "exempt"},
          {"itex=newest keras=3 TF_XLA_FLAGS=--tf_xla_auto_jit~=~1", "keras_check", "exempt"},
          {"itex=newest keras=3 TF_XLA_FLAGS=--tf_xla_auto_jit=2", "keras_check", "active"},
          {"itex=newest keras=3 TF_XLA_FLAGS=--tf_xla_auto_jit=fusible", "keras_check", "active"},
          {"itex=newest keras=3 TF_XLA_FLAGS=/f xla_flags_file=--tf_xla_auto_jit=1", "keras_check", "active"},
          {"itex=newest keras=3 setuptools=70.0.0", "keras_check", "broken"},
          {"itex=newest keras=3 setuptools=70.3", "keras_check", "broken"},
          {"itex=newest keras=3 setuptools=70.2.0", "keras_check", "active"},
          {"itex=newest keras=3 setuptools=7.0", "keras_check", "active"},
          {"itex=newest keras=3 setuptools=82.0.1", "keras_check", "broken"},
          {"itex=newest keras=3 setuptools=100", "keras_check", "broken"},
          {"itex=newest keras=3 setuptools=none", "keras_check", "broken"},
          {"itex=newest keras=3 setuptools=none ITEX_DISABLE_XLA=1", "keras_check", "exempt"});
}

static void tiles_and_masks(void **state)
{
    (void)state;
    CHECK({"itex=2.15", "tile_pair", "equal"}, {"itex=2.15 ITEX_TILE_AS_DEVICE=0", "tile_pair", "itex-off"},
          {"itex=2.15 SYCL_TILE_AS_DEVICE=false", "tile_pair", "sycl-off"},
          {"itex=2.15 SYCL_TILE_AS_DEVICE=0 ITEX_TILE_AS_DEVICE=0", "tile_pair", "equal"},
          {"itex=2.15 ITEX_ENABLE_TILE_AS_DEVICE=0 ITEX_TILE_AS_DEVICE=1", "tile_pair", "itex-off"},
          {"itex=2.15 ITEX_ENABLE_TILE_AS_DEVICE=1 ITEX_TILE_AS_DEVICE=bad", "tile_pair", "equal"},
          {"itex=2.15 SYCL_TILE_AS_DEVICE=bad", "tile_pair", NULL},
          {"itex=2.15 ZE_AFFINITY_MASK=1 ONEAPI_DEVICE_SELECTOR=level_zero:1", "selector_under_mask", "none-left"},
          {"itex=2.15 ZE_AFFINITY_MASK=1 ONEAPI_DEVICE_SELECTOR=level_zero:0", "selector_under_mask", "possible"},
          {"itex=2.15 ZE_AFFINITY_MASK=1,7 ONEAPI_DEVICE_SELECTOR=level_zero:1", "selector_under_mask", "possible"},
          {"itex=2.15 ZE_AFFINITY_MASK=1 ONEAPI_DEVICE_SELECTOR=level_zero:*", "selector_under_mask", "no"},
          {"itex=2.15 ZE_AFFINITY_MASK=@ ONEAPI_DEVICE_SELECTOR=level_zero:1", "selector_under_mask", "no"},
          {"itex=2.15 ONEAPI_DEVICE_SELECTOR=level_zero:1", "selector_under_mask", "no"});
}

static void where_the_flags_come_from(void **state)
{
    (void)state;
    CHECK({"itex=2.15 TF_XLA_FLAGS=@", "xla_flags_source", NULL},
          {"itex=2.15 TF_XLA_FLAGS=--a", "xla_flags_source", "text"},
          {"itex=2.15 TF_XLA_FLAGS=/f", "xla_flags_source", "unreadable"},
          {"itex=2.15 TF_XLA_FLAGS=~", "xla_flags_source", "unreadable"},
          {"itex=2.15 TF_XLA_FLAGS=/f xla_flags_source=missing", "xla_flags_source", "missing"},
          {"itex=2.15 TF_XLA_FLAGS=--a xla_flags_source=missing", "xla_flags_source", "text"},
          {"itex=2.15 TF_XLA_FLAGS=/f xla_flags_file=@", "xla_flags_source", "file"},
          {"itex=2.15 TF_XLA_FLAGS=/f xla_flags_file=--tf_xla_auto_jit=2", "auto_jit", "2"},
          {"itex=2.15 TF_XLA_FLAGS=/f", "auto_jit", NULL}, {"itex=2.15 TF_XLA_FLAGS=--foo", "xla_unknown_flag", "true"},
          {"itex=2.15 TF_XLA_FLAGS=--tf_xla_auto_jit=bad", "auto_jit_set", "true"},
          {"itex=2.15 TF_XLA_FLAGS=--tf_xla_use_device_api", "xla_device_api", "true"},
          {"itex=2.15 TF_XLA_FLAGS=--tf_xla_auto_jit=-1", "auto_jit", NULL});
}

static void where_facts_come_from(void **state)
{
    static const char name[] = "ITEX_OPS_OVERRIDE";
    const struct env_variable script = {.name = name, .value = "1", .file = "train.py", .line = 3};
    const struct resolve_input more = {.env = &script, .n_env = 1};

    (void)state;
    resolve_words_with(set, "itex=2.15 ITEX_DISABLE_XLA=1", &more, &result);
    for (size_t i = 0; i < result.n_facts; i++) {
        enum provenance from = result.facts[i].from;

        if (strcmp(result.facts[i].name, "ops_override") == 0)
            assert_int_equal(from, FROM_SCRIPT);
        if (strcmp(result.facts[i].name, "disable_native") == 0)
            assert_int_equal(from, FROM_ENVIRONMENT);
        if (strcmp(result.facts[i].name, "generation") == 0)
            assert_int_equal(from, FROM_INFERRED);
        if (strcmp(result.facts[i].name, "itex") == 0)
            assert_int_equal(from, FROM_DECLARED);
        if (strcmp(result.facts[i].name, "jit") == 0)
            assert_int_equal(from, FROM_UNKNOWN);
    }
    assert_string_equal(fact_of(&result, "jit"), "unknown");
    assert_null(fact_of(&result, "setuptools"));
    assert_string_equal(result.itex, "2.15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations),           cmocka_unit_test(modes),
        cmocka_unit_test(automatic_jit),         cmocka_unit_test(the_check_of_keras),
        cmocka_unit_test(tiles_and_masks),       cmocka_unit_test(where_the_flags_come_from),
        cmocka_unit_test(where_facts_come_from),
    };

    return cmocka_run_group_tests_name("resolver-derive", tests, setup, teardown);
}
