/*
 * Inside a child: reading requests and answering them, and the sandbox. Blocking and single-threaded, for a child does
 * one thing at a time and may be killed at any moment.
 */
#ifndef ITEXD_CHILDREN_INSIDE_H
#define ITEXD_CHILDREN_INSIDE_H

#include "child.pb-c.h"
#include "daemon/children/child.h"

#define CHILD_SOCKET_FD 3
#define CHILD_PAGE_FD 4

/* argv[1] of a child; main sends the process to its own main by it. */
#define CHILD_WORD_DEVICE_WORKER "device-worker"
#define CHILD_WORD_KEEPER "keeper"

/* Maps the page; a page of its own where the descriptor is not there (a child started by hand, for a debugger). */
struct child_page *inside_page(void);

struct inside_limits {
    uint64_t open_files, address_space; /* 0: as it is */
};
/* No new privileges, no core, these limits, and, with filter, a seccomp filter that refuses (EPERM) sockets, exec, new
 * processes, tracing, mounting and the like, and allows the rest: a driver may do anything else. 0, -errno. */
int inside_sandbox(const struct inside_limits *limits, bool filter);

/* Fills reply (INIT'ed, id set); what it points to lives until the next call. */
typedef void (*inside_handler)(void *context, const Itexd__Child__Request *request, Itexd__Child__Reply *reply);
/* A reply longer than CHILD_PACKET_MAX becomes an error text. Serves until the other side closes its end; then
 * _exit(0). A request that cannot be decoded ends it with 70. */
void inside_serve(inside_handler handler, void *context) __attribute__((noreturn));

#endif
