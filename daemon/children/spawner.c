/*
 * The loop's side of the spawner: orders go out, news come in by the loop. A child that nobody waits for any more
 * (spawner_forget) is killed as soon as it is told of.
 *
 * When the spawner has died, its children die with it (PR_SET_PDEATHSIG), and so they are reported.
 */
#include "daemon/children/spawner.h"
#include "daemon/children/capabilities.h"
#include "daemon/children/spawner_protocol.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 1000

struct ordered {
    LIST_ENTRY(ordered) link;
    uint64_t id;
    pid_t pid;          /* 0: not started yet */
    spawned_fn started; /* NULL: forgotten */
    spawner_exited_fn exited;
    void *context;
};

struct spawner {
    pid_t pid;
    int socket;
    unsigned held;
    bool failed;
    struct event *readable;
    uint64_t last_id;
    LIST_HEAD(ordered_list, ordered) children;
};

struct spawner *spawner_start(void)
{
    CLEANUP(freep) struct spawner *spawner = calloc(1, sizeof *spawner);
    CLEANUP(closep) int mine = -1;
    CLEANUP(closep) int its = -1;
    int pair[2];

    if (!spawner || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return NULL;
    mine = pair[0];
    its = pair[1];
    LIST_INIT(&spawner->children);
    spawner->held = capabilities_held();
    spawner->pid = fork();
    if (spawner->pid < 0)
        return NULL;
    if (spawner->pid == 0)
        spawner_main(its, spawner->held);
    int error = capabilities_keep(0, false);
    if (error < 0) {
        errno = -error;
        return NULL; /* closes its socket, which ends it */
    }
    fcntl(mine, F_SETFL, O_NONBLOCK);
    spawner->socket = TAKE_FD(mine);
    return TAKE_PTR(spawner);
}

bool spawner_has_fowner(const struct spawner *spawner)
{
    return spawner->held & MAY_FOWNER;
}

bool spawner_has_ptrace(const struct spawner *spawner)
{
    return spawner->held & MAY_PTRACE;
}

bool spawner_failed(const struct spawner *spawner)
{
    return spawner->failed;
}

/* ---- News --------------------------------------------------------------------------------------------------- */

static struct ordered *find(struct spawner *spawner, uint64_t id)
{
    struct ordered *entry;

