/* Each parser against every spelling that the readers of the variables are known to tell apart. */
#include "fixture.h"

#include "daemon/resolver/parse.h"
#include "daemon/resolver/variables.h"
#include "daemon/resolver/version.h"

#include <string.h>

struct spelling {
    const char *text;
    unsigned answer;
};

static void check(unsigned (*parser)(const char *), const struct spelling *spellings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (parser(spellings[i].text) != spellings[i].answer)
            fail_msg("'%s': %u, not %u", spellings[i].text, parser(spellings[i].text), spellings[i].answer);
}
#define CHECK(parser, ...)                                                                                             \
    check(parser, (const struct spelling[]){__VA_ARGS__}, N(((const struct spelling[]){__VA_ARGS__})))

static void native_booleans(void **state)
{
    (void)state;
    CHECK(parse_native_bool, {"1", ANSWER_TRUE}, {"true", ANSWER_TRUE}, {"TRUE", ANSWER_TRUE}, {"True", ANSWER_TRUE},
          {"tRuE", ANSWER_TRUE}, {"0", ANSWER_FALSE}, {"", ANSWER_FALSE}, {"yes", ANSWER_FALSE}, {"on", ANSWER_FALSE},
          {" 1", ANSWER_FALSE}, {"1 ", ANSWER_FALSE}, {"2", ANSWER_FALSE}, {"01", ANSWER_FALSE});
}

static void python_booleans(void **state)
{
    (void)state;
    CHECK(parse_python_legacy, {"1", ANSWER_TRUE}, {"true", ANSWER_TRUE}, {"True", ANSWER_TRUE}, {"TRUE", ANSWER_FALSE},
          {"yes", ANSWER_FALSE}, {"", ANSWER_FALSE}, {" 1", ANSWER_FALSE});
    CHECK(parse_python_disable, {"0", ANSWER_FALSE}, {"false", ANSWER_FALSE}, {"False", ANSWER_TRUE}, {"", ANSWER_TRUE},
          {"no", ANSWER_TRUE}, {"1", ANSWER_TRUE}, {"0 ", ANSWER_TRUE});
}

static void strict_booleans(void **state)
{
    (void)state;
    CHECK(parse_strict_bool, {"0", ANSWER_FALSE}, {"FALSE", ANSWER_FALSE}, {"1", ANSWER_TRUE}, {"True", ANSWER_TRUE},
          {"", ANSWER_BAD}, {"yes", ANSWER_BAD}, {"on", ANSWER_BAD}, {"2", ANSWER_BAD}, {" 1", ANSWER_BAD});
    CHECK(parse_native_spelling, {"0", SPELLING_READ}, {"False", SPELLING_READ}, {"TRUE", SPELLING_READ},
          {"yes", SPELLING_MISREAD}, {"", SPELLING_MISREAD}, {"on", SPELLING_MISREAD});
}

static void integers(void **state)
{
    (void)state;
    CHECK(parse_native_integer, {"1024", INTEGER_VALID}, {" 12 ", INTEGER_VALID}, {"-1", INTEGER_VALID},
          {"9223372036854775807", INTEGER_VALID}, {"-9223372036854775808", INTEGER_VALID},
          {"9223372036854775808", INTEGER_INVALID}, {"4GB", INTEGER_INVALID}, {"", INTEGER_INVALID},
          {"+1", INTEGER_INVALID}, {"1.5", INTEGER_INVALID}, {"-", INTEGER_INVALID}, {"1 2", INTEGER_INVALID});
    CHECK(parse_verbose, {"1", READ_TWICE}, {" -2\n", READ_TWICE}, {"2147483647", READ_TWICE}, {"+1", READ_ONCE},
          {"1_000", READ_ONCE}, {"1.0", READ_ONCE}, {"1x", READ_ONCE}, {"0x10", READ_ONCE}, {"1 2", READ_ONCE},
          {"2147483648", READ_NEVER}, {"99999999999999999999", READ_NEVER}, {"", READ_NEVER}, {" ", READ_NEVER},
          {"_1", READ_NEVER}, {"-", READ_NEVER}, {"- 1", READ_NEVER}, {"info", READ_NEVER});
}

