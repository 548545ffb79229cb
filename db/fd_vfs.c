/*
 * An SQLite VFS for one file that is given as a descriptor: the target of a backup.
 *
 * The file belongs to the client that asked for the backup. Its path may mean nothing in our namespace, and opening it
 * again (even by way of /proc/self/fd) would need rights that only the client had; the descriptor is the right. There
 * is one connection and no journal, so locks are granted and nothing but the main file is ever opened.
 */
#include "db/fd_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE_BACK_BYTES = 1 << 20 };

struct fd_file {
    sqlite3_file base;
    int fd; /* not owned */
    sqlite3_int64 unsent;
};

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    const struct fd_file *own = (const struct fd_file *)file;
    ssize_t got = pread(own->fd, data, (size_t)size, at);

    if (got < 0)
        return SQLITE_IOERR_READ;
    if (got < size) {
        memset((char *)data + got, 0, (size_t)(size - got));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    struct fd_file *own = (struct fd_file *)file;
    ssize_t put = pwrite(own->fd, data, (size_t)size, at);

    if (put != size)
        return put >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    own->unsent += size;
    if (own->unsent >= WRITE_BACK_BYTES) { /* so that the sync at the end is short: commits wait for it */
        sync_file_range(own->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        own->unsent = 0;
    }
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return ftruncate(((struct fd_file *)file)->fd, size) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    return fdatasync(((struct fd_file *)file)->fd) == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct stat info;

    if (fstat(((struct fd_file *)file)->fd, &info) < 0)
        return SQLITE_IOERR_FSTAT;
    *size = info.st_size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *reserved)
{
    (void)file;
    *reserved = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int file_traits(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* The "name" is the number of the descriptor. */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    struct fd_file *own = (struct fd_file *)file;

    (void)vfs;
    own->base.pMethods = NULL;
    if (!name || !(flags & SQLITE_OPEN_MAIN_DB))
        return SQLITE_CANTOPEN;
    own->base.pMethods = &methods;
    own->fd = atoi(name);
    own->unsent = 0;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    (void)name;
    (void)sync;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    (void)name;
    (void)flags;
    *result = 0; /* there is no journal */
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    sqlite3_vfs *system = sqlite3_vfs_find("unix");

    (void)vfs;
    return system->xRandomness(system, size, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *now)
{
    sqlite3_vfs *system = sqlite3_vfs_find("unix");

    (void)vfs;
    return system->xCurrentTime(system, now);
}

static sqlite3_vfs fd_vfs = {
    .iVersion = 1,
    .szOsFile = sizeof(struct fd_file),
    .mxPathname = 64,
    .zName = "itexd-descriptor",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
};

static void register_vfs(void)
{
    sqlite3_vfs_register(&fd_vfs, 0);
}

int fd_vfs_open(int fd, sqlite3 **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char name[16];

    pthread_once(&once, register_vfs);
    snprintf(name, sizeof name, "%d", fd);
    return sqlite3_open_v2(name, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, fd_vfs.zName);
}
