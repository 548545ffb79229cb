/*
 * Finding and keeping answers: see check_cache.h. An entry is its own digest, the lines of check_cache_state.c, an
 * empty line and the answer.
 */
#include "client/itexctl/check_cache.h"
#include "client/itexctl/check_cache_parts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The question ---------------------------------------------------------------------------------------- */

/* Of a file: which it is and when it changed, without reading it. */
static void put_file(FILE *out, const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        fprintf(out, "absent %s\n", path);
    else
        fprintf(out, "%llx %llx %lld %lld.%09ld %s\n", (unsigned long long)status.st_dev,
                (unsigned long long)status.st_ino, (long long)status.st_size, (long long)status.st_mtim.tv_sec,
                status.st_mtim.tv_nsec, path);
}

/* A script in an interpreter's place (pyenv's, a wrapper of the site) may start any Python. */
static bool is_program(const char *path)
{
    char head[4];
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) && memcmp(head, "\177ELF", 4) == 0;
}

/* The interpreter, and what makes it that of a virtual environment. */
static void put_interpreter(FILE *out, const char *interpreter)
{
    CLEANUP(freep) char *real = realpath(interpreter, NULL);
    CLEANUP(freep) char *beside = NULL;
    put_file(out, interpreter);
    put_file(out, real ? real : "");
    const char *slash = strrchr(interpreter, '/');
    int length = slash ? (int)(slash - interpreter) : 1;
    for (int up = 0; up < 2; up++) {
        if (asprintf(&beside, "%.*s%s/pyvenv.cfg", length, slash ? interpreter : ".", up ? "/.." : "") < 0) {
            beside = NULL;
            return;
        }
        put_file(out, beside);
        free(beside);
        beside = NULL;
    }
}

static int is_source(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 3 && strcmp(entry->d_name + length - 3, ".py") == 0;
}

/* Another analyser may find something else. */
static void put_sources(FILE *out, const char *name)
{
    struct dirent **entries;
    CLEANUP(freep) char *folder = python_package_file(name);
    int n = folder ? scandir(folder, &entries, is_source, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        CLEANUP(freep) char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
            path = NULL;
        if (path)
            put_file(out, path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* What decides which modules are found. Which others the analyser looks at is in its answer. */
static bool variable_matters(const char *assignment)
{
    return strncmp(assignment, "PYTHON", 6) == 0 || strncmp(assignment, "HOME=", 5) == 0;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void put_environment(FILE *out, char *const *environment)
{
    size_t n = 0, kept = 0;
    while (environment[n])
        n++;
    CLEANUP(freep) const char **all = calloc(n + 1, sizeof(*all));
    for (size_t i = 0; all && i < n; i++)
        if (variable_matters(environment[i]))
            all[kept++] = environment[i];
    if (all)
        qsort(all, kept, sizeof(*all), compare_texts);
    for (size_t i = 0; i < kept; i++)
        fprintf(out, "%s%c", all[i], '\0');
}

static void put_text(FILE *out, const char *text)
{
    fprintf(out, "%s%c", text ? text : "", '\0');
}

/* False where it cannot be written down, or the interpreter may be any. */
static bool key_of(const struct analyser_question *question, char key[CHECK_CACHE_DIGEST])
{
    char *text = NULL;
    size_t size;
    CLEANUP(freep) char *here = getcwd(NULL, 0);
    FILE *out = here && is_program(question->interpreter) ? open_memstream(&text, &size) : NULL;
    if (!out)
        return false;
    put_text(out, ITEXD_VERSION);
    put_text(out, here);
    put_text(out, question->options);
    put_text(out, question->itex);
    put_text(out, question->bind);
    put_text(out, question->module);
    put_text(out, question->file);
    put_text(out, question->code);
    put_interpreter(out, question->interpreter);
    put_text(out, python_package_folder());
    put_sources(out, "");
    put_sources(out, "check");
    put_environment(out, question->environment);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        digest_of(text, size, key);
    else
        whole = false;
    free(text);
    return whole;
}

/* The folder of a script, where imports are looked for first; for -c and -m the current one. */
static char *folder_beside(const struct analyser_question *question)
{
    const char *slash = question->file && !question->module ? strrchr(question->file, '/') : NULL;
    return slash == question->file && slash ? strdup("/")
           : slash                          ? strndup(question->file, (size_t)(slash - question->file))
                                            : strdup(".");
}

/* ---- Entries --------------------------------------------------------------------------------------------- */

void check_cache_open(struct check_cache *cache, const struct analyser_question *question)
{
    *cache = (struct check_cache)CHECK_CACHE_INIT;
    if (!key_of(question, cache->key))
        return;
    cache->began_ms = clock_wall_ms();
    cache->beside = folder_beside(question);
    if (cache->beside && !digest_of_names(cache->beside, cache->names))
        cache->names[0] = '\0';
    cache->folder = cache_folder_open();
}

void check_cache_close(struct check_cache *cache)
{
    free(cache->beside);
    if (cache->folder >= 0)
        close(cache->folder);
    *cache = (struct check_cache)CHECK_CACHE_INIT;
}

bool check_cache_find(const struct check_cache *cache, char *const *environment, struct analyser_answer *answer)
{
    char digest[CHECK_CACHE_DIGEST];
    size_t size, head = CHECK_CACHE_DIGEST;
    if (cache->folder < 0)
        return false;
    CLEANUP(freep) char *text = cache_folder_read(cache->folder, cache->key, &size);
    if (!text || size < head || text[head - 1] != '\n')
        return false;
    digest_of(text + head, size - head, digest);
    char *end = memcmp(digest, text, head - 1) == 0 ? strstr(text + head, "\n\n") : NULL;
    if (!end)
        return false;
    size_t length = size - (size_t)(end + 2 - text);
    CLEANUP(freep) char *kept = malloc(length + 1);
    if (!kept)
        return false;
    memcpy(kept, end + 2, length + 1);
    end[1] = '\0';
    if (!state_holds(text + head, environment))
        return false;
    *answer = (struct analyser_answer){.text = TAKE_PTR(kept), .size = length};
    return true;
}

/* The digest's place is filled when what it is of is known. */
static void write_entry(const struct check_cache *cache, char *text, size_t size)
{
    char digest[CHECK_CACHE_DIGEST];
    digest_of(text + CHECK_CACHE_DIGEST, size - CHECK_CACHE_DIGEST, digest);
    memcpy(text, digest, CHECK_CACHE_DIGEST - 1);
    cache_folder_write(cache->folder, cache->key, text, size);
}

void check_cache_keep(const struct check_cache *cache, const struct analyser_answer *answer,
                      const struct findings *findings)
{
    char *text = NULL;
    size_t size;
    FILE *out = cache->folder < 0 ? NULL : open_memstream(&text, &size);
    if (!out)
        return;
    fprintf(out, "%0*d\n", CHECK_CACHE_DIGEST - 1, 0);
    bool known = state_write(out, cache, findings);
    fputc('\n', out);
    fwrite(answer->text, 1, answer->size, out);
    known &= !ferror(out);
    if (fclose(out) == 0 && known)
        write_entry(cache, text, size);
    free(text);
}
