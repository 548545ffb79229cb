/*
 * What the loop and the spawner say to each other, a struct per packet: both are the same process image, and neither
 * is exposed to anybody else.
 */
#ifndef ITEXD_CHILDREN_SPAWNER_PROTOCOL_H
#define ITEXD_CHILDREN_SPAWNER_PROTOCOL_H

#include "daemon/children/spawner.h"

/* To the spawner; with it goes the page's descriptor. */
struct spawn_order {
    uint64_t id;
    uint32_t kind;
    uint32_t n_arguments, n_environment;
    char text[SPAWNER_MAX_TEXT]; /* arguments, then environment, each ended by a NUL */
};

enum spawn_news_kind { SPAWN_STARTED, SPAWN_FAILED, SPAWN_EXITED };

/* From the spawner; with SPAWN_STARTED go the pidfd and the child's socket. */
struct spawn_news {
    uint64_t id; /* of the order */
    uint32_t kind;
    int32_t pid;
    int32_t status; /* of waitpid, or -errno */
    int32_t unused; /* in place of padding: a struct is sent as it lies in memory */
};

#define SPAWN_NEWS_FDS 2

/* One packet with descriptors. Bytes sent or received, 0 at the end, -errno. What is not filled of fds is -1; the
 * caller owns them. */
int spawner_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds);
int spawner_receive(int socket, void *data, size_t size, int *fds, size_t n_fds, int flags);

/* The spawner's own main. */
void spawner_main(int socket, unsigned held) __attribute__((noreturn));

#endif
