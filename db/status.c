/* What the store says about itself: problems in words, figures for status. */
#include "db/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void store_set_problem(struct store *store, const char *format, ...)
{
    va_list arguments;

    pthread_mutex_lock(&store->mutex);
    va_start(arguments, format);
    vsnprintf(store->problem, sizeof store->problem, format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&store->mutex);
}

static void explain_io(struct store *store, sqlite3 *db, int code)
{
    int error = db ? sqlite3_system_errno(db) : 0;

    store_set_problem(store,
                      "the disk failed at the database %s (%s, SQLite code %d): recording resumes by itself once "
                      "it works again",
                      store->path, error ? strerror(error) : sqlite3_errstr(code), code);
}

void store_explain_problem(struct store *store, sqlite3 *db, int code)
{
    const char *path = store->path;

    switch (sql_primary(code)) {
    case SQLITE_FULL:
        store_set_problem(store,
                          "the disk is full, the database %s cannot grow: free some space there, recording "
                          "resumes by itself",
                          path);
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        store_set_problem(store,
                          "the database %s cannot be written (read-only): make it and its directory writable, "
                          "recording resumes by itself",
                          path);
        break;
    case SQLITE_CANTOPEN:
        store_set_problem(store, "the database %s cannot be opened: %s", path,
                          db && sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db)) : sqlite3_errstr(code));
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        store_set_problem(store, "another program holds the database %s locked: end it, recording resumes by itself",
                          path);
        break;
    case SQLITE_IOERR:
        explain_io(store, db, code);
        break;
    default:
        store_set_problem(store, "the database %s cannot be used: %s (SQLite code %d)", path, sqlite3_errstr(code),
                          code);
    }
}

void store_publish_ends(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->first_id = store->writer.first_id;
    store->next_id = store->writer.next_id;
    pthread_mutex_unlock(&store->mutex);
}

static void add_written(struct store_written *to, const struct store_written *from)
{
    for (size_t i = 0; i < sizeof to->states / sizeof *to->states; i++)
        to->states[i] += from->states[i];
    to->reports += from->reports;
    to->mismatches += from->mismatches;
}

void store_count_commit(struct store *store, uint64_t us, size_t jobs)
{
    pthread_mutex_lock(&store->mutex);
    store->commit_us[store->commits++ % COMMIT_TIMES] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    if (jobs > store->largest_commit)
        store->largest_commit = jobs;
    histogram_add(&store->figures.commit_us, histogram_times, us);
    histogram_add(&store->figures.commit_jobs, histogram_sizes, jobs);
    add_written(&store->figures.written, &store->writer.written);
    store->first_id = store->writer.first_id;
    store->next_id = store->writer.next_id;
    pthread_mutex_unlock(&store->mutex);
}

static int by_value(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static uint64_t size_of(const char *path, const char *suffix)
{
    char name[4096];
    struct stat info;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
}

void store_condition(struct store *store, struct store_status *status)
{
    *status = (struct store_status){.recording = false};
    pthread_mutex_lock(&store->mutex);
    status->recording = store->recording;
    if (!store->recording)
        memcpy(status->problem, store->problem, sizeof status->problem);
    memcpy(status->moved_aside, store->moved_aside, sizeof status->moved_aside);
    status->created = store->created;
    pthread_mutex_unlock(&store->mutex);
}

void store_status(struct store *store, struct store_status *status)
{
    uint32_t times[COMMIT_TIMES];
    size_t n;

    store_condition(store, status);
    pthread_mutex_lock(&store->mutex);
    n = store->commits < COMMIT_TIMES ? (size_t)store->commits : COMMIT_TIMES;
    memcpy(times, store->commit_us, n * sizeof *times);
    status->decisions = store->next_id - store->first_id;
    status->commits = store->commits;
    status->largest_commit = store->largest_commit;
    status->checkpoints = store->checkpoints;
    pthread_mutex_unlock(&store->mutex);

    qsort(times, n, sizeof *times, by_value);
    status->commit_p50_us = n ? times[n / 2] : 0;
    status->commit_p99_us = n ? times[n - 1 - n / 100] : 0;
    status->database_bytes = size_of(store->path, "");
    status->wal_bytes = size_of(store->path, "-wal");
}

void store_figures(struct store *store, struct store_figures *figures)
{
    pthread_mutex_lock(&store->mutex);
    *figures = store->figures;
    figures->recording = store->recording;
    figures->moved_aside = store->moved_aside[0] != '\0';
    figures->queued = store->queued;
    figures->decisions = store->next_id - store->first_id;
    figures->interruptions = store->interruptions;
    pthread_mutex_unlock(&store->mutex);
}
