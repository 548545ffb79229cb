/*
 * Inside the spawner. It waits for orders and for the ends of its children, and does nothing else; it is
 * single-threaded, so a fork here is safe, and parses only what the loop sends.
 *
 * A child gets: descriptors 0 and 1 on /dev/null, 2 as the service's, its socket as 3, its page as 4; default signals;
 * an environment of the allowlist and the order's additions; the capabilities of its kind that the service was given;
 * SIGKILL when the spawner ends.
 */
#include "daemon/children/capabilities.h"
#include "daemon/children/inside.h"
#include "daemon/children/spawner_protocol.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MAX_CHILDREN 8 /* two kinds, and those that do not die */
#define FIRST_FREE_FD 10
#define EXIT_NOT_EXECUTED 127

static const struct {
    const char *word;
    unsigned may;
} kinds[] = {
    [CHILD_DEVICE_WORKER] = {CHILD_WORD_DEVICE_WORKER, MAY_PERFMON},
    [CHILD_KEEPER] = {CHILD_WORD_KEEPER, MAY_FOWNER | MAY_PTRACE},
};

static const char *const allowed_environment[] = {"LANG", "LC_ALL", "TZ"};

struct running {
    pid_t pid; /* 0: none */
    uint64_t id;
};

struct spawner_process {
    int socket, signals;
    pid_t self;
    struct running children[MAX_CHILDREN];
};

/* ---- In the child, between fork and exec ------------------------------------------------------------------- */

struct program {
    char *arguments[SPAWNER_MAX_ARGUMENTS + 3];
    char *environment[SPAWNER_MAX_ARGUMENTS + COUNT(allowed_environment) + 1];
    char inherited[COUNT(allowed_environment)][128];
};

static char *next_text(char **position)
{
    char *text = *position;

    *position += strlen(text) + 1;
    return text;
}

static void fill_program(struct program *program, struct spawn_order *order)
{
    char *position = order->text;
    size_t n = 0;

    program->arguments[n++] = (char *)"itexd";
    program->arguments[n++] = (char *)kinds[order->kind].word;
    for (uint32_t i = 0; i < order->n_arguments; i++)
        program->arguments[n++] = next_text(&position);
    program->arguments[n] = NULL;

    n = 0;
    for (size_t i = 0; i < COUNT(allowed_environment); i++) {
        const char *value = getenv(allowed_environment[i]);
        size_t size = sizeof program->inherited[i];
        if (value && (size_t)snprintf(program->inherited[i], size, "%s=%s", allowed_environment[i], value) < size)
            program->environment[n++] = program->inherited[i];
    }
    for (uint32_t i = 0; i < order->n_environment; i++)
        program->environment[n++] = next_text(&position);
    program->environment[n] = NULL;
}

static int place_descriptors(int socket, int page)
{
    int high_socket = fcntl(socket, F_DUPFD, FIRST_FREE_FD);
    int high_page = fcntl(page, F_DUPFD, FIRST_FREE_FD);
    int null = open("/dev/null", O_RDWR);

    if (high_socket < 0 || high_page < 0 || null < 0)
        return -1;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(high_socket, CHILD_SOCKET_FD) < 0 ||
        dup2(high_page, CHILD_PAGE_FD) < 0)
        return -1;
    return (int)syscall(SYS_close_range, CHILD_PAGE_FD + 1, ~0u, 0);
}

