/*
 * Supervision of one child: its states, its queue of requests, its end.
 *
 * Invariants. A child that was started is ended only by the spawner's report (on_exited); everything else that is wrong
 * with it leads to one SIGKILL (end_it), and then to that report. The first request of the queue is the one that is
 * sent; so the queue is answered in order. Whatever is asked for from outside is done from the loop (turn), never
 * within the call.
 */
#include "daemon/children/child.h"
#include "daemon/children/child_packet.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_QUEUED 1024

struct queued {
    STAILQ_ENTRY(queued) link;
    uint64_t id;
    unsigned deadline_ms;
    child_reply_fn done;
    void *context;
    size_t size;
    uint8_t packet[];
};

struct child {
    struct event_base *base;
    struct spawner *spawner;
    enum child_kind kind;
    child_arguments_fn arguments;
    struct child_callbacks callbacks;
    struct child_page *page;
    int page_fd;

    enum child_state state;
    bool wanted;
    bool spawning; /* the spawner has not answered yet */
    pid_t pid;     /* 0: none runs */
    int pidfd, socket;
    struct event *readable;
    struct event *deadline; /* of the first request, and once it is being killed, until it is stuck */
    struct event *delay;    /* until the next start */
    struct event *idle;     /* until the next ping */

    STAILQ_HEAD(queue, queued) queue;
    size_t n_queued;
    uint64_t last_id;
    bool sent; /* the first of the queue */

    bool ending;   /* was sent SIGKILL, or will be when it is told of */
    char why[128]; /* "" : it did it itself */
    bool deadline_missed, asked;
    bool at_once; /* start again without delay */
    unsigned failures, restarts;
    unsigned backoff_first_ms, backoff_last_ms;
    uint64_t first_reply_ms; /* of this one; 0: none yet */
    uint64_t next_start_ms;
    char last_death[sizeof((struct child_death *)0)->text];
    uint8_t *buffer; /* CHILD_PACKET_MAX, while it runs */
};

