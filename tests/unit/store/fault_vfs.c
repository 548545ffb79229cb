/* See fault_vfs.h. */
#include "tests/unit/store/fault_vfs.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool armed, lasting, fired;
    enum fault_kind kind;
    unsigned left;
    int code;
} fault;

static sqlite3_vfs *real_vfs;

void fault_vfs_arm(enum fault_kind kind, unsigned n, int code, bool lasting)
{
    pthread_mutex_lock(&mutex);
    fault.armed = true;
    fault.lasting = lasting;
    fault.fired = false;
    fault.kind = kind;
    fault.left = n;
    fault.code = code;
    pthread_mutex_unlock(&mutex);
}

void fault_vfs_disarm(void)
{
    pthread_mutex_lock(&mutex);
    fault.armed = false;
    pthread_mutex_unlock(&mutex);
}

bool fault_vfs_fired(void)
{
    bool fired;

    pthread_mutex_lock(&mutex);
    fired = fault.fired;
    pthread_mutex_unlock(&mutex);
    return fired;
}

static int strike(enum fault_kind kind)
{
    int code = SQLITE_OK;

    pthread_mutex_lock(&mutex);
    if (fault.armed && fault.kind == kind && (fault.left == 0 || --fault.left == 0)) {
        code = fault.code;
        if (code == FAULT_KILL)
            kill(getpid(), SIGKILL);
        fault.fired = true;
        fault.armed = fault.lasting;
    }
    pthread_mutex_unlock(&mutex);
    return code;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static int f_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int f_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int code = strike(FAULT_READ);

    return code != SQLITE_OK ? code : real_of(file)->pMethods->xRead(real_of(file), data, size, at);
}

/* What fails has been written in part, as a full disk leaves it. */
static int f_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    int code = strike(FAULT_WRITE);

    if (code == SQLITE_OK)
        return real_of(file)->pMethods->xWrite(real_of(file), data, size, at);
    real_of(file)->pMethods->xWrite(real_of(file), data, size / 2, at);
    return code;
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = strike(FAULT_TRUNCATE);

    return code != SQLITE_OK ? code : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int f_sync(sqlite3_file *file, int flags)
{
    int code = strike(FAULT_SYNC);

    return code != SQLITE_OK ? code : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int f_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int f_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int f_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int f_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int f_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int f_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int f_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int f_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int f_shm_unmap(sqlite3_file *file, int delete_flag)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_flag);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_traits,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    struct fault_file *own = (struct fault_file *)file;
    int code = strike(FAULT_OPEN);

    (void)vfs;
    own->base.pMethods = NULL;
    own->real = (sqlite3_file *)(own + 1);
    if (code != SQLITE_OK)
        return code;
    code = real_vfs->xOpen(real_vfs, name, own->real, flags, out_flags);
    if (own->real->pMethods)
        own->base.pMethods = &methods;
    return code;
}

void fault_vfs_register(void)
{
    static sqlite3_vfs shim;

    real_vfs = sqlite3_vfs_find(NULL);
    memcpy(&shim, real_vfs, sizeof shim);
    shim.zName = "faults";
    shim.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    shim.xOpen = f_open;
    shim.pNext = NULL;
    sqlite3_vfs_register(&shim, 1);
}
