/*
 * The spawner: a small process, forked before the service has threads or clients, that starts the service's children
 * and holds the capabilities meant for them. The loop, which parses hostile packets, has none (spawner_start clears
 * them there) and never forks.
 *
 * The spawner starts only the two kinds it knows, always /proc/self/exe, with an environment made from an allowlist and
 * nothing inherited. It ends, and kills its children, when the service's end of its socket is closed; children of a
 * spawner that was killed die by PR_SET_PDEATHSIG. If the spawner itself dies, children cannot be started any more:
 * spawner_failed says so and status is degraded; the service serves on.
 */
#ifndef ITEXD_CHILDREN_SPAWNER_H
#define ITEXD_CHILDREN_SPAWNER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_kind {
    CHILD_DEVICE_WORKER, /* keeps CAP_PERFMON, where the service was given it */
    CHILD_KEEPER,        /* keeps CAP_FOWNER and CAP_SYS_PTRACE, where the service was given them */
};

#define SPAWNER_MAX_ARGUMENTS 16
#define SPAWNER_MAX_TEXT 4096

/* Of one start. The texts are copied by spawner_spawn. */
struct spawner_arguments {
    const char *arguments[SPAWNER_MAX_ARGUMENTS];   /* behind the kind's own word, ends with NULL */
    const char *environment[SPAWNER_MAX_ARGUMENTS]; /* NAME=VALUE, added to the allowlist's, ends with NULL */
};

struct spawner;

/* Forks the spawner and clears the caller's capabilities. Before any thread and any open client. NULL and errno. */
struct spawner *spawner_start(void);
/* Which capabilities, of those the children may have, it holds: for messages ("not permitted", and which drop-in). */
bool spawner_has_fowner(const struct spawner *spawner);
bool spawner_has_ptrace(const struct spawner *spawner);

/* A started child. The callee owns both descriptors. */
struct spawned {
    pid_t pid;
    int pidfd;
    int socket; /* SOCK_SEQPACKET, non-blocking, close-on-exec */
};
typedef void (*spawned_fn)(void *context, const struct spawned *spawned, int error); /* error: -errno, spawned NULL */
typedef void (*spawner_exited_fn)(void *context, pid_t pid, int wait_status);

/* From now on its answers are handled by the loop. 0, -ENOMEM. */
int spawner_attach(struct spawner *spawner, struct event_base *base);
/* page_fd: the child's shared page, a memfd; it gets it as descriptor 4, its socket as 3. 0, -errno. */
int spawner_spawn(struct spawner *spawner, enum child_kind kind, const struct spawner_arguments *arguments, int page_fd,
                  spawned_fn started, spawner_exited_fn exited, void *context);
/* No callback with this context runs any more. */
void spawner_forget(struct spawner *spawner, const void *context);
bool spawner_failed(const struct spawner *spawner);
/* Ends the spawner, which kills its children; waits for it a second at most. NULL is none. */
void spawner_stop(struct spawner *spawner);

#endif
