/* Large input for the service: bytes in a sealed memfd, which the receiver can map without fearing changes. */
#ifndef ITEXD_CLIENT_MEMORY_FILE_H
#define ITEXD_CLIENT_MEMORY_FILE_H

#include <stddef.h>

#define MEMORY_FILE_MAX (16u * 1024 * 1024)

/* A descriptor (close-on-exec, sealed against every change) or -errno; -EFBIG over MEMORY_FILE_MAX. */
int memory_file_create(const char *name, const void *data, size_t size);

#endif
