/* From command lines to scripts: every form that is seen through, and what is not guessed. In a folder of our own. */
#include "client/itexctl/script.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path_variable[128], home_variable[128];
static char *environment[8];

/* ---- The folder ----------------------------------------------------------------------------------------- */

static void put(const char *name, mode_t mode, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fchmod(fileno(file), mode), 0);
    assert_int_equal(fclose(file), 0);
}

static void put_python(const char *name)
{
    put(name, 0755, "\177ELF");
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/itexctl-script-XXXXXX");
    assert_non_null(mkdtemp(folder));
    put_python("bin/python");
    put_python("bin/python3");
    put_python("bin/python3.11");
    put_python("venv/bin/python");
    put_python("conda/bin/python");
    put_python("conda/envs/tf/bin/python");
    put_python("home/.conda/envs/own/bin/python3");
    put_python("elsewhere/known/bin/python3");
    put("train.py", 0644, "import keras\n");
    put("sub/train.py", 0644, "import keras\n");
    put("package/__init__.py", 0644, "");
    put("package/__main__.py", 0644, "");
    put("package/train.py", 0644, "");
    put("library/other/job.py", 0644, "");
    put("app.pyz", 0644, "PK\003\004");
    put("bin/tool", 0755, "\177ELF");
    put("bin/in-path", 0755, "#!/usr/bin/env python3\nimport keras\n");
    assert_int_equal(chdir(folder), 0);
    snprintf(path_variable, sizeof(path_variable), "PATH=%s/bin", folder);
    snprintf(home_variable, sizeof(home_variable), "HOME=%s/home", folder);
    environment[0] = path_variable;
    environment[1] = home_variable;
    environment[2] = NULL;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return chdir("/") != 0 || system(command) != 0;
}

/* ---- What is found ---------------------------------------------------------------------------------------- */

/* Blanks separate the words; '~' stands for a blank inside one. */
static void find(struct script *script, const char *line)
{
    char text[512], *words[64], *rest = text, *word;
    size_t n = 0;
    snprintf(text, sizeof(text), "%s", line);
    while ((word = strsep(&rest, " ")) && n < 63) {
        for (char *at = word; (at = strchr(at, '~'));)
            *at = ' ';
        words[n++] = word;
    }
    words[n] = NULL;
    assert_int_equal(script_find(script, words, environment), 0);
}

struct expected {
    const char *line;
    enum script_kind kind;
    const char *interpreter; /* below the folder, or as it is behind '='; NULL: none */
    const char *file;        /* as it is; NULL: none */
    const char *subject;     /* the word that Python runs; NULL: none */
};

static void assert_path(const char *line, const char *what, const char *found, const char *expected)
{
    char whole[256] = "";
    if (expected && expected[0] == '=')
        snprintf(whole, sizeof(whole), "%s", expected + 1);
    else if (expected)
        snprintf(whole, sizeof(whole), "%s/%s", folder, expected);
    if (strcmp(found ? found : "", whole) != 0)
        fail_msg("%s: %s is \"%s\", not \"%s\"", line, what, found ? found : "", whole);
}

static void assert_found(const struct expected *expected)
{
    CLEANUP(script_clear) struct script script = SCRIPT_INIT;
    find(&script, expected->line);
    if (script.kind != expected->kind)
        fail_msg("%s: kind %d, not %d (%s)", expected->line, (int)script.kind, (int)expected->kind,
                 script.why ? script.why : "");
    assert_path(expected->line, "interpreter", script.interpreter, expected->interpreter);
    const char *file = expected->file;
    if (strcmp(script.file ? script.file : "", file ? file : "") != 0)
        fail_msg("%s: file \"%s\"", expected->line, script.file ? script.file : "");
    const char *subject = script.subject < script.n_words ? script.words[script.subject] : "";
    if (expected->subject && strcmp(subject, expected->subject) != 0)
        fail_msg("%s: subject \"%s\"", expected->line, subject);
}

