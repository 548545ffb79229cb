/* A thread per piece of work: they are rare, and an idle service then has no thread for them. */
#include "daemon/background.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *run(void *context)
{
    struct background *background = context;
    const uint64_t one = 1;

    background->work(background->context);
    /* Cannot fail: the counter is far from its end. */
    while (write(background->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void finish(struct background *background)
{
    pthread_join(background->thread, NULL);
    background->busy = false;
    background->done(background->context);
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
    struct background *background = context;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) == (ssize_t)sizeof count && background->busy)
        finish(background);
}

int background_init(struct background *background, struct event_base *base)
{
    *background = (struct background)BACKGROUND_NULL;
    background->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (background->fd < 0)
        return -errno;
    background->finished = event_new(base, background->fd, EV_READ | EV_PERSIST, on_finished, background);
    return background->finished && event_add(background->finished, NULL) == 0 ? 0 : -ENOMEM;
}

int background_start(struct background *background, background_fn work, background_fn done, void *context)
{
    sigset_t all, before;

    if (background->busy)
        return -EBUSY;
    background->work = work;
    background->done = done;
    background->context = context;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int error = pthread_create(&background->thread, NULL, run, background);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    background->busy = error == 0;
    return -error;
}

void background_deinit(struct background *background)
{
    while (background->busy) /* `done` may have started more */
        finish(background);
    if (background->finished)
        event_free(background->finished);
    if (background->fd >= 0)
        close(background->fd);
    *background = (struct background)BACKGROUND_NULL;
}
