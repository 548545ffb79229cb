/*
 * The queue of lines and the thread that writes them.
 *
 * Invariants: the lock is held for pointer moves only, never across a write. A queued line belongs to the queue until
 * the thread takes it. Limits: LOG_LINE bytes a line (longer ones are cut, visibly), LOG_QUEUE lines.
 */
#include "daemon/log.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE 2048
#define LOG_QUEUE 1024

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stopping, journal;
    int level;
    char *lines[LOG_QUEUE];
    size_t first, count;
    uint64_t dropped, reported;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .level = LOG_INFO};

struct line {
    char text[LOG_LINE];
    size_t size;
};

static void line_add(struct line *line, const char *text, size_t size)
{
    size_t room = sizeof line->text - 5 - line->size; /* "...\n" and NUL always fit */

    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void line_add_value(struct line *line, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+,@%*";

    if (*value && value[strspn(value, plain)] == '\0') {
        line_add(line, value, strlen(value));
        return;
    }
    line_add(line, "\"", 1);
    for (const char *at = value; *at; at++) {
        unsigned char c = (unsigned char)*at;
        char escaped[8];

        if (c == '"' || c == '\\')
            line_add(line, (const char[]){'\\', *at}, 2);
        else if (c < 0x20 || c >= 0x7f) /* beyond ASCII too: it may be no UTF-8, or steer a terminal all the same */
            line_add(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", c));
        else
            line_add(line, at, 1);
    }
    line_add(line, "\"", 1);
}

static void write_line(const char *text)
{
    size_t size = strlen(text);

    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written <= 0)
            return; /* nobody listens: there is nowhere to say so */
        text += written;
        size -= (size_t)written;
    }
}

static void enqueue(const struct line *line)
{
    char *copy = NULL;

    pthread_mutex_lock(&queue.lock);
    if (!queue.running) {
        pthread_mutex_unlock(&queue.lock);
        write_line(line->text);
        return;
    }
    if (queue.count < LOG_QUEUE)
        copy = strdup(line->text);
    if (copy) {
        queue.lines[(queue.first + queue.count++) % LOG_QUEUE] = copy;
        pthread_cond_signal(&queue.wake);
    } else {
        queue.dropped++;
    }
    pthread_mutex_unlock(&queue.lock);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line line = {.size = 0};
    char number[24];

    if ((int)level > __atomic_load_n(&queue.level, __ATOMIC_RELAXED))
        return;
    if (queue.journal)
        line_add(&line, number, (size_t)snprintf(number, sizeof number, "<%d>", (int)level));
    line_add(&line, "event=", 6);
    line_add_value(&line, event);
    for (; fields && fields->key; fields++) {
        line_add(&line, " ", 1);
        line_add(&line, fields->key, strlen(fields->key));
        line_add(&line, "=", 1);
        if (fields->is_text)
            line_add_value(&line, fields->text ? fields->text : "-");
        else
            line_add(&line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, fields->number));
    }
    if (line.size >= sizeof line.text - 5) {
        memcpy(line.text + line.size, "...", 3);
        line.size += 3;
    }
    line.text[line.size++] = '\n';
    line.text[line.size] = '\0';
    enqueue(&line);
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

/* The lines that were lost are told about once there is room. */
static void report_dropped(uint64_t dropped)
{
    char text[96];

    snprintf(text, sizeof text, "%sevent=log-dropped lines=%" PRIu64 "\n", queue.journal ? "<4>" : "", dropped);
    write_line(text);
}

static void *writer(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&queue.lock);
    while (queue.count > 0 || !queue.stopping) {
        if (queue.count == 0) {
            pthread_cond_wait(&queue.wake, &queue.lock);
            continue;
        }
        char *text = queue.lines[queue.first];
        uint64_t dropped = queue.dropped - queue.reported;

        queue.first = (queue.first + 1) % LOG_QUEUE;
        queue.count--;
        queue.reported = queue.dropped;
        pthread_mutex_unlock(&queue.lock);
        write_line(text);
        free(text);
        if (dropped > 0)
            report_dropped(dropped);
        pthread_mutex_lock(&queue.lock);
    }
    pthread_mutex_unlock(&queue.lock);
    return NULL;
}

/* JOURNAL_STREAM is "device:inode" of the stream systemd connected. */
static bool under_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat info;
    uintmax_t device, inode;

    return stream && fstat(STDERR_FILENO, &info) == 0 && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           device == info.st_dev && inode == info.st_ino;
}

void log_start(void)
{
    sigset_t all, before;
    pthread_attr_t attributes;

    queue.journal = under_journal();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    queue.running = pthread_create(&queue.thread, &attributes, writer, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_stop(void)
{
    struct timespec deadline;

    pthread_mutex_lock(&queue.lock);
    bool was_running = queue.running;
    queue.stopping = true;
    pthread_cond_signal(&queue.wake);
    pthread_mutex_unlock(&queue.lock);
    if (!was_running)
        return;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec++;
    if (pthread_timedjoin_np(queue.thread, NULL, &deadline) == 0)
        queue.running = false;
}
