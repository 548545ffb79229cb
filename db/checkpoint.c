/*
 * Checkpoints, so that the WAL stays small without holding up commits.
 *
 * The checkpointer (own thread and connection) copies the WAL into the database while commits go on (PASSIVE). Commits
 * made meanwhile leave a rest, and only a WAL that has been copied as a whole begins again from its start; under
 * steady load there would always be a rest. So when few frames remain, the writer copies those itself between two
 * commits. At WAL_LIMIT_BYTES the writer waits (FULL): commits become slow rather than the disk full.
 *
 * A WAL that begins again overwrites blocks which the file system has already given, and fdatasync then writes data
 * and no metadata; so the WAL is kept at its length (journal_size_limit), and lengthened once at the start.
 */
#include "db/internal.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TAIL_FRAMES = 256, /* as few as the writer copies itself */
    PRESIZED_FRAMES = 4096,
    FULL_TIMEOUT_MS = 100,
    FRAME_HEADER = 24,
    WAL_HEADER = 32,
};

static void count_checkpoint(struct store *store, int frames, int done, uint64_t began_us)
{
    uint64_t us = clock_steady_us() - began_us;

    pthread_mutex_lock(&store->mutex);
    store->checkpoints++;
    histogram_add(&store->figures.checkpoint_us, histogram_times, us);
    /* the WAL may have begun again since; then the figures are of its last round */
    if (frames >= 0 && (size_t)frames <= store->wal_frames)
        store->wal_done = (size_t)done;
    pthread_mutex_unlock(&store->mutex);
}

/* ---- The thread --------------------------------------------------------------------------------------- */

static bool wait_until_wanted(struct store *store)
{
    bool go;

    pthread_mutex_lock(&store->mutex);
    store->checkpoint_runs = false;
    pthread_cond_broadcast(&store->finished_wake);
    while (!store->checkpoint_wanted && !store->stopping)
        pthread_cond_wait(&store->checkpoint_wake, &store->mutex);
    go = !store->stopping;
    store->checkpoint_wanted = false;
    store->checkpoint_runs = go;
    pthread_mutex_unlock(&store->mutex);
    return go;
}

void *store_checkpoint_main(void *context)
{
    struct store *store = context;

    while (wait_until_wanted(store)) {
        int frames = -1, done = -1, rc = SQLITE_OK;
        uint64_t began = clock_steady_us();

        pthread_rwlock_rdlock(&store->files);
        if (store->checkpoint_db)
            rc = sqlite3_wal_checkpoint_v2(store->checkpoint_db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        pthread_rwlock_unlock(&store->files);
        if (rc == SQLITE_OK && done >= 0)
            count_checkpoint(store, frames, done, began);
        else if (sql_is_damage(rc))
            store_report_damage(store);
        /* another error is met again by the writer when the WAL reaches its limit */
    }
    return NULL;
}

/* ---- The writer's part ---------------------------------------------------------------------------------- */

static int checkpoint_here(struct store *store, int mode)
{
    uint64_t began = clock_steady_us();
    int frames = -1, done = -1;
    int rc = sqlite3_wal_checkpoint_v2(store->writer.db, NULL, mode, &frames, &done);

    if (rc == SQLITE_OK && done >= 0)
        count_checkpoint(store, frames, done, began);
    /* a reader in the way ends its page soon; the checkpointer in the way is doing the same work */
    return sql_primary(rc) == SQLITE_BUSY ? SQLITE_OK : rc;
}

/*
 * The WAL is as long as it may be. Waits for the checkpointer, then for readers: ours end their page soon. But a
 * foreign program that keeps a transaction open must not hold up every decision, so after a vain attempt the next is a
 * round of pages later.
 */
static int checkpoint_at_limit(struct store *store, size_t frames, size_t pages)
{
    struct writer *writer = &store->writer;
    int rc;

    if (frames < writer->full_again)
        return SQLITE_OK;
    pthread_mutex_lock(&store->mutex);
    while (store->checkpoint_runs)
        pthread_cond_wait(&store->finished_wake, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    sqlite3_busy_timeout(writer->db, FULL_TIMEOUT_MS);
    rc = checkpoint_here(store, SQLITE_CHECKPOINT_FULL);
    sqlite3_busy_timeout(writer->db, BUSY_TIMEOUT_MS);
    writer->full_again = frames + pages;
    return rc;
}

int store_after_commit(struct store *store)
{
    size_t limit = WAL_LIMIT_BYTES / (store->writer.page_size + FRAME_HEADER) * 3 / 4; /* room for a commit */
    size_t frames, left, pages;
    bool tail, full;
    int rc;

    pthread_mutex_lock(&store->mutex);
    pages = store->config.checkpoint_pages;
    frames = store->wal_frames;
    left = frames - store->wal_done;
    full = frames >= limit && left > 0;
    tail = store->wal_done > 0 && left > 0 && left <= TAIL_FRAMES && !store->checkpoint_runs;
    if (!tail && !full && left > 0 && !store->checkpoint_runs && !store->checkpoint_wanted &&
        (left >= pages || store->wal_done > 0)) {
        store->checkpoint_wanted = true;
        pthread_cond_signal(&store->checkpoint_wake);
    }
    pthread_mutex_unlock(&store->mutex);
    if (full)
        return checkpoint_at_limit(store, frames, pages);
    if (frames < limit)
        store->writer.full_again = 0;
    rc = tail ? checkpoint_here(store, SQLITE_CHECKPOINT_PASSIVE) : SQLITE_OK;
    /* decisions are safe in the WAL: that the database cannot be written yet matters when the WAL is full */
    return sql_is_damage(rc) ? rc : SQLITE_OK;
}

/* Zeros are no valid frames: SQLite takes the WAL for what it was. No harm where it does not work. */
void store_presize_wal(struct store *store)
{
    static const char zeros[64 * 1024];
    char name[4096];
    CLEANUP(closep) int fd = -1;
    size_t pages = store_config_now(store).checkpoint_pages;
    size_t frames = pages < PRESIZED_FRAMES / 2 ? 2 * pages : PRESIZED_FRAMES;
    off_t length = (off_t)(WAL_HEADER + frames * (store->writer.page_size + FRAME_HEADER));
    struct stat info;

    snprintf(name, sizeof name, "%s-wal", store->path);
    fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) < 0)
        return;
    for (off_t at = info.st_size; at < length; at += (off_t)sizeof zeros) {
        if (pwrite(fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros)
            break;
    }
    fdatasync(fd);
}
