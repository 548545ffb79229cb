/*
 * No driver: a library that is loaded in a driver's place and says what the process that loads it may do.
 *
 * "NAME CODE" on stderr for each attempt, CODE being the error's number or 0, when it is loaded; "exit" where the
 * process leaves by exit() and not by _exit().
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int try_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int try_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static int try_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child;
}

static int try_trace(void)
{
    return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int try_signal(void)
{
    return kill(getppid(), 0);
}

static int try_namespace(void)
{
    return unshare(CLONE_NEWNS);
}

static void *thread_main(void *context)
{
    return context;
}

static int try_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, thread_main, NULL);
    return errno == 0 && pthread_join(thread, NULL) == 0 ? 0 : -1;
}

static int try_file(void)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int try_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static const struct {
    const char *name;
    int (*attempt)(void);
} attempts[] = {
    {"socket", try_socket}, {"unix", try_unix},   {"netlink", try_netlink}, {"exec", try_exec},
    {"fork", try_fork},     {"trace", try_trace}, {"signal", try_signal},   {"namespace", try_namespace},
    {"thread", try_thread}, {"file", try_file},   {"memory", try_memory},
};

__attribute__((constructor)) static void probe(void)
{
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        errno = 0;
        dprintf(STDERR_FILENO, "%s %d\n", attempts[i].name, attempts[i].attempt() < 0 ? errno : 0);
    }
}

__attribute__((destructor)) static void leave(void)
{
    dprintf(STDERR_FILENO, "exit\n");
}