static void names(void **state)
{
    (void)state;
    CHECK(parse_hierarchy, {"FLAT", TREE_FLAT}, {"COMPOSITE", TREE_COMPOSITE}, {"COMBINED", TREE_COMBINED},
          {"flat", TREE_OTHER}, {"", TREE_OTHER});
    CHECK(parse_backend, {"CPU", BACKEND_IS_CPU}, {"cpu", BACKEND_IS_CPU}, {"GPU", BACKEND_IS_GPU},
          {"auto", BACKEND_IS_AUTO}, {"XPU", BACKEND_IS_OTHER}, {"", BACKEND_IS_OTHER});
    CHECK(parse_device_filter, {"level_zero", FILTER_LEVEL_ZERO}, {"LEVEL_ZERO:gpu", FILTER_LEVEL_ZERO},
          {"opencl,level_zero:gpu", FILTER_LEVEL_ZERO}, {"opencl", FILTER_OTHER}, {"", FILTER_OTHER});
    CHECK(parse_keras_backend, {"tensorflow", KERAS_ON_TENSORFLOW}, {"", KERAS_ON_TENSORFLOW}, {"jax", KERAS_ON_OTHER},
          {"TensorFlow", KERAS_ON_OTHER});
}

static void affinity_masks(void **state)
{
    (void)state;
    CHECK(parse_affinity_mask, {"", MASK_EMPTY}, {"default", MASK_EMPTY}, {"0", MASK_VALID}, {"0,1,10", MASK_VALID},
          {"0.1,1.0", MASK_VALID}, {"1,1.0,1", MASK_VALID});
    CHECK(parse_affinity_mask, {"0,", MASK_ODD}, {"0.", MASK_ODD}, {"0 ,1", MASK_ODD}, {" 1", MASK_ODD},
          {"-1", MASK_ODD}, {"+1", MASK_ODD}, {"01", MASK_ODD}, {"0x1", MASK_ODD}, {"0;1", MASK_ODD}, {"1e0", MASK_ODD},
          {"0:1", MASK_ODD}, {"0.1x", MASK_ODD}, {"0.1.0", MASK_ODD}, {"0.1.", MASK_ODD}, {"0.1.2", MASK_ODD},
          {"0.1.0.", MASK_ODD}, {"4294967296", MASK_VALID});
    CHECK(parse_affinity_mask, {"x", MASK_INVALID}, {"0,x", MASK_INVALID}, {",0", MASK_INVALID}, {"0,,1", MASK_INVALID},
          {"0,,", MASK_INVALID}, {",", MASK_INVALID}, {".0", MASK_INVALID}, {"0..1", MASK_INVALID},
          {"0.x", MASK_INVALID}, {" ", MASK_INVALID}, {"- 1", MASK_INVALID}, {"*", MASK_INVALID},
          {"0.0.1", MASK_INVALID}, {"18446744073709551616", MASK_INVALID});
}

