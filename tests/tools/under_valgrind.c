/*
 * Preloaded into a program that runs under valgrind, for what valgrind does not know:
 *
 *   seccomp_load         does nothing: valgrind needs system calls that the filter refuses
 *   pidfd_open           is asked of the test by the socket that ITEXD_TEST_PIDFDS names: a pid there, a descriptor
 * back pidfd_send_signal    by the pid that the descriptor is of execve               of /proc/self/exe: the program,
 * where the kernel would take valgrind itself
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <dlfcn.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int seccomp_load(const void *filter);

EXPORT int seccomp_load(const void *filter)
{
    (void)filter;
    return 0;
}

/* ---- Descriptors of processes ----------------------------------------------------------------------------------- */

static int connect_to_test(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("ITEXD_TEST_PIDFDS");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path ? path : "");
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The answer is an error number, with a descriptor where that is 0. */
static int receive_descriptor(int socket)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    int error = EIO, fd = -1;
    struct iovec data = {.iov_base = &error, .iov_len = sizeof error};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    const struct cmsghdr *header;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof error)
        error = EIO;
    header = CMSG_FIRSTHDR(&message);
    if (error == 0 && header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (fd < 0)
        errno = error ? error : EIO;
    return fd;
}

static int open_process(pid_t pid)
{
    int socket = connect_to_test(), fd = -1, error;

    if (socket < 0)
        return -1;
    if (send(socket, &pid, sizeof pid, MSG_NOSIGNAL) == sizeof pid)
        fd = receive_descriptor(socket);
    error = errno;
    close(socket);
    errno = error;
    return fd;
}

static int signal_process(int pidfd, int number)
{
    char path[64], line[128];
    int pid = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Pid: %d", &pid);
    if (file)
        fclose(file);
    if (pid > 0)
        return kill(pid, number);
    errno = ESRCH;
    return -1;
}

EXPORT long syscall(long number, ...)
{
    static long (*libc)(long, ...);
    long words[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        words[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_pidfd_open)
        return open_process((pid_t)words[0]);
    if (number == SYS_pidfd_send_signal)
        return signal_process((int)words[0], (int)words[1]);
    if (!libc)
        *(void **)&libc = dlsym(RTLD_NEXT, "syscall");
    return libc(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

/* ---- The program ---------------------------------------------------------------------------------------------- */

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    static int (*libc)(const char *, char *const[], char *const[]);
    char program[PATH_MAX];
    ssize_t length = strcmp(path, "/proc/self/exe") == 0 ? readlink(path, program, sizeof program - 1) : 0;

    if (!libc)
        *(void **)&libc = dlsym(RTLD_NEXT, "execve");
    program[length > 0 ? length : 0] = '\0';
    return libc(length > 0 ? program : path, arguments, environment);
}
