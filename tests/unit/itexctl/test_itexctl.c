/* What itexctl's commands are made of: options, times, durations, quoting, JSON, exit statuses, rule differences. */
#include "client/itexctl/env_format.h"
#include "client/itexctl/errors.h"
#include "client/itexctl/options.h"
#include "client/itexctl/output.h"
#include "client/itexctl/quote.h"
#include "client/itexctl/rule_diff.h"
#include "client/itexctl/when.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <json-c/linkhash.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- Options ---------------------------------------------------------------------------------------- */

struct values {
    bool flag;
    const char *text, *choice;
    struct text_list list;
    int64_t number, duration;
};
static const char *const choices[] = {"on", "off", NULL};
static const struct option_def defs[] = {
    {"flag", OPTION_FLAG, offsetof(struct values, flag), NULL, "a flag"},
    {"text", OPTION_TEXT, offsetof(struct values, text), "TEXT", "a text"},
    {"choice", OPTION_CHOICE, offsetof(struct values, choice), "on|off", "a choice", choices},
    {"list", OPTION_LIST, offsetof(struct values, list), "ITEM", "a list"},
    {"number", OPTION_NUMBER, offsetof(struct values, number), "N", "a number", NULL, 1, 9},
    {"duration", OPTION_DURATION, offsetof(struct values, duration), "T", "a time", NULL, 1},
};

static int parse(struct values *values, bool stop, const char **argv, struct operands *operands, char error[256])
{
    const struct option_group group = {"Test", defs, sizeof(defs) / sizeof(*defs), values};
    int argc = 0;
    while (argv[argc])
        argc++;
    memset(values, 0, sizeof(*values));
    error[0] = '\0';
    return options_parse(&group, 1, argc, (char **)argv, stop, operands, error, 256);
}

static void options_of_every_kind(void **state)
{
    (void)state;
    struct values values;
    struct operands operands;
    char error[256];
    const char *argv[] = {"one",      "--flag", "--text=a=b", "--choice", "off", "two",    "--list", "x", "--list=",
                          "--number", "3",      "--duration", "1.5s",     "--",  "--flag", "-",      NULL};
    assert_int_equal(parse(&values, false, argv, &operands, error), 0);
    assert_true(values.flag);
    assert_string_equal(values.text, "a=b");
    assert_string_equal(values.choice, "off");
    assert_int_equal(values.list.n_items, 2);
    assert_string_equal(values.list.items[1], "");
    assert_int_equal(values.number, 3);
    assert_int_equal(values.duration, 1500);
    assert_int_equal(operands.n_items, 4);
    assert_string_equal(operands.items[2], "--flag");
    assert_string_equal(operands.items[3], "-");
    assert_null(operands.items[4]);
    options_clear(&(struct option_group){"Test", defs, sizeof(defs) / sizeof(*defs), &values}, 1);
    assert_null(values.list.items);
}

static void options_absent_are_told_apart(void **state)
{
    (void)state;
    struct values values;
    struct operands operands;
    char error[256];
    const char *argv[] = {"run", "--flag", NULL};
    assert_int_equal(parse(&values, true, argv, &operands, error), 0);
    assert_false(values.flag);
    assert_int_equal(values.number, -1);
    assert_int_equal(values.duration, -1);
    assert_null(values.text);
    assert_int_equal(operands.n_items, 2);
}

static void assert_refused(const char *first, const char *second, const char *word)
{
    struct values values;
    struct operands operands;
    char error[256];
    const char *argv[] = {first, second, NULL};
    assert_int_equal(parse(&values, false, argv, &operands, error), -EINVAL);
    if (!strstr(error, word))
        fail_msg("\"%s\" does not say \"%s\"", error, word);
}

static void options_mistaken_are_named(void **state)
{
    (void)state;
    assert_refused("--txet", "x", "did you mean --text?");
    assert_refused("--xyzzy", NULL, "unknown option --xyzzy");
    assert_refused("-x", NULL, "unknown option -x");
    assert_refused("--flag=1", NULL, "--flag takes no value");
    assert_refused("--text", NULL, "--text needs a value");
    assert_refused("--choice", "maybe", "--choice takes on or off");
    assert_refused("--number", "0", "--number takes a whole number from 1");
    assert_refused("--number", "10", "--number");
    assert_refused("--number", "3x", "3x");
    assert_refused("--duration", "soon", "--duration takes a time");
    assert_refused("--duration", "0", "--duration takes a time");
}