static void selectors(void **state)
{
    (void)state;
    CHECK(parse_selector, {"level_zero:*", SELECT_ALL}, {"level_zero:gpu", SELECT_ALL}, {"*:gpu", SELECT_ALL},
          {"LEVEL_ZERO:GPU", SELECT_ALL}, {"level_zero:*.*", SELECT_ALL}, {";level_zero:gpu;;", SELECT_ALL},
          {"level_zero:0", SELECT_ORDINALS}, {"level_zero:0,1", SELECT_ORDINALS}, {"level_zero:0.1", SELECT_ORDINALS},
          {"level_zero:*;!level_zero:0", SELECT_ORDINALS}, {"!level_zero:0", SELECT_ORDINALS},
          {"!opencl:*;!level_zero:1", SELECT_ORDINALS}, {"level_zero:1x", SELECT_ORDINALS},
          {"level_zero: 0", SELECT_ORDINALS}, {"level_zero:-1", SELECT_ORDINALS}, {"opencl:gpu", SELECT_OTHER},
          {"opencl:0", SELECT_OTHER}, {"level_zero:cpu", SELECT_OTHER}, {"level_zero:*;!opencl:*", SELECT_OTHER},
          {"!opencl:*", SELECT_OTHER}, {"level_zero:,", SELECT_OTHER}, {";", SELECT_OTHER}, {"host:*", SELECT_OTHER});
    CHECK(parse_selector, {"", SELECT_INVALID}, {"gpu", SELECT_INVALID}, {"*", SELECT_INVALID},
          {"level_zero", SELECT_INVALID}, {"level_zero:", SELECT_INVALID}, {"level_zero:0:1", SELECT_INVALID},
          {"nonsense:gpu", SELECT_INVALID}, {"esimd_emulator:*", SELECT_INVALID}, {"level_zero_v2:0", SELECT_INVALID},
          {" level_zero:0", SELECT_INVALID}, {"level_zero :0", SELECT_INVALID}, {"xlevel_zero:gpu", SELECT_INVALID},
          {"level_zero:x", SELECT_INVALID}, {"level_zero:acc", SELECT_INVALID}, {"level_zero:gpux", SELECT_INVALID},
          {"level_zero:*x", SELECT_INVALID}, {"level_zero:gpu.*", SELECT_INVALID}, {"level_zero:*.0", SELECT_INVALID},
          {"level_zero:0.*.0", SELECT_INVALID}, {"level_zero:0.1.2.3", SELECT_INVALID},
          {"level_zero:*;!gpu", SELECT_INVALID}, {"level_zero:2147483648", SELECT_INVALID});
}

static void auto_jit_numbers(void **state)
{
    int32_t number;

    (void)state;
    assert_true(parse_int32(" +7\t", 4, &number));
    assert_int_equal(number, 7);
    assert_true(parse_int32("-2147483648", 11, &number));
    assert_false(parse_int32("2147483648", 10, &number));
    assert_false(parse_int32("1x", 2, &number));
    assert_false(parse_int32("", 0, &number));
    assert_false(parse_int32("--1", 3, &number));
}

static void versions(void **state)
{
    static const char *const ascending[] = {"2.9",          "2.15.0rc1", "2.15",        "2.15.0.1",
                                            "2.15.0.3",     "2.15.1",    "2.16.0.dev1", "2.16",
                                            "2.16.0.post1", "10",        VERSION_NEWEST};
    (void)state;
    for (size_t i = 0; i < N(ascending); i++)
        for (size_t j = 0; j < N(ascending); j++)
            if ((version_compare(ascending[i], ascending[j]) > 0) - (version_compare(ascending[i], ascending[j]) < 0) !=
                (i > j) - (i < j))
                fail_msg("%s and %s", ascending[i], ascending[j]);
    assert_int_equal(version_compare("2.15", "2.15.0.0"), 0);
    assert_int_equal(version_compare("2.15.0+cpu", "2.15"), 0);
}

