/* A small hash table of uids. Limits may change at any time: what is charged stays, only new charges see them. */
#include "daemon/quota.h"

#include <assert.h>
#include <stdlib.h>

static struct quota_user **bucket_of(struct quota *quota, uid_t uid)
{
    return &quota->buckets[(uid ^ (uid >> 8) ^ (uid >> 16)) % QUOTA_BUCKETS];
}

struct quota_user *quota_user_get(struct quota *quota, uid_t uid)
{
    struct quota_user **bucket = bucket_of(quota, uid);
    struct quota_user *user = *bucket;

    while (user && user->uid != uid)
        user = user->next;
    if (!user) {
        user = calloc(1, sizeof *user);
        if (!user)
            return NULL;
        *user = (struct quota_user){.quota = quota, .next = *bucket, .uid = uid};
        *bucket = user;
        quota->n_users++;
    }
    user->references++;
    return user;
}

static void free_unused(struct quota_user *user)
{
    if (user->references > 0)
        return;
    for (int kind = 0; kind < QUOTA_KINDS; kind++)
        if (user->used[kind] > 0)
            return;

    struct quota_user **at = bucket_of(user->quota, user->uid);
    while (*at != user)
        at = &(*at)->next;
    *at = user->next;
    user->quota->n_users--;
    free(user);
}

void quota_user_put(struct quota_user *user)
{
    if (!user)
        return;
    user->references--;
    free_unused(user);
}

static uint64_t limit_of(const struct quota *quota, enum quota_kind kind)
{
    switch (kind) {
    case QUOTA_CONNECTIONS:
        return quota->limits.connections;
    case QUOTA_REQUESTS:
        return quota->limits.requests;
    case QUOTA_READS:
        return QUOTA_READS_PER_UID;
    default:
        return quota->limits.bytes;
    }
}

bool quota_charge(struct quota_user *user, enum quota_kind kind, uint64_t amount)
{
    uint64_t limit = limit_of(user->quota, kind);

    if (amount > limit || user->used[kind] > limit - amount)
        return false;
    user->used[kind] += amount;
    return true;
}

void quota_release(struct quota_user *user, enum quota_kind kind, uint64_t amount)
{
    assert(user->used[kind] >= amount);
    user->used[kind] -= amount;
    free_unused(user);
}
