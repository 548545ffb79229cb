/* A made-up device tree in a directory of its own, as --device-root takes it. */
#ifndef ITEXD_TESTS_WORKER_TREE_H
#define ITEXD_TESTS_WORKER_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_PCI "sys/bus/pci/devices"

struct tree {
    char root[64];
};

static inline void tree_init(struct tree *tree)
{
    snprintf(tree->root, sizeof tree->root, "/tmp/itexd-tree-XXXXXX");
    if (!mkdtemp(tree->root))
        abort();
}

/* Also makes what is above it. */
static inline void tree_path(const struct tree *tree, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", tree->root, name);
    for (char *slash = path + strlen(tree->root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            abort();
        *slash = '/';
    }
}

static inline void tree_write(const struct tree *tree, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void tree_write(const struct tree *tree, const char *text, const char *format, ...)
{
    char name[512], path[1024];
    va_list arguments;
    int fd;

    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    tree_path(tree, name, path, sizeof path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

static inline void tree_link(const struct tree *tree, const char *target, const char *name)
{
    char path[1024];

    tree_path(tree, name, path, sizeof path);
    if (symlink(target, path) < 0)
        abort();
}

/* A GPU of Intel on the bus, without a kernel driver. */
static inline void tree_gpu(const struct tree *tree, const char *bdf)
{
    tree_write(tree, "0x8086\n", TREE_PCI "/%s/vendor", bdf);
    tree_write(tree, "0x038000\n", TREE_PCI "/%s/class", bdf);
}

static inline void tree_bind(const struct tree *tree, const char *bdf, const char *driver)
{
    char name[256], target[256];

    snprintf(name, sizeof name, TREE_PCI "/%s/driver", bdf);
    snprintf(target, sizeof target, "../../../../bus/pci/drivers/%s", driver);
    tree_link(tree, target, name);
}

static inline void tree_free(struct tree *tree)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", tree->root);
    if (system(command) != 0)
        abort();
}

#endif
