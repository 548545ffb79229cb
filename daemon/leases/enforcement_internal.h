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
    bool asked;       /* of the keeper */
    bool restricting; /* what was asked */
    enforcement_done_fn done;
    void *context;
};

struct used_question; /* enforcement_watch.c */

struct watch {
    bool on;
    bool all_users;
    bool asked; /* a look is under way */
    bool known; /* there was one, by the keeper that runs */
    struct event *timer;
    struct foreign_use *uses;
    size_t n_uses;
    LIST_HEAD(used_questions, used_question) questions; /* that are not answered */
};

/* The last failure; only the success of the same makes it past. */
struct access_problem {
    char key[DEVICE_KEY_SIZE]; /* of a card that could not be restricted; "": of what could not be put back */
    char text[320];            /* "": there is none */
};

struct enforcement {
    struct service *service;
    struct child *keeper; /* NULL: nothing for it to do */
    bool on;
    bool clean;    /* what nobody wants restricted has been restored since the keeper came up */
    bool cleaning; /* it is being done */
    struct wanted wanted[DEVICES_MAX];
    size_t n_wanted;
    TAILQ_HEAD(access_orders, access_order) orders;
    struct event *tick; /* while there is something to say */
    uint64_t renew_ms;  /* when what is wanted is said again (steady) */
    struct watch watch;
    struct access_problem problem;
};

int watch_init(struct enforcement *enforcement);
void watch_free(struct watch *watch);
void watch_start(struct enforcement *enforcement); /* the keeper is up */
void watch_stop(struct watch *watch);              /* and has ended */

#endif
