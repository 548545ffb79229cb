/*
 * Rule sets: the shipped ones load without a word and keep what their examples promise; every mistake that a rule
 * file can have is reported where it stands; damaged files are refused and never worse.
 *
 *     test-rules DB_RULES_FOLDER
 */
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *shipped;

struct set {
    struct rule_files files;
    struct yaml_messages messages;
    struct rules *rules;
    int r;
};

static void set_clear(struct set *set)
{
    rules_free(set->rules);
    yaml_messages_clear(&set->messages);
    rule_files_clear(&set->files);
}

static void load(struct set *set)
{
    set->r = rules_load(&set->files, &set->rules, &set->messages);
}

static struct set load_text(const char *text, size_t size)
{
    struct set set = {.r = 0};

    assert_int_equal(rule_files_add(&set.files, "r.yaml", text, size), 0);
    load(&set);
    return set;
}

static void show(const struct set *set)
{
    for (size_t i = 0; i < set->messages.n_items; i++)
        print_message("# %s\n", set->messages.items[i].text);
}

static void the_shipped_rules_load_without_a_word(void **state)
{
    CLEANUP(set_clear) struct set set = {.r = 0};

    (void)state;
    assert_int_equal(rule_files_read(shipped, &set.files), 0);
    load(&set);
    show(&set);
    assert_int_equal(set.r, 0);
    assert_int_equal(set.messages.n_items, 0);
    assert_string_equal(rules_name(set.rules), "shipped");
    assert_int_equal(strlen(rules_digest(set.rules)), RULES_DIGEST_SIZE - 1);
    assert_false(rules_definitions(set.rules)->advise);
    assert_true(rules_definitions(set.rules)->n_rules > 40);
    assert_int_equal(rule_set_size(rules_compiled(set.rules)), rules_definitions(set.rules)->n_rules);
}

static void the_shipped_examples_hold(void **state)
{
    CLEANUP(set_clear) struct set set = {.r = 0};

    (void)state;
    assert_int_equal(rule_files_read(shipped, &set.files), 0);
    load(&set);
    assert_int_equal(set.r, 0);
    assert_true(rules_run_examples(set.rules, &set.messages) > 100);
    show(&set);
    assert_int_equal(set.messages.n_errors, 0);
}

static void every_shipped_rule_says_what_to_do(void **state)
{
    CLEANUP(set_clear) struct set set = {.r = 0};

    (void)state;
    assert_int_equal(rule_files_read(shipped, &set.files), 0);
    load(&set);
    assert_int_equal(set.r, 0);
    for (size_t i = 0; i < rules_definitions(set.rules)->n_rules; i++)
        assert_non_null(rules_definitions(set.rules)->rules[i].solution);
}

/* A rule that is right; mistakes are put in by what follows it. */
#define RULE_HEAD "rules:\n  - id: a\n    severity: error\n    outcome: abort\n    message: m\n    source: s\n"
#define RULE_REST "    solution: {unset: ITEX_VERBOSE}\n    examples: [{expect: {holds: false}}]\n"
#define GOOD_RULE RULE_HEAD RULE_REST "    when: {keras: \"3\"}\n"

struct mistake {
    const char *text;
    const char *message; /* how one of the messages begins */
};

