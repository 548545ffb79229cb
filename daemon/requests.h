/*
 * Requests of the recent past by their random id: the same id from the same process is answered with the same
 * decision, also while that is still being written, and after a restart.
 *
 * Who asked is part of the key, so that nobody reaches another's decision by its id. Only recorded decisions are
 * remembered: one that could not be recorded is forgotten, and a retry is resolved again, to the same result.
 *
 * Limits: `limit` entries, `window_ms` of age; the oldest go first. An entry that is being written always stays.
 */
#ifndef ITEXD_DAEMON_REQUESTS_H
#define ITEXD_DAEMON_REQUESTS_H

#include "daemon/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct request_key {
    uint8_t id[16];
    uint64_t start;
    uint32_t uid;
    int32_t pid;
};

struct request_entry {
    TAILQ_ENTRY(request_entry) age; /* of the settled ones */
    struct request_entry *next;
    struct request_key key;
    uint64_t hash;
    uint64_t decision;        /* 0 while it is being written */
    uint64_t settled_ms;      /* steady clock */
    struct call_list waiters; /* calls that want the decision when it is written */
    bool acceptable;          /* what was decided can be accepted */
    uint32_t owner;           /* of the process it is for; see struct subject */
    bool holds;               /* it is a member of a lease, or of a scheduler's allocation, that is to hear of it */
    uint64_t lease;           /* 0: none was granted */
};

TAILQ_HEAD(request_ages, request_entry);

struct requests {
    struct request_entry **buckets;
    size_t n_buckets, n_entries;
    struct request_ages ages;
    uint64_t seed, window_ms;
    size_t limit;
};

int requests_init(struct requests *requests, size_t limit, uint64_t window_ms);
void requests_deinit(struct requests *requests);
struct request_entry *requests_find(struct requests *requests, const struct request_key *key);
/* A new entry, its decision still to come. NULL without memory. The key must not be there. */
struct request_entry *requests_add(struct requests *requests, const struct request_key *key);
/* The decision is written. */
void requests_settle(struct requests *requests, struct request_entry *entry, uint64_t decision, uint64_t now_ms);
/* The decision was not written: forgets the request. Its waiters must have been answered. */
void requests_drop(struct requests *requests, struct request_entry *entry);

#endif
