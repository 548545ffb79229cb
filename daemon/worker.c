/* A thread per piece of work: they are rare, and an idle service then has no thread for them. */
#include "daemon/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *run(void *context)
{
    struct worker *worker = context;
    const uint64_t one = 1;

    worker->work(worker->context);
    /* Cannot fail: the counter is far from its end. */
    while (write(worker->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void finish(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker->busy = false;
    worker->done(worker->context);
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) == (ssize_t)sizeof count && worker->busy)
        finish(worker);
}

int worker_init(struct worker *worker, struct event_base *base)
{
    *worker = (struct worker)WORKER_NULL;
    worker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->fd < 0)
        return -errno;
    worker->finished = event_new(base, worker->fd, EV_READ | EV_PERSIST, on_finished, worker);
    return worker->finished && event_add(worker->finished, NULL) == 0 ? 0 : -ENOMEM;
}

int worker_start(struct worker *worker, worker_fn work, worker_fn done, void *context)
{
    sigset_t all, before;

    if (worker->busy)
        return -EBUSY;
    worker->work = work;
    worker->done = done;
    worker->context = context;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->busy = error == 0;
    return -error;
}

void worker_deinit(struct worker *worker)
{
    while (worker->busy) /* `done` may have started more */
        finish(worker);
    if (worker->finished)
        event_free(worker->finished);
    if (worker->fd >= 0)
        close(worker->fd);
    *worker = (struct worker)WORKER_NULL;
}
