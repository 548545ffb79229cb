/* The algorithm of acl(5), "Access check algorithm", for reading and writing together. */
#include "client/itexctl/doctor/acl.h"

#include <acl/libacl.h>
#include <errno.h>
#include <sys/acl.h>
#include <sys/stat.h>

struct entry {
    acl_tag_t tag;
    uid_t id; /* of a named user or group */
    bool read, write;
};

/* Walks the entries; false at the end. */
static bool next_entry(acl_t acl, int which, struct entry *out)
{
    acl_entry_t entry;
    acl_permset_t rights;
    if (acl_get_entry(acl, which, &entry) != 1 || acl_get_tag_type(entry, &out->tag) < 0 ||
        acl_get_permset(entry, &rights) < 0)
        return false;
    out->read = acl_get_perm(rights, ACL_READ) == 1;
    out->write = acl_get_perm(rights, ACL_WRITE) == 1;
    out->id = (uid_t)-1;
    if (out->tag == ACL_USER || out->tag == ACL_GROUP) {
        const id_t *id = acl_get_qualifier(entry);
        if (id)
            out->id = *id;
        acl_free((void *)id);
    }
    return true;
}

static bool in_group(const struct doctor_user *user, gid_t gid)
{
    for (size_t i = 0; i < user->n_groups; i++)
        if (user->groups[i] == gid)
            return true;
    return user->gid == gid;
}

static bool gives(const struct entry *entry, const struct entry *mask)
{
    bool masked = entry->tag == ACL_USER || entry->tag == ACL_GROUP || entry->tag == ACL_GROUP_OBJ;
    return entry->read && entry->write && (!masked || (mask->read && mask->write));
}

static bool check(acl_t acl, const struct stat *status, const struct doctor_user *user)
{
    struct entry entry, mask = {.read = true, .write = true}, other = {.read = false};
    bool member = false;
    for (int which = ACL_FIRST_ENTRY; next_entry(acl, which, &entry); which = ACL_NEXT_ENTRY) {
        if (entry.tag == ACL_MASK)
            mask = entry;
        else if (entry.tag == ACL_OTHER)
            other = entry;
    }
    /* The entries of users stand before those of groups. */
    for (int which = ACL_FIRST_ENTRY; next_entry(acl, which, &entry); which = ACL_NEXT_ENTRY) {
        if ((entry.tag == ACL_USER_OBJ && status->st_uid == user->uid) ||
            (entry.tag == ACL_USER && entry.id == user->uid))
            return gives(&entry, &mask);
        bool mine = (entry.tag == ACL_GROUP_OBJ && in_group(user, status->st_gid)) ||
                    (entry.tag == ACL_GROUP && in_group(user, (gid_t)entry.id));
        if (mine && gives(&entry, &mask))
            return true;
        member |= mine;
    }
    return !member && gives(&other, &mask);
}

int acl_may_open(const char *path, const struct doctor_user *user)
{
    struct stat status;
    if (user->uid == 0)
        return 0;
    if (stat(path, &status) < 0)
        return errno;
    acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);
    if (!acl && errno == EOPNOTSUPP)
        acl = acl_from_mode(status.st_mode);
    if (!acl)
        return errno;
    bool allowed = check(acl, &status, user);
    acl_free(acl);
    return allowed ? 0 : EACCES;
}

bool acl_restricts(const char *path)
{
    struct entry entry;
    bool users = false, group = false;
    acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);
    if (!acl)
        return false;
    for (int which = ACL_FIRST_ENTRY; next_entry(acl, which, &entry); which = ACL_NEXT_ENTRY) {
        users |= entry.tag == ACL_USER;
        group |= entry.tag == ACL_GROUP_OBJ && entry.write;
    }
    acl_free(acl);
    return users && !group;
}