static void durations(void **state)
{
    (void)state;
    assert_int_equal(duration_parse("250ms"), 250);
    assert_int_equal(duration_parse("2"), 2000);
    assert_int_equal(duration_parse("1.5m"), 90000);
    assert_int_equal(duration_parse("1d"), 86400000);
    static const char *const bad[] = {"", "s", "-1s", "1y", "1 s", "1e3", "1..2", "99999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(duration_parse(bad[i]), -1);
}

/* ---- Times ------------------------------------------------------------------------------------------ */

static void times(void **state)
{
    (void)state;
    const uint64_t now = 1769853600000; /* 2026-01-31T10:00:00Z, 11:00 in Berlin */
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"now", 1769853600000},
        {"1769853600", 1769853600000},
        {"@0", 0},
        {"2 hours ago", 1769846400000},
        {"an hour ago", 1769850000000},
        {"1 day ago", 1769767200000},
        {"2h", 1769846400000},
        {"2026-01-31T10:00:00Z", 1769853600000},
        {"2026-01-31T10:00:00.123Z", 1769853600123},
        {"2026-01-31 11:00:00+01:00", 1769853600000},
        {"2026-01-31T05:30-0430", 1769853600000},
        {"2026-01-31T11:00", 1769853600000}, /* local */
        {"2026-01-31", 1769814000000},
        {"today", 1769814000000},
        {"yesterday", 1769727600000},
        {"2026-07-01", 1782856800000}, /* summer time */
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        uint64_t ms = 1;
        if (!when_parse(good[i].text, now, &ms))
            fail_msg("\"%s\" is refused", good[i].text);
        if (ms != good[i].ms)
            fail_msg("\"%s\" is %llu", good[i].text, (unsigned long long)ms);
    }
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "2026-02-31",
                                      "2026-13-01",
                                      "2026-01-31T25:00",
                                      "2026-1-31x",
                                      "2 moons ago",
                                      "hours ago",
                                      "-5",
                                      "2026-01-31T10:00:00Q",
                                      "2026-01-31T10",
                                      "2026-01-31T-1:30",
                                      "2026-01-31T10:00:-1",
                                      "2026-01- 3",
                                      "2026-1-31",
                                      "2026-01-31T10:00:00.",
                                      "2026-01-31T10:00+1:00",
                                      "2026-01-31T10:00+25:00",
                                      "2026-01-31T10:00Zz",
                                      "2025-02-29",
                                      "1969-12-31",
                                      "99999999999999999999",
                                      "2026-01-31T10:60"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        uint64_t ms;
        if (when_parse(bad[i], now, &ms))
            fail_msg("\"%s\" is taken", bad[i]);
    }
}

/* Europe/Berlin: on 29 March 2026 02:00 is 03:00, on 25 October 2026 03:00 is 02:00. */
static void times_that_come_twice_or_never(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t first, last;
    } times[] = {
        {"2026-10-25T01:59", 1792886340000, 1792886340000},
        {"2026-10-25T02:30", 1792888200000, 1792891800000},
        {"2026-10-25T03:00", 1792893600000, 1792893600000},
        {"2026-10-25T02:30+01:00", 1792891800000, 1792891800000},
        {"2026-03-29T01:59", 1774745940000, 1774745940000},
        {"2026-03-29T02:30", 1774747800000, 1774747800000}, /* shown as 03:30 */
        {"2026-03-29T03:00", 1774746000000, 1774746000000},
        {"2026-12-31T23:59:60", 1798758000000, 1798758000000},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        uint64_t first = 1, last = 1;
        assert_true(when_parse(times[i].text, 0, &first));
        assert_true(when_parse_end(times[i].text, 0, &last));
        if (first != times[i].first || last != times[i].last)
            fail_msg("\"%s\" is %llu to %llu", times[i].text, (unsigned long long)first, (unsigned long long)last);
    }
    uint64_t ms;
    /* the day before has 23 hours, the first of a month has one before it */
    assert_true(when_parse("yesterday", 1774893600000 /* 30 March, 20:00 */, &ms));
    assert_int_equal(ms, 1774738800000);
    assert_true(when_parse("yesterday", 1772362800000 /* 1 March, 12:00 */, &ms));
    assert_int_equal(ms, 1772233200000);
}

/* ---- Quoting ---------------------------------------------------------------------------------------- */

