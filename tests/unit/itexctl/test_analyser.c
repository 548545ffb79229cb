/*
 * The analyser as a process, with small shell scripts in place of Python, and its answer as JSON: what is taken, and
 * that everything else is refused.
 */
#include "client/itexctl/analyser.h"
#include "client/itexctl/findings.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* Nothing that a loaded machine does takes so long, and no test waits for it. */
#define LONG_MS 600000

static char folder[64];
static char *environment[] = {(char *)"PATH=/usr/bin:/bin",   (char *)"KEPT=yes",
                              (char *)"ITEXD_DECISION=1:a:",  (char *)"PYTHONINSPECT=1",
                              (char *)"ITEXD_DECISIONS=kept", NULL};

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fchmod(fileno(file), 0755), 0);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    char path[128];
    strcpy(folder, "/tmp/itexctl-analyser-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/itexclient", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    put("itexclient/check", "");
    setenv("ITEXD_PYTHON_DIR", folder, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) != 0;
}

static int ask(const char *body, struct analyser_question *question, struct analyser_answer *answer,
               struct failure *failure)
{
    char script[1024], path[128];
    snprintf(script, sizeof(script), "#!/bin/sh\n%s\n", body);
    put("python", script);
    snprintf(path, sizeof(path), "%s/python", folder);
    question->interpreter = path;
    question->environment = environment;
    if (!question->timeout_ms)
        question->timeout_ms = LONG_MS;
    int r = analyser_run(question, answer, failure);
    question->interpreter = NULL;
    return r;
}

static void assert_printed(const char *body, struct analyser_question question, const char *expected)
{
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (ask(body, &question, &answer, &failure) < 0)
        fail_msg("%s", failure.text);
    assert_string_equal(answer.text ? answer.text : "", expected);
}

static void assert_fails(const char *body, int64_t timeout_ms, const char *first, const char *second)
{
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct analyser_question question = {.file = "train.py", .timeout_ms = timeout_ms};
    assert_int_equal(ask(body, &question, &answer, &failure), -1);
    assert_int_equal(failure.status, EXIT_INTERNAL);
    assert_null(strchr(failure.text, '\n'));
    if (!strstr(failure.text, first) || !strstr(failure.text, second))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", failure.text, first, second);
}

static void how_it_is_called(void **state)
{
    (void)state;
    char expected[256];
    snprintf(expected, sizeof(expected), "-B -E -s %s/itexclient/check --json --itex newest --bind rank train.py\n",
             folder);
    assert_printed("echo \"$@\"",
                   (struct analyser_question){.file = "train.py", .options = "Es", .itex = "newest", .bind = "rank"},
                   expected);
    snprintf(expected, sizeof(expected), "-B %s/itexclient/check --json ./-x.py\n", folder);
    assert_printed("echo \"$@\"", (struct analyser_question){.file = "-x.py"}, expected);
    snprintf(expected, sizeof(expected), "-B %s/itexclient/check --json -m a.b\n", folder);
    assert_printed("echo \"$@\"", (struct analyser_question){.module = "a.b"}, expected);
    snprintf(expected, sizeof(expected), "-B %s/itexclient/check --json -c import keras\n", folder);
    assert_printed("echo \"$@\"", (struct analyser_question){.code = "import keras"}, expected);
    snprintf(expected, sizeof(expected), "-B %s/itexclient/check --fix train.py\n", folder);
    assert_printed("echo \"$@\"", (struct analyser_question){.file = "train.py", .fix = true}, expected);
    snprintf(expected, sizeof(expected), "-B %s/itexclient/check --json -c \n", folder);
    assert_printed("echo \"$@\"", (struct analyser_question){.file = NULL}, expected);
}

