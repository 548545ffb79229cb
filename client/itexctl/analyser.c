/* The analyser as a child process: see analyser.h. One poll loop until it has ended and its pipes are empty. */
#include "client/itexctl/analyser.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MOST_OUTPUT (16u << 20)
#define MOST_ERRORS (16u << 10) /* of which the last line is shown */
#define MOST_ARGUMENTS 24

void analyser_answer_clear(struct analyser_answer *answer)
{
    free(answer->text);
    *answer = (struct analyser_answer)ANALYSER_ANSWER_INIT;
}

const char *python_package_folder(void)
{
    const char *folder = getenv("ITEXD_PYTHON_DIR");
    return folder && folder[0] ? folder : ITEXD_PYTHON_DIR;
}

char *python_package_file(const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/itexclient/%s", python_package_folder(), name) < 0 ? NULL : path;
}

static const char *subject_of(const struct analyser_question *question)
{
    return question->file     ? question->file
           : question->module ? question->module
           : question->code   ? "the code behind -c"
                              : "what is installed";
}

/* ---- The child ------------------------------------------------------------------------------------------- */

/* What would make it act as the job itself, go on after its end, talk, or stumble. */
static bool kept_back(const char *assignment)
{
    static const char *const names[] = {"ITEXD_DECISION",   "ITEXD_LEASE",      "ITEXD_LOCAL_DEVICE",
                                        "PYTHONINSPECT",    "PYTHONVERBOSE",    "PYTHONSTARTUP",
                                        "PYTHONDEBUG",      "PYTHONDUMPREFS",   "PYTHONPROFILEIMPORTTIME",
                                        "PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONWARNINGS"};
    size_t length = strcspn(assignment, "=");
    for (size_t i = 0; i < LENGTH(names); i++)
        if (strlen(names[i]) == length && strncmp(assignment, names[i], length) == 0)
            return true;
    return false;
}

static char **child_environment(char *const *environment)
{
    size_t n = 0, kept = 0;
    while (environment[n])
        n++;
    char **all = calloc(n + 1, sizeof(*all));
    for (size_t i = 0; all && i < n; i++)
        if (!kept_back(environment[i]))
            all[kept++] = environment[i];
    return all;
}

struct child {
    const char *interpreter;
    char *arguments[MOST_ARGUMENTS];
    size_t n_arguments;
    char letters[8][3];
    char *package, *file; /* from malloc */
    char **environment;
    pid_t pid; /* 0: there is none (any more) */
    int process, out, err, started, in;
};
#define CHILD_INIT                                                                                                     \
    {                                                                                                                  \
        .process = -1, .out = -1, .err = -1, .started = -1, .in = -1                                                   \
    }

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void child_end(struct child *child)
{
    if (child->pid > 0) {
        kill(-child->pid, SIGKILL);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_fd(&child->process);
    close_fd(&child->out);
    close_fd(&child->err);
    close_fd(&child->started);
    close_fd(&child->in);
    free(child->package);
    free(child->file);
    free(child->environment);
}

static void add(struct child *child, const char *argument)
{
    if (child->n_arguments + 1 < MOST_ARGUMENTS)
        child->arguments[child->n_arguments++] = (char *)argument;
}

static void add_option(struct child *child, const char *name, const char *value)
{
    if (!value)
        return;
    add(child, name);
    add(child, value);
}

/* 0 or -ENOMEM. */
static int child_arguments(struct child *child, const struct analyser_question *question)
{
    size_t n = 0;
    child->interpreter = question->interpreter;
    child->environment = child_environment(question->environment);
    child->package = python_package_file("check");
    if (question->file && /* which is no option, whatever it is called */
        asprintf(&child->file, "%s%s", question->file[0] == '-' ? "./" : "", question->file) < 0)
        child->file = NULL;
    if (!child->environment || !child->package || (question->file && !child->file))
        return -ENOMEM;
    add(child, question->interpreter);
    add(child, "-B");
    for (const char *letter = question->options; letter && *letter && n < LENGTH(child->letters); letter++) {
        snprintf(child->letters[n], sizeof(child->letters[n]), "-%c", *letter);
        add(child, child->letters[n++]);
    }
    add(child, child->package);
    if (question->fix)
        add(child, "--fix");
    else
        add(child, "--json");
    if (question->fix && question->write)
        add(child, "--write");
    add_option(child, "--itex", question->itex);
    add_option(child, "--bind", question->bind);
    if (child->file)
        add(child, child->file);
    else if (question->module)
        add_option(child, "-m", question->module);
    else
        add_option(child, "-c", question->code ? question->code : "");
    return 0;
}

/* In the child. What it has of this process is its memory until exec. */
static _Noreturn void become(const struct child *child, int in, int out, int err, int started)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC); /* what the caller has open is the job's */
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
        execve(child->interpreter, child->arguments, child->environment);
    int error = errno;
    ssize_t written = write(started, &error, sizeof(error));
    _exit(written > 0 ? 127 : 126);
}

