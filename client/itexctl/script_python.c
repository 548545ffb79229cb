/*
 * Python's own command line: see script.h. Options end at the first operand, at -m and at -c, as Python's own getopt
 * has it; a word that holds several of them is taken apart where -m or -c is among them, so that the runner can be put
 * in front of these.
 */
#include "client/itexctl/analyser.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/script_walk.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* python, python3, python3.11, pypy3, python3.13t */
bool is_python(const char *word)
{
    static const char *const names[] = {"python", "pypy"};
    const char *base = walk_base(word);
    for (size_t i = 0; i < LENGTH(names); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(base, names[i], length) != 0)
            continue;
        base += length;
        base += strspn(base, "0123456789.");
        base += strspn(base, "tdm");
        return *base == '\0';
    }
    return false;
}

/* ---- Options --------------------------------------------------------------------------------------------- */

static void keep_option(struct script *script, char letter)
{
    size_t length = strlen(script->options);
    if (strchr("EIPSs", letter) && !strchr(script->options, letter) && length + 1 < sizeof(script->options)) {
        script->options[length] = letter;
        script->options[length + 1] = '\0';
    }
}

static bool has_option(const struct script *script, char letter)
{
    return strchr(script->options, letter) != NULL;
}

/* "-uc CODE" as "-u" "-c" "CODE", "-mpkg" as "-m" "pkg". The letter is in the word at `at`; *subject is where it is
 * then. */
static int take_apart(struct walk *walk, size_t at, const char *letter, size_t *subject)
{
    const char *word = walk_word(walk, at);
    char alone[3] = {'-', *letter, '\0'};
    const char *words[3];
    size_t n = 0;
    *subject = at;
    if (letter == word + 1 && !letter[1])
        return 0;
    CLEANUP(freep) char *before = strndup(word, (size_t)(letter - word));
    CLEANUP(freep) char *behind = strdup(letter + 1);
    if (!before || !behind)
        return -ENOMEM;
    if (letter > word + 1) {
        words[n++] = before;
        ++*subject;
    }
    words[n++] = alone;
    if (behind[0])
        words[n++] = behind;
    return walk_replace(walk, at, 1, words, n);
}

/* What one word of options comes to; each sets *at behind it, or kind and subject where the options end with it. */
static int read_letters(struct walk *walk, size_t *at)
{
    struct script *script = walk->script;
    const char *word = walk_word(walk, *at);
    for (const char *letter = word + 1; *letter; letter++) {
        if (*letter == 'c' || *letter == 'm') {
            script->kind = *letter == 'c' ? SCRIPT_CODE : SCRIPT_MODULE;
            return take_apart(walk, *at, letter, &script->subject);
        }
        if (*letter == 'W' || *letter == 'X') {
            *at += letter[1] ? 1 : 2;
            return 0;
        }
        if (strchr("hV?", *letter))
            script->kind = SCRIPT_NOTHING;
        keep_option(script, *letter);
    }
    ++*at;
    return 0;
}

static void read_long(struct walk *walk, size_t *at)
{
    const char *word = walk_word(walk, *at);
    if (strcmp(word, "--check-hash-based-pycs") == 0)
        ++*at;
    else if (strncmp(word, "--check-hash-based-pycs=", 24) != 0)
        walk->script->kind = SCRIPT_NOTHING; /* --help, --version, or what Python refuses */
    ++*at;
}

static int read_options(struct walk *walk, size_t at)
{
    struct script *script = walk->script;
    const char *word;
    int r = 0;
    while (r == 0 && script->kind == SCRIPT_NONE && (word = walk_word(walk, at)) && word[0] == '-' && word[1]) {
        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (word[1] == '-')
            read_long(walk, &at);
        else
            r = read_letters(walk, &at);
    }
    if (r < 0 || script->kind == SCRIPT_CODE || script->kind == SCRIPT_MODULE)
        return r;
    script->subject = at < script->n_words ? at : script->n_words;
    if (script->kind == SCRIPT_NONE)
        script->kind = at >= script->n_words                 ? SCRIPT_INTERACTIVE
                       : strcmp(script->words[at], "-") == 0 ? SCRIPT_STDIN
                                                             : SCRIPT_FILE;
    return 0;
}

/* ---- Where the source is ------------------------------------------------------------------------------------ */

