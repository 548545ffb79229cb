/*
 * Kept answers: found again where nothing has changed, and not where anything has. In folders of our own, with an
 * interpreter that is never started.
 */
#include "client/itexctl/check_cache_parts.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], interpreter[128], packages[128];
static char *environment[8];
static struct analyser_question question;

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fchmod(fileno(file), 0755), 0);
    assert_int_equal(fclose(file), 0);
}

/* Long ago, so that no clock is too coarse. */
static void age(const char *name)
{
    char path[256];
    const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* In the folder. */
static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

static int begin(void **state)
{
    (void)state;
    char text[128];
    strcpy(folder, "/tmp/itexctl-cache-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    put("bin/python", "\177ELF");
    put("packages/keras-3.4.1.dist-info/METADATA", "");
    put("package/itexclient/facts.py", "");
    put("package/itexclient/check/__main__.py", "");
    put("job/train.py", "import helper\n");
    put("job/helper.py", "import keras\n");
    put("cache/x", "");
    age("packages");
    age("job");
    snprintf(interpreter, sizeof(interpreter), "%s/bin/python", folder);
    snprintf(packages, sizeof(packages), "%s/packages", folder);
    snprintf(text, sizeof(text), "%s/cache", folder);
    setenv("XDG_CACHE_HOME", text, 1);
    snprintf(text, sizeof(text), "%s/package", folder);
    setenv("ITEXD_PYTHON_DIR", text, 1);
    setenv("TMPDIR", folder, 1);
    environment[0] = (char *)"ITEX_VERBOSE=1";
    environment[1] = NULL;
    question = (struct analyser_question){
        .interpreter = interpreter, .options = "", .environment = environment, .file = "job/train.py"};
    return 0;
}

static int end(void **state)
{
    (void)state;
    run("chmod -R u+rwx . && rm -rf \"$PWD\"");
    return chdir("/");
}

/* As Python's hashlib has it. */
static void digests(void **state)
{
    (void)state;
    char digest[CHECK_CACHE_DIGEST];
    assert_true(digest_of_file("job/train.py", digest));
    assert_string_equal(digest, "0e314340363d607ed18252c56d1e1929f523fd0044e76333b37de0bf1026678e");
    assert_false(digest_of_file("job", digest));
    assert_false(digest_of_file("absent", digest));
}

/* ---- Keeping and finding ----------------------------------------------------------------------------------- */

/* An answer about both files, as the analyser would give it. */
static void answer_of(const char *python, struct analyser_answer *answer, struct findings *findings)
{
    char train[CHECK_CACHE_DIGEST], helper[CHECK_CACHE_DIGEST];
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    assert_true(digest_of_file("job/train.py", train) && digest_of_file("job/helper.py", helper));
    int length = asprintf(&answer->text,
                          "{\"format\":1,\"python\":\"%s\",\"hook\":false,\"facts\":{},\"installation\":{},"
                          "\"environment\":[],\"findings\":[],\"depends\":{\"environment\":{\"ITEX_VERBOSE\":\"1\","
                          "\"TF_XLA_FLAGS\":null},\"path\":[\"%s\",\"%s/absent\",\"%s/package/"
                          "itexclient\"]},\"files\":[{\"path\":\"job/train.py\",\"sha256\":\"%s\",\"parsed\":true},"
                          "{\"path\":\"job/helper.py\",\"sha256\":\"%s\",\"parsed\":true}]}",
                          python, packages, folder, folder, train, helper);
    assert_true(length > 0);
    answer->size = (size_t)length;
    if (findings_read(answer->text, answer->size, findings, &failure) < 0)
        fail_msg("%s", failure.text);
}

static void keep(const char *python)
{
    CLEANUP(check_cache_close) struct check_cache cache = CHECK_CACHE_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(findings_clear) struct findings findings = FINDINGS_INIT;
    check_cache_open(&cache, &question);
    answer_of(python, &answer, &findings);
    check_cache_keep(&cache, &answer, &findings);
}

/* "" where nothing is found; else the version that was put in. */
static const char *found(void)
{
    static char version[32];
    CLEANUP(check_cache_close) struct check_cache cache = CHECK_CACHE_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(findings_clear) struct findings findings = FINDINGS_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    check_cache_open(&cache, &question);
    if (!check_cache_find(&cache, environment, &answer))
        return "";
    assert_int_equal(strlen(answer.text), answer.size);
    assert_int_equal(findings_read(answer.text, answer.size, &findings, &failure), 0);
    snprintf(version, sizeof(version), "%s", findings.python);
    return version;
}

static void assert_kept(void)
{
    assert_string_equal(found(), "");
    keep("3.11");
    assert_string_equal(found(), "3.11");
}

static void found_again(void **state)
{
    (void)state;
    assert_kept();
    assert_string_equal(found(), "3.11");
    keep("3.12");
    assert_string_equal(found(), "3.12");
}

static void every_file_counts(void **state)
{
    (void)state;
    assert_kept();
    put("job/helper.py", "import tf_keras as keras\n");
    assert_string_equal(found(), "");
    put("job/helper.py", "import keras\n"); /* as it was: by its content, not by its time */
    assert_string_equal(found(), "3.11");
    run("rm job/helper.py");
    assert_string_equal(found(), "");
}

static void what_is_installed_counts(void **state)
{
    (void)state;
    assert_kept();
    put("packages/README.txt", ""); /* another time, the same packages */
    assert_string_equal(found(), "3.11");
    put("packages/tf_keras-2.17.dist-info/METADATA", "");
    assert_string_equal(found(), "");
    keep("3.11"); /* too shortly ago */
    assert_string_equal(found(), "");
    age("packages");
    keep("3.11");
    assert_string_equal(found(), "3.11");
    put("absent/x.py", "");
    assert_string_equal(found(), "");
}

static void modules_that_come_count(void **state)
{
    (void)state;
    assert_kept();
    put("job/log.txt", "");
    put("job/__pycache__/train.pyc", "");
    assert_string_equal(found(), "3.11");
    put("job/local_settings.py", "");
    assert_string_equal(found(), "");
    keep("3.12"); /* just changed, but seen before and after to be the same */
    assert_string_equal(found(), "3.12");
    put("job/another.py", "");
    assert_string_equal(found(), "");
}

/* A module that came while the script was analysed may have been seen or not. */
static void changes_meanwhile_are_not_kept(void **state)
{
    (void)state;
    CLEANUP(check_cache_close) struct check_cache cache = CHECK_CACHE_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(findings_clear) struct findings findings = FINDINGS_INIT;
    check_cache_open(&cache, &question);
    answer_of("3.11", &answer, &findings);
    put("job/came.py", "");
    check_cache_keep(&cache, &answer, &findings);
    assert_string_equal(found(), "");
}

static void the_question_counts(void **state)
{
    (void)state;
    assert_kept();
    const struct analyser_question before = question;
    question.options = "I";
    assert_string_equal(found(), "");
    question = before;
    question.itex = "newest";
    assert_string_equal(found(), "");
    question = before;
    question.bind = "rank";
    assert_string_equal(found(), "");
    question = before;
    environment[1] = (char *)"PYTHONPATH=/elsewhere";
    environment[2] = NULL;
    assert_string_equal(found(), "");
    environment[1] = NULL;
    assert_string_equal(found(), "3.11");
    put("bin/python", "\177ELF, another");
    assert_string_equal(found(), "");
}

static void the_variables_that_were_read_count(void **state)
{
    (void)state;
    assert_kept();
    environment[0] = (char *)"ITEX_VERBOSE=2";
    assert_string_equal(found(), "");
    environment[0] = (char *)"LANG=C";
    assert_string_equal(found(), "");
    environment[0] = (char *)"ITEX_VERBOSE=1";
    environment[1] = (char *)"SLURM_LOCALID=7"; /* as every rank has another */
    environment[2] = (char *)"ITEX_OPS_OVERRIDE=1";
    environment[3] = NULL;
    assert_string_equal(found(), "3.11");
    environment[2] = (char *)"TF_XLA_FLAGS=";
    assert_string_equal(found(), "");
    environment[2] = NULL;
    assert_string_equal(found(), "3.11");
}

static void the_environment_of_the_interpreter_counts(void **state)
{
    (void)state;
    assert_kept();
    put("pyvenv.cfg", "");
    assert_string_equal(found(), "");
    keep("3.11");
    assert_string_equal(found(), "3.11");
    put("package/itexclient/check/rules.py", "");
    assert_string_equal(found(), "");
}

static void a_wrapper_is_not_kept(void **state)
{
    (void)state;
    put("bin/python", "#!/usr/bin/env bash\n");
    keep("3.11");
    assert_string_equal(found(), "");
}

static void unreadable_files_are_not_kept(void **state)
{
    (void)state;
    CLEANUP(check_cache_close) struct check_cache cache = CHECK_CACHE_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(findings_clear) struct findings findings = FINDINGS_INIT;
    check_cache_open(&cache, &question);
    answer_of("3.11", &answer, &findings);
    findings.files[1].sha256 = NULL;
    check_cache_keep(&cache, &answer, &findings);
    assert_string_equal(found(), "");
    findings.n_files = 1;
    findings.dependences_told = false;
    check_cache_keep(&cache, &answer, &findings);
    assert_string_equal(found(), "");
}

/* ---- The folder ---------------------------------------------------------------------------------------------- */

static void each_entry(void (*what)(const char *path, void *data), void *data)
{
    struct dirent *entry;
    char path[512];
    snprintf(path, sizeof(path), "%s/cache/itexctl", folder);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.' && (entry->d_name[1] == '\0' || entry->d_name[1] == '.'))
            continue;
        snprintf(path, sizeof(path), "%s/cache/itexctl/%s", folder, entry->d_name);
        what(path, data);
    }
    closedir(directory);
}

static void count(const char *path, void *data)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    ++*(unsigned *)data;
}

