/*
 * What became of a request for devices, as the decision needs it: what the lease sets in the job's environment, what is
 * to be said about it, and which devices the job will see.
 */
#ifndef ITEXD_DAEMON_GRANT_H
#define ITEXD_DAEMON_GRANT_H

#include "daemon/leases/leases.h"
#include "daemon/leases/mask.h"
#include "daemon/resolver/resolver.h"
#include "db/store.h"
#include "itexd.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;

#define GRANT_NOTES 4
struct grant_note {
    const char *rule; /* one of the service's own, from a constant */
    char detail[600];
};

#define GRANT_CARDS_SIZE (POOL_MAX_CARDS * sizeof "8,")
struct grant {
    struct lease_member *member; /* NULL: none */
    bool rejected;               /* there is nothing that the job could run on */
    bool none;                   /* the job as it is sees no device, for a reason that no rule can find */
    bool scheduled;              /* it has what a scheduler gave it */
    /* Facts of the node, under their names; NULL or "": not known. */
    const char *devices, *driver_hierarchy;
    char cards[GRANT_CARDS_SIZE];
    struct env_variable variables[MASK_VARIABLES + 1];
    size_t n_variables;
    struct grant_note notes[GRANT_NOTES];
    size_t n_notes;
    struct mask_variable *values; /* what variables point into; owned */
};
#define GRANT_INIT                                                                                                     \
    {                                                                                                                  \
        .member = NULL                                                                                                 \
    }
void grant_clear(struct grant *grant);
void grant_note(struct grant *grant, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fills in what the member's lease sets; request gives the job's own variables. 0; -ENOMEM; what mask_environment
 * returns. */
int grant_fill(struct grant *grant, const struct pool *pool, struct lease_member *member,
               const Itexd__V1__Resolve *request);
/* Looks up what a scheduler gave to the job: false where no scheduler has. Fills in everything but the member;
 * *recordable where the allocation can be recorded. */
bool grant_scheduled(struct grant *grant, const struct pool *pool, const Itexd__V1__Resolve *request,
                     struct allocation *allocation);

/* Fills in the facts of the node, as far as they are known. devices: what the request says of its devices, and which
 * of the node's it can open; NULL: nothing. */
void grant_see(struct grant *grant, const struct service *service, const Itexd__V1__DeviceRequest *devices);

/* What of it a resolution depends on, as bytes. */
size_t grant_key_size(const struct grant *grant);
void grant_key(const struct grant *grant, uint8_t *out);

/* The devices that a member sees, with their names and UUIDs: one piece of memory from malloc. NULL without memory. */
struct store_unit *grant_units(const struct service *service, const struct units *units);

/* What is wrong with the request's fields; NULL: nothing. */
const char *grant_check(const Itexd__V1__DeviceRequest *devices);

#endif
