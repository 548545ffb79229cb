/* Texts and growing lists in memory that is given back as a whole. */
#ifndef ITEXCTL_DOCTOR_TEXTS_H
#define ITEXCTL_DOCTOR_TEXTS_H

#include "daemon/yaml/yaml_memory.h"

#include <stdbool.h>
#include <stddef.h>

/* NULL without memory. */
__attribute__((format(printf, 2, 3))) const char *keep_format(struct yaml_memory *memory, const char *format, ...);
const char *keep_copy(struct yaml_memory *memory, const char *text);

/* Room for one more in a list of n: the list, moved where it had to grow; NULL without memory. */
void *keep_room(struct yaml_memory *memory, void *list, size_t n, size_t size);

/* The beginning of a regular file, at most `most` bytes, with a NUL behind it, from malloc. 0; -ENOMEM; -errno;
 * -EINVAL: no regular file. */
int file_text(const char *path, size_t most, char **text);

/* The next line of a text, without its end, at *at, which is moved behind it; NULL behind the last. Ends are cut into
 * the text itself. */
char *next_line(char **at);

bool path_is_folder(const char *path);
bool path_is_file(const char *path);

#endif
