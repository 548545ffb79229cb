/* Looks before it opens, so that a pipe, a terminal or a device that happens to be named is left alone. */
#include "client/core/flags_file.h"

#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* -errno of an open that failed: for want of resources nothing is known, else fopen fails in the job as well. */
static int open_error(int error)
{
    if (error == ENOMEM)
        return -ENOMEM;
    return error == EMFILE || error == ENFILE ? -error : -ENOENT;
}

static int read_whole(int fd, size_t limit, char **text)
{
    CLEANUP(freep) char *buffer = malloc(limit + 1);
    size_t used = 0;

    if (!buffer)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, buffer + used, limit + 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EISDIR) /* a directory opens and reads as nothing */
            return errno == ENOENT ? -EIO : -errno;
        if (n <= 0)
            break;
        used += (size_t)n;
        if (used > limit)
            return -EFBIG;
    }
    if (memchr(buffer, '\0', used))
        return -EILSEQ;
    buffer[used] = '\0';
    char *fitting = realloc(buffer, used + 1);
    if (fitting)
        buffer = fitting;
    *text = TAKE_PTR(buffer);
    return 0;
}

int flags_file_read(const char *path, size_t limit, char **text)
{
    struct statx about;

    /* statx rather than stat, whose symbol would tie the library to the newest C libraries. */
    if (statx(AT_FDCWD, path, 0, STATX_TYPE, &about) < 0)
        return open_error(errno);
    bool null_device = S_ISCHR(about.stx_mode) && about.stx_rdev_major == 1 && about.stx_rdev_minor == 3;
    if (!S_ISREG(about.stx_mode) && !S_ISDIR(about.stx_mode) && !null_device)
        return access(path, R_OK) < 0 ? -ENOENT : -EINVAL;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return open_error(errno);
    return read_whole(fd, limit, text);
}
