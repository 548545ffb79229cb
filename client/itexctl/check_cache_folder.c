/*
 * The folder of kept answers: see check_cache.h. It is opened once and then only its descriptor is used, so that nobody
 * can put another one in its place. An entry appears by rename.
 */
#include "client/itexctl/check_cache_parts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define MOST_ENTRIES 512u
#define MOST_BYTES (1u << 20) /* of an entry */
/* A file under a temporary name that is older was left behind. */
#define LEFT_BEHIND_SECONDS 3600
#define TEMPORARY ".new-"

static bool is_own(const struct stat *status, mode_t not_for_others)
{
    return status->st_uid == geteuid() && (status->st_mode & not_for_others) == 0;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* A folder in one that is there. Only in one's own, or where everybody may, one is made. */
static int open_in(const char *parent, const char *name, mode_t not_for_others)
{
    struct stat status;
    CLEANUP(closep) int above = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (above < 0 || fstat(above, &status) < 0)
        return -1;
    bool may_make = status.st_uid == geteuid() || (status.st_mode & S_ISVTX);
    if (may_make && mkdirat(above, name, 0700) < 0 && errno != EEXIST)
        return -1;
    CLEANUP(closep) int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &status) < 0 || !is_own(&status, not_for_others))
        return -1;
    return TAKE_FD(folder);
}

static int open_in_home(const char *home)
{
    CLEANUP(freep) char *cache = NULL;
    if (asprintf(&cache, "%s/.cache", home) < 0) {
        cache = NULL;
        return -1;
    }
    int folder = open_in(cache, "itexctl", S_IWGRP | S_IWOTH);
    if (folder >= 0 || access(cache, F_OK) == 0)
        return folder;
    CLEANUP(closep) int made = open_in(home, ".cache", S_IWGRP | S_IWOTH);
    return made < 0 ? -1 : open_in(cache, "itexctl", S_IWGRP | S_IWOTH);
}

int cache_folder_open(void)
{
    char name[32];
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *temporary = getenv("TMPDIR");
    int folder = -1;
    if (cache && cache[0] == '/')
        folder = open_in(cache, "itexctl", S_IWGRP | S_IWOTH);
    else if (home && home[0] == '/')
        folder = open_in_home(home);
    if (folder >= 0)
        return folder;
    snprintf(name, sizeof(name), "itexctl-%u", (unsigned)geteuid());
    return open_in(temporary && temporary[0] == '/' ? temporary : "/tmp", name, S_IRWXG | S_IRWXO);
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

char *cache_folder_read(int folder, const char *name, size_t *size)
{
    struct stat status;
    CLEANUP(closep) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || !is_own(&status, S_IWGRP | S_IWOTH) ||
        status.st_size > (off_t)MOST_BYTES)
        return NULL;
    CLEANUP(freep) char *text = malloc((size_t)status.st_size + 1);
    size_t filled = 0;
    while (text && filled < (size_t)status.st_size) {
        ssize_t n = read(fd, text + filled, (size_t)status.st_size - filled);
        if (n <= 0)
            return NULL;
        filled += (size_t)n;
    }
    if (text)
        text[filled] = '\0';
    *size = filled;
    return TAKE_PTR(text);
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

struct entry {
    char name[80];
    time_t time;
};

static int compare_times(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return (a->time > b->time) - (a->time < b->time);
}

/* Removes what was left behind, and the oldest quarter where there are too many. */
static void make_room(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    CLEANUP(freep) struct entry *entries = calloc(2 * MOST_ENTRIES, sizeof(*entries));
    struct dirent *item;
    size_t n = 0;
    if (!directory && copy >= 0)
        close(copy);
    while (directory && entries && n < 2 * MOST_ENTRIES && (item = readdir(directory))) {
        struct stat status;
        bool temporary = strncmp(item->d_name, TEMPORARY, sizeof(TEMPORARY) - 1) == 0;
        if (fstatat(folder, item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(status.st_mode) ||
            strlen(item->d_name) >= sizeof(entries->name))
            continue;
        if (temporary && time(NULL) - status.st_mtime > LEFT_BEHIND_SECONDS)
            unlinkat(folder, item->d_name, 0);
        if (temporary)
            continue;
        strcpy(entries[n].name, item->d_name);
        entries[n++].time = status.st_mtime;
    }
    if (directory)
        closedir(directory);
    if (!entries || n < MOST_ENTRIES)
        return;
    qsort(entries, n, sizeof(*entries), compare_times);
    for (size_t i = 0; i < n - MOST_ENTRIES + MOST_ENTRIES / 4; i++)
        unlinkat(folder, entries[i].name, 0);
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

void cache_folder_write(int folder, const char *name, const char *text, size_t size)
{
    uint64_t random = 0;
    char temporary[40];
    if (size > MOST_BYTES || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return;
    make_room(folder);
    snprintf(temporary, sizeof(temporary), TEMPORARY "%016llx", (unsigned long long)random);
    CLEANUP(closep) int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (!write_all(fd, text, size) || renameat(folder, temporary, folder, name) < 0)
        unlinkat(folder, temporary, 0);
}
