/*
 * /etc/ld.so.cache: see library_search.h. The form is glibc's since 2.2; since 2.32 it stands alone, before that
 * behind an older one. Every offset is checked.
 */
#include "client/itexctl/doctor/library_search.h"
#include "client/itexctl/doctor/texts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_CACHE (32u << 20)

static const char magic[] = "glibc-ld.so.cache1.1";

struct cache_header {
    char magic[20];
    uint32_t n_entries;
    uint32_t strings_size;
    uint32_t unused[5];
};

struct cache_entry {
    int32_t flags;
    uint32_t name, path; /* from the header on */
    uint32_t system_version;
    uint64_t capabilities;
};

/* The part from the header on. */
static const char *find_header(const struct linker_cache *cache, struct cache_header *header, size_t *size)
{
    const char *start = cache->data ? memmem(cache->data, cache->size, magic, sizeof(magic) - 1) : NULL;
    if (!start)
        return NULL;
    *size = cache->size - (size_t)(start - cache->data);
    if (*size < sizeof(*header))
        return NULL;
    memcpy(header, start, sizeof(*header));
    return header->n_entries <= (*size - sizeof(*header)) / sizeof(struct cache_entry) ? start : NULL;
}

int linker_cache_read(const char *path, struct linker_cache *cache)
{
    struct stat status;
    *cache = (struct linker_cache){.data = NULL};
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > MOST_CACHE)
        return 0;
    size_t size = (size_t)status.st_size;
    CLEANUP(freep) char *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    while (cache->size < size) {
        ssize_t n = read(fd, data + cache->size, size - cache->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        cache->size += (size_t)n;
    }
    data[cache->size] = '\0'; /* so that its last string ends */
    cache->data = TAKE_PTR(data);
    return 0;
}

void linker_cache_clear(struct linker_cache *cache)
{
    free(cache->data);
    *cache = (struct linker_cache){.data = NULL};
}

const char *linker_cache_find(const struct linker_cache *cache, const char *name, size_t *at)
{
    struct cache_header header;
    size_t size;
    const char *start = find_header(cache, &header, &size);
    for (; start && *at < header.n_entries; ++*at) {
        struct cache_entry entry;
        memcpy(&entry, start + sizeof(header) + *at * sizeof(entry), sizeof(entry));
        if (entry.name >= size || entry.path >= size || strcmp(start + entry.name, name) != 0)
            continue;
        ++*at;
        return start + entry.path;
    }
    return NULL;
}
