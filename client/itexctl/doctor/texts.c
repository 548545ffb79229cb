/* Texts in memory: see texts.h. */
#include "client/itexctl/doctor/texts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

const char *keep_format(struct yaml_memory *memory, const char *format, ...)
{
    va_list arguments;
    CLEANUP(freep) char *text = NULL;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return NULL;
    }
    return yaml_memory_copy(memory, text, (size_t)length);
}

const char *keep_copy(struct yaml_memory *memory, const char *text)
{
    return yaml_memory_copy(memory, text, strlen(text));
}

/* Grows where n is a power of two, so that no size needs to be kept. */
void *keep_room(struct yaml_memory *memory, void *list, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0)
        return list;
    void *grown = yaml_memory_get(memory, n > 0 ? n * 2 : 1, size);
    if (grown && n > 0)
        memcpy(grown, list, n * size);
    return grown;
}

int file_text(const char *path, size_t most, char **text)
{
    struct stat status;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    size_t room = (uint64_t)status.st_size < most ? (size_t)status.st_size : most, used = 0;
    CLEANUP(freep) char *buffer = malloc(room + 1);
    if (!buffer)
        return -ENOMEM;
    while (used < room) {
        ssize_t n = read(fd, buffer + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    buffer[used] = '\0';
    *text = TAKE_PTR(buffer);
    return 0;
}

char *next_line(char **at)
{
    char *line = *at;
    if (!*line)
        return NULL;
    char *end = line + strcspn(line, "\n");
    *at = *end ? end + 1 : end;
    *end = '\0';
    if (end > line && end[-1] == '\r')
        end[-1] = '\0';
    return line;
}

bool path_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool path_is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}
