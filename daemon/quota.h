/*
 * What each uid uses of the service: connections, requests in flight, those of them that wait for the database's one
 * reader, bytes waiting to be read by it.
 *
 * Everything is charged to and released from the object that quota_user_get returned; it goes with the last reference
 * and charge. Charges may be released in other portions than they were made in.
 */
#ifndef ITEXD_DAEMON_QUOTA_H
#define ITEXD_DAEMON_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUOTA_READS_PER_UID 64 /* a quarter of what the store lets wait */

struct quota_limits {
    uint64_t connections;
    uint64_t requests;
    uint64_t bytes;
};

enum quota_kind { QUOTA_CONNECTIONS, QUOTA_REQUESTS, QUOTA_READS, QUOTA_BYTES, QUOTA_KINDS };

struct quota;

struct quota_user {
    struct quota *quota;
    struct quota_user *next;
    uid_t uid;
    unsigned references;
    uint64_t used[QUOTA_KINDS];
    uint64_t turn, turn_us; /* of the server: the last in which it was read, and the time that took */
};

#define QUOTA_BUCKETS 256
struct quota {
    struct quota_limits limits;
    struct quota_user *buckets[QUOTA_BUCKETS];
    size_t n_users;
};

/* Finds or makes the user, with one reference more. NULL without memory. */
struct quota_user *quota_user_get(struct quota *quota, uid_t uid);
void quota_user_put(struct quota_user *user);
/* False, with nothing charged, where the limit would be passed. */
bool quota_charge(struct quota_user *user, enum quota_kind kind, uint64_t amount);
void quota_release(struct quota_user *user, enum quota_kind kind, uint64_t amount);

#endif
