/*
 * The store's front: opening and closing, the queues between the loop and the store's threads, and the dispatch of what
 * has completed.
 *
 * The loop's side never waits: each call takes the mutex, which no thread holds during I/O, moves pointers and leaves.
 */
#include "db/internal.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum { DEFAULT_QUEUE = 4096, DEFAULT_CHECKPOINT_PAGES = 1000 };

/* ---- Opening and closing ---------------------------------------------------------------------------- */

static void take_config(struct store *store, const struct store_config *config)
{
    store->config = *config;
    store->config.path = NULL;
    if (store->config.queue_limit == 0)
        store->config.queue_limit = DEFAULT_QUEUE;
    if (store->config.checkpoint_pages == 0)
        store->config.checkpoint_pages = DEFAULT_CHECKPOINT_PAGES;
}

struct store_config store_config_now(struct store *store)
{
    struct store_config config;

    pthread_mutex_lock(&store->mutex);
    config = store->config;
    pthread_mutex_unlock(&store->mutex);
    return config;
}

static void init_locks(struct store *store)
{
    pthread_condattr_t monotonic;
    pthread_rwlockattr_t writer_first;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->writer_wake, &monotonic);
    pthread_cond_init(&store->checkpoint_wake, NULL);
    pthread_cond_init(&store->reader_wake, NULL);
    pthread_cond_init(&store->finished_wake, NULL);
    pthread_condattr_destroy(&monotonic);
    /* else a busy reader could keep the writer from ever closing the files */
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->files, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
}

static struct store *store_new(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        return NULL;
    init_locks(store);
    STAILQ_INIT(&store->queue);
    STAILQ_INIT(&store->completed);
    STAILQ_INIT(&store->reads);
    STAILQ_INIT(&store->owed);
    STAILQ_INIT(&store->writer.backups);
    store->writer.first_id = store->writer.next_id = 1;
    store->first_id = store->next_id = 1;
    store->lock_fd = -1;
    take_config(store, config);
    store->writer.retry_delay_us = FIRST_RETRY_US;
    store->path = strdup(config->path);
    store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return store;
}

static void free_jobs(struct job_list *jobs)
{
    struct job *job;

    while ((job = STAILQ_FIRST(jobs))) {
        STAILQ_REMOVE_HEAD(jobs, link);
        job_free(job);
    }
}

static void store_free(struct store *store)
{
    store_files_close(store, CLOSE_TIDY);
    store_unlock_file(store);
    free_jobs(&store->queue);
    free_jobs(&store->completed);
    free_jobs(&store->reads);
    free_jobs(&store->owed);
    free_jobs(&store->writer.backups);
    if (store->event_fd >= 0)
        close(store->event_fd);
    pthread_rwlock_destroy(&store->files);
    pthread_cond_destroy(&store->finished_wake);
    pthread_cond_destroy(&store->reader_wake);
    pthread_cond_destroy(&store->checkpoint_wake);
    pthread_cond_destroy(&store->writer_wake);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
}

static void stop_threads(struct store *store, int n)
{
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_broadcast(&store->writer_wake);
    pthread_cond_broadcast(&store->checkpoint_wake);
    pthread_cond_broadcast(&store->reader_wake);
    pthread_mutex_unlock(&store->mutex);
    if (n > 0)
        pthread_join(store->writer_thread, NULL);
    if (n > 1)
        pthread_join(store->checkpoint_thread, NULL);
    if (n > 2)
        pthread_join(store->reader_thread, NULL);
}

/* Signals are the loop's. */
static int start_threads(struct store *store)
{
    sigset_t all, before;
    int started = 0, r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&store->writer_thread, NULL, store_writer_main, store);
    started += r == 0;
    if (r == 0)
        r = pthread_create(&store->checkpoint_thread, NULL, store_checkpoint_main, store);
    started += started == 1 && r == 0;
    if (r == 0)
        r = pthread_create(&store->reader_thread, NULL, store_reader_main, store);
    started += started == 2 && r == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        stop_threads(store, started);
    return -r;
}

