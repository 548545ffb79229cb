/*
 * The queue of entries, what is let into it, and the thread that empties it.
 *
 * Invariants: the lock is held for moves and counts only, never across a write. A queued entry belongs to the queue
 * until the thread takes it. Every event at or above the level is written, or counted as lost or left out.
 *
 * Room is kept for what matters more: of queue and rate alike, information gets three quarters, notices a part less
 * than warnings. The rate stays below systemd-journald's own for a service (10 000 in 30 s), which would drop without
 * telling by event; a burst of information that the rate lets through fits into the queue.
 */
#include "daemon/log.h"
#include "daemon/log_sink.h"
#include "proto/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUEUE 1024
#define BURST 1024     /* events at once */
#define PER_SECOND 250 /* and then */
#define REPORT_MS 1000 /* counts are told so often at most */

enum loss { LOSS_LIMITED, LOSS_DROPPED, N_LOSSES };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stopping;
    int level;
    struct log_entry *entries[QUEUE];
    size_t first, count;
    uint64_t tokens_us, refilled_us; /* an event costs 1 000 000 / PER_SECOND */
    uint64_t lost[N_LOSSES][LOG_N_EVENTS], reported[N_LOSSES][LOG_N_EVENTS];
    uint64_t dropped, unreported, report_ms;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

static const enum log_event loss_events[N_LOSSES] = {
    [LOSS_LIMITED] = EVENT_LOG_LIMITED, [LOSS_DROPPED] = EVENT_LOG_DROPPED};

/* ---- What gets in --------------------------------------------------------------------------------------------- */

/* How much of BURST and QUEUE is kept from events of this level. */
static size_t reserved(enum log_level level)
{
    if (level >= LOG_INFO)
        return QUEUE / 4;
    return level == LOG_NOTICE ? QUEUE / 8 : 0;
}

/* With the lock. Errors, and everything for who asked for debug, have no rate. */
static bool within_rate(enum log_level level)
{
    const uint64_t cost = 1000000 / PER_SECOND, now = clock_steady_us();

    if (level <= LOG_ERROR || __atomic_load_n(&queue.level, __ATOMIC_RELAXED) == LOG_DEBUG)
        return true;
    queue.tokens_us += queue.refilled_us ? now - queue.refilled_us : BURST * cost;
    queue.refilled_us = now;
    if (queue.tokens_us > BURST * cost)
        queue.tokens_us = BURST * cost;
    if (queue.tokens_us < (reserved(level) + 1) * cost)
        return false;
    queue.tokens_us -= cost;
    return true;
}

/* With the lock. */
static void lose(enum log_event event, enum loss loss)
{
    queue.lost[loss][event]++;
    queue.unreported++;
    if (loss == LOSS_DROPPED)
        queue.dropped++;
}

/* With the lock. Losing is counted. */
static bool admit(enum log_event event)
{
    const enum log_level level = log_events[event].level;

    if (!within_rate(level)) {
        lose(event, LOSS_LIMITED);
        return false;
    }
    if (queue.running && queue.count + reserved(level) >= QUEUE) {
        lose(event, LOSS_DROPPED);
        return false;
    }
    return true;
}

static void write_directly(const struct log_entry *entry)
{
    if (log_sink_write(entry) < 0)
        lose(entry->event, LOSS_DROPPED);
}

/* With the lock. */
static bool enqueue(struct log_entry *entry)
{
    if (queue.count == QUEUE) {
        lose(entry->event, LOSS_DROPPED);
        return false;
    }
    queue.entries[(queue.first + queue.count++) % QUEUE] = entry;
    pthread_cond_signal(&queue.wake);
    return true;
}

void log_values(enum log_event event, const struct log_value *values)
{
    struct log_entry *entry;
    bool queued = false;

    if ((int)log_events[event].level > __atomic_load_n(&queue.level, __ATOMIC_RELAXED))
        return;
    pthread_mutex_lock(&queue.lock);
    bool admitted = admit(event);
    pthread_mutex_unlock(&queue.lock);
    if (!admitted)
        return;
    entry = log_entry_new(event, values);
    pthread_mutex_lock(&queue.lock);
    if (!entry)
        lose(event, LOSS_DROPPED);
    else if (queue.running)
        queued = enqueue(entry);
    else
        write_directly(entry);
    pthread_mutex_unlock(&queue.lock);
    if (!queued)
        free(entry);
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&queue.level, (int)level, __ATOMIC_RELAXED);
}