static const struct mistake mistakes[] = {
    {RULE_HEAD RULE_REST "    when: {kearas: \"3\"}\n",
     "r.yaml:9:12: there is no fact \"kearas\"; did you mean \"keras\"?"},
    {RULE_HEAD RULE_REST "    when: {colour: red}\n",
     "r.yaml:9:12: there is no fact \"colour\"; facts.yaml lists them"},
    {RULE_HEAD RULE_REST "    when: {keras: 4}\n",
     "r.yaml:9:19: the fact \"keras\" cannot be \"4\"; it can be 0, 2, 3, unknown"},
    {RULE_HEAD RULE_REST "    when: {keras: [\"2\", \"!3\"]}\n",
     "r.yaml:9:25: values with and without \"!\" in one condition"},
    {RULE_HEAD RULE_REST "    when: {keras: []}\n", "r.yaml:9:12: the condition on \"keras\" lists no value"},
    {RULE_HEAD RULE_REST "    when: {itex: \">=2.x\"}\n", "r.yaml:9:18: \">=2.x\" is not a version condition"},
    {RULE_HEAD RULE_REST "    when: {itex: \"=2.15\"}\n", "r.yaml:9:18: \"=2.15\" is not a version condition"},
    {RULE_HEAD RULE_REST "    when: {itex: \">=2.15,\"}\n", "r.yaml:9:18: \">=2.15,\" is not a version condition"},
    {RULE_HEAD RULE_REST "    when: {keras: \"3\"}\n    unless: {kreas: \"2\"}\n",
     "r.yaml:10:14: there is no fact \"kreas\"; did you mean \"keras\"?"},
    {RULE_HEAD RULE_REST, "r.yaml:2:5: a rule needs \"when\" (or service: true)"},
    {"rules:\n  - id: a\n    severity: fatal\n",
     "r.yaml:3:15: \"severity\" must be one of info, warning, unsupported, error"},
    {"rules:\n  - id: a\n    outcome: dies\n", "r.yaml:3:14: \"outcome\" must be one of ok, warning, slow"},
    {"rules:\n  - id: a\n", "r.yaml:2:5: a rule needs \"source\""},
    {"rules:\n  - id: a\n", "r.yaml:2:5: a rule needs \"message\""},
    {"rules:\n  - id: a\n", "r.yaml:2:5: a rule needs \"severity\""},
    {"rules:\n  - id: A b\n", "r.yaml:2:9: \"A b\" is not an id"},
    {GOOD_RULE "  - id: a\n", "r.yaml:10:9: the rule \"a\" is there already, in r.yaml:2"},
    {GOOD_RULE "    itex: [2.16]\n", "r.yaml:10:12: \"2.16\" is not a generation of ITEX"},
    {RULE_HEAD "    solution: {set: {LD_PRELOAD: /tmp/x.so}}\n",
     "r.yaml:7:22: the variable \"LD_PRELOAD\" may not be set"},
    {RULE_HEAD "    solution: {unset: PATH}\n", "r.yaml:7:23: the variable \"PATH\" may not be set or unset"},
    {RULE_HEAD "    solution: {set: {ZE_ENABLE_ALT_DRIVERS: x}}\n",
     "r.yaml:7:22: the variable \"ZE_ENABLE_ALT_DRIVERS\""},
    {RULE_HEAD "    solution: {set: {PYTHONPATH: x}}\n", "r.yaml:7:22: the variable \"PYTHONPATH\" may not"},
    {RULE_HEAD "    solution: {set: {\"ITEX_A=B\": x}}\n", "r.yaml:7:22: the variable \"ITEX_A=B\" may not"},
    {RULE_HEAD "    solution: {set: {TF_XLA_FLAGS: x}}\n", "r.yaml:7:22: TF_XLA_FLAGS as a whole belongs to the job"},
    {RULE_HEAD "    solution: {set: {ITEX_VERBOSE: [a, b]}}\n", "r.yaml:7:22: \"ITEX_VERBOSE\" needs a single value"},
    {RULE_HEAD "    solution: {set: {ITEX_VERBOSE: \"a\\nb\"}}\n", "r.yaml:7:36: a value must be one line"},
    {RULE_HEAD "    solution: {set: {ITEX_VERBOSE: 1}, unset: ITEX_VERBOSE}\n",
     "r.yaml:7:47: \"ITEX_VERBOSE\" is both set and unset"},
    {RULE_HEAD "    solution: {xla_flag: {tf_xla_nonsense: 1}}\n",
     "r.yaml:7:27: TensorFlow has no flag \"tf_xla_nonsense\""},
    {"xla_flags: [{name: f, type: bool}, {name: n, type: int32}, {name: t, type: string}]\n" RULE_HEAD
     "    solution: {xla_flag: {f: 1}}\n",
     "r.yaml:8:30: the flag \"f\" cannot be \"1\"; it needs true or false"},
    {"xla_flags: [{name: n, type: int32}]\n" RULE_HEAD "    solution: {xla_flag: {n: many}}\n",
     "r.yaml:8:30: the flag \"n\" cannot be \"many\"; it needs a whole number"},
    {"xla_flags: [{name: t, type: string}]\n" RULE_HEAD "    solution: {xla_flag: {t: a b}}\n",
     "r.yaml:8:30: the flag \"t\" cannot be \"a b\"; it needs a text without blanks"},
    {"xla_flags: [{name: t, type: text}]\n",
     "r.yaml:1:29: \"type\" must be one of bool, string, int32, int64, auto-jit"},
    {"xla_flags: [{name: t, type: bool}, {name: t, type: bool}]\n" GOOD_RULE,
     "r.yaml:1:43: the flag \"t\" is there already, in r.yaml:1"},
    {RULE_HEAD "    solution: {obligation: jit_compile=False!}\n",
     "r.yaml:7:28: there is no obligation \"jit_compile=False!\"; did you mean \"jit_compile=False\"?"},
    {RULE_HEAD "    solution: {obligation: \"install:\"}\n", "r.yaml:7:28: there is no obligation \"install:\""},
    {RULE_HEAD "    solution: {when: {keras: \"3\"}}\n", "r.yaml:7:15: a solution that does nothing"},
    {RULE_HEAD "    solution: {when: {keras: \"9\"}, unset: ITEX_VERBOSE}\n",
     "r.yaml:7:30: the fact \"keras\" cannot be \"9\""},
    {"rules:\n  - id: a\n    severity: info\n    outcome: ok\n    solution: {unset: ITEX_VERBOSE}\n",
     "r.yaml:5:15: an info rule has no solution"},
    {"rules:\n  - id: a\n    severity: info\n    outcome: slow\n", "r.yaml:4:14: the outcome of an info rule is ok"},
    {"rules:\n  - id: a\n    severity: error\n    outcome: ok\n", "r.yaml:4:14: an outcome that is ok needs no rule"},
    {"rules:\n  - id: a\n    service: true\n    when: {keras: \"3\"}\n",
     "r.yaml:2:5: a service rule is issued by the service"},
    {"rules:\n  - id: a\n    severity: error\n    service: true\n    solution: {unset: ITEX_VERBOSE}\n",
     "r.yaml:5:15: a service rule has no solution"},
    {"rules:\n  - id: a\n    message: \"{nonsense}\"\n", "r.yaml:3:14: {nonsense} is neither a fact nor a variable"},
    {"rules:\n  - id: a\n    message: \"{keras\"\n", "r.yaml:3:14: braces hold the name"},
    {"rules:\n  - id: a\n    message: \"{detail}\"\n", "r.yaml:3:14: {detail} is neither a fact"},
    {GOOD_RULE "    outcome_where: {when: {jit: never}, outcome: slow, strikes: run}\n",
     "r.yaml:10:33: the fact \"jit\" cannot be \"never\""},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {npd: true}, expect: {}}]\n",
     "r.yaml:8:25: the fact \"npd\" is derived"},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {auto_jit: 1}, expect: {}}]\n",
     "r.yaml:8:25: the fact \"auto_jit\" is read from TF_XLA_FLAGS; set that under env"},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {keras: 1}, expect: {}}]\n",
     "r.yaml:8:32: the fact \"keras\" cannot be \"1\""},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{env: {HOME: x}, expect: {}}]\n",
     "r.yaml:8:23: the variable \"HOME\" is not looked at"},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{expect: {mode: xla}}]\n",
     "r.yaml:8:32: must be one of none, stream-executor, npd, npd+xla, unknown, not \"xla\""},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{expect: {because: [b]}}]\n",
     "r.yaml:8:36: there is no rule \"b\" in this set"},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {keras: 3}}]\n",
     "r.yaml:8:16: an example needs \"expect\""},
    {"rules:\n  - id: a\n    service: true\n    examples: [{expect: {}}]\n",
     "r.yaml:4:15: a service rule has no examples"},
    {RULE_HEAD RULE_REST "    when: {itex: \"\"}\n", "r.yaml:9:18: an empty value for the fact \"itex\""},
    {RULE_HEAD "    solution: {drop_xla_flag: tf_x}\n", "r.yaml:7:31: TensorFlow has no flag \"tf_x\""},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {keras: [2, 3]}, expect: {}}]\n",
     "r.yaml:8:25: \"keras\" needs a single value"},
    {RULE_HEAD "    when: {keras: \"3\"}\n    examples: [{given: {kera: 3}, expect: {}}]\n",
     "r.yaml:8:25: there is no fact \"kera\"; did you mean \"keras\"?"},
    {"name: x\n", "r.yaml: no rule in the whole set"},
    {"name: x\npolicy: obey\n" GOOD_RULE, "r.yaml:2:9: \"policy\" must be one of enforce, advise"},
};

