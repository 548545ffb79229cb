/* Reads and writes records. The directory is in memory (/run), so nothing is flushed to a disk. */
#include "daemon/keeper/record.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define HEADING "itexd access 1"

static int read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        used += n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    return used < size - 1 ? 0 : -EFBIG;
}

int record_of(const struct stat *node, struct record *record)
{
    CLEANUP(closep) const int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;

    *record = (struct record){.device = node->st_rdev, .filesystem = node->st_dev, .inode = node->st_ino};
    if (error == 0)
        error = read_all(fd, record->boot, sizeof record->boot);
    record->boot[strcspn(record->boot, "\n")] = '\0';
    return error;
}

void record_clear(struct record *record)
{
    free(record->acl);
    record->acl = NULL;
}

static int parse(const char *text, struct record *record)
{
    unsigned device_major, device_minor, fs_major, fs_minor;
    uint64_t inode;
    int used = 0;

    if (sscanf(text, HEADING "\nboot %39s\ndevice %u:%u\ninode %u:%u %" SCNu64 "\n%n", record->boot, &device_major,
               &device_minor, &fs_major, &fs_minor, &inode, &used) != 6 ||
        used == 0)
        return -EBADMSG;
    record->device = makedev(device_major, device_minor);
    record->filesystem = makedev(fs_major, fs_minor);
    record->inode = (ino_t)inode;
    record->acl = strdup(text + used);
    return record->acl ? 1 : -ENOMEM;
}

int record_read(int directory, const char *name, struct record *record)
{
    char text[RECORD_MAX];
    CLEANUP(closep) const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    *record = (struct record){0};
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int error = read_all(fd, text, sizeof text);
    return error < 0 ? error : parse(text, record);
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int record_write(int directory, const char *name, const struct record *record)
{
    char text[RECORD_MAX], beside[80];
    int length = snprintf(text, sizeof text, HEADING "\nboot %s\ndevice %u:%u\ninode %u:%u %" PRIu64 "\n%s",
                          record->boot, major(record->device), minor(record->device), major(record->filesystem),
                          minor(record->filesystem), (uint64_t)record->inode, record->acl);

    if (length >= (int)sizeof text - 1 || snprintf(beside, sizeof beside, ".%s.new", name) >= (int)sizeof beside)
        return -E2BIG;
    CLEANUP(closep)
    const int fd = openat(directory, beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int error = write_all(fd, text, (size_t)length);
    if (error == 0 && renameat(directory, beside, directory, name) < 0)
        error = -errno;
    if (error < 0)
        unlinkat(directory, beside, 0);
    return error;
}

int record_drop(int directory, const char *name)
{
    return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int record_same_node(const struct record *one, const struct record *other)
{
    return strcmp(one->boot, other->boot) == 0 && one->device == other->device &&
           one->filesystem == other->filesystem && one->inode == other->inode;
}