/* A path made of the parts, where it is a file; 0 or -ENOMEM. */
static int try_file(const char *directory, const char *name, const char *behind, char **file)
{
    struct stat status;
    CLEANUP(freep) char *path = NULL;
    if (*file)
        return 0;
    if (asprintf(&path, "%s%s%s%s", directory, directory[0] ? "/" : "", name, behind) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        *file = TAKE_PTR(path);
    return 0;
}

/* A module in a directory of sys.path, "" for the current one. */
static int look_for_module(const char *directory, const char *path, char **file)
{
    int r = try_file(directory, path, "/__main__.py", file);
    return r < 0 ? r : try_file(directory, path, ".py", file);
}

/* Only the places that the job's owner chose: what is installed is not looked through. */
static int find_module(const struct walk *walk, char **file)
{
    const struct script *script = walk->script;
    const char *name = walk_word(walk, script->subject + 1);
    const char *search = walk_getenv(walk, "PYTHONPATH"), *safe = walk_getenv(walk, "PYTHONSAFEPATH");
    CLEANUP(freep) char *path = strdup(name);
    bool isolated = has_option(script, 'I'), ignoring = isolated || has_option(script, 'E');
    int r = 0;
    if (!path)
        return -ENOMEM;
    for (char *dot = path; (dot = strchr(dot, '.'));)
        *dot = '/';
    if (!isolated && !has_option(script, 'P') && (ignoring || !safe || !safe[0]))
        r = look_for_module("", path, file);
    for (size_t length; r == 0 && !ignoring && search && *search; search += length + (search[length] == ':')) {
        length = strcspn(search, ":");
        CLEANUP(freep) char *directory = strndup(search, length);
        r = directory ? look_for_module(directory, path, file) : -ENOMEM;
    }
    return r;
}

/* Zip archives and compiled files have no source to read. */
static bool is_text(const char *path)
{
    char head[64];
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
    return n >= 0 && !memchr(head, '\0', (size_t)n) && !(n >= 2 && memcmp(head, "PK", 2) == 0);
}

static int find_file(const struct walk *walk, char **file)
{
    const char *word = walk_word(walk, walk->script->subject);
    struct stat status;
    walk->script->missing = stat(word, &status) != 0;
    if (walk->script->missing)
        return 0;
    if (S_ISDIR(status.st_mode))
        return try_file(word, "__main__.py", "", file);
    if (!S_ISREG(status.st_mode) || !is_text(word))
        return 0;
    *file = strdup(word);
    return *file ? 0 : -ENOMEM;
}

static int find_source(struct walk *walk)
{
    struct script *script = walk->script;
    int r = 0;
    bool here = script->kind == SCRIPT_MODULE || (script->kind == SCRIPT_FILE && script_name(script)[0] != '/');
    if (walk->elsewhere && here)
        return walk_end(walk, "%s changes the directory that %s is looked for in", walk->elsewhere,
                        script_name(script));
    if (script->kind == SCRIPT_MODULE)
        r = find_module(walk, &script->file);
    else if (script->kind == SCRIPT_FILE)
        r = find_file(walk, &script->file);
    else
        return WALK_END;
    if (r < 0 || script->file)
        return r < 0 ? r : WALK_END;
    return walk_end(walk, "the source of %s was not found", script_name(script));
}

/* A command that was copied from --dry-run: what the runner runs is what it is about. */
static int step_over_runner(struct walk *walk)
{
    struct script *script = walk->script;
    struct stat status, own;
    CLEANUP(freep) char *runner = python_package_file("runner.py");
    if (!runner)
        return -ENOMEM;
    if (script->kind != SCRIPT_FILE || stat(script_name(script), &status) != 0 || stat(runner, &own) != 0 ||
        status.st_dev != own.st_dev || status.st_ino != own.st_ino)
        return 0;
    script->has_runner = true;
    script->kind = SCRIPT_NONE;
    return read_options(walk, script->subject + 1);
}

int walk_python(struct walk *walk)
{
    struct script *script = walk->script;
    int r = walk_find_program(walk, walk_word(walk, walk->at), &script->interpreter);
    if (r >= 0)
        r = read_options(walk, walk->at + 1);
    if (r >= 0)
        r = step_over_runner(walk);
    if (r < 0)
        return r;
    bool incomplete =
        (script->kind == SCRIPT_CODE || script->kind == SCRIPT_MODULE) && script->subject + 1 >= script->n_words;
    if (incomplete) /* which Python refuses */
        script->kind = SCRIPT_NOTHING;
    return find_source(walk);
}