static void assert_all(const struct expected *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_found(&cases[i]);
}
#define ASSERT_ALL(cases) assert_all(cases, sizeof(cases) / sizeof(*(cases)))

static void python_by_itself(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"python3.11 -u -X dev train.py --epochs 3", SCRIPT_FILE, "bin/python3.11", "train.py", "train.py"},
        {"python -Xdev -W error -Werror -bb -OO train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"python --check-hash-based-pycs never train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"python -u -- train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"venv/bin/python train.py", SCRIPT_FILE, "=venv/bin/python", "train.py", "train.py"},
        {"./venv/bin/python train.py", SCRIPT_FILE, "=./venv/bin/python", "train.py", "train.py"},
        {"python package", SCRIPT_FILE, "bin/python", "package/__main__.py", "package"},
        {"python app.pyz", SCRIPT_FILE, "bin/python", NULL, "app.pyz"},
        {"python absent.py", SCRIPT_FILE, "bin/python", NULL, "absent.py"},
        {"python3.9 train.py", SCRIPT_FILE, NULL, "train.py", "train.py"},
        {"python - a", SCRIPT_STDIN, "bin/python", NULL, "-"},
        {"python", SCRIPT_INTERACTIVE, "bin/python", NULL, NULL},
        {"python -V train.py", SCRIPT_NOTHING, "bin/python", NULL, NULL},
        {"python --help", SCRIPT_NOTHING, "bin/python", NULL, NULL},
        {"python -c", SCRIPT_NOTHING, "bin/python", NULL, NULL},
        {"python -m", SCRIPT_NOTHING, "bin/python", NULL, NULL},
    };
    ASSERT_ALL(cases);
}

static void code_and_modules(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"python -c import~keras a b", SCRIPT_CODE, "bin/python", NULL, "-c"},
        {"python -uc pass", SCRIPT_CODE, "bin/python", NULL, "-c"},
        {"python -cpass", SCRIPT_CODE, "bin/python", NULL, "-c"},
        {"python -m package", SCRIPT_MODULE, "bin/python", "package/__main__.py", "-m"},
        {"python -m package.train --lr 1", SCRIPT_MODULE, "bin/python", "package/train.py", "-m"},
        {"python -um package.train", SCRIPT_MODULE, "bin/python", "package/train.py", "-m"},
        {"python -mpackage.train", SCRIPT_MODULE, "bin/python", "package/train.py", "-m"},
        {"python -P -m package.train", SCRIPT_MODULE, "bin/python", NULL, "-m"},
        {"python -I -m package.train", SCRIPT_MODULE, "bin/python", NULL, "-m"},
        {"env PYTHONPATH=library python -m other.job", SCRIPT_MODULE, "bin/python", "library/other/job.py", "-m"},
        {"env PYTHONPATH=library python -E -m other.job", SCRIPT_MODULE, "bin/python", NULL, "-m"},
        {"env PYTHONPATH=nothing::library python -m other.job", SCRIPT_MODULE, "bin/python", "library/other/job.py",
         "-m"},
        {"env PYTHONSAFEPATH=1 python -m package.train", SCRIPT_MODULE, "bin/python", NULL, "-m"},
        {"python -m pip install keras", SCRIPT_MODULE, "bin/python", NULL, "-m"},
    };
    ASSERT_ALL(cases);
}

