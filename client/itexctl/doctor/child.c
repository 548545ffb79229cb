/*
 * A child and its end: see child.h. It has a process group of its own, so that what it started ends with it, and dies
 * with its parent. What it prints is read while it runs, for a full pipe would stop it.
 */
#include "client/itexctl/doctor/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATH_MS 1000 /* that a killed process is given to die */

void *child_shared(size_t size)
{
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? NULL : shared;
}

void child_unshare(void *shared, size_t size)
{
    if (shared)
        munmap(shared, size);
}

__attribute__((noreturn)) static void be_child(void (*work)(void *context), void *context, int output)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
    if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
        work(context);
    fflush(NULL);
    _exit(0);
}

/* What has come; false at the end. */
static bool read_output(int output, struct child_result *result)
{
    char rest[4096];
    size_t room = CHILD_OUTPUT_SIZE - result->size;
    ssize_t length = room > 0 ? read(output, result->output + result->size, room) : read(output, rest, sizeof(rest));
    if (length > 0 && room > 0)
        result->size += (size_t)length;
    result->output[result->size] = '\0';
    return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Until the process has ended; false at the deadline. */
static bool wait_end(int process, int output, uint64_t deadline, struct child_result *result)
{
    struct pollfd fds[] = {{.fd = process, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    for (uint64_t now = clock_steady_ms(); now < deadline; now = clock_steady_ms()) {
        if (poll(fds, 2, (int)(deadline - now)) <= 0)
            continue;
        if (fds[1].revents && !read_output(output, result))
            fds[1].fd = -1;
        if (fds[0].revents)
            return true;
    }
    return false;
}

static void drain(int output, struct child_result *result)
{
    struct pollfd readable = {.fd = output, .events = POLLIN};
    while (result->size < CHILD_OUTPUT_SIZE && poll(&readable, 1, 0) > 0 && read_output(output, result))
        continue;
}

static void take_status(pid_t pid, struct child_result *result)
{
    int status = 0;
    waitpid(pid, &status, 0);
    result->end = WIFSIGNALED(status) ? CHILD_KILLED : CHILD_EXITED;
    result->number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void end_child(pid_t pid, int process, int output, int timeout_ms, struct child_result *result)
{
    struct pollfd death = {.fd = process, .events = POLLIN};
    bool in_time = wait_end(process, output, clock_steady_ms() + (uint64_t)timeout_ms, result);
    kill(-pid, SIGKILL); /* what it started, too */
    kill(pid, SIGKILL);
    bool dead = in_time || poll(&death, 1, DEATH_MS) > 0;
    if (dead)
        take_status(pid, result);
    if (!in_time)
        result->end = dead ? CHILD_HUNG : CHILD_STUCK;
    drain(output, result);
}

int child_run(void (*work)(void *context), void *context, int timeout_ms, struct child_result *result)
{
    int ends[2];
    result->size = 0;
    result->output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    CLEANUP(closep) int output = ends[0];
    CLEANUP(closep) int input = ends[1];
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        fcntl(input, F_SETFL, 0); /* who prints does not expect that it may not */
        be_child(work, context, input);
    }
    close(TAKE_FD(input));
    CLEANUP(closep) int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return -error;
    }
    end_child(pid, process, output, timeout_ms, result);
    return 0;
}

void child_describe(const struct child_result *result, int timeout_ms, char *text, size_t size)
{
    const char *name = result->end == CHILD_KILLED ? sigabbrev_np(result->number) : NULL;
    if (result->end == CHILD_HUNG)
        snprintf(text, size, "no answer within %.1f s", timeout_ms / 1000.0);
    else if (result->end == CHILD_STUCK)
        snprintf(text, size, "no answer within %.1f s, and the process does not die: it hangs in the kernel",
                 timeout_ms / 1000.0);
    else if (name)
        snprintf(text, size, "killed by SIG%s (%s)", name, strsignal(result->number));
    else if (result->end == CHILD_KILLED)
        snprintf(text, size, "killed by signal %d", result->number);
    else
        snprintf(text, size, "ended with status %d", result->number);
}
