/*
 * One piece of work at a time off the loop, in a short-lived thread: compiling rules, reading files. The work sees
 * only its context; `done` runs in the loop afterwards.
 */
#ifndef ITEXD_DAEMON_BACKGROUND_H
#define ITEXD_DAEMON_BACKGROUND_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>

typedef void (*background_fn)(void *context);

struct background {
    pthread_t thread;
    struct event *finished;
    int fd; /* an eventfd that the thread writes when it ends */
    bool busy;
    background_fn work, done;
    void *context;
};
#define BACKGROUND_NULL                                                                                                \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

int background_init(struct background *background, struct event_base *base);
/* -EBUSY while other work is under way; other -errno. On an error nothing will run. */
int background_start(struct background *background, background_fn work, background_fn done, void *context);
/* Waits for work under way and runs its `done`. */
void background_deinit(struct background *background);

#endif