static void options_that_choose_modules(void **state)
{
    (void)state;
    static const struct {
        const char *line, *options;
    } cases[] = {
        {"python train.py", ""},
        {"python -uEs train.py -I", "Es"},
        {"python -I -S -P -c pass", "ISP"},
        {"python -sss -m package", "s"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(script_clear) struct script script = SCRIPT_INIT;
        find(&script, cases[i].line);
        assert_string_equal(script.options, cases[i].options);
    }
}

static void our_own_runner(void **state)
{
    (void)state;
    char line[256], package[128];
    snprintf(package, sizeof(package), "%s/python", folder);
    setenv("ITEXD_PYTHON_DIR", package, 1);
    put("python/itexclient/runner.py", 0644, "");
    put("elsewhere/runner.py", 0644, "");
    static const struct expected cases[] = {
        {"python -u python/itexclient/runner.py train.py x", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"python python/itexclient/runner.py -m package.train", SCRIPT_MODULE, "bin/python", "package/train.py", "-m"},
        {"python python/itexclient/runner.py -c pass", SCRIPT_CODE, "bin/python", NULL, "-c"},
        {"python elsewhere/runner.py train.py", SCRIPT_FILE, "bin/python", "elsewhere/runner.py",
         "elsewhere/runner.py"},
    };
    ASSERT_ALL(cases);
    CLEANUP(script_clear) struct script script = SCRIPT_INIT, other = SCRIPT_INIT;
    snprintf(line, sizeof(line), "python %s/itexclient/runner.py train.py", package);
    find(&script, line);
    assert_true(script.has_runner);
    find(&other, "python elsewhere/runner.py train.py");
    assert_false(other.has_runner);
}

static void taken_apart(void **state)
{
    (void)state;
    CLEANUP(script_clear) struct script script = SCRIPT_INIT;
    find(&script, "python -Eumpackage.train x");
    const char *const words[] = {"python", "-Eu", "-m", "package.train", "x"};
    assert_int_equal(script.n_words, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(script.words[i], words[i]);
    assert_null(script.words[5]);
    assert_int_equal(script.subject, 2);
    assert_string_equal(script_name(&script), "package.train");
}

static void prefixes(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"nice python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nice -n 5 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nice -n5 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nice -5 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nice --adjustment 5 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nice --adj=5 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"numactl -N 0 -m0 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"numactl --cpunodebind=0 --membind 0 --localalloc python train.py", SCRIPT_FILE, "bin/python", "train.py",
         "train.py"},
        {"taskset -c 0-3 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"taskset 0xf python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"taskset -p 1234", SCRIPT_NONE, NULL, NULL, NULL},
        {"/usr/bin/time -v -o times python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"time -f %e python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"stdbuf -oL -e 0 python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"stdbuf --output=L -- python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"nohup timeout -k 5 1h ionice -c2 -n 7 chrt -f 10 setsid python train.py", SCRIPT_FILE, "bin/python",
         "train.py", "train.py"},
        {"nice", SCRIPT_NONE, NULL, NULL, NULL},
        {"nice -n", SCRIPT_NONE, NULL, NULL, NULL},
        {"nice tool python train.py", SCRIPT_NONE, NULL, NULL, NULL},
    };
    ASSERT_ALL(cases);
}

static void by_env(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"env python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env A=1 B= python -u train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env -i PATH=bin python train.py", SCRIPT_FILE, "=bin/python", "train.py", "train.py"},
        {"env - python train.py", SCRIPT_FILE, NULL, "train.py", "train.py"},
        {"env -u A --unset=B --unset C -v A=2 nice python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env -uA -- python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env PATH=venv/bin python train.py", SCRIPT_FILE, "=venv/bin/python", "train.py", "train.py"},
        {"env -S A=1~python~-u train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env -SA='1~2'~python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"env -S python~${X} train.py", SCRIPT_NONE, NULL, NULL, NULL},
        {"env -S python~'train.py", SCRIPT_NONE, NULL, NULL, NULL},
        {"env -C sub python train.py", SCRIPT_FILE, "bin/python", NULL, "train.py"},
        {"env --chdir=sub python train.py", SCRIPT_FILE, "bin/python", NULL, "train.py"},
        {"env", SCRIPT_NONE, NULL, NULL, NULL},
        {"env -u", SCRIPT_NONE, NULL, NULL, NULL},
        {"env A=1", SCRIPT_NONE, NULL, NULL, NULL},
        {"env --no-such python train.py", SCRIPT_NONE, NULL, NULL, NULL},
    };
    ASSERT_ALL(cases);
}

static const char *value_in(char **all, const char *name)
{
    for (; *all; all++)
        if (strncmp(*all, name, strlen(name)) == 0 && (*all)[strlen(name)] == '=')
            return *all + strlen(name) + 1;
    return NULL;
}

