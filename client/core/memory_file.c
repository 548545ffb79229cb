/* A memfd is written once and then sealed: the receiver checks the seals and may trust the bytes. */
#include "client/core/memory_file.h"

#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

int memory_file_create(const char *name, const void *data, size_t size)
{
    if (size > MEMORY_FILE_MAX)
        return -EFBIG;
    CLEANUP(closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, size);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -errno;
    return TAKE_FD(fd);
}
