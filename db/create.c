/*
 * A new database comes into being whole: it is made under a temporary name beside its place and renamed there, so that
 * no crash leaves half a database with a journal that only a writer could read. The caller holds the lock file, so a
 * temporary that is found here is what a killed itexd left, and holds nothing.
 */
#include "db/internal.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

static const char *const companions[] = {"-wal", "-shm", "-journal"};

static int remove_temporary(const char *path)
{
    char name[4096];

    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        if (snprintf(name, sizeof name, "%s%s", path, companions[i]) >= (int)sizeof name)
            return -ENAMETOOLONG;
        if (unlink(name) < 0 && errno != ENOENT)
            return -errno;
    }
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* What belonged to a database that is gone would be taken for the new one's. */
static bool has_companion(const char *path)
{
    char name[4096];

    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        snprintf(name, sizeof name, "%s%s", path, companions[i]);
        if (access(name, F_OK) == 0)
            return true;
    }
    return false;
}

/* Made by us and not by SQLite: nobody else may read what jobs have in their environments. */
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int sync_directory(const char *path)
{
    char copy[4096];
    CLEANUP(closep) int fd = -1;

    snprintf(copy, sizeof copy, "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* The schema, and everything of it in the one file: closing the only connection empties the WAL into it. */
static int fill(struct store *store, const char *path)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = store_migrate(db);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        store_explain_problem(store, db, rc);
    sqlite3_close(db);
    return rc == SQLITE_OK ? 0 : -EIO;
}

static int refuse(struct store *store, int error)
{
    store_set_problem(store, "the database %s cannot be created: %s", store->path, strerror(-error));
    return -EIO;
}

int store_create_file(struct store *store)
{
    char name[4096];
    int r;

    if (snprintf(name, sizeof name, "%s.new", store->path) >= (int)sizeof name)
        return refuse(store, -ENAMETOOLONG);
    r = has_companion(store->path) ? store_move_aside(store) : 0;
    if (r == 0)
        r = remove_temporary(name);
    if (r == 0)
        r = make_file(name);
    if (r < 0)
        return refuse(store, r);
    if (fill(store, name) < 0) {
        remove_temporary(name);
        return -EIO;
    }
    if (rename(name, store->path) < 0)
        return refuse(store, -errno);
    r = sync_directory(store->path);
    return r < 0 ? refuse(store, r) : 0;
}