struct pipe {
    int read, write;
};
#define PIPE_INIT                                                                                                      \
    {                                                                                                                  \
        -1, -1                                                                                                         \
    }

static void pipe_close(struct pipe *pipe)
{
    close_fd(&pipe->read);
    close_fd(&pipe->write);
}

static int pipe_open(struct pipe *pipe)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *pipe = (struct pipe){fds[0], fds[1]};
    return 0;
}

/* 0 or -errno. */
static int child_start(struct child *child)
{
    CLEANUP(pipe_close) struct pipe out = PIPE_INIT;
    CLEANUP(pipe_close) struct pipe err = PIPE_INIT;
    CLEANUP(pipe_close) struct pipe started = PIPE_INIT;
    int r = pipe_open(&out);
    if (r >= 0)
        r = pipe_open(&err);
    if (r >= 0)
        r = pipe_open(&started);
    child->in = r < 0 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (r < 0 || child->in < 0)
        return r < 0 ? r : -errno;
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0)
        become(child, child->in, out.write, err.write, started.write);
    if (child->pid < 0) {
        child->pid = 0;
        return -errno;
    }
    setpgid(child->pid, child->pid); /* here too: it may be killed before it has come so far itself */
    child->process = (int)syscall(SYS_pidfd_open, child->pid, 0);
    child->out = TAKE_FD(out.read);
    child->err = TAKE_FD(err.read);
    child->started = TAKE_FD(started.read);
    close_fd(&started.write);
    if (child->process < 0)
        return -errno;
    int error = 0;
    return read(child->started, &error, sizeof(error)) == (ssize_t)sizeof(error) ? -error : 0;
}

/* ---- What it says ------------------------------------------------------------------------------------------ */

struct gathered {
    char *text;
    size_t size, room;
};

static void gathered_clear(struct gathered *gathered)
{
    free(gathered->text);
}

/* Reads what is there. 1: more may come; 0: that was all; -EFBIG; -errno. */
static int gather(int fd, struct gathered *to, size_t most)
{
    if (to->size + 1 >= to->room) {
        size_t room = to->room ? to->room * 2 : 8192;
        char *grown = realloc(to->text, room);
        if (!grown)
            return -ENOMEM;
        to->text = grown;
        to->room = room;
    }
    ssize_t n = read(fd, to->text + to->size, to->room - to->size - 1);
    if (n < 0)
        return errno == EINTR ? 1 : -errno;
    to->size += (size_t)n;
    to->text[to->size] = '\0';
    return to->size > most ? -EFBIG : n > 0;
}

/* Of errors only the end is kept. */
static int gather_errors(int fd, struct gathered *to)
{
    int r = gather(fd, to, SIZE_MAX);
    if (to->size > 2 * MOST_ERRORS) {
        memmove(to->text, to->text + to->size - MOST_ERRORS, MOST_ERRORS + 1);
        to->size = MOST_ERRORS;
    }
    return r;
}