static void assert_change(enum shell shell, const char *value, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    shell_change(out, shell, "NAME", value);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void changes_for_shells(void **state)
{
    (void)state;
    assert_change(SHELL_SH, "it's $x", "export NAME='it'\\''s $x';\n");
    assert_change(SHELL_SH, NULL, "unset NAME;\n");
    assert_change(SHELL_FISH, "it's\\\n", "set -gx NAME 'it\\'s\\\\'\\n'';\n");
    assert_change(SHELL_FISH, NULL, "set -e NAME;\n");
    assert_change(SHELL_CSH, "a!'\n", "setenv NAME 'a\\!'\\'''$'\\n''';\n");
    assert_change(SHELL_CSH, NULL, "unsetenv NAME;\n");
}

static char *formatted(enum env_format format, const char *value, const char *socket, int *result)
{
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(apply_plan_add(&plan, "TF_A", value), 0);
    assert_int_equal(apply_plan_add(&plan, "TF_B", NULL), 0);
    *result = env_format_print(out, format, &plan, socket, &failure);
    fclose(out);
    return text;
}

static void assert_formatted(enum env_format format, const char *value, const char *socket, const char *expected)
{
    int result;
    char *text = formatted(format, value, socket, &result);
    assert_int_equal(result, 0);
    assert_string_equal(text, expected);
    free(text);
}

static void changes_for_what_is_no_shell(void **state)
{
    (void)state;
    assert_formatted(ENV_SH, "1", NULL, "export TF_A='1';\nunset TF_B;\n");
    assert_formatted(ENV_DOCKER, "a b=\"c\"", "/run/x/s",
                     "# For docker or podman run --env-file; the container also needs\n"
                     "#   --device=/dev/dri   all of it: the mask counts the node's cards\n"
                     "#   --volume=/run/x:/run/x   to report what it got\n"
                     "TF_A=a b=\"c\"\n# TF_B must not be set in the image\n");
    assert_formatted(ENV_APPTAINER, "it's", "/run/x/s",
                     "export APPTAINERENV_TF_A='it'\\''s';\nunset APPTAINERENV_TF_B;\nunset TF_B;\n"
                     "export APPTAINER_BIND=\"${APPTAINER_BIND:+$APPTAINER_BIND,}\"'/run/x';\n");
    assert_formatted(ENV_SYSTEMD, "50% \"\\\n", NULL,
                     "[Service]\nEnvironment=\"TF_A=50%% \\\"\\\\\\n\"\nUnsetEnvironment=TF_B\n");
    assert_int_equal(env_format_by_name("fish"), ENV_FISH);
    assert_int_equal(env_format_by_name("systemd"), ENV_SYSTEMD);
    assert_int_equal(env_format_by_name("powershell"), -1);
}

static void a_line_break_is_refused_where_it_cannot_be(void **state)
{
    (void)state;
    int result;
    char *text = formatted(ENV_DOCKER, "two\nlines", NULL, &result);
    assert_int_equal(result, -1);
    assert_string_equal(text, "");
    free(text);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void json_has_every_key(void **state)
{
    (void)state;
    static const char *const keys[] = {"decision",     "recorded",    "state",       "time",
                                       "job",          "peer",        "policy",      "verdict",
                                       "mode",         "predicted",   "facts",       "unknown",
                                       "env",          "obligations", "diagnostics", "diagnostics_omitted",
                                       "alternatives", "devices",     "lease",       "observed",
                                       "ruleset",      "itex"};
    const Itexd__V1__Decision empty = ITEXD__V1__DECISION__INIT;
    struct json_object *object = json_decision(&empty);
    size_t n = 0;
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        assert_true(n < sizeof(keys) / sizeof(*keys));
        assert_string_equal(key, keys[n++]);
    }
    assert_int_equal(n, sizeof(keys) / sizeof(*keys));
    assert_string_equal(json_object_to_json_string_ext(json_object_object_get(object, "env"), 0),
                        "{\"set\":{},\"unset\":[]}");
    assert_string_equal(json_object_to_json_string_ext(json_object_object_get(object, "ruleset"), 0),
                        "{\"id\":null,\"name\":null,\"digest\":null}");
    assert_null(json_object_object_get(object, "alternatives"));
    json_object_put(object);
}

static void json_is_always_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } texts[] = {
        {"gr\xc3\xbcn", "gr\xc3\xbcn"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct json_object *object = json_text(texts[i].text);
        assert_string_equal(json_object_get_string(object), texts[i].expected);
        json_object_put(object);
    }
    assert_null(json_text(NULL));
}

/* ---- Exit statuses ---------------------------------------------------------------------------------- */