int store_open(const struct store_config *config, struct store **out, char *error, size_t error_size)
{
    struct store *store = store_new(config);
    int r;

    snprintf(error, error_size, "the store cannot be started: %s", strerror(ENOMEM));
    if (!store)
        return -ENOMEM;
    r = store->path && store->event_fd >= 0 ? store_files_open(store) : -ENOMEM;
    store->recording = r == 0;
    if (r == -ENOTSUP || r == -EBUSY)
        snprintf(error, error_size, "%s", store->problem);
    if (r == -EIO)
        r = 0; /* the writer tries again */
    store->writer.retry_at_us = clock_steady_us() + store->writer.retry_delay_us;
    store->first_id = store->writer.first_id;
    store->next_id = store->writer.next_id;
    if (r == 0)
        r = start_threads(store);
    if (r < 0) {
        store_free(store);
        return r;
    }
    if (error_size > 0)
        error[0] = '\0';
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    stop_threads(store, 3);
    store_free(store);
}

void store_reconfigure(struct store *store, const struct store_config *config)
{
    pthread_mutex_lock(&store->mutex);
    take_config(store, config);
    if (store->writer_waits)
        pthread_cond_signal(&store->writer_wake);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- Completion ------------------------------------------------------------------------------------ */

int store_fd(const struct store *store)
{
    return store->event_fd;
}

static void wake_loop(struct store *store)
{
    const uint64_t one = 1;

    /* it can only fail where the counter is full, and then the loop is awake */
    if (write(store->event_fd, &one, sizeof one) < 0)
        return;
}

static bool has_callback(const struct job *job)
{
    return job->done.written != NULL;
}

void store_complete(struct store *store, struct job_list *jobs)
{
    struct job_list unwanted = STAILQ_HEAD_INITIALIZER(unwanted);
    bool wake = false;
    struct job *job;

    pthread_mutex_lock(&store->mutex);
    while ((job = STAILQ_FIRST(jobs))) {
        STAILQ_REMOVE_HEAD(jobs, link);
        if (job->ticket == 0)
            store->queued--;
        if (store->reading == job)
            store->reading = NULL;
        if (job->waited_for) {
            job->finished = true;
            pthread_cond_broadcast(&store->finished_wake);
        } else if (has_callback(job) && !job->cancelled) {
            STAILQ_INSERT_TAIL(&store->completed, job, link);
            wake = true;
        } else if (job->kind == JOB_STATE && job->status == -EIO && store->n_owed < OWED_LIMIT) {
            if (store->n_owed++ == 0)
                store->owed_generation = store->generation;
            STAILQ_INSERT_TAIL(&store->owed, job, link);
        } else {
            store->n_reads -= job->ticket != 0;
            STAILQ_INSERT_TAIL(&unwanted, job, link);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    if (wake)
        wake_loop(store);
    free_jobs(&unwanted);
}

void store_complete_one(struct store *store, struct job *job)
{
    struct job_list list = STAILQ_HEAD_INITIALIZER(list);

    STAILQ_INSERT_TAIL(&list, job, link);
    store_complete(store, &list);
}

static struct job *next_completed(struct store *store)
{
    struct job *job;

    pthread_mutex_lock(&store->mutex);
    job = STAILQ_FIRST(&store->completed);
    if (job) {
        STAILQ_REMOVE_HEAD(&store->completed, link);
        store->n_reads -= job->ticket != 0;
    }
    pthread_mutex_unlock(&store->mutex);
    return job;
}

size_t store_dispatch(struct store *store, size_t max)
{
    uint64_t ignored;
    struct job *job;
    size_t n = 0;

    if (read(store->event_fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        return 0;
    while ((max == 0 || n < max) && (job = next_completed(store))) {
        job_done(job);
        job_free(job);
        n++;
    }
    if (max != 0 && n == max) /* there may be more */
        wake_loop(store);
    return n;
}

void store_report_damage(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->damage_seen = true;
    if (store->writer_waits)
        pthread_cond_signal(&store->writer_wake);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- Writes ---------------------------------------------------------------------------------------- */

int store_put(struct store *store, struct job *job, size_t limit)
{
    struct job_list refused = STAILQ_HEAD_INITIALIZER(refused);

    if (!job)
        return -ENOMEM;
    pthread_mutex_lock(&store->mutex);
    if (store->queued >= limit) {
        pthread_mutex_unlock(&store->mutex);
        job_free(job);
        return -EAGAIN;
    }
    store->queued++;
    if (store->recording) {
        STAILQ_INSERT_TAIL(&store->queue, job, link);
        if (store->writer_waits)
            pthread_cond_signal(&store->writer_wake);
    } else {
        job->status = -EIO;
        store->unrecorded += job->kind == JOB_DECISION;
        STAILQ_INSERT_TAIL(&refused, job, link);
    }
    pthread_mutex_unlock(&store->mutex);
    store_complete(store, &refused);
    return 0;
}

int store_put_decision(struct store *store, const struct store_decision *decision, store_written_fn done, void *context)
{
    return store_put(store, job_decision(decision, done, context), store->config.queue_limit);
}

size_t store_follow_up_limit(const struct store *store)
{
    return store->config.queue_limit * 2;
}

int store_set_state(struct store *store, uint64_t decision, enum store_state_word state)
{
    struct job *job = job_new(JOB_STATE, NULL);

    if (job)
        job->of.state = (struct state_job){decision, state};
    return store_put(store, job, store_follow_up_limit(store));
}

int store_put_report(struct store *store, uint64_t decision, const char *mode, int64_t devices, bool match,
                     store_written_fn done, void *context)
{
    const struct report_job report = {decision, mode, devices, match};

    return store_put(store, job_report(&report, done, context), store_follow_up_limit(store));
}

int store_put_rule_set(struct store *store, const struct store_rule_set *set, store_written_fn done, void *context)
{
    return store_put(store, job_rule_set(set, done, context), store_follow_up_limit(store));
}

int store_activate(struct store *store, const struct store_activation *activation, store_written_fn done, void *context)
{
    return store_put(store, job_activation(activation, done, context), store_follow_up_limit(store));
}

int store_backup(struct store *store, int fd, store_written_fn done, void *context)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    struct job *job;

    if (own < 0)
        return -errno;
    job = job_new(JOB_BACKUP, context);
    if (!job) {
        close(own);
        return -ENOMEM;
    }
    job->done.written = done;
    job->of.backup_fd = own;
    return store_put(store, job, store_follow_up_limit(store));
}

int store_put_rule_set_now(struct store *store, const struct store_rule_set *set, bool activate, uint64_t *id)
{
    struct job *job = job_rule_set(set, NULL, NULL);
    int r;

    if (!job)
        return -ENOMEM;
    job->waited_for = true;
    job->of.rule_set.activate = activate;
    job->of.rule_set.now_ms = set->created_ms;
    r = store_put(store, job, SIZE_MAX);
    if (r < 0)
        return r;
    pthread_mutex_lock(&store->mutex);
    while (!job->finished)
        pthread_cond_wait(&store->finished_wake, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    r = job->status;
    *id = job->id;
    job_free(job);
    return r;
}

size_t store_queued(const struct store *store)
{
    struct store *own = (struct store *)store; /* the mutex is not part of the value */
    size_t n;

    pthread_mutex_lock(&own->mutex);
    n = own->queued;
    pthread_mutex_unlock(&own->mutex);
    return n;
}

bool store_recording(const struct store *store)
{
    struct store *own = (struct store *)store;
    bool recording;

    pthread_mutex_lock(&own->mutex);
    recording = own->recording;
    pthread_mutex_unlock(&own->mutex);
    return recording;
}

uint64_t store_generation(const struct store *store)
{
    struct store *own = (struct store *)store;
    uint64_t generation;

    pthread_mutex_lock(&own->mutex);
    generation = own->generation;
    pthread_mutex_unlock(&own->mutex);
    return generation;
}

uint64_t store_interruptions(const struct store *store)
{
    struct store *own = (struct store *)store;
    uint64_t interruptions;

    pthread_mutex_lock(&own->mutex);
    interruptions = own->interruptions;
    pthread_mutex_unlock(&own->mutex);
    return interruptions;
}
