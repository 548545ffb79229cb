/* Strings from a driver or from sysfs, before anybody sees them. */
#ifndef ITEXD_WORKER_TEXT_H
#define ITEXD_WORKER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Copies up to the first NUL, `from_size` bytes, or what fits, whichever is first. Whatever is not printable ASCII
 * becomes '?'; blanks at both ends go. */
void text_copy(char *to, size_t size, const char *from, size_t from_size);
/* 16 bytes as 8-4-4-4-12 hexadecimal digits; "" for all zero. */
#define TEXT_UUID_SIZE 37
void text_uuid(char to[TEXT_UUID_SIZE], const uint8_t id[16]);

#endif
