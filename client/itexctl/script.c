/*
 * The walk along a command line: see script.h. Each step looks at one program: what it is by its name, else by the
 * first line of its file. A command line is short, so words are searched and moved in place.
 */
#include "client/itexctl/script.h"
#include "client/core/environment.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/script_walk.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As much of a first line as the kernel reads, and the second line of a trampoline. */
#define SHEBANG_SIZE 256
#define HEAD_SIZE 1024
/* Shebangs and env -S behind one another: more is a circle. */
#define MOST_EXPANSIONS 8

/* ---- Words ------------------------------------------------------------------------------------------- */

const char *walk_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int copy_words(struct script *script, char *const *command)
{
    size_t n = 0;
    while (command[n])
        n++;
    script->words = calloc(n + 1, sizeof(*script->words));
    if (!script->words)
        return -ENOMEM;
    for (; script->n_words < n; script->n_words++) {
        script->words[script->n_words] = strdup(command[script->n_words]);
        if (!script->words[script->n_words])
            return -ENOMEM;
    }
    return 0;
}

static void free_words(char **words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(words[i]);
}

int walk_replace(struct walk *walk, size_t at, size_t n, const char *const *words, size_t n_new)
{
    struct script *script = walk->script;
    size_t n_words = script->n_words - n + n_new;
    CLEANUP(freep) char **copies = calloc(n_new + 1, sizeof(*copies));
    CLEANUP(freep) char **all = calloc(n_words + 1, sizeof(*all));
    if (!copies || !all)
        return -ENOMEM;
    for (size_t i = 0; i < n_new; i++) {
        copies[i] = strdup(words[i]);
        if (!copies[i]) {
            free_words(copies, i);
            return -ENOMEM;
        }
    }
    memcpy(all, script->words, at * sizeof(*all));
    memcpy(all + at, copies, n_new * sizeof(*all));
    memcpy(all + at + n_new, script->words + at + n, (script->n_words - at - n) * sizeof(*all));
    free_words(script->words + at, n);
    free(script->words);
    script->words = TAKE_PTR(all);
    script->n_words = n_words;
    return 0;
}

int walk_end(struct walk *walk, const char *format, ...)
{
    struct script *script = walk->script;
    va_list arguments;
    free(script->why);
    va_start(arguments, format);
    int r = vasprintf(&script->why, format, arguments);
    va_end(arguments);
    if (r < 0)
        script->why = NULL;
    return r < 0 ? -ENOMEM : WALK_END;
}

/* ---- The job's environment ---------------------------------------------------------------------------- */

const char *script_getenv(const struct script *script, char *const *envp, const char *name)
{
    for (size_t i = script->n_variables; i-- > 0;)
        if (strcmp(script->variables[i].name, name) == 0)
            return script->variables[i].value;
    return script->cleared ? NULL : environment_lookup(envp, name);
}

const char *walk_getenv(const struct walk *walk, const char *name)
{
    return script_getenv(walk->script, walk->envp, name);
}

static bool script_sets(const struct script *script, const char *assignment)
{
    size_t length = strcspn(assignment, "=");
    for (size_t i = 0; i < script->n_variables; i++)
        if (strlen(script->variables[i].name) == length && strncmp(script->variables[i].name, assignment, length) == 0)
            return true;
    return false;
}

static bool is_last(const struct script *script, size_t at)
{
    for (size_t i = at + 1; i < script->n_variables; i++)
        if (strcmp(script->variables[i].name, script->variables[at].name) == 0)
            return false;
    return true;
}

char **script_environment(const struct script *script, char *const *envp)
{
    size_t n = 0, kept = 0;
    while (envp[n])
        n++;
    char **all = calloc(n + script->n_variables + 1, sizeof(*all));
    if (!all)
        return NULL;
    for (size_t i = 0; i < n && !script->cleared; i++)
        if (!script_sets(script, envp[i]))
            all[kept++] = envp[i];
    for (size_t i = 0; i < script->n_variables; i++)
        if (script->variables[i].value && is_last(script, i))
            all[kept++] = script->words[script->variables[i].word];
    return all;
}

/* ---- Programs ----------------------------------------------------------------------------------------- */

static bool is_executable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Looks in one directory; 1: found. */
static int look_in(const char *directory, size_t length, const char *word, char **path)
{
    CLEANUP(freep) char *candidate = NULL;
    int r = length > 0 ? asprintf(&candidate, "%.*s/%s", (int)length, directory, word)
                       : asprintf(&candidate, "./%s", word); /* an empty part of PATH is here */
    if (r < 0) {
        candidate = NULL;
        return -ENOMEM;
    }
    if (!is_executable(candidate))
        return 0;
    *path = TAKE_PTR(candidate);
    return 1;
}

