/*
 * TF_XLA_FLAGS. The expectations about fatal, level and swallowed names were measured on TensorFlow 2.14.1, 2.15.1 and
 * 2.16.2 with the same texts.
 */
#include "fixture.h"

#include "daemon/resolver/xla_flags.h"

#include <stdlib.h>
#include <string.h>

static struct xla_flags flags;
static struct arena arena = ARENA_INIT;

static int setup(void **state)
{
    (void)state;
    flags = (struct xla_flags){some_flags, n_some_flags};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct xla_parse parse(const char *text, unsigned generation)
{
    struct xla_parse out;

    assert_int_equal(xla_parse(&flags, text, generation, &arena, &out), 0);
    return out;
}

static int level(const struct xla_parse *out)
{
    const struct xla_token *token = xla_setting(out, xla_flag_by_name(&flags, "tf_xla_auto_jit"));

    return token ? token->level : -1000;
}

/* Text, whether 2.14 and 2.15 die of it, whether the newest does, and the level of auto_jit (-1000: none). */
static const struct corner {
    const char *text;
    bool fatal_old;
    bool fatal_new;
    int level;
} corners[] = {
    {"--tf_xla_auto_jit=1", false, false, 1},
    {"--tf_xla_auto_jit=2 --tf_xla_auto_jit=0", false, false, 0},
    {"--tf_xla_auto_jit=1 --tf_xla_auto_jit=zz", false, false, 1},
    {"--tf_xla_auto_jit=zz", false, false, -1000},
    {"--tf_xla_auto_jit=zz --foo", false, false, -1000},
    {"--tf_xla_auto_jit=' 1 '", false, false, 1},
    {"--tf_xla_auto_jit='+1'", false, false, 1},
    {"--tf_xla_auto_jit=-3", false, false, -3},
    {"--tf_xla_auto_jit=single-gpu(2)", false, false, 2},
    {"--tf_xla_auto_jit=single-gpu()", false, false, -1000},
    {"--tf_xla_auto_jit=single-gpu(", false, false, -1000},
    {"--tf_xla_auto_jit=fusible", false, false, 1},
    {"--tf_xla_auto_jit=Fusible", false, false, -1000},
    {"--tf_xla_auto_jit=99999999999", false, false, -1000},
    {"--tf_xla_auto_jit=1 foo --bar", false, false, 1},
    {"--tf_xla_auto_jit=\"1\"--tf_xla_auto_jit=0", false, false, 0},
    {"--tf_xla_auto_jit=\"1\"x --foo", false, false, 1},
    {"--tf_xla_auto_jit=\"1", false, false, 1},
    {"--tf_xla_auto_jit=\"\\1\"", false, false, 1},
    {"--tf_xla_auto_jit='\\1'", false, false, -1000},
    {"  \t\r\n--tf_xla_auto_jit=1\n--tf_xla_clustering_debug", false, false, 1},
    {"--tf_xla_auto_jit", true, true, -1000},
    {"--tf_xla_auto_jit 1", true, true, -1000},
    {"-tf_xla_auto_jit=1", true, true, -1000},
    {"--tf_xla_auto_jit =1", true, true, -1000},
    {"--xla_dump_to=/tmp", true, true, -1000},
    {"--tf_xla_clustering_debug --foo", true, true, -1000},
    {"--tf_xla_clustering_debug=TRUE --foo", true, true, -1000},
    {"--tf_xla_clustering_debug=yes --foo --tf_xla_auto_jit=1", false, false, 1},
    {"--tf_xla_clustering_debug=1 --foo", false, true, -1000},
    {"--tf_xla_clustering_debug= --foo", false, false, -1000},
    {"--tf_xla_clustering_debug_foo --tf_xla_auto_jit=1", false, true, 1},
    {"--tf_xla_use_device_api_for_auto_jit=maybe --foo", false, false, -1000},
    {"--help --tf_xla_auto_jit=1 --foo", false, false, 1},
    {"--foo --help", true, true, -1000},
    {"--tf_xla_auto_jit=1 --", true, true, 1},
    {"-- --tf_xla_auto_jit=1", true, true, -1000},
    {"--tf_xla_min_cluster_size=x --foo", false, false, -1000},
    {"--tf_xla_min_cluster_size=0x1 --foo", false, false, -1000},
    {"--tf_xla_min_cluster_size=' 4' --foo", true, true, -1000},
    {"--tf_xla_min_cluster_size='4 ' --foo", false, false, -1000},
    {"--tf_xla_min_cluster_size=99999999999 --foo", true, true, -1000},
    {"--tf_xla_ops_to_cluster= --foo", true, true, -1000},
    {"", false, false, -1000},
    {"-", true, true, -1000},
    {"--=", true, true, -1000},
};

static void odd_corners(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(corners); i++) {
        struct xla_parse old = parse(corners[i].text, GENERATION_2_15);
        struct xla_parse new = parse(corners[i].text, GENERATION_NEWEST);

        if (old.fatal != corners[i].fatal_old || new.fatal != corners[i].fatal_new)
            fail_msg("%s: fatal %d and %d", corners[i].text, old.fatal, new.fatal);
        if (level(&old) != corners[i].level || level(&new) != corners[i].level)
            fail_msg("%s: level %d and %d", corners[i].text, level(&old), level(&new));
    }
}