static void what_it_runs_in(void **state)
{
    (void)state;
    struct analyser_question question = {.file = "train.py"};
    assert_printed("echo $KEPT $ITEXD_DECISIONS; test -z \"$ITEXD_DECISION$PYTHONINSPECT\" && echo clean", question,
                   "yes kept\nclean\n");
    assert_printed("cat", question, ""); /* its input is at its end */
    int open_here = dup(STDOUT_FILENO);  /* as a job may have something open */
    assert_true(open_here > STDERR_FILENO);
    assert_printed("ls /proc/self/fd | wc -w", question, "4\n"); /* the three, and that of ls */
    close(open_here);
}

static void its_own_group(void **state)
{
    (void)state;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct analyser_question question = {.file = "train.py"};
    int pid, group;
    /* Field 5 of /proc/PID/stat. */
    assert_int_equal(ask("cut -d ' ' -f 1,5 /proc/$$/stat", &question, &answer, &failure), 0);
    assert_int_equal(sscanf(answer.text, "%d %d", &pid, &group), 2);
    assert_int_equal(pid, group);
}

static void much_output(void **state)
{
    (void)state;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct analyser_question question = {.file = "train.py"};
    assert_int_equal(
        ask("head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero >&2", &question, &answer, &failure), 0);
    assert_int_equal(answer.size, 1000000);
    assert_fails("exec cat /dev/zero", 0, "says more about train.py", "16 MiB");
}

static void failures(void **state)
{
    (void)state;
    assert_fails("echo 'Traceback ...' >&2; echo 'SyntaxError: invalid syntax' >&2; exit 1", 0, "status 1",
                 "SyntaxError: invalid syntax");
    assert_fails("exit 3", 0, "status 3", "train.py");
    assert_fails("kill -SEGV $$", 0, "SIGSEGV", "train.py");
    put("python", "no program");
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct analyser_question question = {
        .interpreter = "/no/such/python", .file = "train.py", .environment = environment, .timeout_ms = LONG_MS};
    assert_int_equal(analyser_run(&question, &answer, &failure), -1);
    assert_non_null(strstr(failure.text, "/no/such/python cannot be executed: No such file"));
    setenv("ITEXD_PYTHON_DIR", "/no/such/folder", 1);
    assert_int_equal(analyser_run(&question, &answer, &failure), -1);
    assert_non_null(strstr(failure.text, "/no/such/folder/itexclient/check"));
    setenv("ITEXD_PYTHON_DIR", folder, 1);
}

/* It is killed with all that it started: the sleeping one has the pipe, whose end is what the test waits for. */
/* Not gone, nor dead and not gathered by init yet. */
static bool is_running(int pid)
{
    char path[64], letter = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%*d %*s %c", &letter) != 1)
            letter = 'Z';
        fclose(file);
    }
    return letter != 'Z';
}

static void a_deadline(void **state)
{
    (void)state;
    uint64_t began = clock_steady_ms();
    assert_fails("sleep 3000 & wait", 100, "after 100 ms", "train.py");
    assert_true(clock_steady_ms() - began < LONG_MS);
    int pid = 0;
    char path[128];
    snprintf(path, sizeof(path), "%s/left", folder);
    char body[256];
    snprintf(body, sizeof(body), "sleep 3000 & echo $! >%s; kill -STOP $$", path);
    assert_fails(body, 500, "after 500 ms", "");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    while (is_running(pid)) /* a kill takes effect a little later */
        usleep(1000);
}

/* A process that stays behind with the pipes open does not hold up the answer, and ends. */
static void who_stays_behind(void **state)
{
    (void)state;
    assert_printed("sleep 3000 & echo done", (struct analyser_question){.file = "train.py"}, "done\n");
}

/* ---- The answer ------------------------------------------------------------------------------------------- */

#define START "{\"format\":1,\"python\":\"3.11.2\",\"hook\":true,"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NO_FACTS "\"facts\":{},\"installation\":{},"
#define NO_LISTS "\"files\":[],\"environment\":[],\"findings\":[]"

