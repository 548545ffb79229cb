/* Cleanup by attribute: CLEANUP(freep) char *text = NULL; Every owner's header offers its own *p function. */
#ifndef ITEXD_PROTO_CLEANUP_H
#define ITEXD_PROTO_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* For variables of any pointer type that malloc filled. */
static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

/* For descriptors; -1 is "none". */
static inline void closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* Hands a value out of a CLEANUP variable. */
#define TAKE_PTR(pointer)                                                                                              \
    ({                                                                                                                 \
        __typeof__(pointer) taken_ = (pointer);                                                                        \
        (pointer) = NULL;                                                                                              \
        taken_;                                                                                                        \
    })
#define TAKE_FD(fd)                                                                                                    \
    ({                                                                                                                 \
        int taken_ = (fd);                                                                                             \
        (fd) = -1;                                                                                                     \
        taken_;                                                                                                        \
    })

#endif
