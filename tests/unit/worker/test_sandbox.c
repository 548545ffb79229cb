/* The sandbox, tried from within: every case runs in a process of its own, whose exit status says what it found. */
#include "daemon/children/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int try_socket(void)
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
    return fork();
}
static int try_ptrace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_kill(void)
{
    return kill(getppid(), 0);
}
static int try_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static int try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}
static int try_io_uring(void)
{
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int (*const refused[])(void) = {
    try_socket, try_netlink, try_exec, try_fork, try_ptrace, try_kill, try_mount, try_unshare, try_io_uring,
};

/* 0 where it failed with EPERM. */
static int run_sandboxed(int (*attempt)(void), bool filter)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        static const struct inside_limits limits = {0};

        if (inside_sandbox(&limits, filter) < 0)
            _exit(99);
        _exit(attempt() < 0 && errno == EPERM ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_ways_out_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(run_sandboxed(refused[i], true), 0);
    assert_int_equal(run_sandboxed(try_socket, false), 1); /* it is the filter that refuses */
}

static void *thread_main(void *context)
{
    return context;
}

/* What a driver needs: threads, memory, files, its own signals. */
static int try_work(void)
{
    pthread_t thread;
    void *result = NULL;
    int here;

    if (pthread_create(&thread, NULL, thread_main, &here) != 0 || pthread_join(thread, &result) != 0 || result != &here)
        return 0;
    if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return 0;
    if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 || kill(getpid(), 0) != 0 || raise(SIGCHLD) != 0)
        return 0;
    errno = EPERM;
    return -1;
}

static void test_a_driver_can_work(void **state)
{
    (void)state;
    assert_int_equal(run_sandboxed(try_work, true), 0);
}

static int look_at_limits(void)
{
    struct rlimit core, files;
    static const struct inside_limits limits = {.open_files = 64}, more = {.open_files = 128};

    if (inside_sandbox(&limits, false) < 0 || inside_sandbox(&more, false) < 0) /* never raises one */
        return 0;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    errno = EPERM;
    return core.rlim_max == 0 && files.rlim_max == 64 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(run_sandboxed(look_at_limits, false), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_out_are_refused),
        cmocka_unit_test(test_a_driver_can_work),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests_name("worker sandbox", tests, NULL, NULL);
}
