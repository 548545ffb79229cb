/*
 * itexctl backup FILE: a consistent copy of the database while the service goes on.
 *
 * The file is made here, with the rights of who asks; the service gets only its descriptor. It is new (O_EXCL) and
 * either whole and on disk, or gone: a failure or a signal removes it.
 */
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct backup_values {
    int64_t timeout;
};

static const char *volatile unfinished; /* for the handler */

static void remove_and_die(int signal_number)
{
    if (unfinished)
        unlink(unfinished);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void remove_on_signals(const char *path)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = remove_and_die}, old;
    unfinished = path;
    for (size_t i = 0; i < LENGTH(signals); i++) {
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static int sync_folder(const char *path)
{
    CLEANUP(freep) char *copy = strdup(path);
    CLEANUP(closep) int folder = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return folder >= 0 && fsync(folder) < 0 && errno != EINVAL ? -errno : 0;
}

static int fill(const struct context *context, int fd, struct failure *failure)
{
    const struct backup_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    Itexd__V1__Backup body = ITEXD__V1__BACKUP__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_BACKUP;
    request.backup = &body;
    if (service_open(context, &connection, failure) < 0)
        return -1;
    return service_call(connection, &request, fd, values->timeout > 0 ? values->timeout : BACKUP_TIMEOUT_MS,
                        ITEXD__V1__REPLY__BODY_DONE, &reply, failure);
}

static int finish(const char *path, int fd, struct stat *file, struct failure *failure)
{
    int r = fsync(fd) < 0 || fstat(fd, file) < 0 ? -errno : sync_folder(path);
    if (r < 0)
        return failure_set(failure, EXIT_INTERNAL, "cannot write %s to disk: %s", path, strerror(-r));
    if (file->st_size == 0)
        return failure_set(failure, EXIT_INTERNAL, "itexd reported success but %s is empty", path);
    return 0;
}

/* Of a file that cannot be created. */
static enum exit_status status_of(int error)
{
    switch (error) {
    case EEXIST:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
        return EXIT_USAGE;
    case EACCES:
    case EPERM:
        return EXIT_NOT_PERMITTED;
    default:
        return EXIT_INTERNAL;
    }
}

static int backup_run(struct context *context, const struct operands *operands)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    struct stat file;
    if (operands->n_items != 1)
        return fail(EXIT_USAGE, "backup takes one FILE, which must not exist yet");
    const char *path = operands->items[0];
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(status_of(errno), "cannot create %s: %s", path, strerror(errno));
    remove_on_signals(path);
    int r = fill(context, fd, &failure);
    if (r == 0)
        r = finish(path, fd, &file, &failure);
    if (r < 0)
        unlink(path);
    unfinished = NULL;
    if (r < 0)
        return failure_report(&failure);
    printf("%s: %lld bytes\n", path, (long long)file.st_size);
    return EXIT_DONE;
}

static const struct option_def options[] = {
    {"timeout", OPTION_DURATION, offsetof(struct backup_values, timeout), "T", "give up after that time; default 1h",
     NULL, 1},
};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_backup = {
    .name = "backup",
    .summary = "copy the database into a new file",
    .usage = "[OPTION...] FILE",
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct backup_values),
    .run = backup_run,
};