struct damage {
    size_t at;
    size_t size;
};

static void damage(const char *path, void *data)
{
    struct damage *wish = data;
    char byte;
    struct stat status;
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &status), 0);
    wish->size = (size_t)status.st_size;
    assert_int_equal(pread(fd, &byte, 1, (off_t)wish->at), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)wish->at), 1);
    close(fd);
}

static void cut(const char *path, void *data)
{
    assert_int_equal(truncate(path, *(off_t *)data), 0);
}

static void damaged_entries_are_none(void **state)
{
    (void)state;
    struct damage wish = {0, 1};
    assert_kept();
    for (; wish.at < wish.size; wish.at += 7) {
        keep("3.11");
        each_entry(damage, &wish);
        assert_string_equal(found(), "");
    }
    for (off_t size = 0; size < (off_t)wish.size; size += 41) {
        keep("3.11");
        each_entry(cut, &size);
        assert_string_equal(found(), "");
    }
    keep("3.11");
    assert_string_equal(found(), "3.11");
}

static void it_is_private(void **state)
{
    (void)state;
    unsigned entries = 0;
    struct stat status;
    assert_kept();
    each_entry(count, &entries);
    assert_int_equal(entries, 1);
    assert_int_equal(stat("cache/itexctl", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    run("chmod 0777 cache/itexctl"); /* now anybody may have written it, and in TMPDIR there is nothing yet */
    assert_string_equal(found(), "");
}

static void links_are_not_followed(void **state)
{
    (void)state;
    assert_kept();
    run("mv cache/itexctl real; ln -s ../real cache/itexctl");
    assert_string_equal(found(), "");
    run("rm cache/itexctl; mv real cache/itexctl");
    assert_string_equal(found(), "3.11");
    run("cd cache/itexctl; e=$(ls); mv $e ../kept; ln -s ../kept $e");
    assert_string_equal(found(), "");
}

static void without_a_cache_folder_there_is_tmp(void **state)
{
    (void)state;
    char name[64];
    struct stat status;
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    assert_kept();
    snprintf(name, sizeof(name), "itexctl-%u", (unsigned)geteuid());
    assert_int_equal(stat(name, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(chmod(name, 0750), 0);
    assert_string_equal(found(), "");
    setenv("TMPDIR", "/proc/nowhere", 1);
    assert_string_equal(found(), "");
    keep("3.11"); /* goes nowhere, and is no error */
}

static void home_is_where_it_is_by_default(void **state)
{
    (void)state;
    char home[128];
    struct stat status;
    unsetenv("XDG_CACHE_HOME");
    put("home/x", "");
    snprintf(home, sizeof(home), "%s/home", folder);
    setenv("HOME", home, 1);
    assert_kept();
    assert_int_equal(stat("home/.cache/itexctl", &status), 0);
    assert_int_equal(stat("home/.cache", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

/* As root only: what another user owns is neither read nor written, and nothing is made in that user's home. */
static void another_users_folder(void **state)
{
    (void)state;
    struct stat status;
    if (geteuid() != 0)
        skip();
    assert_kept();
    run("chown -R 65534 cache/itexctl");
    assert_string_equal(found(), "");
    run("rm -rf cache/itexctl; chown 65534 cache");
    keep("3.11");
    assert_int_equal(stat("cache/itexctl", &status), -1);
    assert_string_equal(found(), "3.11"); /* from TMPDIR */
}

static void it_is_bounded(void **state)
{
    (void)state;
    unsigned entries = 0;
    char version[16];
    char option[16];
    question.itex = option;
    for (int i = 0; i < 700; i++) {
        snprintf(option, sizeof(option), "2.%d", i);
        snprintf(version, sizeof(version), "3.%d", i);
        keep(version);
    }
    each_entry(count, &entries);
    assert_true(entries > 300 && entries <= 512);
    assert_string_equal(found(), "3.699");
}

static void many_write_at_once(void **state)
{
    (void)state;
    unsigned entries = 0;
    int status;
    for (int i = 0; i < 16; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        for (int round = 0; round < 20; round++) {
            keep("3.11");
            if (strcmp(found(), "3.11") != 0)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 16; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    each_entry(count, &entries);
    assert_int_equal(entries, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(digests),
        TEST(found_again),
        TEST(every_file_counts),
        TEST(what_is_installed_counts),
        TEST(modules_that_come_count),
        TEST(changes_meanwhile_are_not_kept),
        TEST(the_question_counts),
        TEST(the_variables_that_were_read_count),
        TEST(the_environment_of_the_interpreter_counts),
        TEST(a_wrapper_is_not_kept),
        TEST(unreadable_files_are_not_kept),
        TEST(damaged_entries_are_none),
        TEST(it_is_private),
        TEST(links_are_not_followed),
        TEST(without_a_cache_folder_there_is_tmp),
        TEST(home_is_where_it_is_by_default),
        TEST(another_users_folder),
        TEST(it_is_bounded),
        TEST(many_write_at_once),
    };
    return cmocka_run_group_tests_name("check cache", tests, NULL, NULL);
}