static bool reported(const struct set *set, const char *message)
{
    for (size_t i = 0; i < set->messages.n_items; i++)
        if (strncmp(set->messages.items[i].text, message, strlen(message)) == 0)
            return true;
    return false;
}

static void says_where_each_mistake_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        CLEANUP(set_clear) struct set set = load_text(mistakes[i].text, strlen(mistakes[i].text));

        if (set.r != -EINVAL || set.messages.n_errors == 0 || !reported(&set, mistakes[i].message)) {
            show(&set);
            fail_msg("not reported: %s\n%s", mistakes[i].message, mistakes[i].text);
        }
        assert_null(set.rules);
    }
}

static void warns_of_what_is_only_doubtful(void **state)
{
    static const char text[] = RULE_HEAD "    when: {keras: \"3\"}\n";
    CLEANUP(set_clear) struct set set = load_text(text, strlen(text));

    (void)state;
    show(&set);
    assert_int_equal(set.r, 0);
    assert_int_equal(set.messages.n_errors, 0);
    assert_true(reported(&set, "r.yaml:2:5: warning: rule \"a\" forbids and has neither solution nor solution_text"));
    assert_true(reported(&set, "r.yaml:2:5: warning: rule \"a\" has no examples"));
}

static void a_text_longer_than_its_limit_is_refused(void **state)
{
    char text[4096] = "rules:\n  - id: a\n    message: ";
    size_t length = strlen(text);

    (void)state;
    memset(text + length, 'x', 1001);
    CLEANUP(set_clear) struct set set = load_text(text, length + 1001);
    assert_true(reported(&set, "r.yaml:3:14: \"message\" is longer than 1000 bytes"));
}