    LIST_FOREACH(entry, &spawner->children, link)
    if (entry->id == id)
        return entry;
    return NULL;
}

static void on_started(struct ordered *entry, const struct spawn_news *news, int fds[SPAWN_NEWS_FDS])
{
    const struct spawned spawned = {.pid = news->pid, .pidfd = fds[0], .socket = fds[1]};

    entry->pid = news->pid;
    if (entry->started) {
        fds[0] = fds[1] = -1; /* the callee's */
        entry->started(entry->context, &spawned, 0);
        return;
    }
    syscall(SYS_pidfd_send_signal, spawned.pidfd, SIGKILL, NULL, 0);
}

static void drop(struct ordered *entry)
{
    LIST_REMOVE(entry, link);
    free(entry);
}

static void on_news(struct spawner *spawner, const struct spawn_news *news, int fds[SPAWN_NEWS_FDS])
{
    struct ordered *entry = find(spawner, news->id);

    if (!entry)
        return;
    if (news->kind == SPAWN_STARTED) {
        on_started(entry, news, fds);
        return;
    }
    const struct ordered ended = *entry;
    drop(entry);
    if (!ended.started)
        return;
    if (news->kind == SPAWN_FAILED)
        ended.started(ended.context, NULL, news->status);
    else
        ended.exited(ended.context, news->pid, news->status);
}

static void on_failure(struct spawner *spawner)
{
    struct ordered *entry;

    spawner->failed = true;
    if (spawner->readable)
        event_del(spawner->readable);
    while ((entry = LIST_FIRST(&spawner->children))) {
        const struct ordered ended = *entry;
        drop(entry);
        if (!ended.started)
            continue;
        if (ended.pid == 0)
            ended.started(ended.context, NULL, -EPIPE);
        else
            ended.exited(ended.context, ended.pid, SIGKILL); /* as waitpid tells a death by SIGKILL */
    }
}

static void on_readable(evutil_socket_t socket, short what, void *context)
{
    struct spawner *spawner = context;
    struct spawn_news news;
    int fds[SPAWN_NEWS_FDS];
    int size = spawner_receive(socket, &news, sizeof news, fds, SPAWN_NEWS_FDS, MSG_DONTWAIT);

    (void)what;
    if (size == -EAGAIN)
        return;
    if (size == (int)sizeof news)
        on_news(spawner, &news, fds);
    else
        on_failure(spawner);
    for (size_t i = 0; i < SPAWN_NEWS_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

int spawner_attach(struct spawner *spawner, struct event_base *base)
{
    spawner->readable = event_new(base, spawner->socket, EV_READ | EV_PERSIST, on_readable, spawner);
    return spawner->readable && event_add(spawner->readable, NULL) == 0 ? 0 : -ENOMEM;
}

/* ---- Orders ------------------------------------------------------------------------------------------------- */

/* How many texts were added behind *used; -E2BIG. */
static int add_texts(struct spawn_order *order, size_t *used, const char *const *texts)
{
    int n = 0;

    for (; n < SPAWNER_MAX_ARGUMENTS && texts[n]; n++) {
        size_t size = strlen(texts[n]) + 1;
        if (n == SPAWNER_MAX_ARGUMENTS - 1 || size > sizeof order->text - *used)
            return -E2BIG;
        memcpy(order->text + *used, texts[n], size);
        *used += size;
    }
    return n;
}

static int fill_order(struct spawn_order *order, enum child_kind kind, const struct spawner_arguments *arguments)
{
    size_t used = 0;
    int n_arguments = add_texts(order, &used, arguments->arguments);
    int n_environment = n_arguments < 0 ? n_arguments : add_texts(order, &used, arguments->environment);

    if (n_environment < 0)
        return n_environment;
    order->kind = kind;
    order->n_arguments = (uint32_t)n_arguments;
    order->n_environment = (uint32_t)n_environment;
    return 0;
}

int spawner_spawn(struct spawner *spawner, enum child_kind kind, const struct spawner_arguments *arguments, int page_fd,
                  spawned_fn started, spawner_exited_fn exited, void *context)
{
    struct spawn_order order = {0};
    int error = fill_order(&order, kind, arguments);

    if (error < 0)
        return error;
    if (spawner->failed)
        return -EPIPE;
    struct ordered *entry = malloc(sizeof *entry);
    if (!entry)
        return -ENOMEM;
    *entry = (struct ordered){.id = ++spawner->last_id, .started = started, .exited = exited, .context = context};
    order.id = entry->id;
    error = spawner_send(spawner->socket, &order, sizeof order, &page_fd, 1);
    if (error < 0) {
        free(entry);
        return error;
    }
    LIST_INSERT_HEAD(&spawner->children, entry, link);
    return 0;
}

void spawner_forget(struct spawner *spawner, const void *context)
{
    struct ordered *entry;

    LIST_FOREACH(entry, &spawner->children, link)
    if (entry->context == context)
        entry->started = NULL;
}

void spawner_stop(struct spawner *spawner)
{
    if (!spawner)
        return;
    CLEANUP(closep) int pidfd = (int)syscall(SYS_pidfd_open, spawner->pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};

    close(spawner->socket);
    if (spawner->readable)
        event_free(spawner->readable);
    if (pidfd < 0 || poll(&ended, 1, STOP_MS) == 0)
        kill(spawner->pid, SIGKILL);
    waitpid(spawner->pid, NULL, 0);
    while (!LIST_EMPTY(&spawner->children))
        drop(LIST_FIRST(&spawner->children));
    free(spawner);
}