int walk_find_program(const struct walk *walk, const char *word, char **path)
{
    const char *search = walk_getenv(walk, "PATH");
    int r = 0;
    *path = NULL;
    if (strchr(word, '/')) {
        *path = is_executable(word) ? strdup(word) : NULL;
        return *path || !is_executable(word) ? 0 : -ENOMEM;
    }
    if (!search)
        search = "/bin:/usr/bin"; /* as execvp does */
    if (walk->prefix) {
        CLEANUP(freep) char *bin = NULL;
        if (asprintf(&bin, "%s/bin", walk->prefix) < 0)
            return -ENOMEM;
        r = look_in(bin, strlen(bin), word, path);
    }
    for (size_t length; r == 0; search += length + 1) {
        length = strcspn(search, ":");
        r = look_in(search, length, word, path);
        if (!search[length])
            break;
    }
    return r < 0 ? r : 0;
}

/* ---- Shebangs ------------------------------------------------------------------------------------------ */

/* Its first bytes, with a zero behind them; how many, 0 where it cannot be read. */
static size_t read_head(const char *path, char head[HEAD_SIZE])
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, head, HEAD_SIZE - 1);
    head[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r'))
        text[--length] = '\0';
    return text + strspn(text, " \t");
}

/*
 * The way out where a path is too long for a shebang, as pip and conda write it:
 *     #!/bin/sh
 *     '''exec' /a/long/path/bin/python "$0" "$@"
 */
static char *trampoline(char *second)
{
    static const char start[] = "'''exec' ", end[] = " \"$0\" \"$@\"";
    size_t length = strcspn(second, "\n");
    second[length] = '\0';
    if (strncmp(second, start, sizeof(start) - 1) != 0)
        return NULL;
    char *path = second + sizeof(start) - 1, *behind = strstr(path, end);
    if (!behind)
        return NULL;
    *behind = '\0';
    size_t quoted = strlen(path);
    if (quoted > 1 && path[0] == '"' && path[quoted - 1] == '"') {
        path[quoted - 1] = '\0';
        path++;
    }
    return path;
}

struct shebang {
    char head[HEAD_SIZE];
    const char *interpreter; /* into head; NULL: the file has none */
    const char *argument;    /* NULL */
};

static void read_shebang(const char *path, struct shebang *shebang)
{
    shebang->interpreter = shebang->argument = NULL;
    size_t n = read_head(path, shebang->head);
    if (n < 2 || memcmp(shebang->head, "#!", 2) != 0 || strlen(shebang->head) < n)
        return;
    size_t length = strcspn(shebang->head, "\n");
    char *second = shebang->head[length] ? shebang->head + length + 1 : shebang->head + length;
    if (length >= SHEBANG_SIZE)
        return; /* the kernel would cut it */
    shebang->head[length] = '\0';
    char *line = trim(shebang->head + 2);
    char *blank = strpbrk(line, " \t");
    if (blank) {
        *blank = '\0';
        shebang->argument = trim(blank + 1);
    }
    shebang->interpreter = *line ? line : NULL;
    char *python = trampoline(second);
    if (python) {
        shebang->interpreter = python;
        shebang->argument = NULL;
    }
}

/* Writes out what the kernel would execute for a file that begins with #!. */
static int expand_shebang(struct walk *walk, const char *path)
{
    struct shebang shebang;
    read_shebang(path, &shebang);
    if (!shebang.interpreter)
        return WALK_END;
    if (walk->expansions++ >= MOST_EXPANSIONS)
        return walk_end(walk, "%s: too many interpreters behind one another", path);
    const char *words[3] = {shebang.interpreter};
    size_t n = 1;
    if (shebang.argument)
        words[n++] = shebang.argument;
    words[n++] = path;
    int r = walk_replace(walk, walk->at, 1, words, n);
    walk->expanded = true;
    return r < 0 ? r : WALK_ON;
}

/* ---- Launchers and ourselves ---------------------------------------------------------------------------- */

static const char *launcher_at(const struct walk *walk, const char *base)
{
    static const char *const launchers[] = {"mpirun",     "mpiexec", "mpiexec.hydra", "orterun", "srun",
                                            "horovodrun", "prun",    "aprun",         "jsrun"};
    const char *next = walk_word(walk, walk->at + 1);
    for (size_t i = 0; i < LENGTH(launchers); i++)
        if (strcmp(base, launchers[i]) == 0)
            return launchers[i];
    bool flux_runs = strcmp(base, "flux") == 0 && next &&
                     (strcmp(next, "run") == 0 || strcmp(next, "submit") == 0 || strcmp(next, "mini") == 0);
    return flux_runs ? "flux run" : NULL;
}

static const struct option_def *run_option(const char *name, size_t length)
{
    for (size_t i = 0; i < command_run.n_groups; i++)
        for (size_t j = 0; j < command_run.groups[i].n_defs; j++) {
            const struct option_def *def = &command_run.groups[i].defs[j];
            if (strlen(def->name) == length && strncmp(def->name, name, length) == 0)
                return def;
        }
    return NULL;
}

