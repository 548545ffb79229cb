/*
 * One piece of work at a time off the loop, in a short-lived thread: compiling rules, reading files. The work sees
 * only its context; `done` runs in the loop afterwards.
 */
#ifndef ITEXD_DAEMON_WORKER_H
#define ITEXD_DAEMON_WORKER_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>

typedef void (*worker_fn)(void *context);

struct worker {
    pthread_t thread;
    struct event *finished;
    int fd; /* an eventfd that the thread writes when it ends */
    bool busy;
    worker_fn work, done;
    void *context;
};
#define WORKER_NULL                                                                                                    \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

int worker_init(struct worker *worker, struct event_base *base);
/* -EBUSY while other work is under way; other -errno. On an error nothing will run. */
int worker_start(struct worker *worker, worker_fn work, worker_fn done, void *context);
/* Waits for work under way and runs its `done`. */
void worker_deinit(struct worker *worker);

#endif