static const char whole[] = START
    "\"files\":[{\"path\":\"train.py\",\"sha256\":\"" DIGEST
    "\",\"parsed\":true},{\"path\":\"gone.py\",\"sha256\":null,"
    "\"parsed\":false}],"
    "\"facts\":{\"keras\":{\"value\":\"3\",\"file\":\"train.py\",\"line\":3,\"column\":1,\"why\":\"import keras\"},"
    "\"itex\":{\"value\":\"no version\",\"file\":null,\"line\":null,\"column\":null,\"why\":null}},"
    "\"installation\":{\"tensorflow\":\"2.15.1\",\"keras_installed\":\"2\",\"tf_keras_installed\":\"false\"},"
    "\"environment\":[{\"name\":\"A\",\"value\":\"1\",\"unset\":false,\"unconditional\":true,\"before_import\":true,"
    "\"file\":\"train.py\",\"line\":7},"
    "{\"name\":\"B\",\"value\":null,\"unset\":true,\"unconditional\":true,\"before_import\":false,\"file\":\"train."
    "py\","
    "\"line\":8},"
    "{\"name\":\"C\",\"value\":null,\"unset\":false,\"unconditional\":true,\"before_import\":true,\"file\":\"train."
    "py\","
    "\"line\":9}],"
    "\"findings\":[{\"file\":\"train.py\",\"line\":9,\"column\":5,\"rule\":\"gpu-name\",\"severity\":\"error\","
    "\"message\":\"m\",\"fix\":null,\"edits\":[]},"
    "{\"file\":\"train.py\",\"line\":1,\"column\":1,\"rule\":\"import-order\",\"severity\":\"warning\",\"message\":"
    "\"n\","
    "\"fix\":\"f\",\"edits\":[{\"line\":1,\"column\":1,\"end_line\":1,\"end_column\":2,\"text\":\"\"}]}],"
    "\"depends\":{\"environment\":{\"TF_XLA_FLAGS\":null,\"HOME\":\"/x\"},\"path\":[\"/usr/lib/"
    "python3\"]},\"newer\":[1]}\n";

static void an_answer(void **state)
{
    (void)state;
    CLEANUP(findings_clear) struct findings findings = FINDINGS_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (findings_read(whole, strlen(whole), &findings, &failure) < 0)
        fail_msg("%s", failure.text);
    assert_string_equal(findings.python, "3.11.2");
    assert_true(findings.hook);
    assert_int_equal(findings.n_files, 2);
    assert_string_equal(findings.files[0].sha256, DIGEST);
    assert_null(findings.files[1].sha256);
    assert_int_equal(findings.n_facts, 1); /* of what is no version nothing follows */
    assert_string_equal(findings.facts[0].name, "keras");
    assert_int_equal(findings.facts[0].place.line, 3);
    assert_string_equal(findings.facts[0].why, "import keras");
    assert_int_equal(findings.n_installation, 3);
    assert_int_equal(findings.n_variables, 3);
    assert_string_equal(findings.variables[0].value, "1");
    assert_true(findings.variables[0].unconditional && findings.variables[0].before_import);
    assert_null(findings.variables[1].value);
    assert_true(findings.variables[1].unconditional);
    assert_false(findings.variables[2].unconditional); /* to a value that is not known */
    assert_int_equal(findings.n_items, 2);
    assert_int_equal(findings.items[0].severity, SEVERITY_ERROR);
    assert_null(findings.items[0].fix);
    assert_false(findings.items[0].fixable);
    assert_true(findings.items[1].fixable);
    assert_true(findings.dependences_told);
    assert_string_equal(findings.search_path[0], "/usr/lib/python3");
    assert_int_equal(findings.n_variables_read, 2);
    assert_string_equal(findings.variables_read[0].name, "TF_XLA_FLAGS");
    assert_null(findings.variables_read[0].value);
    assert_string_equal(findings.variables_read[1].value, "/x");
}

