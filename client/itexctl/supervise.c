/* A parent for jobs that leave workers behind: see supervise.h. */
#include "client/itexctl/supervise.h"
#include "client/itexctl/errors.h"
#include "client/itexctl/output.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

struct tree {
    pid_t command; /* 0: it has ended */
    int status;    /* of the command, as wait gives it */
    bool told;     /* that others go on */
    struct connection *connection;
};

static sigset_t signals_of_interest(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
        sigaddset(&set, forwarded[i]);
    return set;
}

/* ---- The command ------------------------------------------------------------------------------------ */

__attribute__((noreturn)) static void become(char **command, pid_t parent, const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it was killed before that */
        _exit(EXIT_INTERNAL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    int error = errno;
    fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", command[0],
         error == ENOENT ? "command not found" : strerror(error));
    _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* ---- What happens meanwhile ------------------------------------------------------------------------- */

/* All children there are, adopted ones too, are asked by the kernel's own list; where it has none, nobody is. */
static void signal_children(int number)
{
    char path[64];
    long pid;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%ld", &pid) == 1)
        kill((pid_t)pid, number);
    if (file)
        fclose(file);
}

static void forward(const struct tree *tree, const struct signalfd_siginfo *info)
{
    /* The terminal has told everybody in the foreground. */
    if (info->ssi_code == SI_KERNEL)
        return;
    if (tree->command)
        kill(tree->command, (int)info->ssi_signo);
    else
        signal_children((int)info->ssi_signo);
}

/* False: nobody is left. */
static bool reap(struct tree *tree)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == tree->command) {
            tree->command = 0;
            tree->status = status;
        }
    if (pid < 0 && errno == ECHILD)
        return false;
    if (tree->command == 0 && !tree->told) {
        tree->told = true;
        note("the command has ended; processes that it left go on, and keep its devices until they end");
    }
    return true;
}

static bool take_signals(struct tree *tree, int signals)
{
    struct signalfd_siginfo info;
    bool left = true;
    while (left && read(signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            left = reap(tree);
        else
            forward(tree, &info);
    }
    return left;
}

static void on_event(const Itexd__V1__Event *event, void *data)
{
    (void)data;
    if (event->kind && event->text && strcmp(event->kind, "device") == 0)
        note("%s", event->text);
}

/* Children that ended before the signals were watched were waited for all the same: SIGCHLD was blocked then. */
static void watch(struct tree *tree, int signals)
{
    struct pollfd fds[2] = {{.fd = signals, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (tree->connection)
        fds[1].fd = connection_fd(tree->connection);
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents && !take_signals(tree, signals))
            return;
        if (fds[1].revents && connection_events(tree->connection) != CALL_AGAIN)
            fds[1].fd = -1; /* it has gone; the lease stays */
    }
}

/* As the command ended. */
static int end_alike(int status, const sigset_t *mask)
{
    static const struct rlimit no_core = {0, 0};
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    setrlimit(RLIMIT_CORE, &no_core); /* the command's is the one that says something */
    signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

int supervise(char **command, struct connection *connection)
{
    struct tree tree = {.connection = connection};
    sigset_t set = signals_of_interest(), mask;
    pid_t parent = getpid();
    fflush(NULL);
    sigprocmask(SIG_BLOCK, &set, &mask);
    CLEANUP(closep) int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return fail(EXIT_INTERNAL, "cannot supervise the command: %s", strerror(errno));
    tree.command = fork();
    if (tree.command < 0)
        return fail(EXIT_INTERNAL, "cannot start the command: %s", strerror(errno));
    if (tree.command == 0)
        become(command, parent, &mask);
    if (connection)
        connection_on_event(connection, on_event, NULL);
    watch(&tree, signals);
    return end_alike(tree.status, &mask);
}