/* Waits for the next of: output, errors, its end. 0; -ETIME; -errno. What is at its end is closed. */
static int attend(struct child *child, uint64_t deadline, struct gathered *out, struct gathered *err, bool *ended)
{
    struct pollfd fds[] = {{child->out, POLLIN, 0}, {child->err, POLLIN, 0}, {*ended ? -1 : child->process, POLLIN, 0}};
    uint64_t now = clock_steady_ms();
    int left = *ended || now >= deadline ? 0 : deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
    int ready = poll(fds, LENGTH(fds), left);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (ready == 0 && *ended) { /* somebody that it left behind holds the pipes */
        close_fd(&child->out);
        close_fd(&child->err);
        return 0;
    }
    if (ready == 0)
        return now >= deadline ? -ETIME : 0;
    int r = fds[0].revents ? gather(child->out, out, MOST_OUTPUT) : 1;
    if (r == 0)
        close_fd(&child->out);
    int q = r >= 0 && fds[1].revents ? gather_errors(child->err, err) : 1;
    if (q == 0)
        close_fd(&child->err);
    *ended |= fds[2].revents != 0;
    return r < 0 ? r : q < 0 ? q : 0;
}

static int attend_all(struct child *child, int64_t timeout_ms, struct gathered *out, struct gathered *err, int *status)
{
    uint64_t deadline = clock_steady_ms() + (uint64_t)timeout_ms;
    bool ended = false;
    int r = 0;
    while (r == 0 && !(ended && child->out < 0 && child->err < 0))
        r = attend(child, deadline, out, err, &ended);
    if (r < 0)
        return r;
    kill(-child->pid, SIGKILL); /* what it may have left behind */
    while (waitpid(child->pid, status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    child->pid = 0;
    return 0;
}

/* ---- Failures ------------------------------------------------------------------------------------------------ */

/* The last line of a traceback is the one that says it. */
static const char *last_line(struct gathered *err)
{
    char *text = err->text ? err->text : (char *)"";
    size_t length = strlen(text);
    while (length > 0 && strchr("\n\r ", text[length - 1]))
        text[--length] = '\0';
    char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

static int refuse_status(const struct analyser_question *question, int status, struct gathered *err,
                         struct failure *failure)
{
    const char *line = last_line(err), *subject = subject_of(question);
    char how[64];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "was killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(how, sizeof(how), "ended with status %d", WEXITSTATUS(status));
    return failure_set(failure, EXIT_INTERNAL, "%s %s while it analysed %s%s%.300s", question->interpreter, how,
                       subject, *line ? ": " : "", line);
}

static int refuse_running(const struct analyser_question *question, int error, struct failure *failure)
{
    const char *subject = subject_of(question);
    if (error == -ETIME)
        return failure_set(failure, EXIT_INTERNAL, "%s had not analysed %s after %lld ms and was stopped",
                           question->interpreter, subject, (long long)question->timeout_ms);
    if (error == -EFBIG)
        return failure_set(failure, EXIT_INTERNAL, "%s says more about %s than %u MiB and was stopped",
                           question->interpreter, subject, MOST_OUTPUT >> 20);
    return failure_set(failure, EXIT_INTERNAL, "cannot analyse %s: %s", subject, strerror(-error));
}

static int check_package(const struct child *child, struct failure *failure)
{
    if (access(child->package, R_OK) == 0)
        return 0;
    return failure_set(failure, EXIT_INTERNAL, "the analyser is not there: %s: %s; install it, or set ITEXD_PYTHON_DIR",
                       child->package, strerror(errno));
}

int analyser_run(const struct analyser_question *question, struct analyser_answer *answer, struct failure *failure)
{
    CLEANUP(child_end) struct child child = CHILD_INIT;
    CLEANUP(gathered_clear) struct gathered out = {NULL, 0, 0}, err = {NULL, 0, 0};
    int status = 0;
    if (child_arguments(&child, question) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    if (check_package(&child, failure) < 0)
        return -1;
    int r = child_start(&child);
    if (r < 0)
        return failure_set(failure, EXIT_INTERNAL, "%s cannot be executed: %s", question->interpreter, strerror(-r));
    r = attend_all(&child, question->timeout_ms, &out, &err, &status);
    if (r < 0)
        return refuse_running(question, r, failure);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return refuse_status(question, status, &err, failure);
    *answer = (struct analyser_answer){.text = TAKE_PTR(out.text), .size = out.size};
    return 0;
}
