/*
 * Opening the database file and the three connections to it, and closing them.
 *
 * One itexd a file: a lock on NAME-lock (flock, so it ends with the process) is taken first. The lock file stays;
 * removing it could let two processes lock two different files of that name.
 *
 * Each failure but "newer" and "busy" leaves the store open without a database: the problem is in words, and the writer
 * calls again later.
 */
#include "db/internal.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static int lock_file(struct store *store)
{
    char name[4096];
    CLEANUP(closep) int fd = -1;

    if (store->lock_fd >= 0)
        return 0;
    if (snprintf(name, sizeof name, "%s-lock", store->path) >= (int)sizeof name)
        return -ENAMETOOLONG;
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    store->lock_fd = TAKE_FD(fd);
    return 0;
}

void store_unlock_file(struct store *store)
{
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    store->lock_fd = -1;
}

static int open_connection(const char *path, sqlite3 **out)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    *out = db;
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_db_readonly(db, "main") == 1) /* SQLite opens for reading what it may not write */
        return SQLITE_READONLY;
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    rc = sqlite3_wal_autocheckpoint(db, 0);
    if (rc == SQLITE_OK)
        rc = sql_exec(db, "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = OFF;"
                          "PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096");
    return rc;
}

static int set_up_writer(struct store *store, bool unclean)
{
    sqlite3 *db = store->writer.db;
    char limit[64];
    int64_t page_size;
    int rc;

    snprintf(limit, sizeof limit, "PRAGMA journal_size_limit = %d", WAL_LIMIT_BYTES);
    rc = store_check_database(db, unclean);
    if (rc == SQLITE_OK)
        rc = store_migrate(db);
    if (rc == SQLITE_OK)
        rc = sql_exec(db, "PRAGMA journal_mode = WAL");
    if (rc == SQLITE_OK)
        rc = sql_exec(db, limit);
    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA page_size", 4096, &page_size);
    if (rc == SQLITE_OK)
        store->writer.page_size = (size_t)page_size;
    /* nothing waits yet: what the last run or a migration left in the WAL goes into the database */
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (sql_primary(rc) == SQLITE_BUSY)
        rc = SQLITE_OK; /* somebody reads; the WAL can wait */
    if (rc == SQLITE_OK)
        rc = store_writer_prepare(store);
    if (rc == SQLITE_OK)
        store_presize_wal(store);
    return rc;
}

static int open_connections(struct store *store, bool unclean)
{
    int rc = open_connection(store->path, &store->writer.db);

    if (rc == SQLITE_OK)
        rc = set_up_writer(store, unclean);
    if (rc == SQLITE_OK)
        rc = open_connection(store->path, &store->checkpoint_db);
    if (rc == SQLITE_OK)
        rc = open_connection(store->path, &store->reader_db);
    if (rc == SQLITE_OK)
        rc = sql_exec(store->reader_db, "PRAGMA query_only = ON");
    return rc;
}

static void close_connection(sqlite3 **db, enum close_how how)
{
    sqlite3_stmt *statement;

    if (!*db)
        return;
    while ((statement = sqlite3_next_stmt(*db, NULL)))
        sqlite3_finalize(statement);
    /* the last one to close would write the WAL into the database and remove the file of that name */
    if (how == CLOSE_AS_IS)
        sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close_v2(*db);
    *db = NULL;
}

void store_files_close(struct store *store, enum close_how how)
{
    store_backup_abort(store, -EIO);
    pthread_rwlock_wrlock(&store->files);
    close_connection(&store->reader_db, how);
    close_connection(&store->checkpoint_db, how);
    close_connection(&store->writer.db, how);
    memset(store->writer.statements, 0, sizeof store->writer.statements);
    pthread_rwlock_unlock(&store->files);
}

static bool left_wal(const char *path)
{
    char name[4096];

    snprintf(name, sizeof name, "%s-wal", path);
    return access(name, F_OK) == 0;
}

static int move_damaged(struct store *store)
{
    int r = store_move_aside(store);

    if (r < 0)
        store_set_problem(store,
                          "the database %s is damaged and cannot be moved aside (%s): move it by hand, with "
                          "its -wal",
                          store->path, strerror(-r));
    return r;
}

/* Opens what store_inspect found to be ours, or nothing. 0, -EUCLEAN where it is damaged, -EIO. */
static int open_found(struct store *store, bool create)
{
    bool unclean = left_wal(store->path);
    int rc;

    if (create && store_create_file(store) < 0)
        return -EIO;
    pthread_rwlock_wrlock(&store->files);
    rc = open_connections(store, unclean);
    if (rc != SQLITE_OK && !sql_is_damage(rc))
        store_explain_problem(store, store->writer.db, rc);
    pthread_rwlock_unlock(&store->files);
    if (rc != SQLITE_OK) {
        store_files_close(store, CLOSE_AS_IS);
        return sql_is_damage(rc) ? -EUCLEAN : -EIO;
    }
    pthread_mutex_lock(&store->mutex);
    store->created |= create;
    store->wal_frames = store->wal_done = 0;
    store->generation++;
    pthread_mutex_unlock(&store->mutex);
    return 0;
}

static int open_by_kind(struct store *store)
{
    switch (store_inspect(store->path)) {
    case FILE_ABSENT:
        return open_found(store, true);
    case FILE_OURS:
        return open_found(store, false);
    case FILE_NEWER:
        store_set_problem(store,
                          "the database %s was made by a newer itexd: install that version, or name another "
                          "database",
                          store->path);
        return -ENOTSUP;
    case FILE_FOREIGN:
        store_set_problem(store, "%s is a database of another program: name another file", store->path);
        return -EIO;
    case FILE_DAMAGED:
        return -EUCLEAN;
    case FILE_ERROR:
        break;
    }
    store_set_problem(store, "the database %s cannot be read: %s", store->path, strerror(errno));
    return -EIO;
}

int store_files_open(struct store *store)
{
    int r = lock_file(store);

    if (r == -EBUSY) {
        store_set_problem(store, "the database %s is in use by another itexd: stop it, or name another database",
                          store->path);
        return r;
    }
    if (r < 0) {
        store_set_problem(store, "%s-lock cannot be created: %s; recording begins by itself once it can", store->path,
                          strerror(-r));
        return -EIO;
    }
    r = open_by_kind(store);
    if (r == -EUCLEAN)
        r = move_damaged(store) < 0 ? -EIO : open_by_kind(store);
    if (r == -EUCLEAN) {
        store_set_problem(store, "a new database %s is damaged at once: check the disk", store->path);
        r = -EIO;
    }
    return r;
}