static void environments(void **state)
{
    (void)state;
    CLEANUP(script_clear) struct script script = SCRIPT_INIT, clean = SCRIPT_INIT;
    find(&script, "env A=1 B=2 HOME=/x env -u B A=3 python train.py");
    CLEANUP(freep) char **all = script_environment(&script, environment);
    assert_string_equal(value_in(all, "A"), "3");
    assert_null(value_in(all, "B"));
    assert_string_equal(value_in(all, "HOME"), "/x");
    assert_non_null(value_in(all, "PATH"));
    assert_null(script_getenv(&script, environment, "B"));
    assert_string_equal(script_getenv(&script, environment, "HOME"), "/x");

    find(&clean, "env A=1 env -i B=2 python train.py");
    CLEANUP(freep) char **few = script_environment(&clean, environment);
    assert_string_equal(few[0], "B=2");
    assert_null(few[1]);
}

static void by_shebang(void **state)
{
    (void)state;
    char text[256];
    put("plain", 0755, "#!/usr/bin/env python3\n");
    put("flags.py", 0755, "#! /usr/bin/env -S A=1 python3 -u -E\n");
    put("wrong", 0755, "#!/usr/bin/env python3 -u\n"); /* one word for the kernel */
    put("not-executable.py", 0644, "#!/usr/bin/env python3\n");
    put("shell", 0755, "#!/bin/sh\npython train.py\n");
    put("binary", 0755, "#!\177\n");
    put("circle", 0755, "#!./circle\n");
    snprintf(text, sizeof(text), "#!%s/venv/bin/python -u\r\n", folder);
    put("venv.py", 0755, text);
    snprintf(text, sizeof(text), "#!/bin/sh\n'''exec' \"%s/venv/bin/python\" \"$0\" \"$@\"\n' '''\nimport x\n", folder);
    put("long", 0755, text);
    snprintf(text, sizeof(text), "#!%s/bin/in-path\n", folder);
    put("nested", 0755, text);
    static const struct expected cases[] = {
        {"./plain --lr 1", SCRIPT_FILE, "bin/python3", "./plain", "./plain"},
        {"./flags.py", SCRIPT_FILE, "bin/python3", "./flags.py", "./flags.py"},
        {"nice ./venv.py a", SCRIPT_FILE, "venv/bin/python", "./venv.py", "./venv.py"},
        {"./long", SCRIPT_FILE, "venv/bin/python", "./long", "./long"},
        {"./wrong", SCRIPT_NONE, NULL, NULL, NULL},
        {"./not-executable.py", SCRIPT_NONE, NULL, NULL, NULL},
        {"./shell", SCRIPT_NONE, NULL, NULL, NULL},
        {"./binary", SCRIPT_NONE, NULL, NULL, NULL},
        {"./circle", SCRIPT_NONE, NULL, NULL, NULL},
        {"tool", SCRIPT_NONE, NULL, NULL, NULL},
        {"absent", SCRIPT_NONE, NULL, NULL, NULL},
    };
    ASSERT_ALL(cases);

    CLEANUP(script_clear) struct script script = SCRIPT_INIT, nested = SCRIPT_INIT;
    find(&script, "in-path x");
    snprintf(text, sizeof(text), "%s/bin/in-path", folder);
    assert_string_equal(script.file, text); /* the kernel hands on the path that was found */
    assert_string_equal(script.words[script.n_words - 1], "x");
    find(&nested, "./nested");
    assert_string_equal(nested.file, text);
    assert_string_equal(nested.words[nested.n_words - 1], "./nested");
    assert_string_equal(nested.interpreter + strlen(folder), "/bin/python3");
}

