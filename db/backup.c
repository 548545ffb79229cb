/*
 * Backups: the database copied into a descriptor, a few pages between one commit and the next.
 *
 * The copy runs on the writer's own connection. SQLite then keeps it up to date by itself: a page that is changed after
 * it was copied is written to both, so the copy never has to begin again, and is the state of its last moment.
 */
#include "db/fd_vfs.h"
#include "db/internal.h"

#include <errno.h>
#include <string.h>

enum { BACKUP_PAGES = 128 };

static int to_errno(int rc)
{
    switch (sql_primary(rc)) {
    case SQLITE_OK:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return -EBADF;
    default:
        return -EIO;
    }
}

static void finish(struct store *store, int status)
{
    struct backup *backup = &store->writer.backup;
    struct job *job = backup->job;

    if (backup->copy)
        sqlite3_backup_finish(backup->copy);
    sqlite3_close(backup->target);
    *backup = (struct backup){.job = NULL};
    job->status = status;
    store_complete_one(store, job);
}

static int open_target(struct backup *backup, sqlite3 *source)
{
    int rc = fd_vfs_open(backup->job->of.backup_fd, &backup->target);

    if (rc == SQLITE_OK)
        rc = sql_exec(backup->target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL");
    if (rc != SQLITE_OK)
        return rc;
    backup->copy = sqlite3_backup_init(backup->target, "main", source, "main");
    return backup->copy ? SQLITE_OK : sqlite3_extended_errcode(backup->target);
}

/* The next in line that can begin, if none is running. */
static void begin_next(struct store *store)
{
    struct backup *backup = &store->writer.backup;

    while (!backup->job && !STAILQ_EMPTY(&store->writer.backups)) {
        backup->job = STAILQ_FIRST(&store->writer.backups);
        STAILQ_REMOVE_HEAD(&store->writer.backups, link);
        int rc = open_target(backup, store->writer.db);
        if (rc != SQLITE_OK)
            finish(store, to_errno(rc));
    }
}

void store_backup_start(struct store *store, struct job *job)
{
    STAILQ_INSERT_TAIL(&store->writer.backups, job, link);
    begin_next(store);
}

bool store_backup_step(struct store *store)
{
    struct backup *backup = &store->writer.backup;
    int rc;

    if (!backup->job)
        return false;
    rc = sqlite3_backup_step(backup->copy, BACKUP_PAGES);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        return true;
    finish(store, rc == SQLITE_DONE ? 0 : to_errno(rc));
    begin_next(store);
    return backup->job != NULL;
}

void store_backup_abort(struct store *store, int status)
{
    struct job_list *waiting = &store->writer.backups;
    struct job *job;

    if (store->writer.backup.job)
        finish(store, status);
    while ((job = STAILQ_FIRST(waiting))) {
        STAILQ_REMOVE_HEAD(waiting, link);
        job->status = status;
        store_complete_one(store, job);
    }
}
