/*
 * Reading and replacing the live file. It is not synced: what a power cut could lose belongs to a boot that is over.
 *
 * Limit: LIVE_FILE_MAX bytes, far above what the devices of one node can be leased to.
 */
#include "daemon/leases/live_file.h"
#include "daemon/leases/pool.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define LIVE_FORMAT 1
#define LIVE_FILE_MAX ((size_t)64 << 20)
#define BOOT_ID_SIZE 40

static int path_in(const char *directory, const char *name, char path[PATH_MAX])
{
    int size = snprintf(path, PATH_MAX, "%s/%s", directory, name);

    return size > 0 && size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_boot_id(char text[BOOT_ID_SIZE])
{
    CLEANUP(closep) const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return -errno;
    size = read(fd, text, BOOT_ID_SIZE - 1);
    if (size <= 0)
        return size < 0 ? -errno : -EIO;
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

static int read_all(int fd, uint8_t **out, size_t *out_size)
{
    CLEANUP(freep) uint8_t *data = NULL;
    struct stat info;
    size_t size = 0;

    if (fstat(fd, &info) < 0)
        return -errno;
    if (!S_ISREG(info.st_mode) || (size_t)info.st_size > LIVE_FILE_MAX)
        return -EBADMSG;
    data = malloc((size_t)info.st_size + 1);
    if (!data)
        return -ENOMEM;
    while (size < (size_t)info.st_size) {
        ssize_t n = read(fd, data + size, (size_t)info.st_size - size);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        size += n > 0 ? (size_t)n : 0;
    }
    *out = TAKE_PTR(data);
    *out_size = size;
    return 0;
}

static int make_empty(Itexd__Leases__Live **out)
{
    Itexd__Leases__Live *live = malloc(sizeof *live);

    if (!live)
        return -ENOMEM;
    itexd__leases__live__init(live);
    *out = live;
    return 0;
}

static bool unit_valid(const Itexd__Leases__Unit *unit)
{
    return unit->key && strlen(unit->key) < sizeof((struct pool_card *)NULL)->key && unit->has_tile &&
           unit->tile < POOL_MAX_TILES;
}

static bool lease_valid(const Itexd__Leases__Lease *lease)
{
    if (!lease->has_id || lease->id == 0 || !lease->has_uid || lease->n_units > POOL_MAX_UNITS)
        return false;
    for (size_t i = 0; i < lease->n_units; i++)
        if (!unit_valid(lease->units[i]))
            return false;
    for (size_t i = 0; i < lease->n_members; i++)
        if (!lease->members[i]->has_pid || !lease->members[i]->has_start_time)
            return false;
    return true;
}

static bool live_valid(const Itexd__Leases__Live *live)
{
    if (!live->boot_id || !live->has_end || live->end != live->n_leases)
        return false;
    for (size_t i = 0; i < live->n_leases; i++)
        if (!lease_valid(live->leases[i]))
            return false;
    return true;
}

/* 0 and a message of this boot, or an empty one; -EBADMSG. */
static int decode(const uint8_t *data, size_t size, Itexd__Leases__Live **out)
{
    Itexd__Leases__Live *live = itexd__leases__live__unpack(NULL, size, data);
    char boot_id[BOOT_ID_SIZE];
    int error;

    if (!live || !live->has_format) {
        if (live)
            itexd__leases__live__free_unpacked(live, NULL);
        return -EBADMSG;
    }
    error = read_boot_id(boot_id);
    if (error == 0 && live->boot_id && strcmp(live->boot_id, boot_id) != 0) {
        itexd__leases__live__free_unpacked(live, NULL);
        return make_empty(out);
    }
    if (error == 0 && live->format == LIVE_FORMAT && live_valid(live)) {
        *out = live;
        return 0;
    }
    itexd__leases__live__free_unpacked(live, NULL);
    return error < 0 ? error : -EBADMSG;
}

int live_file_read(const char *directory, Itexd__Leases__Live **out)
{
    CLEANUP(freep) uint8_t *data = NULL;
    CLEANUP(closep) int fd = -1;
    char path[PATH_MAX], aside[PATH_MAX];
    size_t size = 0;
    int error = path_in(directory, "leases", path);

    if (error == 0)
        error = path_in(directory, "leases.damaged", aside);
    if (error < 0)
        return error;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? make_empty(out) : -errno;
    error = read_all(fd, &data, &size);
    if (error == 0)
        error = decode(data, size, out);
    if (error == -EBADMSG)
        rename(path, aside);
    return error;
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int replace(const char *path, const char *beside, const uint8_t *data, size_t size)
{
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error;

    if (fd < 0)
        return -errno;
    error = write_all(fd, data, size);
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0 && rename(beside, path) < 0)
        error = -errno;
    if (error < 0)
        unlink(beside);
    return error;
}

int live_file_write(const char *directory, Itexd__Leases__Live *live)
{
    CLEANUP(freep) uint8_t *data = NULL;
    char path[PATH_MAX], beside[PATH_MAX], boot_id[BOOT_ID_SIZE];
    int error = path_in(directory, "leases", path);

    if (error == 0)
        error = path_in(directory, "leases.new", beside);
    if (error == 0)
        error = read_boot_id(boot_id);
    if (error < 0)
        return error;
    live->has_format = live->has_end = true;
    live->format = LIVE_FORMAT;
    live->end = (uint32_t)live->n_leases;
    live->boot_id = boot_id;
    data = malloc(itexd__leases__live__get_packed_size(live) + 1);
    if (data)
        error = replace(path, beside, data, itexd__leases__live__pack(live, data));
    else
        error = -ENOMEM;
    live->boot_id = NULL;
    return error;
}