static struct timeval milliseconds(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

static void arm(struct event *timer, uint64_t ms)
{
    struct timeval time = milliseconds(ms);

    event_add(timer, &time);
}

/* ---- Ending it ---------------------------------------------------------------------------------------------- */

static void end_it(struct child *child, const char *why)
{
    if (child->ending || (child->pid == 0 && !child->spawning))
        return;
    child->ending = true;
    snprintf(child->why, sizeof child->why, "%s", why);
    if (child->pid == 0)
        return; /* on_started does it */
    syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
    arm(child->deadline, CHILD_STUCK_MS);
}

static void end_asked(struct child *child, const char *why)
{
    if (!child->ending)
        child->asked = true;
    end_it(child, why);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;
    char why[96];

    (void)fd;
    (void)what;
    if (child->ending) {
        child->state = CHILD_STUCK;
        return;
    }
    child->deadline_missed = true;
    snprintf(why, sizeof why, "no answer within %u ms", STAILQ_FIRST(&child->queue)->deadline_ms);
    end_it(child, why);
}

/* ---- Requests ----------------------------------------------------------------------------------------------- */

static void send_next(struct child *child)
{
    struct queued *request = STAILQ_FIRST(&child->queue);

    if (child->sent || child->ending || child->socket < 0)
        return;
    if (!request) {
        arm(child->idle, CHILD_PING_MS);
        return;
    }
    event_del(child->idle);
    if (send(child->socket, request->packet, request->size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE &&
        errno != ECONNRESET) { /* those two: its end is on the way */
        end_it(child, "it takes no requests");
        return;
    }
    child->sent = true;
    arm(child->deadline, request->deadline_ms);
}

static struct queued *take_first(struct child *child)
{
    struct queued *request = STAILQ_FIRST(&child->queue);

    if (request) {
        STAILQ_REMOVE_HEAD(&child->queue, link);
        child->n_queued--;
        child->sent = false;
    }
    return request;
}

static void answer_first(struct child *child, const Itexd__Child__Reply *reply)
{
    CLEANUP(freep) struct queued *request = take_first(child);

    request->done(request->context, reply);
}

int child_request(struct child *child, Itexd__Child__Request *request, unsigned deadline_ms, child_reply_fn done,
                  void *context)
{
    if (child->socket < 0 || child->ending)
        return -ENOTCONN;
    if (child->n_queued == MAX_QUEUED)
        return -ENOMEM;
    request->has_id = true;
    request->id = ++child->last_id;
    size_t size = itexd__child__request__get_packed_size(request);
    struct queued *entry = size <= CHILD_PACKET_MAX ? malloc(sizeof *entry + size) : NULL;
    if (!entry)
        return -ENOMEM;
    entry->id = request->id;
    entry->deadline_ms = deadline_ms;
    entry->done = done;
    entry->context = context;
    entry->size = itexd__child__request__pack(request, entry->packet);
    STAILQ_INSERT_TAIL(&child->queue, entry, link);
    child->n_queued++;
    send_next(child);
    return 0;
}

static void on_pong(void *context, const Itexd__Child__Reply *reply)
{
    (void)context;
    (void)reply;
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
    Itexd__Child__Request request = ITEXD__CHILD__REQUEST__INIT;
    Itexd__Child__Ping ping = ITEXD__CHILD__PING__INIT;

    (void)fd;
    (void)what;
    request.body_case = ITEXD__CHILD__REQUEST__BODY_PING;
    request.ping = &ping;
    child_request(context, &request, CHILD_PING_DEADLINE_MS, on_pong, NULL);
}

static void on_reply(struct child *child, const uint8_t *packet, size_t size)
{
    Itexd__Child__Reply *reply = size <= CHILD_PACKET_MAX ? child_packet_decode(packet, size) : NULL;
    const struct queued *request = STAILQ_FIRST(&child->queue);

    if (!reply)
        end_it(child, "sent what cannot be decoded");
    else if (!child->sent || reply->id != request->id)
        end_it(child, "answered what was not asked");
    else {
        if (child->first_reply_ms == 0) {
            child->first_reply_ms = clock_steady_ms();
            child->state = CHILD_UP;
        }
        event_del(child->deadline);
        answer_first(child, reply);
        send_next(child);
    }
    if (reply)
        itexd__child__reply__free_unpacked(reply, NULL);
}

/* True: there may be more. */
static bool receive(struct child *child)
{
    ssize_t size = recv(child->socket, child->buffer, CHILD_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0) { /* it has closed its end: it is dying, or it had better */
        event_del(child->readable);
        if (!child->ending) {
            end_it(child, "");
        }
        return false;
    }
    on_reply(child, child->buffer, (size_t)size);
    return !child->ending;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    receive(context);
}

/* ---- Starting ----------------------------------------------------------------------------------------------- */

static void on_end(struct child *child, struct child_death *death);

static void start_failed(struct child *child, int error)
{
    struct child_death death = {.asked = child->asked};
    char why[96];

    child->spawning = false;
    snprintf(why, sizeof why, "cannot be started: %s",
             error == -EPIPE ? "the spawner has ended; restart itexd" : strerror(-error));
    child_death_describe(&death, why);
    on_end(child, &death);
}

static void on_started(void *context, const struct spawned *spawned, int error)
{
    struct child *child = context;

    if (!spawned) {
        start_failed(child, error);
        return;
    }
    child->spawning = false;
    child->pid = spawned->pid;
    child->pidfd = spawned->pidfd;
    child->socket = spawned->socket;
    child->readable = event_new(child->base, child->socket, EV_READ | EV_PERSIST, on_readable, child);
    child->buffer = malloc(CHILD_PACKET_MAX);
    if (!child->readable || !child->buffer || event_add(child->readable, NULL) < 0 || child->ending) {
        char why[sizeof child->why];
        snprintf(why, sizeof why, "%s", child->ending ? child->why : "there is no memory for it");
        child->ending = false;
        end_it(child, why);
        return;
    }
    arm(child->idle, CHILD_PING_MS);
    child->callbacks.up(child->callbacks.context);
}

static void on_exited(void *context, pid_t pid, int wait_status)
{
    struct child *child = context;
    struct child_death death = {
        .signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0,
        .status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0,
    };

    (void)pid;
    while (!child->ending && receive(child)) /* what it had still answered */
        ;
    death.deadline = child->deadline_missed;
    death.asked = child->asked;
    child_page_read(child->page, &death);
    child_death_describe(&death, child->ending && child->why[0] ? child->why : NULL);
    on_end(child, &death);
}

static void begin(struct child *child)
{
    struct spawner_arguments arguments = {{NULL}, {NULL}};
    int error;

    memset(child->page, 0, sizeof *child->page);
    child->arguments(child->callbacks.context, &arguments);
    child->state = CHILD_STARTING;
    child->spawning = true;
    error = spawner_spawn(child->spawner, child->kind, &arguments, child->page_fd, on_started, on_exited, child);
    if (error < 0)
        start_failed(child, error);
}

static void on_delay(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    (void)fd;
    (void)what;
    child->next_start_ms = 0;
    if (child->wanted && child->pid == 0 && !child->spawning)
        begin(child);
}

/* ---- Its end ------------------------------------------------------------------------------------------------ */

static uint64_t next_delay(const struct child *child)
{
    uint64_t delay = child->backoff_first_ms;
    uint32_t random = 0;

    for (unsigned i = 1; i < child->failures && delay < child->backoff_last_ms; i++)
        delay *= 2;
    if (delay > child->backoff_last_ms)
        delay = child->backoff_last_ms;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)clock_steady_us();
    return delay - delay / 4 + random % (delay / 4 + 1); /* three quarters of it, up to all */
}

/* What comes after an end. */
static void decide(struct child *child, const struct child_death *death)
{
    if (!child->wanted) {
        child->state = CHILD_OFF;
        return;
    }
    if (!death->asked)
        child->failures++;
    if (spawner_failed(child->spawner) || child->failures >= CHILD_GIVE_UP) {
        child->state = CHILD_GIVEN_UP;
        return;
    }
    uint64_t wait = child->at_once ? 0 : next_delay(child);
    child->state = CHILD_WAITING;
    child->next_start_ms = clock_steady_ms() + wait;
    arm(child->delay, wait);
}

static void forget_process(struct child *child)
{
    if (child->readable)
        event_free(child->readable);
    child->readable = NULL;
    closep(&child->socket);
    closep(&child->pidfd);
    child->socket = child->pidfd = -1;
    child->pid = 0;
    free(child->buffer);
    child->buffer = NULL;
    event_del(child->deadline);
    event_del(child->idle);
}

static void on_end(struct child *child, struct child_death *death)
{
    const bool steady = child->first_reply_ms && clock_steady_ms() - child->first_reply_ms >= CHILD_STEADY_MS;

    forget_process(child);
    if (steady)
        child->failures = 0;
    decide(child, death);
    child->ending = child->asked = child->deadline_missed = child->at_once = false;
    child->first_reply_ms = 0;
    child->restarts++;
    snprintf(child->last_death, sizeof child->last_death, "%s", death->text);
    while (!STAILQ_EMPTY(&child->queue))
        answer_first(child, NULL);
    child->callbacks.down(child->callbacks.context, death);
}

/* ---- From outside ------------------------------------------------------------------------------------------- */

/* Sealed, so that the child cannot shorten it under the loop's hands. */
static int make_page(struct child *child)
{
    child->page_fd = memfd_create("itexd-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (child->page_fd < 0 || ftruncate(child->page_fd, sizeof *child->page) < 0 ||
        fcntl(child->page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -1;
    child->page = mmap(NULL, sizeof *child->page, PROT_READ | PROT_WRITE, MAP_SHARED, child->page_fd, 0);
    if (child->page != MAP_FAILED)
        return 0;
    child->page = NULL;
    return -1;
}

struct child *child_new(struct event_base *base, struct spawner *spawner, enum child_kind kind,
                        child_arguments_fn arguments, const struct child_callbacks *callbacks)
{
    struct child *child = calloc(1, sizeof *child);

    if (!child)
        return NULL;
    *child = (struct child){
        .base = base,
        .spawner = spawner,
        .kind = kind,
        .arguments = arguments,
        .callbacks = *callbacks,
        .page_fd = -1,
        .pidfd = -1,
        .socket = -1,
        .backoff_first_ms = CHILD_BACKOFF_FIRST_MS,
        .backoff_last_ms = CHILD_BACKOFF_LAST_MS,
        .deadline = evtimer_new(base, on_deadline, child),
        .delay = evtimer_new(base, on_delay, child),
        .idle = evtimer_new(base, on_idle, child),
    };
    STAILQ_INIT(&child->queue);
    if (make_page(child) < 0 || !child->deadline || !child->delay || !child->idle) {
        child_free(child);
        return NULL;
    }
    return child;
}

void child_set_backoff(struct child *child, unsigned first_ms, unsigned last_ms)
{
    child->backoff_first_ms = first_ms;
    child->backoff_last_ms = last_ms;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void child_free(struct child *child)
{
    struct queued *request;

    if (!child)
        return;
    spawner_forget(child->spawner, child);
    if (child->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
    free_event(child->readable);
    free_event(child->deadline);
    free_event(child->delay);
    free_event(child->idle);
    closep(&child->socket);
    closep(&child->pidfd);
    closep(&child->page_fd);
    if (child->page)
        munmap(child->page, sizeof *child->page);
    while ((request = take_first(child)))
        free(request);
    free(child->buffer);
    free(child);
}

/* From the loop, as soon as it gets there. */
static void start_soon(struct child *child)
{
    child->state = CHILD_WAITING;
    child->next_start_ms = clock_steady_ms();
    arm(child->delay, 0);
}

void child_start(struct child *child)
{
    if (child->wanted)
        return;
    child->wanted = true;
    child->failures = 0;
    child->at_once = true; /* where an earlier one is still ending */
    if (child->pid == 0 && !child->spawning)
        start_soon(child);
}

void child_restart(struct child *child, const char *why)
{
    child->wanted = true;
    child->failures = 0;
    child->at_once = true;
    if (child->pid == 0 && !child->spawning)
        start_soon(child);
    else
        end_asked(child, why);
}

void child_fail(struct child *child, const char *why)
{
    end_it(child, why);
}

void child_stop(struct child *child, const char *why)
{
    child->wanted = false;
    event_del(child->delay);
    child->next_start_ms = 0;
    if (child->pid == 0 && !child->spawning)
        child->state = CHILD_OFF;
    else
        end_asked(child, why);
}

enum child_state child_state(const struct child *child)
{
    return child->state;
}

const char *child_state_name(enum child_state state)
{
    static const char *const names[] = {
        [CHILD_OFF] = "off",         [CHILD_STARTING] = "starting", [CHILD_UP] = "up",
        [CHILD_WAITING] = "waiting", [CHILD_STUCK] = "stuck",       [CHILD_GIVEN_UP] = "given up",
    };

    return names[state];
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

unsigned child_restarts(const struct child *child)
{
    return child->restarts;
}

const char *child_last_death(const struct child *child)
{
    return child->last_death;
}

uint64_t child_next_start_ms(const struct child *child)
{
    return child->next_start_ms;
}