static void version_bounds(void **state)
{
    (void)state;
    assert_true(version_within("2.16.1", ">=2.16,<2.18"));
    assert_false(version_within("2.18", ">=2.16, <2.18"));
    assert_true(version_within("2.15.0.3", "==2.15.*"));
    assert_false(version_within("2.16", "==2.15.*"));
    assert_false(version_within("2.15.9", "!=2.15.*"));
    assert_true(version_within("2.9", "<2.15"));
    assert_true(version_within("2.15", "<=2.15,>2.14,!=3"));
    assert_true(version_within(VERSION_NEWEST, ">=2.16"));
    assert_false(version_within("none", ">=0"));
    static const char *const none[] = {"", ">=", "2.15", ">=2.15 <3", "<2.15.*", ">=x", ">=2.x", ">=2.15,", "=2.15"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(version_bounds_valid(none[i]));
}

static void allowlists(void **state)
{
    static const char *const settable[] = {
        "ITEX_X", "TF_XLA_FLAGS", "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR", "OMP_NUM_THREADS", "I_MPI_PIN"};
    static const char *const refused[] = {"LD_PRELOAD", "PATH", "PYTHONPATH", "ZE_ENABLE_ALT_DRIVERS", "ITEX_A-B",
                                          "ITEX_A=B", "", "KERAS_BACKEND", "ITEX", "ONEAPI_DEVICE_SELECTOR2",
                                          /* what they name is loaded or started */
                                          "TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "UR_ADAPTERS_FORCE_LOAD",
                                          "UR_ADAPTERS_SEARCH_PATH", "OMP_TOOL_LIBRARIES", "CCL_MPI_LIBRARY_PATH",
                                          "CCL_OFI_LIBRARY_PATH", "CCL_KERNEL_PATH", "CCL_ROOT", "I_MPI_PMI_LIBRARY",
                                          "I_MPI_OFI_LIBRARY", "I_MPI_ROOT", "I_MPI_HYDRA_BOOTSTRAP_EXEC",
                                          "SYCL_CACHE_DIR", "SYCL_OVERRIDE_PI_LEVEL_ZERO", "SYCL_CONFIG_FILE_NAME"};
    static const char *const collected[] = {
        "KERAS_BACKEND", "SLURM_JOB_ID", "MPI_LOCALRANKID", "NEOReadDebugKeys", "OMPI_COMM_WORLD_LOCAL_RANK",
        "ITEX_VERBOSE"};

    (void)state;
    for (size_t i = 0; i < N(settable); i++)
        assert_true(variable_settable(settable[i]));
    for (size_t i = 0; i < N(refused); i++)
        assert_false(variable_settable(refused[i]));
    for (size_t i = 0; i < N(collected); i++)
        assert_true(variable_collected(collected[i]));
    assert_false(variable_collected("HOME"));
    assert_false(variable_collected("NEOReadDebugKeysX"));
    static const char *const secrets[] = {"TF_VAR_password", "TF_TOKEN_app_terraform_io", "TF_CLI_ARGS_apply",
                                          "SLURM_JWT", "PBS_JOBCOOKIE"};
    for (size_t i = 0; i < N(secrets); i++)
        assert_false(variable_collected(secrets[i]) || variable_settable(secrets[i]));
}

static void every_fact_reads_its_variable(void **state)
{
    (void)state;
    for (int fact = 0; fact < FACT_COUNT; fact++) {
        const struct fact_info *info = &fact_table[fact];

        assert_int_equal(fact_by_name(info->name), fact);
        if (info->origin != FACT_ENVIRONMENT || info->variable == VARIABLE_TF_XLA_FLAGS)
            continue;
        assert_in_range(info->unset, 1, info->n_values - 1);
        assert_in_range(parse_fact((enum fact_id)fact, "nonsense"), 1, info->n_values - 1);
        assert_in_range(parse_fact((enum fact_id)fact, ""), 1, info->n_values - 1);
    }
    assert_int_equal(fact_by_name("nonsense"), -1);
    assert_int_equal(fact_by_name(""), -1);
    assert_int_equal(fact_by_name("zzz"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_booleans), cmocka_unit_test(python_booleans),
        cmocka_unit_test(strict_booleans), cmocka_unit_test(integers),
        cmocka_unit_test(names),           cmocka_unit_test(affinity_masks),
        cmocka_unit_test(selectors),       cmocka_unit_test(auto_jit_numbers),
        cmocka_unit_test(versions),        cmocka_unit_test(version_bounds),
        cmocka_unit_test(allowlists),      cmocka_unit_test(every_fact_reads_its_variable),
    };

    return cmocka_run_group_tests_name("resolver-parsers", tests, NULL, NULL);
}
