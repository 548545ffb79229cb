/* A driver's strings may have no end and any byte; what leaves here is short, printable and ended. */
#include "daemon/worker/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void text_copy(char *to, size_t size, const char *from, size_t from_size)
{
    size_t length = 0;

    for (size_t i = 0; i < from_size && from[i] && length + 1 < size; i++) {
        if (length == 0 && (from[i] == ' ' || from[i] == '\t' || from[i] == '\n'))
            continue;
        to[length++] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : from[i] == '\n' || from[i] == '\t' ? ' ' : '?';
    }
    while (length > 0 && to[length - 1] == ' ')
        length--;
    to[length] = '\0';
}

void text_uuid(char to[TEXT_UUID_SIZE], const uint8_t id[16])
{
    static const uint8_t none[16];
    char *at = to;

    *at = '\0';
    if (memcmp(id, none, sizeof none) == 0)
        return;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", id[i]);
    }
}