static void default_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for those that cannot be changed */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(struct spawn_order *order, pid_t spawner, int socket, int page)
{
    struct program program;

    fill_program(&program, order);
    if (place_descriptors(socket, page) < 0 || capabilities_keep(kinds[order->kind].may, true) < 0)
        _exit(EXIT_NOT_EXECUTED);
    /* Behind the change of capabilities, which would clear it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != spawner)
        _exit(EXIT_NOT_EXECUTED);
    umask(077);
    default_signals();
    execve("/proc/self/exe", program.arguments, program.environment);
    _exit(EXIT_NOT_EXECUTED);
}

/* ---- Orders ---------------------------------------------------------------------------------------------------- */

static bool order_is_whole(const struct spawn_order *order, int size)
{
    size_t ends = 0;

    if (size != (int)sizeof *order || order->kind >= COUNT(kinds) || order->n_arguments >= SPAWNER_MAX_ARGUMENTS ||
        order->n_environment >= SPAWNER_MAX_ARGUMENTS)
        return false;
    for (size_t i = 0; i < sizeof order->text; i++)
        ends += order->text[i] == '\0';
    return ends >= order->n_arguments + order->n_environment;
}

static void tell(struct spawner_process *spawner, const struct spawn_news *news, const int *fds, size_t n_fds)
{
    if (spawner_send(spawner->socket, news, sizeof *news, fds, n_fds) < 0)
        _exit(0); /* the loop has gone, and with this process its children go */
}

/* A pair whose child's end may send a whole reply, as far as the system lets it. */
static int make_pair(int pair[2])
{
    const int bytes = CHILD_PACKET_MAX;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int start_child(struct spawner_process *spawner, struct spawn_order *order, int page, struct running *place)
{
    CLEANUP(closep) int mine = -1;
    CLEANUP(closep) int its = -1;
    CLEANUP(closep) int pidfd = -1;
    int pair[2];
    int error = make_pair(pair);

    if (error < 0)
        return error;
    mine = pair[0];
    its = pair[1];
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become(order, spawner->self, its, page);

    pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* not gathered yet, so the pid is its own */
    if (pidfd < 0) {
        error = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return error;
    }
    *place = (struct running){.pid = pid, .id = order->id};
    const struct spawn_news news = {.id = order->id, .kind = SPAWN_STARTED, .pid = pid};
    const int fds[SPAWN_NEWS_FDS] = {pidfd, mine};
    tell(spawner, &news, fds, SPAWN_NEWS_FDS);
    return 0;
}

static struct running *free_place(struct spawner_process *spawner)
{
    for (size_t i = 0; i < MAX_CHILDREN; i++)
        if (spawner->children[i].pid == 0)
            return &spawner->children[i];
    return NULL;
}

static void take_order(struct spawner_process *spawner)
{
    static struct spawn_order order;
    CLEANUP(closep) int page = -1;
    int size = spawner_receive(spawner->socket, &order, sizeof order, &page, 1, 0);
    int error = -EINVAL;

    if (size <= 0)
        _exit(0);
    struct running *place = free_place(spawner);
    if (!place)
        error = -EAGAIN;
    else if (page >= 0 && order_is_whole(&order, size))
        error = start_child(spawner, &order, page, place);
    if (error < 0) {
        const struct spawn_news news = {.id = order.id, .kind = SPAWN_FAILED, .status = error};
        tell(spawner, &news, NULL, 0);
    }
}

static void gather_exits(struct spawner_process *spawner)
{
    struct signalfd_siginfo unused;
    int status;
    pid_t pid;

    while (read(spawner->signals, &unused, sizeof unused) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < MAX_CHILDREN; i++) {
            struct running *child = &spawner->children[i];
            if (child->pid != pid)
                continue;
            const struct spawn_news news = {.id = child->id, .kind = SPAWN_EXITED, .pid = pid, .status = status};
            child->pid = 0;
            tell(spawner, &news, NULL, 0);
        }
}

/* ---- Main --------------------------------------------------------------------------------------------------- */

/* Whoever stops the service by a signal to all its processes means the loop: it closes the socket. */
static int prepare(struct spawner_process *spawner)
{
    sigset_t gathered;

    setsid();
    prctl(PR_SET_NAME, "itexd-spawner");
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&gathered);
    sigaddset(&gathered, SIGCHLD);
    sigprocmask(SIG_BLOCK, &gathered, NULL);
    if (dup2(spawner->socket, STDERR_FILENO + 1) < 0 || fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) < 0 ||
        syscall(SYS_close_range, STDERR_FILENO + 2, ~0u, 0) < 0)
        return -1;
    spawner->socket = STDERR_FILENO + 1;
    spawner->signals = signalfd(-1, &gathered, SFD_NONBLOCK | SFD_CLOEXEC);
    return spawner->signals < 0 ? -1 : 0;
}

void spawner_main(int socket, unsigned held)
{
    struct spawner_process spawner = {.socket = socket, .self = getpid()};
    struct pollfd wait[2];

    if (prepare(&spawner) < 0 || capabilities_keep(held, false) < 0)
        _exit(EXIT_NOT_EXECUTED);
    wait[0] = (struct pollfd){.fd = spawner.socket, .events = POLLIN};
    wait[1] = (struct pollfd){.fd = spawner.signals, .events = POLLIN};
    for (;;) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            _exit(EXIT_NOT_EXECUTED);
        if (wait[1].revents)
            gather_exits(&spawner);
        if (wait[0].revents)
            take_order(&spawner);
    }
}