static void statuses_of_errors(void **state)
{
    (void)state;
    static const struct {
        Itexd__V1__Error__Code code;
        int status;
        bool unavailable;
    } expected[] = {
        {ITEXD__V1__ERROR__CODE__BAD_REQUEST, 2, false},    {ITEXD__V1__ERROR__CODE__INCOMPATIBLE, 69, true},
        {ITEXD__V1__ERROR__CODE__NOT_PERMITTED, 77, false}, {ITEXD__V1__ERROR__CODE__NOT_FOUND, 1, false},
        {ITEXD__V1__ERROR__CODE__LIMIT, 75, false},         {ITEXD__V1__ERROR__CODE__BUSY, 75, false},
        {ITEXD__V1__ERROR__CODE__BAD_RULES, 78, false},     {ITEXD__V1__ERROR__CODE__INTERNAL, 70, false},
        {ITEXD__V1__ERROR__CODE__LOCKED, 77, false},        {ITEXD__V1__ERROR__CODE__UNKNOWN, 70, false},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
        Itexd__V1__Error error = ITEXD__V1__ERROR__INIT;
        error.has_code = 1;
        error.code = expected[i].code;
        error.text = (char *)"what, which, what to do";
        assert_int_equal(failure_from_service(&failure, &error), -1);
        assert_int_equal(failure.status, expected[i].status);
        assert_int_equal(failure.unavailable, expected[i].unavailable);
        assert_string_equal(failure.text, error.text);
    }
}

/* ---- Rule differences ------------------------------------------------------------------------------- */

struct seen {
    char text[256];
};

static void note_change(enum rule_change change, const struct rule_def *rule, const char *what, void *data)
{
    struct seen *seen = data;
    static const char *const names[] = {"added", "removed", "changed", "moved"};
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s %s %s;", names[change], rule->id, what ? what : "-");
}

static void rule_sets_are_compared(void **state)
{
    (void)state;
    const struct rule_def a = {.id = "a", .severity = SEVERITY_ERROR, .message = "m", .source = "s"};
    const struct rule_def b = {.id = "b", .message = "m", .source = "s"};
    const struct rule_def b2 = {.id = "b", .message = "other", .source = "s", .generations = 4};
    const struct rule_def c = {.id = "c"};
    const struct rule_set_def first = {.rules = (const struct rule_def[]){a, b}, .n_rules = 2};
    const struct rule_set_def second = {.rules = (const struct rule_def[]){a, b2, c}, .n_rules = 3};
    const struct rule_set_def third = {.rules = (const struct rule_def[]){b, a}, .n_rules = 2};
    struct seen seen = {""};
    assert_int_equal(rule_diff(&first, &first, note_change, &seen), 0);
    assert_string_equal(seen.text, "");
    assert_int_equal(rule_diff(&first, &second, note_change, &seen), 0);
    assert_string_equal(seen.text, "changed b conditions, message;added c -;");
    seen.text[0] = '\0';
    assert_int_equal(rule_diff(&second, &first, note_change, &seen), 0);
    assert_string_equal(seen.text, "removed c -;changed b conditions, message;");
    seen.text[0] = '\0';
    assert_int_equal(rule_diff(&first, &third, note_change, &seen), 0);
    assert_string_equal(seen.text, "moved b a;");
}

/* ---- Words ------------------------------------------------------------------------------------------ */

static void words_of_decisions(void **state)
{
    (void)state;
    Itexd__V1__Outcome outcome = ITEXD__V1__OUTCOME__INIT;
    outcome.predicted_outcome = (char *)"abort";
    CLEANUP(freep) char *aborts = prediction_words(&outcome);
    assert_string_equal(aborts, "no mode: is killed by a signal (abort)");
    outcome.predicted_mode = (char *)"npd";
    outcome.predicted_outcome = (char *)"a newer word";
    CLEANUP(freep) char *newer = prediction_words(&outcome);
    assert_string_equal(newer, "npd, a newer word (a newer word)");
    outcome.predicted_outcome = NULL;
    char keras[] = "keras", jit[] = "jit";
    outcome.unknown = (char *[]){keras, jit};
    outcome.n_unknown = 2;
    CLEANUP(freep) char *open = prediction_words(&outcome);
    assert_string_equal(open, "npd, as far as can be told without knowing keras, jit");
    CLEANUP(freep) char *install = obligation_words("install:tf-keras");
    assert_string_equal(install, "install tf-keras in the job's Python");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_every_kind),
        cmocka_unit_test(options_absent_are_told_apart),
        cmocka_unit_test(options_mistaken_are_named),
        cmocka_unit_test(durations),
        cmocka_unit_test(times),
        cmocka_unit_test(times_that_come_twice_or_never),
        cmocka_unit_test(changes_for_shells),
        cmocka_unit_test(changes_for_what_is_no_shell),
        cmocka_unit_test(a_line_break_is_refused_where_it_cannot_be),
        cmocka_unit_test(json_has_every_key),
        cmocka_unit_test(json_is_always_utf8),
        cmocka_unit_test(statuses_of_errors),
        cmocka_unit_test(rule_sets_are_compared),
        cmocka_unit_test(words_of_decisions),
    };
    return cmocka_run_group_tests_name("itexctl", tests, NULL, NULL);
}