/* itexctl run [OPTION...] -- COMMAND: the inner run decides again; what it runs is what this one is about, too. */
static int step_over_run(struct walk *walk)
{
    const char *word = walk_word(walk, walk->at + 1);
    if (!word || strcmp(word, "run") != 0)
        return WALK_END;
    size_t at = walk->at + 2;
    while ((word = walk_word(walk, at)) && strncmp(word, "--", 2) == 0 && word[2]) {
        size_t length = strcspn(word + 2, "=");
        const struct option_def *def = run_option(word + 2, length);
        bool global = length == 6 && (strncmp(word + 2, "socket", 6) == 0 || strncmp(word + 2, "format", 6) == 0);
        bool separate = def ? def->kind != OPTION_FLAG : global;
        at += separate && !word[2 + length] ? 2 : 1;
    }
    if (word && strcmp(word, "--") == 0)
        at++;
    walk->script->nested = true;
    walk->at = at;
    return WALK_ON;
}

/* ---- The walk ------------------------------------------------------------------------------------------- */

static int name_program(struct walk *walk, const char *word)
{
    if (walk->expanded) {
        walk->expanded = false;
        return 0;
    }
    free(walk->script->program_name);
    walk->script->program_name = strdup(word);
    return walk->script->program_name ? 0 : -ENOMEM;
}

static int step(struct walk *walk)
{
    const char *word = walk_word(walk, walk->at);
    CLEANUP(freep) char *path = NULL;
    if (!word)
        return WALK_END;
    walk->script->program = walk->at;
    if (name_program(walk, word) < 0)
        return -ENOMEM;
    walk->script->launcher = launcher_at(walk, walk_base(word));
    if (walk->script->launcher)
        return walk_end(walk, "%s is a launcher", walk->script->launcher);
    if (is_python(word))
        return walk_python(walk);
    if (strcmp(walk_base(word), "itexctl") == 0)
        return step_over_run(walk);
    int r = walk_prefix(walk);
    if (r == -ENOENT)
        r = walk_conda(walk);
    if (r != -ENOENT)
        return r;
    r = walk_find_program(walk, word, &path);
    if (r < 0 || !path)
        return r < 0 ? r : walk_end(walk, "%s was not found", word);
    return expand_shebang(walk, path);
}

static void walk_clear(const struct walk *walk)
{
    free(walk->prefix);
}

int script_find(struct script *script, char *const *command, char *const *envp)
{
    CLEANUP(walk_clear) struct walk walk = {.script = script, .envp = envp};
    int r = copy_words(script, command);
    while (r >= 0 && (r = step(&walk)) == WALK_ON)
        ;
    if (r < 0)
        script_clear(script);
    return r < 0 ? r : 0;
}

void script_clear(struct script *script)
{
    free_words(script->words, script->n_words);
    free(script->words);
    for (size_t i = 0; i < script->n_variables; i++) {
        free(script->variables[i].name);
        free(script->variables[i].value);
    }
    free(script->variables);
    free(script->program_name);
    free(script->why);
    free(script->interpreter);
    free(script->file);
    *script = (struct script)SCRIPT_INIT;
}

const char *script_name(const struct script *script)
{
    switch (script->kind) {
    case SCRIPT_FILE:
        return script->words[script->subject];
    case SCRIPT_STDIN:
        return "standard input";
    case SCRIPT_MODULE:
        return script->words[script->subject + 1];
    case SCRIPT_CODE:
        return "the code behind -c";
    case SCRIPT_NONE:
    case SCRIPT_INTERACTIVE:
    case SCRIPT_NOTHING:
        break;
    }
    return "";
}

/* What the file's own first line asks for; *interpreter stays NULL where that is no Python that is there. */
static int interpreter_by_shebang(const char *file, char *const *envp, char **interpreter)
{
    CLEANUP(script_clear) struct script script = SCRIPT_INIT;
    struct shebang shebang;
    read_shebang(file, &shebang);
    if (!shebang.interpreter)
        return 0;
    char *command[4] = {(char *)shebang.interpreter};
    size_t n = 1;
    if (shebang.argument)
        command[n++] = (char *)shebang.argument;
    command[n++] = (char *)file;
    int r = script_find(&script, command, envp);
    if (r >= 0 && script.kind == SCRIPT_FILE)
        *interpreter = TAKE_PTR(script.interpreter);
    return r;
}

int script_interpreter_for(const char *file, char *const *envp, char **interpreter)
{
    static const char *const names[] = {"python3", "python"};
    struct script none = SCRIPT_INIT;
    const struct walk walk = {.script = &none, .envp = envp};
    *interpreter = NULL;
    int r = interpreter_by_shebang(file, envp, interpreter);
    for (size_t i = 0; i < LENGTH(names) && r >= 0 && !*interpreter; i++)
        r = walk_find_program(&walk, names[i], interpreter);
    return r;
}