uint64_t log_dropped(void)
{
    pthread_mutex_lock(&queue.lock);
    uint64_t dropped = queue.dropped;
    pthread_mutex_unlock(&queue.lock);
    return dropped;
}

/* ---- The thread ----------------------------------------------------------------------------------------------- */

static bool write_entry(const struct log_entry *entry)
{
    int error;

    do
        error = log_sink_write(entry);
    while (error == -EAGAIN && !__atomic_load_n(&queue.stopping, __ATOMIC_RELAXED));
    return error == 0;
}

static bool report(enum loss loss, enum log_event event, uint64_t lines)
{
    char label[64];
    const struct log_value values[] = {LOG_NUMBER(FIELD_LINES, lines),
                                       LOG_TEXT(FIELD_OF, log_event_label(event, label, sizeof label)),
                                       {.kind = LOG_VALUE_END}};
    struct log_entry *entry = log_entry_new(loss_events[loss], values);
    bool written = entry && write_entry(entry);

    free(entry);
    return written;
}

/* With the lock, which is given up while writing. Where nobody reads, the counts stay for later. */
static void report_losses(void)
{
    queue.report_ms = clock_steady_ms() + REPORT_MS;
    for (int i = 0; i < N_LOSSES * LOG_N_EVENTS; i++) {
        enum loss loss = (enum loss)(i / LOG_N_EVENTS);
        enum log_event event = (enum log_event)(i % LOG_N_EVENTS);
        uint64_t lines = queue.lost[loss][event] - queue.reported[loss][event];

        if (lines == 0)
            continue;
        pthread_mutex_unlock(&queue.lock);
        bool written = report(loss, event, lines);
        pthread_mutex_lock(&queue.lock);
        if (!written)
            return;
        queue.reported[loss][event] += lines;
        queue.unreported -= lines;
    }
}

static void write_next(void)
{
    struct log_entry *entry = queue.entries[queue.first];

    queue.first = (queue.first + 1) % QUEUE;
    queue.count--;
    pthread_mutex_unlock(&queue.lock);
    bool written = write_entry(entry);
    pthread_mutex_lock(&queue.lock);
    if (!written)
        lose(entry->event, LOSS_DROPPED);
    free(entry);
}

static void wait_for_work(void)
{
    const struct timespec until = {.tv_sec = (time_t)(queue.report_ms / 1000),
                                   .tv_nsec = (long)(queue.report_ms % 1000) * 1000000};

    if (queue.unreported > 0)
        pthread_cond_timedwait(&queue.wake, &queue.lock, &until);
    else
        pthread_cond_wait(&queue.wake, &queue.lock);
}

static void *writer(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&queue.lock);
    while (queue.count > 0 || !queue.stopping) {
        if (queue.count > 0)
            write_next();
        else if (queue.unreported == 0 || clock_steady_ms() < queue.report_ms)
            wait_for_work();
        if (queue.unreported > 0 && clock_steady_ms() >= queue.report_ms)
            report_losses();
    }
    report_losses();
    pthread_mutex_unlock(&queue.lock);
    return NULL;
}

void log_start(void)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_condattr_t steady;

    log_sink_open();
    queue.stopping = false;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.wake, &steady);
    pthread_condattr_destroy(&steady);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    queue.running = pthread_create(&queue.thread, &attributes, writer, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_stop(void)
{
    struct timespec deadline;

    pthread_mutex_lock(&queue.lock);
    bool was_running = queue.running;
    __atomic_store_n(&queue.stopping, true, __ATOMIC_RELAXED);
    if (was_running)
        pthread_cond_signal(&queue.wake);
    pthread_mutex_unlock(&queue.lock);
    if (!was_running)
        return;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec++;
    if (pthread_timedjoin_np(queue.thread, NULL, &deadline) == 0)
        queue.running = false;
}