static void by_conda(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof(text), "%s/elsewhere/known\n", folder);
    put("home/.conda/environments.txt", 0644, text);
    snprintf(text, sizeof(text), "CONDA_EXE=%s/conda/bin/conda", folder);
    put_python("conda/bin/conda");
    environment[2] = text;
    environment[3] = NULL;
    static const struct expected cases[] = {
        {"conda run -n tf python train.py", SCRIPT_FILE, "conda/envs/tf/bin/python", "train.py", "train.py"},
        {"conda run --name=tf --no-capture-output nice python train.py", SCRIPT_FILE, "conda/envs/tf/bin/python",
         "train.py", "train.py"},
        {"mamba run --live-stream --name tf python train.py", SCRIPT_FILE, "conda/envs/tf/bin/python", "train.py",
         "train.py"},
        {"conda run -n base python train.py", SCRIPT_FILE, "conda/bin/python", "train.py", "train.py"},
        {"conda run -p conda/envs/tf python train.py", SCRIPT_FILE, "=conda/envs/tf/bin/python", "train.py",
         "train.py"},
        {"conda run -n own python3 train.py", SCRIPT_FILE, "home/.conda/envs/own/bin/python3", "train.py", "train.py"},
        {"conda run -n known python3 train.py", SCRIPT_FILE, "elsewhere/known/bin/python3", "train.py", "train.py"},
        {"micromamba -r conda run -n tf python train.py", SCRIPT_FILE, "=conda/envs/tf/bin/python", "train.py",
         "train.py"},
        {"env MAMBA_ROOT_PREFIX=conda micromamba run -a stdout -n tf python train.py", SCRIPT_FILE,
         "=conda/envs/tf/bin/python", "train.py", "train.py"},
        {"env CONDA_PREFIX=conda/envs/tf conda run python train.py", SCRIPT_FILE, "=conda/envs/tf/bin/python",
         "train.py", "train.py"},
        {"conda run --cwd sub -n tf python train.py", SCRIPT_FILE, "conda/envs/tf/bin/python", NULL, "train.py"},
        {"conda run -n absent python train.py", SCRIPT_NONE, NULL, NULL, NULL},
        {"conda install -n tf python", SCRIPT_NONE, NULL, NULL, NULL},
        {"conda run", SCRIPT_NONE, NULL, NULL, NULL},
    };
    ASSERT_ALL(cases);
    environment[2] = NULL;
}

static void launchers_and_ourselves(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"itexctl run -- python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"itexctl run --gpus 2 --quiet --keras=3 --socket x -- python train.py", SCRIPT_FILE, "bin/python", "train.py",
         "train.py"},
        {"itexctl run --quiet python train.py", SCRIPT_FILE, "bin/python", "train.py", "train.py"},
        {"itexctl resolve", SCRIPT_NONE, NULL, NULL, NULL},
        {"mpirun -n 4 python train.py", SCRIPT_NONE, NULL, NULL, NULL},
    };
    ASSERT_ALL(cases);

    CLEANUP(script_clear) struct script launched = SCRIPT_INIT, flux = SCRIPT_INIT, nested = SCRIPT_INIT;
    find(&launched, "nice env A=1 /opt/bin/mpirun -n 4 python train.py");
    assert_string_equal(launched.launcher, "mpirun");
    assert_int_equal(launched.program, 3);
    find(&flux, "flux run -n4 python train.py");
    assert_string_equal(flux.launcher, "flux run");
    find(&nested, "itexctl run -- python train.py");
    assert_true(nested.nested);
    assert_null(nested.launcher);
}

static void reasons(void **state)
{
    (void)state;
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"conda run -n absent python train.py", "absent"},
        {"python absent.py", "absent.py"},
        {"mpirun python train.py", "mpirun"},
        {"no-such-program", "no-such-program"},
        {"env -C sub python train.py", "env -C"},
        {"python -m pip", "pip"},
        {"env -S a\\b", "env -S"},
        {"./circle", "circle"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(script_clear) struct script script = SCRIPT_INIT;
        find(&script, cases[i].line);
        if (!script.why || !strstr(script.why, cases[i].word))
            fail_msg("%s: %s", cases[i].line, script.why ? script.why : "no reason");
    }
}

