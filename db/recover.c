/*
 * Telling what a file is before SQLite may touch it, judging whether a database is sound, and moving a damaged one
 * aside. Nothing here deletes.
 *
 * The look is taken with plain reads while no connection is open: closing a descriptor drops the process's POSIX
 * locks on the file, SQLite's included.
 */
#include "db/internal.h"
#include "db/schema/schema.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- What is it? ------------------------------------------------------------------------------------ */

enum { HEADER_SIZE = 100 };

/* Big-endian fields of the header (file format, section 1.3). */
static uint32_t header_word(const uint8_t *header, size_t at)
{
    return (uint32_t)header[at] << 24 | (uint32_t)header[at + 1] << 16 | (uint32_t)header[at + 2] << 8 | header[at + 3];
}

static uint64_t header_page_size(const uint8_t *header)
{
    uint32_t size = (uint32_t)header[16] << 8 | header[17];

    return size == 1 ? 65536 : size;
}

/* A database is as long as its header says, except that a crash during a checkpoint may leave it shorter while the
 * rest is still in the WAL. */
static bool is_cut_off(const uint8_t *header, uint64_t size, bool wal)
{
    bool count_is_valid = header_word(header, 24) == header_word(header, 92);

    return !wal && count_is_valid && size < header_word(header, 28) * header_page_size(header);
}

static bool has_wal(const char *path)
{
    char name[4096];
    struct stat info;

    snprintf(name, sizeof name, "%s-wal", path);
    return stat(name, &info) == 0 && info.st_size > 0;
}

static enum file_kind judge_version(int64_t application, int64_t version)
{
    if (application == SCHEMA_APPLICATION_ID)
        return version > schema_version ? FILE_NEWER : version >= 1 ? FILE_OURS : FILE_DAMAGED;
    return application == 0 && version == 0 ? FILE_ABSENT : FILE_FOREIGN;
}

/* The header may be older than what the WAL holds: ask SQLite, without the right to write. */
static enum file_kind inspect_through_wal(const char *path)
{
    sqlite3 *db = NULL;
    int64_t application = 0, version = 0, tables = 0;
    enum file_kind kind = FILE_DAMAGED;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA application_id", 0, &application);
    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA user_version", 0, &version);
    if (rc == SQLITE_OK)
        rc = sql_int(db, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    if (rc == SQLITE_OK) {
        kind = judge_version(application, version);
        if (kind == FILE_ABSENT && tables > 0)
            kind = FILE_FOREIGN;
    } else if (!sql_is_damage(rc)) {
        kind = FILE_ERROR;
        errno = EIO;
    }
    sqlite3_close(db);
    return kind;
}

static enum file_kind inspect_header(const char *path, const uint8_t *header, size_t got, uint64_t size)
{
    bool wal = has_wal(path);
    enum file_kind kind;

    if (got < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0)
        return FILE_DAMAGED;
    kind = judge_version(header_word(header, 68), header_word(header, 60));
    if (kind == FILE_NEWER || kind == FILE_FOREIGN || kind == FILE_DAMAGED)
        return kind;
    if (is_cut_off(header, size, wal))
        return FILE_DAMAGED;
    /* no mark at all: a database of another program, or one that is still empty */
    return wal || kind == FILE_ABSENT ? inspect_through_wal(path) : kind;
}

enum file_kind store_inspect(const char *path)
{
    uint8_t header[HEADER_SIZE];
    struct stat info;
    ssize_t got;
    int error;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == ENOENT ? FILE_ABSENT : FILE_ERROR;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        error = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        close(fd);
        errno = error;
        return FILE_ERROR;
    }
    got = pread(fd, header, sizeof header, 0);
    error = errno;
    close(fd);
    errno = error;
    if (got < 0)
        return FILE_ERROR;
    if (info.st_size == 0)
        return FILE_ABSENT;
    return inspect_header(path, header, (size_t)got, (uint64_t)info.st_size);
}

/* ---- Is it sound? ------------------------------------------------------------------------------------ */

/* A page that could not be read is reported in words too ("... error code=266"); a disk that fails now may work later,
 * and the database is not to be given up for it. */
static int finding_code(const char *text)
{
    const char *code = text ? strstr(text, "error code") : NULL;
    int number = code ? atoi(code + strcspn(code, "0123456789")) : 0;

    return number != 0 ? number : SQLITE_CORRUPT;
}

static int check_quickly(sqlite3 *db, const char *what)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *statement = NULL;
    const char *text;
    int rc = sqlite3_prepare_v2(db, what, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    text = (const char *)sqlite3_column_text(statement, 0);
    return text && strcmp(text, "ok") == 0 ? SQLITE_OK : finding_code(text);
}

/* The newest rows, those of decisions by way of every index: what the next commits will touch. An older database is
 * looked at before it is migrated, so each says since which version it can be asked. */
