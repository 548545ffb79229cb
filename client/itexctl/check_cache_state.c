/*
 * What a kept answer rests on, a line each: see check_cache.h.
 *
 *     file DIGEST PATH
 *     folder TIME DIGEST PATH     TIME is of its last change, 0 where that was too shortly ago to tell a next one
 *     absent PATH
 *     variable NAME=VALUE
 *     no-variable NAME
 *
 * A folder whose time has changed still holds where the names that matter are the same, for jobs write their logs
 * beside their scripts.
 */
#include "client/core/environment.h"
#include "client/itexctl/check_cache_parts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Clocks of file systems are coarse, and those of servers differ a little. */
#define SLACK_MS 2000
#define MOST_NAMES 50000
#define MOST_FILE (64u << 20)

/* ---- Digests ------------------------------------------------------------------------------------------- */

void digest_of(const void *data, size_t size, char digest[CHECK_CACHE_DIGEST])
{
    SHA256Data(data, size, digest);
}

bool digest_of_file(const char *path, char digest[CHECK_CACHE_DIGEST])
{
    unsigned char buffer[16384];
    SHA2_CTX context;
    struct stat status;
    ssize_t n;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t)MOST_FILE)
        return false;
    SHA256Init(&context);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        SHA256Update(&context, buffer, (size_t)n);
    SHA256End(&context, digest);
    return n == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

/* Modules, packages and what says what is installed. */
static int matters(const struct dirent *entry)
{
    static const char *const ends[] = {".py", ".so", ".pth", ".egg-link", ".dist-info", ".egg-info", ".egg"};
    const char *name = entry->d_name;
    if (name[0] == '.' || strcmp(name, "__pycache__") == 0)
        return 0;
    for (size_t i = 0; i < LENGTH(ends); i++)
        if (ends_with(name, ends[i]))
            return 1;
    return entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK;
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

bool digest_of_names(const char *path, char digest[CHECK_CACHE_DIGEST])
{
    struct dirent **entries;
    SHA2_CTX context;
    int n = scandir(path, &entries, matters, compare_names);
    if (n < 0)
        return false;
    SHA256Init(&context);
    for (int i = 0; i < n; i++) {
        SHA256Update(&context, (const unsigned char *)entries[i]->d_name, strlen(entries[i]->d_name) + 1);
        free(entries[i]);
    }
    free(entries);
    SHA256End(&context, digest);
    return n <= MOST_NAMES;
}

static bool is_absent(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

static uint64_t changed_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec;
}

static bool write_file(FILE *out, const char *path)
{
    char digest[CHECK_CACHE_DIGEST];
    if (!digest_of_file(path, digest))
        return false;
    fprintf(out, "file %s %s\n", digest, path);
    return true;
}

/* What was changed since the question, or so shortly before that nobody can tell, may have been read before or after.
 */
static bool write_folder(FILE *out, const struct check_cache *cache, const char *path)
{
    char digest[CHECK_CACHE_DIGEST];
    struct stat status;
    if (stat(path, &status) < 0) {
        fprintf(out, "absent %s\n", path);
        return is_absent(path);
    }
    uint64_t changed = changed_ns(&status);
    bool settled = changed / 1000000 + SLACK_MS < cache->began_ms;
    if (!S_ISDIR(status.st_mode))
        return settled && write_file(out, path); /* an archive */
    if (!digest_of_names(path, digest))
        return false;
    bool watched = cache->beside && strcmp(cache->beside, path) == 0;
    if (!settled && !(watched && strcmp(cache->names, digest) == 0))
        return false;
    fprintf(out, "folder %" PRIu64 " %s %s\n", settled ? changed : 0, digest, path);
    return true;
}

/* The analyser's own files are in the question. */
static bool is_package(const char *path)
{
    const char *package = python_package_folder();
    size_t length = strlen(package);
    return strncmp(path, package, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The part before the last slash, "." where there is none; NULL without memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

static bool folder_of_another(const struct findings *findings, size_t at, const char *folder)
{
    for (size_t i = 0; i < at; i++) {
        CLEANUP(freep) char *other = folder_of(findings->files[i].path);
        if (other && strcmp(other, folder) == 0)
            return true;
    }
    return false;
}

static bool write_files(FILE *out, const struct check_cache *cache, const struct findings *findings)
{
    for (size_t i = 0; i < findings->n_files; i++) {
        const struct source_file *file = &findings->files[i];
        CLEANUP(freep) char *folder = folder_of(file->path);
        if (!file->sha256 || !folder || strchr(file->path, '\n'))
            return false;
        if (!file->parsed && is_absent(file->path))
            fprintf(out, "absent %s\n", file->path);
        else if (strcmp(file->path, "-c") != 0) /* that is in the question */
            fprintf(out, "file %s %s\n", file->sha256, file->path);
        if (!folder_of_another(findings, i, folder) && !write_folder(out, cache, folder))
            return false;
    }
    return true;
}

static bool write_variables(FILE *out, const struct findings *findings)
{
    for (size_t i = 0; i < findings->n_variables_read; i++) {
        const struct dependence *variable = &findings->variables_read[i];
        const char *value = variable->value ? variable->value : "";
        if (strpbrk(variable->name, "=\n") || strchr(value, '\n'))
            return false;
        fprintf(out, "%s %s%s%s\n", variable->value ? "variable" : "no-variable", variable->name,
                variable->value ? "=" : "", value);
    }
    return true;
}

bool state_write(FILE *out, const struct check_cache *cache, const struct findings *findings)
{
    if (!findings->dependences_told || !write_variables(out, findings) || !write_files(out, cache, findings))
        return false;
    for (size_t i = 0; i < findings->n_search_path; i++) {
        const char *path = findings->search_path[i];
        if (strchr(path, '\n') || (!is_package(path) && !write_folder(out, cache, path[0] ? path : ".")))
            return false;
    }
    return true;
}

/* ---- Checking ------------------------------------------------------------------------------------------ */

static bool file_holds(const char *digest, const char *path)
{
    char now[CHECK_CACHE_DIGEST];
    return digest_of_file(path, now) && strcmp(now, digest) == 0;
}

static bool folder_holds(const char *time, const char *digest, const char *path)
{
    char now[CHECK_CACHE_DIGEST];
    struct stat status;
    uint64_t changed = strtoull(time, NULL, 10);
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    if (changed != 0 && changed_ns(&status) == changed)
        return true;
    return digest_of_names(path, now) && strcmp(now, digest) == 0;
}

static bool variable_holds(char *assignment, char *const *environment)
{
    const char *name = strsep(&assignment, "=");
    const char *now = environment_lookup(environment, name);
    return now && assignment && strcmp(now, assignment) == 0;
}

static bool line_holds(char *line, char *const *environment)
{
    const char *word = strsep(&line, " ");
    if (strcmp(word, "absent") == 0)
        return line && is_absent(line);
    if (strcmp(word, "variable") == 0)
        return line && variable_holds(line, environment);
    if (strcmp(word, "no-variable") == 0)
        return line && !environment_lookup(environment, line);
    const char *first = strsep(&line, " ");
    if (strcmp(word, "file") == 0)
        return line && file_holds(first, line);
    const char *second = strsep(&line, " ");
    return strcmp(word, "folder") == 0 && line && folder_holds(first, second, line);
}

bool state_holds(char *lines, char *const *environment)
{
    char *line;
    while ((line = strsep(&lines, "\n")) && *line)
        if (!line_holds(line, environment))
            return false;
    return line != NULL;
}