static void a_flag_of_later_versions_is_unknown_before(void **state)
{
    struct xla_parse old = parse("--tf_xla_persistent_cache_read_only", GENERATION_2_14);
    struct xla_parse new = parse("--tf_xla_persistent_cache_read_only", GENERATION_2_15);

    (void)state;
    assert_true(old.fatal);
    assert_false(new.fatal);
}

static void text_or_file(void **state)
{
    (void)state;
    assert_true(xla_value_is_text("--a"));
    assert_true(xla_value_is_text(" \t-"));
    assert_false(xla_value_is_text("/etc/flags"));
    assert_false(xla_value_is_text(" "));
    assert_false(xla_value_is_text("'--tf_xla_auto_jit=1'"));
    assert_false(xla_value_is_text("flags --tf_xla_auto_jit=1"));
}

static void check_edit(const char *text, const char *flag, const char *value, bool known_only, const char *expected)
{
    struct xla_parse out = parse(text, GENERATION_NEWEST);
    int index = flag ? xla_flag_by_name(&flags, flag) : XLA_NO_FLAG;
    const char *edited;

    assert_int_equal(xla_edit(&flags, &out, index, value, known_only, &arena, &edited), 0);
    if (!expected)
        assert_null(edited);
    else if (!edited || strcmp(edited, expected) != 0)
        fail_msg("%s: %s, not %s", text, edited, expected);
}

static void edits(void **state)
{
    (void)state;
    check_edit("--tf_xla_clustering_debug", "tf_xla_auto_jit", "1", false,
               "--tf_xla_clustering_debug --tf_xla_auto_jit=1");
    check_edit("--tf_xla_auto_jit=2  --tf_xla_auto_jit=0\n--tf_xla_ops_to_cluster='a b'", "tf_xla_auto_jit", "1", false,
               "--tf_xla_ops_to_cluster='a b' --tf_xla_auto_jit=1");
    check_edit("", "tf_xla_auto_jit", "1", false, "--tf_xla_auto_jit=1");
    check_edit("--tf_xla_auto_jit=1", "tf_xla_auto_jit", NULL, false, NULL);
    check_edit("--tf_xla_clustering_debug stop --foo", "tf_xla_auto_jit", "1", false,
               "--tf_xla_clustering_debug --tf_xla_auto_jit=1");
    check_edit("--tf_xla_ops_to_cluster=\"a", "tf_xla_auto_jit", "1", false,
               "--tf_xla_ops_to_cluster=\"a\" --tf_xla_auto_jit=1");
    check_edit("--tf_xla_ops_to_cluster=\"a\\", "tf_xla_auto_jit", "1", false,
               "--tf_xla_ops_to_cluster=\"a\\\\\" --tf_xla_auto_jit=1");
    check_edit("--tf_xla_ops_to_cluster=\"a\\\\", "tf_xla_auto_jit", "1", false,
               "--tf_xla_ops_to_cluster=\"a\\\\\" --tf_xla_auto_jit=1");
    check_edit("--foo --tf_xla_auto_jit=1 -x -- --tf_xla_clustering_debug", NULL, NULL, true, "--tf_xla_auto_jit=1");
    check_edit("--foo", NULL, NULL, true, NULL);
    check_edit("--foo\n--tf_xla_auto_jit=1\n# a comment", NULL, NULL, false, "--foo --tf_xla_auto_jit=1");
    check_edit("--tf_xla_auto_jit=1 -- x", "tf_xla_auto_jit", "2", false, "--tf_xla_auto_jit=2");
}

static void an_edit_is_read_back_as_it_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(corners); i++) {
        struct xla_parse out = parse(corners[i].text, GENERATION_NEWEST);
        const char *edited;
        struct xla_parse again;

        assert_int_equal(
            xla_edit(&flags, &out, xla_flag_by_name(&flags, "tf_xla_auto_jit"), "2", true, &arena, &edited), 0);
        again = parse(edited, GENERATION_NEWEST);
        assert_int_equal(level(&again), 2);
        assert_false(xla_has_unknown(&again));
        assert_true(xla_in_effect(&flags, &again, xla_flag_by_name(&flags, "tf_xla_auto_jit"), "2"));
    }
}

static void values_compare_by_meaning(void **state)
{
    struct xla_parse out =
        parse("--tf_xla_auto_jit=fusible --tf_xla_clustering_debug --tf_xla_ops_to_cluster=PW", GENERATION_NEWEST);

    (void)state;
    assert_true(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_auto_jit"), "1"));
    assert_false(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_auto_jit"), "2"));
    assert_true(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_clustering_debug"), "true"));
    assert_false(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_clustering_debug"), NULL));
    assert_true(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_ops_to_cluster"), "PW"));
    assert_true(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_use_device_api"), NULL));
    assert_false(xla_in_effect(&flags, &out, xla_flag_by_name(&flags, "tf_xla_use_device_api"), "true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_corners),
        cmocka_unit_test(a_flag_of_later_versions_is_unknown_before),
        cmocka_unit_test(text_or_file),
        cmocka_unit_test(edits),
        cmocka_unit_test(an_edit_is_read_back_as_it_was_meant),
        cmocka_unit_test(values_compare_by_meaning),
    };

    return cmocka_run_group_tests_name("resolver-xla-flags", tests, setup, teardown);
}