static const struct {
    int since;
    const char *text;
} tail_checks[] = {
    {1, "SELECT count(length(request_id)) FROM (SELECT request_id FROM decisions ORDER BY id DESC LIMIT 10000)"},
    {1, "SELECT count(length(body)) FROM (SELECT body FROM facts ORDER BY id DESC LIMIT 1000)"},
    {1, "SELECT count(*) FROM (SELECT uid FROM decisions INDEXED BY decisions_uid ORDER BY uid DESC LIMIT 10000)"},
    {1, "SELECT count(*) FROM (SELECT job FROM decisions INDEXED BY decisions_job WHERE job IS NOT NULL"
        " ORDER BY job DESC LIMIT 10000)"},
    {1, "SELECT count(*) FROM (SELECT outcome FROM decisions INDEXED BY decisions_outcome ORDER BY outcome DESC"
        " LIMIT 10000)"},
    {1, "SELECT count(length(text)) FROM (SELECT text FROM events ORDER BY id DESC LIMIT 1000)"},
    {2, "SELECT count(length(key)) FROM devices"},
    {2, "SELECT count(length(name)) FROM device_versions"},
    {2, "SELECT count(length(job)) FROM (SELECT job FROM leases ORDER BY id DESC LIMIT 10000)"},
    {2, "SELECT count(*) FROM leases INDEXED BY leases_open WHERE released_ms IS NULL"},
    {2, "SELECT sum(version) FROM (SELECT version FROM lease_units ORDER BY lease DESC LIMIT 10000)"},
    {2, "SELECT sum(mean) FROM (SELECT mean FROM samples ORDER BY id DESC LIMIT 10000)"},
};

static int check_tail(sqlite3 *db)
{
    int64_t version, ignored;
    int rc = sql_int(db, "PRAGMA user_version", 0, &version);

    if (rc == SQLITE_OK)
        rc = check_quickly(db, "PRAGMA quick_check(rule_sets)");
    if (rc == SQLITE_OK)
        rc = check_quickly(db, "PRAGMA quick_check(activations)");
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof tail_checks / sizeof *tail_checks; i++) {
        if (version >= tail_checks[i].since)
            rc = sql_int(db, tail_checks[i].text, 0, &ignored);
    }
    return rc;
}

/*
 * quick_check reads every page: at 100 to 500 MB/s a database of 10 million decisions would keep jobs waiting for
 * half a minute. So a small database is checked as a whole at every start; a large one is looked at where the next
 * commits will write, and only if the last shutdown was not clean. What that misses is met later as
 * SQLITE_CORRUPT, and handled the same way.
 */
int store_check_database(sqlite3 *db, bool unclean)
{
    enum { SMALL_BYTES = 32 << 20 };
    int64_t pages, page_size, ignored;
    int rc = sql_int(db, "PRAGMA page_count", 0, &pages);

    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA page_size", 0, &page_size);
    if (rc == SQLITE_OK && pages * page_size <= SMALL_BYTES)
        return check_quickly(db, "PRAGMA quick_check(1)");
    if (rc == SQLITE_OK)
        rc = sql_int(db, "SELECT count(*) FROM sqlite_schema", 0, &ignored);
    if (rc == SQLITE_OK && unclean)
        rc = check_tail(db);
    return rc;
}

/* ---- Out of the way ---------------------------------------------------------------------------------- */

/* NAME.corrupt-20260131T101500, with a number behind where that exists. */
static int free_name(const char *path, char *name, size_t size)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    for (unsigned i = 0; i < 1000; i++) {
        int n = i == 0 ? snprintf(name, size, "%s.corrupt-%s", path, stamp)
                       : snprintf(name, size, "%s.corrupt-%s.%u", path, stamp, i);

        if (n < 0 || (size_t)n >= size)
            return -ENAMETOOLONG;
        if (access(name, F_OK) != 0)
            return 0;
    }
    return -EEXIST;
}

static int move_part(const char *path, const char *aside, const char *suffix)
{
    char from[4096], to[4096];

    if (snprintf(from, sizeof from, "%s%s", path, suffix) >= (int)sizeof from ||
        snprintf(to, sizeof to, "%s%s", aside, suffix) >= (int)sizeof to)
        return -ENAMETOOLONG;
    return rename(from, to) == 0 || errno == ENOENT ? 0 : -errno;
}

int store_move_aside(struct store *store)
{
    char aside[4000];
    int r = free_name(store->path, aside, sizeof aside);

    /* the WAL first: a database without its WAL is whole or damaged, a new one with a foreign WAL would be a mixture */
    if (r == 0)
        r = move_part(store->path, aside, "-wal");
    if (r == 0)
        r = move_part(store->path, aside, "-shm");
    if (r == 0)
        r = move_part(store->path, aside, "-journal");
    if (r == 0)
        r = move_part(store->path, aside, "");
    if (r < 0)
        return r;
    pthread_mutex_lock(&store->mutex);
    snprintf(store->moved_aside, sizeof store->moved_aside, "%.*s", (int)sizeof store->moved_aside - 1, aside);
    pthread_mutex_unlock(&store->mutex);
    return 0;
}
