/*
 * Access to leased cards and foreign use, through the keeper: loop side. Does nothing where the options say so.
 *
 * Enforcement. While a card is leased its render and card node are for the holders' uids only. A grant is answered when
 * that is done, and an ended lease's card is free again when its nodes are as they were.
 *
 * Foreign use. Every watch interval the keeper looks which processes have which cards open; those that are neither in a
 * lease of the card nor itexd's own are foreign: counted, listed, and an event when one is new.
 */
#ifndef ITEXD_LEASES_ENFORCEMENT_H
#define ITEXD_LEASES_ENFORCEMENT_H

#include "daemon/call.h"
#include "daemon/leases/pool.h"

struct child;
struct service;
struct enforcement;

int enforcement_init(struct service *service, struct enforcement **out);
void enforcement_free(struct enforcement *enforcement);
void enforcement_apply_options(struct enforcement *enforcement);

bool enforcement_on(const struct enforcement *enforcement);
/* done (NULL: nobody waits) gets 0, or -errno with why. Runs later, once, also where the keeper dies; never where
 * enforcement is freed before. n_uids 0: as it was before. What was set is said again whenever the keeper starts or
 * nodes are made anew, also where it failed, until something else is set. May be called before devices are known. */
typedef void (*enforcement_done_fn)(void *context, int error, const char *why);
int enforcement_set(struct enforcement *enforcement, const char *key, const uint32_t *uids, size_t n_uids,
                    enforcement_done_fn done, void *context);
/* Nodes were made anew (uevent), or became known (inventory): says again what holds. NULL is none. */
void enforcement_renew(struct enforcement *enforcement);

/* Looks now which of uid's processes are on one of the cards; done gets how many, or -errno where it cannot be known:
 * -EAGAIN where it may be in a moment (the keeper is starting, or has just ended; a card is not known yet), else
 * another. 0; or such an error where it is clear at once, and done then does not run. */
typedef void (*enforcement_used_fn)(void *context, int processes);
int enforcement_used(struct enforcement *enforcement, const char *const *keys, size_t n_keys, uint32_t uid,
                     enforcement_used_fn done, void *context);

struct foreign_use {
    int32_t pid;
    uint64_t start;
    uint32_t uid;
    char command[32];
    char key[48];
    uint64_t memory_bytes; /* 0: not told */
};
/* Of the last look, an entry for each card that a process uses. Whom it could see, enforcement_status says. */
size_t enforcement_foreign(const struct enforcement *enforcement, const struct foreign_use **uses);
/* For status; see devices_status. */
void enforcement_status(const struct enforcement *enforcement, Itexd__V1__Status *status);
/* NULL: there is none. */
const struct child *enforcement_keeper(const struct enforcement *enforcement);
void enforcement_problem(const struct enforcement *enforcement, char *text, size_t size);

#endif