static void answers_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "garbage",
        "{\"format\":1",
        START NO_FACTS NO_LISTS "} trailing",
        "{\"format\":2,\"python\":\"3\",\"hook\":true," NO_FACTS NO_LISTS "}",
        "{\"python\":\"3\",\"hook\":true," NO_FACTS NO_LISTS "}",
        "{\"format\":1,\"python\":3,\"hook\":true," NO_FACTS NO_LISTS "}",
        "{\"format\":1,\"python\":\"3\"," NO_FACTS NO_LISTS "}",
        START NO_FACTS "\"files\":[],\"environment\":[]}",
        START NO_LISTS ",\"facts\":{}}",
        START NO_LISTS ",\"installation\":{},\"facts\":[]}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":\"3\"}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":{\"value\":3}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":{\"value\":\"4\"}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":{\"value\":\"unknown\"}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":{\"value\":\"3\",\"line\":-1}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"keras\":{\"value\":\"3\",\"line\":\"1\"}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"npd\":{\"value\":\"true\"}}}",
        START NO_LISTS ",\"installation\":{},\"facts\":{\"colour\":{\"value\":\"red\"}}}",
        START NO_LISTS ",\"facts\":{},\"installation\":{\"keras_installed\":\"yes\"}}",
        START NO_LISTS ",\"facts\":{},\"installation\":{\"setuptools\":68}}",
        START NO_LISTS ",\"facts\":{},\"installation\":{\"setuptools\":\"6\\u00008\"}}",
        START NO_FACTS "\"environment\":[],\"findings\":[],\"files\":[\"train.py\"]}",
        START NO_FACTS
        "\"environment\":[],\"findings\":[],\"files\":[{\"path\":\"a\",\"parsed\":true,\"sha256\":\"1\"}]}",
        START NO_FACTS
        "\"files\":[],\"findings\":[],\"environment\":[{\"name\":\"A=B\",\"value\":\"1\",\"unset\":false,"
        "\"unconditional\":true,\"before_import\":true}]}",
        START NO_FACTS "\"files\":[],\"environment\":[],\"findings\":[{\"rule\":\"a\",\"severity\":\"fatal\","
                       "\"message\":\"m\",\"edits\":[]}]}",
        START NO_FACTS NO_LISTS ",\"depends\":{\"environment\":{},\"path\":[1]}}",
        START NO_FACTS NO_LISTS ",\"depends\":{\"environment\":{\"A\":1},\"path\":[]}}",
        START NO_FACTS NO_LISTS ",\"depends\":{\"environment\":{}}}",
        START NO_FACTS NO_LISTS ",\"depends\":[]}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
        "\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}",
        "{\"format\":1,\"python\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct findings findings = FINDINGS_INIT;
        CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
        if (findings_read(bad[i], strlen(bad[i]), &findings, &failure) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_null(findings.root);
        assert_int_equal(failure.status, EXIT_INTERNAL);
        assert_null(strchr(failure.text, '\n'));
    }
}

/* Cut anywhere, and with each byte changed, it is read or refused; a sanitizer sees what else could happen. */
static void answers_that_were_damaged(void **state)
{
    (void)state;
    size_t size = strlen(whole);
    for (size_t i = 0; i < size; i++) {
        struct findings findings = FINDINGS_INIT;
        CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
        assert_true(findings_read(whole, i, &findings, &failure) < 0 || i == size - 1);
        findings_clear(&findings);
        CLEANUP(freep) char *copy = strdup(whole);
        copy[i] = (char)(copy[i] ^ 0x11);
        findings_read(copy, size, &findings, &failure);
        findings_clear(&findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_it_is_called),
        cmocka_unit_test(what_it_runs_in),
        cmocka_unit_test(its_own_group),

        cmocka_unit_test(much_output),
        cmocka_unit_test(failures),
        cmocka_unit_test(a_deadline),
        cmocka_unit_test(who_stays_behind),
        cmocka_unit_test(an_answer),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(answers_that_were_damaged),
    };
    return cmocka_run_group_tests_name("analyser", tests, make_folder, remove_folder);
}
