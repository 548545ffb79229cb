/* Shared by enforcement.c (the keeper, access) and enforcement_watch.c (who uses what). */
#ifndef ITEXD_LEASES_ENFORCEMENT_INTERNAL_H
#define ITEXD_LEASES_ENFORCEMENT_INTERNAL_H

#include "daemon/children/child.h"
#include "daemon/devices/devices.h"
#include "daemon/leases/enforcement.h"
#include "daemon/service.h"

#include <sys/queue.h>

#define KEEPER_DEADLINE_MS 5000
/* What was asked for while the keeper is starting fails after that. */
#define KEEPER_WAIT_MS 5000

struct wanted {
    char key[DEVICE_KEY_SIZE];
    uint32_t *uids;
    size_t n_uids;
};

/* One enforcement_set, until it has been done. */
struct access_order {
    TAILQ_ENTRY(access_order) link;
    struct enforcement *enforcement;
    char key[DEVICE_KEY_SIZE];
    uint64_t give_up_ms;
    bool asked; /* of the keeper */
    enforcement_done_fn done;
    void *context;
};

/* One enforcement_used that has been asked of the keeper. */
struct used_question {
    LIST_ENTRY(used_question) link;
    uint32_t uid;
    enforcement_used_fn done;
    void *context;
};

struct watch {
    bool on;
    bool all_users;
    bool asked; /* a look is under way */
    bool known; /* there was one */
    struct event *timer;
    struct foreign_use *uses;
    size_t n_uses;
    LIST_HEAD(used_questions, used_question) questions;
};

struct enforcement {
    struct service *service;
    struct child *keeper; /* NULL: nothing for it to do */
    bool on;
    bool clean; /* what nobody wants restricted has been restored since the keeper came up */
    struct wanted wanted[DEVICES_MAX];
    size_t n_wanted;
    TAILQ_HEAD(access_orders, access_order) orders;
    struct event *tick; /* while there is something to say */
    unsigned ticks;
    struct watch watch;
    char problem[200]; /* of the last failure, "" since a success */
};

int watch_init(struct enforcement *enforcement);
void watch_free(struct watch *watch);
void watch_start(struct enforcement *enforcement); /* the keeper is up */

#endif