static void mistakes_of_all_files_come_in_one_run(void **state)
{
    static const char second[] = "name: y\npolicy: advise\n" GOOD_RULE;
    static const char first[] = "name: x\npolicy: advise\n" GOOD_RULE "    nonsense: 1\n";
    CLEANUP(set_clear) struct set set = {.r = 0};

    (void)state;
    assert_int_equal(rule_files_add(&set.files, "1.yaml", first, strlen(first)), 0);
    assert_int_equal(rule_files_add(&set.files, "2.yaml", second, strlen(second)), 0);
    assert_int_equal(rule_files_add(&set.files, "3.yaml", "", 0), 0);
    load(&set);
    assert_int_equal(set.r, -EINVAL);
    assert_true(reported(&set, "1.yaml:12:5: unknown key \"nonsense\" in a rule"));
    assert_true(reported(&set, "2.yaml:1:7: the set's name is there already, in 1.yaml:1"));
    assert_true(reported(&set, "2.yaml:2:9: the set's policy is there already, in 1.yaml:2"));
    assert_true(reported(&set, "2.yaml:4:9: the rule \"a\" is there already, in 1.yaml:4"));
    assert_true(reported(&set, "3.yaml:1:1: the file is empty"));
}

static void a_wrong_example_is_an_error_at_its_place(void **state)
{
    static const char text[] = "rules:\n  - id: a\n    severity: warning\n    outcome: slow\n    message: m\n"
                               "    source: s\n    when: {keras: \"3\"}\n    solution: {set: {ITEX_DISABLE_XLA: 1}}\n"
                               "    examples:\n      - given: {itex: newest, keras: \"3\"}\n"
                               "        expect: {holds: false, mode: none, set: {ITEX_DISABLE_XLA: 2}, because: [a]}\n"
                               "      - given: {itex: newest, keras: \"3\"}\n"
                               "        expect: {applied: false, set: {}}\n";
    CLEANUP(set_clear) struct set set = load_text(text, strlen(text));

    (void)state;
    assert_int_equal(set.r, 0);
    assert_int_equal(rules_run_examples(set.rules, &set.messages), 2);
    show(&set);
    assert_int_equal(set.messages.n_errors, 6);
    assert_true(reported(&set, "r.yaml:11:25: example of a: holds is true, expected false"));
    assert_true(reported(&set, "r.yaml:11:38: example of a: mode is npd, expected none"));
    assert_true(reported(&set, "r.yaml:11:68: example of a: ITEX_DISABLE_XLA is 1, expected 2"));
    assert_true(reported(&set, "r.yaml:13:27: example of a: applied is true, expected false"));
    assert_true(reported(&set, "r.yaml:13:39: example of a: ITEX_DISABLE_XLA is 1, expected not set"));
    assert_true(reported(&set, "r.yaml:11:81: example of a: because is nothing, expected a"));
}

