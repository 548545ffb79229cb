/* See bench_process.h. Everything here happens outside the measured stretches. */
#include "bench_process.h"
#include "bench_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t spawn(const struct server *server, char *const arguments[], const char *notify)
{
    pid_t pid = fork();
    if (pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[320];
    snprintf(log, sizeof log, "%s/log", server->directory);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    if (notify)
        setenv("NOTIFY_SOCKET", notify, 1);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    execvp(arguments[0], arguments);
    _exit(127);
}

static int open_notify(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof address.sun_path)
        bench_fail("%s: no socket for readiness", path);
    strcpy(address.sun_path, path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        bench_fail("%s: %s", path, strerror(errno));
    return fd;
}

static void wait_until_ready(int notify, const struct server *server)
{
    char text[512];
    for (;;) {
        struct pollfd poll_fd = {.fd = notify, .events = POLLIN};
        if (poll(&poll_fd, 1, 20000) <= 0)
            bench_fail("%s: not ready within 20 s, see its log", server->directory);
        ssize_t size = recv(notify, text, sizeof text - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        if (strstr(text, "READY=1"))
            return;
    }
}

static void make_directory(struct server *server, const char *directory)
{
    snprintf(server->directory, sizeof server->directory, "%s", directory);
    if (mkdir(directory, 0755) < 0)
        bench_fail("%s: %s", directory, strerror(errno));
}

void server_start_itexd(struct server *server, const char *program, const char *rules, const char *directory,
                        const char *options)
{
    char config[320], notify[320];
    make_directory(server, directory);
    snprintf(server->socket, sizeof server->socket, "%s/itexd.sock", directory);
    snprintf(server->database, sizeof server->database, "%s/itexd.db", directory);
    snprintf(config, sizeof config, "%s/itexd.yaml", directory);
    snprintf(notify, sizeof notify, "%s/notify", directory);
    FILE *file = fopen(config, "w");
    if (!file)
        bench_fail("%s: %s", config, strerror(errno));
    fprintf(file, "socket: %s\ndatabase: %s\nrules: %s\n%s", server->socket, server->database, rules, options);
    fclose(file);
    int fd = open_notify(notify);
    char *arguments[] = {(char *)program, (char *)"--config", config, NULL};
    server->pid = spawn(server, arguments, notify);
    wait_until_ready(fd, server);
    close(fd);
}

void server_start_redis(struct server *server, const char *program, const char *directory)
{
    make_directory(server, directory);
    snprintf(server->socket, sizeof server->socket, "%s/redis.sock", directory);
    const char *arguments[] = {program,
                               "--port",
                               "0",
                               "--unixsocket",
                               server->socket,
                               "--appendonly",
                               "yes",
                               "--dir",
                               directory,
                               "--save",
                               "",
                               "--appendfsync",
                               "always",
                               "--daemonize",
                               "no",
                               "--auto-aof-rewrite-percentage",
                               "0",
                               NULL};
    server->pid = spawn(server, (char *const *)arguments, NULL);
}

void server_stop(struct server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

/* The number behind `name` in a file of /proc/PID, -1 where it is not there. */
static long long proc_number(const struct server *server, const char *file, const char *name)
{
    char path[64], line[256];
    long long number = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)server->pid, file);
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, name, strlen(name)) == 0)
            number = strtoll(line + strlen(name), NULL, 10);
    if (in)
        fclose(in);
    return number;
}

long server_rss_kb(const struct server *server)
{
    return (long)proc_number(server, "status", "VmRSS:");
}

long server_anonymous_kb(const struct server *server)
{
    return (long)proc_number(server, "status", "RssAnon:");
}

uint64_t server_written(const struct server *server)
{
    return (uint64_t)proc_number(server, "io", "wchar:");
}

double server_cpu_seconds(const struct server *server)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)server->pid);
    FILE *in = fopen(path, "re");
    if (!in || !fgets(text, sizeof text, in))
        bench_fail("%s: %s", path, strerror(errno));
    fclose(in);
    char *field = strrchr(text, ')') + 1, *end = field;
    unsigned long long ticks = 0;
    for (int number = 3; number <= 15; number++) {
        field = end + strspn(end, " ");
        end = field + strcspn(field, " ");
        if (number >= 14)
            ticks += strtoull(field, NULL, 10);
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

uint64_t server_wal_bytes(const struct server *server)
{
    char path[320];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", server->database);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}
