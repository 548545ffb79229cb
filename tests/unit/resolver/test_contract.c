/*
 * The resolution of whole jobs with the shipped rules: the eight rows, the worked examples, and the chains between
 * them. The first argument is the folder of the rules. tests/reference checks the whole space against a model of its
 * own; these say in C what must not change.
 */
#include "fixture.h"

#include "daemon/rules/rules.h"

#include <stdio.h>
#include <string.h>

static const char *folder;
static struct rules *rules;
static struct resolution result = RESOLUTION_INIT;

static const struct example {
    const char *words;
    const char *diagnostics; /* the rules that hold */
    const char *mode;
    const char *env;
    const char *obligations; /* joined by blanks */
    const char *predicted;   /* mode/outcome, '-' where it is not known */
} examples[] = {
    /* The page's rows. */
    {"itex=newest keras=0 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", "keras3-1", "stream-executor",
     "ITEX_DISABLE_XLA=1", "", "-/abort"},
    {"itex=newest keras=0 jit=off custom_ops=false", "keras3-2", "npd", "ITEX_DISABLE_XLA=1", "", "npd+xla/slow"},
    {"itex=newest keras=2 jit=on custom_ops=false TF_USE_LEGACY_KERAS=1", "keras3-3", "npd+xla",
     "TF_XLA_FLAGS=--tf_xla_auto_jit=1", "jit_compile=False", "npd/unsupported"},
    {"itex=newest keras=3 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", "keras3-4 exit0-compile",
     "stream-executor", "ITEX_DISABLE_XLA=1", "", "-/abort"},
    {"itex=newest keras=3 jit=off custom_ops=false", "keras3-5", "npd", "ITEX_DISABLE_XLA=1", "", "npd+xla/exit0"},
    {"itex=newest keras=0 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 TF_XLA_FLAGS=--tf_xla_auto_jit=1",
     "keras3-6", "npd+xla", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1", "", "-/abort"},
    {"itex=newest keras=0 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 TF_XLA_FLAGS=--tf_xla_auto_jit=2",
     "keras3-7", "npd+xla", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1", "", "-/abort"},
    {"itex=newest keras=0 jit=off custom_ops=false ITEX_OPS_OVERRIDE=1 TF_XLA_FLAGS=--tf_xla_auto_jit=2", "keras3-8",
     "npd+xla", "ITEX_OPS_OVERRIDE=0", "", "npd+xla/warning"},
    /* The contract's worked examples. */
    {"itex=newest keras=2 jit=on custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 ITEX_OPS_OVERRIDE=1 "
     "TF_XLA_FLAGS=--tf_xla_clustering_debug",
     "keras3-3 keras3-6 legacy-unset npd-off-xla-on", "npd+xla",
     "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=1 TF_XLA_FLAGS=--tf_xla_clustering_debug --tf_xla_auto_jit=1",
     "jit_compile=False", "-/abort"},
    {"itex=newest keras=3 jit=auto custom_ops=false ITEX_OPS_OVERRIDE=1", "keras3-5", "npd", "ITEX_DISABLE_XLA=1", "",
     "npd+xla/exit0"},
    {"itex=2.15.0.3 keras=3 jit=auto custom_ops=false ITEX_OPS_OVERRIDE=1", "", "npd", "", "", "npd/ok"},
    {"itex=2.15.0.3 keras=0 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 ITEX_OPS_OVERRIDE=1 "
     "TF_XLA_FLAGS=--tf_xla_auto_jit=2",
     "keras3-8 npd-forced xla-device-api", "npd+xla",
     "ITEX_OPS_OVERRIDE=0 TF_XLA_FLAGS=--tf_xla_auto_jit=2 --tf_xla_use_device_api=true", "", "npd+xla/warning"},
    {"itex=newest keras=0 jit=off custom_ops=false ITEX_DISABLE_XLA=False", "keras3-2 disable-spelling", "npd",
     "ITEX_DISABLE_XLA=1", "", "npd+xla/slow"},
    {"itex=newest", "", "npd+xla", "", "", "npd+xla/-"},
    {"itex=2.15.0.3", "", "npd", "", "", "npd/-"},
    {"itex=newest keras=3 jit=auto custom_ops=false TF_USE_LEGACY_KERAS=1", "legacy-mismatch jit-without-xla",
     "npd+xla", "TF_USE_LEGACY_KERAS", "", "npd/error"},
    {"itex=2.15.0.3 keras=3 jit=auto custom_ops=false TF_USE_LEGACY_KERAS=1", "jit-without-xla", "npd", "",
     "jit_compile=False", "npd/error"},
    {"itex=newest keras=3 jit=on custom_ops=false TF_XLA_FLAGS=--tf_xla_auto_jit=2",
     "keras-auto-jit auto-jit-not-exempt", "npd+xla", "ITEX_DISABLE_XLA=1", "jit_compile=False", "npd+xla/warning"},
    /* The oldest generation: nothing of the page holds. */
    {"itex=2.14.0.2 keras=2 jit=off custom_ops=false ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0 "
     "TF_XLA_FLAGS=--tf_xla_auto_jit=1",
     "dead-variable", "stream-executor", "", "", "stream-executor/ok"},
};

static const char *shown(const char *text)
{
    return text ? text : "-";
}

static void check(const struct example *example)
{
    char obligations[256] = "";
    char predicted[64];

    resolve_words(rules_compiled(rules), example->words, &result);
    for (size_t i = 0; i < result.n_obligations; i++) {
        strcat(obligations, i ? " " : "");
        strcat(obligations, result.obligations[i]);
    }
    snprintf(predicted, sizeof predicted, "%s/%s", shown(mode_name(result.predicted_mode)),
             result.predicted_outcome_known ? outcome_name(result.predicted_outcome) : "-");
    if (strcmp(rules_line(&result), example->diagnostics) != 0)
        fail_msg("%s: rules %s", example->words, rules_line(&result));
    if (strcmp(env_line(&result), example->env) != 0)
        fail_msg("%s: env %s", example->words, env_line(&result));
    if (strcmp(shown(mode_name(result.mode)), example->mode) != 0)
        fail_msg("%s: mode %s", example->words, shown(mode_name(result.mode)));
    if (strcmp(obligations, example->obligations) != 0)
        fail_msg("%s: obligations %s", example->words, obligations);
    if (strcmp(predicted, example->predicted) != 0)
        fail_msg("%s: predicted %s", example->words, predicted);
}

static void whole_jobs(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(examples); i++)
        check(&examples[i]);
}

static void one_fix_makes_another_rule_apply(void **state)
{
    (void)state;
    resolve_words(rules_compiled(rules), examples[8].words, &result);
    assert_int_equal(diagnostic_of(&result, "keras3-6")->n_because, 1);
    assert_string_equal(diagnostic_of(&result, "keras3-6")->because[0], "keras3-3");
    assert_true(diagnostic_of(&result, "keras3-6")->applied);
    assert_false(diagnostic_of(&result, "legacy-unset")->applied);
}

static int setup(void **state)
{
    struct rule_files files = RULE_FILES_INIT;
    struct yaml_messages messages = YAML_MESSAGES_INIT;
    int r = rule_files_read(folder, &files);

    (void)state;
    if (r == 0)
        r = rules_load(&files, &rules, &messages);
    yaml_messages_clear(&messages);
    rule_files_clear(&files);
    return r;
}

static int teardown(void **state)
{
    (void)state;
    resolution_free(&result);
    rules_free(rules);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_jobs),
        cmocka_unit_test(one_fix_makes_another_rule_apply),
    };

    (void)argc;
    folder = argv[1];
    return cmocka_run_group_tests_name("resolver-contract", tests, setup, teardown);
}
