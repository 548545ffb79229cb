/*
 * A DRM descriptor's fdinfo has "drm-pdev", "drm-client-id" and memory by region. Descriptors that were dup'ed or
 * passed on share a client, which is counted once. Memory is what is resident on the card (regions local and vram), or
 * what is allocated there where a driver does not tell what is resident.
 *
 * The link target in /proc/PID/fd is not looked at: it takes one capability more, and tells no more.
 */
#include "daemon/keeper/fdinfo.h"
#include "proto/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FDINFO_SIZE 4096

struct client {
    int card;
    uint64_t id;
};

struct descriptor {
    char bdf[32];
    uint64_t client;
    uint64_t resident, total;
    bool has_resident, has_total;
};

struct clients {
    struct client items[FDINFO_MAX_CLIENTS];
    size_t n;
};

/* False: it was there. Beyond the limit nothing more is counted. */
static bool clients_add(struct clients *clients, int card, uint64_t id)
{
    for (size_t i = 0; i < clients->n; i++)
        if (clients->items[i].card == card && clients->items[i].id == id)
            return false;
    if (clients->n == FDINFO_MAX_CLIENTS)
        return false;
    clients->items[clients->n++] = (struct client){.card = card, .id = id};
    return true;
}

static uint64_t parse_size(const char *text)
{
    char unit[8] = "";
    uint64_t value = 0;

    if (sscanf(text, "%" SCNu64 " %7s", &value, unit) < 1)
        return 0;
    const unsigned shift = strcmp(unit, "KiB") == 0   ? 10
                           : strcmp(unit, "MiB") == 0 ? 20
                           : strcmp(unit, "GiB") == 0 ? 30
                                                      : 0;
    return value > UINT64_MAX >> shift ? UINT64_MAX : value << shift;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void read_memory(struct descriptor *descriptor, const char *name, const char *value)
{
    const bool resident = begins(name, "drm-resident-");
    const char *region = name + strlen(resident ? "drm-resident-" : "drm-total-");

    if (!begins(region, "local") && !begins(region, "vram"))
        return;
    uint64_t *sum = resident ? &descriptor->resident : &descriptor->total;
    uint64_t size = parse_size(value);
    *sum = size > UINT64_MAX - *sum ? UINT64_MAX : *sum + size;
    *(resident ? &descriptor->has_resident : &descriptor->has_total) = true;
}

static void read_line(struct descriptor *descriptor, char *line)
{
    char *value = strchr(line, ':');

    if (!value)
        return;
    *value++ = '\0';
    while (isspace((unsigned char)*value))
        value++;
    if (strcmp(line, "drm-pdev") == 0)
        snprintf(descriptor->bdf, sizeof descriptor->bdf, "%.31s", value);
    else if (strcmp(line, "drm-client-id") == 0)
        descriptor->client = strtoull(value, NULL, 10);
    else if (begins(line, "drm-resident-") || begins(line, "drm-total-"))
        read_memory(descriptor, line, value);
}

/* False: no DRM descriptor. */
static bool read_descriptor(int directory, const char *name, struct descriptor *descriptor)
{
    char text[FDINFO_SIZE];
    char *rest = NULL;
    CLEANUP(closep) const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (size <= 0)
        return false;
    text[size] = '\0';
    if (!strstr(text, "drm-"))
        return false;
    *descriptor = (struct descriptor){0};
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        read_line(descriptor, line);
    return descriptor->bdf[0] != '\0';
}

static void count(struct fdinfo_use *use, struct clients *clients, const struct descriptor *descriptor,
                  const char *const *bdfs, size_t n_bdfs)
{
    for (size_t i = 0; i < n_bdfs; i++) {
        if (strcasecmp(bdfs[i], descriptor->bdf) != 0)
            continue;
        use->cards |= UINT64_C(1) << i;
        if (!clients_add(clients, (int)i, descriptor->client))
            return;
        if (!descriptor->has_resident && !descriptor->has_total)
            return;
        uint64_t size = descriptor->has_resident ? descriptor->resident : descriptor->total;
        use->memory_bytes = size > UINT64_MAX - use->memory_bytes ? UINT64_MAX : use->memory_bytes + size;
        use->memory_known = true;
        return;
    }
}

bool fdinfo_read(int process, const char *const *bdfs, size_t n_bdfs, struct fdinfo_use *use)
{
    struct clients clients = {.n = 0};
    struct descriptor descriptor;
    const struct dirent *entry;
    int fd = openat(process, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    *use = (struct fdinfo_use){0};
    if (!directory) {
        closep(&fd);
        return false;
    }
    while ((entry = readdir(directory)))
        if (isdigit((unsigned char)entry->d_name[0]) && read_descriptor(dirfd(directory), entry->d_name, &descriptor))
            count(use, &clients, &descriptor, bdfs, n_bdfs);
    closedir(directory);
    return true;
}