/* ---- The command that is executed -------------------------------------------------------------------------- */

/* The words joined by blanks; "" where the command stays as it is. */
static void assert_rewritten(const char *line, const char *runner, const struct apply_plan *plan, const char *expected)
{
    CLEANUP(script_clear) struct script script = SCRIPT_INIT;
    CLEANUP(script_command_clear) struct script_command command = SCRIPT_COMMAND_INIT;
    char text[512] = "";
    find(&script, line);
    assert_int_equal(script_rewrite(&script, runner, plan, &command), 0);
    for (size_t i = 0; command.argv && command.argv[i]; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", command.argv[i]);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", line, text, expected);
}

static void rewritten(void **state)
{
    (void)state;
    CLEANUP(apply_plan_free) struct apply_plan plan = APPLY_PLAN_INIT;
    assert_rewritten("python train.py", NULL, &plan, "");
    assert_rewritten("env A=1 python train.py", NULL, &plan, "");
    assert_rewritten("nice python -u train.py -m x", "R", &plan, "nice python -u R train.py -m x");
    assert_rewritten("python -um package a", "R", &plan, "python -u R -m package a");
    assert_rewritten("python -cpass a", "R", &plan, "python R -c pass a");
    assert_rewritten("python -X dev - a", "R", &plan, "python -X dev R - a");
    assert_rewritten("conda run -n absent python train.py", NULL, &plan, "");

    apply_plan_add(&plan, "A", "2");
    apply_plan_add(&plan, "B", NULL);
    apply_plan_add(&plan, "C", "3");
    assert_rewritten("python train.py", NULL, &plan, "");
    assert_rewritten("env X=1 python train.py", NULL, &plan, "");
    assert_rewritten("env A=1 X=1 B=1 python train.py", NULL, &plan, "env X=1 A=2 python train.py");
    assert_rewritten("env B=1 ./tool x", NULL, &plan, "env ./tool x");
    assert_rewritten("env -u A python train.py", "R", &plan, "env -u A A=2 python R train.py");
    assert_rewritten("env -i B=1 X=1 python train.py", "R", &plan, "env -i X=1 A=2 C=3 python R train.py");
    assert_rewritten("env A=1 env X=1 python train.py", NULL, &plan, "env env X=1 A=2 python train.py");
    assert_rewritten("./flags.py x", NULL, &plan, "/usr/bin/env A=2 python3 -u -E ./flags.py x");
    assert_rewritten("./flags.py x", "R", &plan, "/usr/bin/env A=2 python3 -u -E R ./flags.py x");
}

static void interpreters_for_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *interpreter;
    } cases[] = {
        {"train.py", "bin/python3"}, {"venv.py", "venv/bin/python"}, {"not-executable.py", "bin/python3"},
        {"shell", "bin/python3"},    {"absent.py", "bin/python3"},   {"long", "venv/bin/python"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(freep) char *interpreter = NULL;
        assert_int_equal(script_interpreter_for(cases[i].file, environment, &interpreter), 0);
        assert_path(cases[i].file, "interpreter", interpreter, cases[i].interpreter);
    }
    char *const nothing[] = {(char *)"PATH=/nonexistent", NULL};
    CLEANUP(freep) char *interpreter = NULL;
    assert_int_equal(script_interpreter_for("train.py", nothing, &interpreter), 0);
    assert_null(interpreter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_by_itself),
        cmocka_unit_test(code_and_modules),
        cmocka_unit_test(options_that_choose_modules),
        cmocka_unit_test(taken_apart),
        cmocka_unit_test(our_own_runner),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(by_env),
        cmocka_unit_test(environments),
        cmocka_unit_test(by_shebang),
        cmocka_unit_test(by_conda),
        cmocka_unit_test(launchers_and_ourselves),
        cmocka_unit_test(reasons),
        cmocka_unit_test(rewritten),
        cmocka_unit_test(interpreters_for_files),
    };
    return cmocka_run_group_tests_name("script", tests, make_folder, remove_folder);
}