/* Each key of the format once, in a set of its own that no other file completes. */
static const char every_key[] =
    "name: every-key\npolicy: advise\ntitle: All of it\n"
    "xla_flags:\n  - {name: tf_xla_auto_jit, type: auto-jit}\n  - {name: tf_x, type: bool, itex: [newest]}\n"
    "rules:\n"
    "  - id: drop\n    severity: warning\n    outcome: slow\n    strikes: run\n    itex: [\"2.15\", newest]\n"
    "    when: [{auto_jit: [\"1\", \"2\"]}, {verbose: valid}]\n    unless: {keras: \"2\"}\n"
    "    outcome_where: {when: [{tensorflow: \">=2.16,<3\"}, {tensorflow: \"!>=2.0\"}], outcome: warning, strikes: "
    "run}\n"
    "    message: >\n      Folded {set} of {keras}\n      and {ITEX_VERBOSE}.\n\n"
    "    solution:\n      - {when: {auto_jit: [\"1\", \"2\"]}, drop_xla_flag: tf_xla_auto_jit}\n"
    "      - {when: {verbose: valid}, set: {ITEX_VERBOSE: 0}, obligation: [\"install:any\"]}\n"
    "    solution_text: Do {set}.\n    source: s\n"
    "    examples:\n"
    "      - given: {itex: newest, keras: \"0\", tensorflow: 2.17.0}\n"
    "        env: {TF_XLA_FLAGS: --tf_x --tf_xla_auto_jit=1}\n"
    "        expect: {holds: true, applied: true, outcome: warning, verdict: fixed, set: {TF_XLA_FLAGS: --tf_x},\n"
    "                 unset: [], obligations: [], rules: [drop]}\n"
    "      - given: {itex: newest, keras: \"0\"}\n        env: {ITEX_VERBOSE: \"2\"}\n        script: {ITEX_VERBOSE: "
    "\"1\"}\n"
    "        expect: {holds: true, set: {}, obligations: [\"install:any\", \"script:job.py:1\"]}\n"
    "      - given: {itex: newest, keras: \"0\"}\n        oversized: [ITEX_VERBOSE]\n        expect: {holds: false}\n"
    "      - given: {itex: newest, keras: \"0\"}\n        env: {ITEX_VERBOSE: \"1\"}\n        policy: advise\n"
    "        expect: {holds: true, applied: false, verdict: advised, set: {}}\n"
    "  - {id: told, severity: info, outcome: ok, service: true, message: \"{detail}\", source: s}\n";

static void every_key_of_the_format_works(void **state)
{
    CLEANUP(set_clear) struct set set = load_text(every_key, strlen(every_key));
    const struct rule_def *rule;

    (void)state;
    show(&set);
    assert_int_equal(set.r, 0);
    assert_int_equal(set.messages.n_items, 0);
    assert_string_equal(rules_name(set.rules), "every-key");
    assert_true(rules_definitions(set.rules)->advise);
    rule = &rules_definitions(set.rules)->rules[0];
    assert_string_equal(rule->message, "Folded {set} of {keras} and {ITEX_VERBOSE}.");
    assert_int_equal(rule->n_any, 2);
    assert_int_equal(rule->n_unless, 1);
    assert_int_equal(rule->n_variants, 2);
    assert_true(rule->variants[1].when.conditions[0].negated);
    assert_string_equal(rule->variants[1].when.conditions[0].values[0], ">=2.0");
    assert_int_equal(rule->n_actions, 3);
    assert_null(rule->actions[0].value);
    assert_int_equal(rules_run_examples(set.rules, &set.messages), 4);
    show(&set);
    assert_int_equal(set.messages.n_errors, 0);
}

static void the_digest_tells_sets_apart(void **state)
{
    static const char *const sets[][4] = {
        {"a", "1", "b", "2"}, {"b", "2", "a", "1"}, {"a", "2", "b", "1"}, {"a", "12", "b", ""}, {"a", "1", "c", "2"}};
    char digests[5][RULES_DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct rule_files files = RULE_FILES_INIT;
        assert_int_equal(rule_files_add(&files, sets[i][0], sets[i][1], strlen(sets[i][1])), 0);
        assert_int_equal(rule_files_add(&files, sets[i][2], sets[i][3], strlen(sets[i][3])), 0);
        rule_files_digest(&files, digests[i]);
        rule_files_clear(&files);
    }
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(digests[i], digests[j]);
}

/* Recorded: decisions of the past name their rules by this. */
static void the_digest_is_stable(void **state)
{
    char digest[RULES_DIGEST_SIZE];
    struct rule_files files = RULE_FILES_INIT;

    (void)state;
    assert_int_equal(rule_files_add(&files, "a.yaml", "x", 1), 0);
    rule_files_digest(&files, digest);
    rule_files_clear(&files);
    assert_string_equal(digest, "21d0e1e24fe758cf88c4a53195263d46e465b7b85cd977b42b2ca9e9a2237099");
}

