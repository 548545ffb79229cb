/* Reads the file that TF_XLA_FLAGS names, as TensorFlow's fopen would find it. */
#ifndef ITEXD_CLIENT_FLAGS_FILE_H
#define ITEXD_CLIENT_FLAGS_FILE_H

#include <stddef.h>

/*
 * 0 with the text (from malloc, terminated; a directory reads as "", as it does for TensorFlow); -ENOENT where
 * fopen would fail, whatever the reason; -ENOMEM; any other -errno where it can be opened but what it says cannot be
 * known: over `limit` bytes (-EFBIG), not a regular file (-EINVAL; a pipe is never opened, for reading would take
 * its bytes away from the job), a NUL byte in it (-EILSEQ), a failing read.
 */
int flags_file_read(const char *path, size_t limit, char **text);

#endif