static void files_are_limited(void **state)
{
    struct rule_files files = RULE_FILES_INIT;
    char *text = calloc(1, RULES_MAX_BYTES + 1);

    (void)state;
    assert_non_null(text);
    assert_int_equal(rule_files_add(&files, "a.yaml", text, RULES_MAX_BYTES + 1), -EFBIG);
    assert_int_equal(rule_files_add(&files, "a.yaml", text, RULES_MAX_BYTES), 0);
    assert_int_equal(rule_files_add(&files, "b.yaml", text, 1), -EFBIG);
    assert_int_equal(rule_files_add(&files, "a.yaml", text, 0), -EEXIST);
    assert_int_equal(rule_files_add(&files, "x/a.yaml", text, 0), -EINVAL);
    assert_int_equal(files.n_files, 1);
    rule_files_clear(&files);
    free(text);
}

static void write_file(int folder, const char *name, const char *text)
{
    CLEANUP(closep) int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void a_folder_is_read_in_the_order_of_names(void **state)
{
    char path[] = "/tmp/test-rules-XXXXXX";
    CLEANUP(closep) int folder = -1;
    struct rule_files files = RULE_FILES_INIT;

    (void)state;
    assert_non_null(mkdtemp(path));
    folder = open(path, O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(rule_files_read(path, &files), -ENOENT);
    write_file(folder, "B.yaml", "b");
    write_file(folder, "a.yaml", "a");
    write_file(folder, "10.yaml", "10");
    write_file(folder, "facts.yaml", "not a rule file");
    write_file(folder, "a.yaml.bak", "x");
    write_file(folder, ".#a.yaml", "x");
    assert_int_equal(rule_files_read(path, &files), 0);
    assert_int_equal(files.n_files, 3);
    assert_string_equal(files.files[0].name, "10.yaml");
    assert_string_equal(files.files[1].name, "B.yaml");
    assert_string_equal(files.files[2].text, "a");
    rule_files_clear(&files);
    assert_int_equal(mkdirat(folder, "sub.yaml", 0700), 0);
    assert_int_equal(rule_files_read(path, &files), -EISDIR);
    assert_int_equal(files.n_files, 0);
    assert_int_equal(unlinkat(folder, "sub.yaml", AT_REMOVEDIR), 0);
    static const char *const names[] = {"B.yaml", "a.yaml", "10.yaml", "facts.yaml", "a.yaml.bak", ".#a.yaml"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(unlinkat(folder, names[i], 0), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rule_files_read(path, &files), -ENOENT);
    assert_int_equal(rule_files_read("/dev/null", &files), -EINVAL);
}

/* Cut anywhere, or with a byte changed, a file is read or refused, and nothing worse. */
static void damaged_files_do_no_harm(void **state)
{
    struct rule_files whole = RULE_FILES_INIT;
    uint32_t random = 1;

    (void)state;
    assert_int_equal(rule_files_read(shipped, &whole), 0);
    for (unsigned run = 0; run < 150; run++) {
        const struct rule_file *file = &whole.files[run % whole.n_files];
        CLEANUP(freep) char *text = malloc(file->size + 1);

        assert_non_null(text);
        memcpy(text, file->text, file->size);
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 8) % file->size;
        text[at] = (char)(random >> 3);
        CLEANUP(set_clear) struct set set = load_text(text, run % 2 ? at : file->size);
        assert_true(set.r == 0 || set.messages.n_errors > 0);
        if (set.r == 0)
            rules_run_examples(set.rules, &set.messages);
    }
    rule_files_clear(&whole);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_rules_load_without_a_word),
        cmocka_unit_test(the_shipped_examples_hold),
        cmocka_unit_test(every_shipped_rule_says_what_to_do),
        cmocka_unit_test(says_where_each_mistake_is),
        cmocka_unit_test(warns_of_what_is_only_doubtful),
        cmocka_unit_test(a_text_longer_than_its_limit_is_refused),
        cmocka_unit_test(mistakes_of_all_files_come_in_one_run),
        cmocka_unit_test(a_wrong_example_is_an_error_at_its_place),
        cmocka_unit_test(every_key_of_the_format_works),
        cmocka_unit_test(the_digest_tells_sets_apart),
        cmocka_unit_test(the_digest_is_stable),
        cmocka_unit_test(files_are_limited),
        cmocka_unit_test(a_folder_is_read_in_the_order_of_names),
        cmocka_unit_test(damaged_files_do_no_harm),
    };

    shipped = argc > 1 ? argv[1] : "db/rules";
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
