/*
 * Restricting and restoring, by libacl.
 *
 * A node is opened once, by its name in /dev/dri and without following a link, and from then on reached through that
 * descriptor: nobody can put another file in its place between the look and the change.
 */
#include "daemon/keeper/access.h"
#include "daemon/keeper/record.h"
#include "proto/cleanup.h"

#include <acl/libacl.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define NODES "/dev/dri/"
#define LOCK_NAME ".lock"
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000

struct access {
    int records; /* RUNTIME/access */
    int lock;
    char nodes[4096]; /* ROOT/dev/dri */
};

struct node {
    const char *name;
    int fd; /* O_PATH; -1: there is none */
    uid_t owner;
    struct record now;
};
#define NODE_NULL                                                                                                      \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

static void node_clear(struct node *node)
{
    closep(&node->fd);
    record_clear(&node->now);
}

static void acl_freep(acl_t *acl)
{
    if (*acl)
        acl_free(*acl);
}

static void acl_textp(char **text)
{
    if (*text)
        acl_free(*text);
}

/* What there is to do, or to know. */
static const char *hint(int result)
{
    switch (result) {
    case -EPERM:
        return " (itexd needs CAP_FOWNER for that: its unit's drop-in acl.conf)";
    case -ENOTTY:
        return " (it is no character device)";
    case -EBADMSG:
        return " (its record in itexd's runtime directory is damaged: set the node's access as it has to be, and "
               "remove the record)";
    default:
        return "";
    }
}

static int fail(char *error, size_t size, int result, const char *format, ...) __attribute__((format(printf, 4, 5)));
static int fail(char *error, size_t size, int result, const char *format, ...)
{
    va_list arguments;
    int used;

    va_start(arguments, format);
    used = vsnprintf(error, size, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < size)
        snprintf(error + used, size - (size_t)used, ": %s%s", strerror(-result), hint(result));
    return result;
}

/* ---- The directory of records -------------------------------------------------------------------------------- */

/* A keeper that was killed lets go of it in a moment. */
static int lock(int fd)
{
    static const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        nanosleep(&pause, NULL);
    }
    return -EBUSY;
}

static int open_records(const char *runtime_directory)
{
    CLEANUP(closep) int runtime = -1;
    int records;

    if (mkdir(runtime_directory, 0750) < 0 && errno != EEXIST)
        return -errno;
    runtime = open(runtime_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runtime < 0 || (mkdirat(runtime, "access", 0700) < 0 && errno != EEXIST))
        return -errno;
    records = openat(runtime, "access", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return records < 0 ? -errno : records;
}

int access_open(const char *runtime_directory, const char *device_root, struct access **out, char *error, size_t size)
{
    struct access *access = calloc(1, sizeof *access);
    int result;

    if (!access)
        return fail(error, size, -ENOMEM, "access");
    access->lock = -1;
    access->records = open_records(runtime_directory);
    result = access->records < 0 ? access->records : 0;
    if (snprintf(access->nodes, sizeof access->nodes, "%s" NODES, device_root) >= (int)sizeof access->nodes)
        result = -ENAMETOOLONG;
    if (result == 0) {
        access->lock = openat(access->records, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        result = access->lock < 0 ? -errno : lock(access->lock);
    }
    if (result < 0) {
        access_close(access);
        return fail(error, size, result, "%s/access cannot be used", runtime_directory);
    }
    *out = access;
    return 0;
}

void access_close(struct access *access)
{
    if (!access)
        return;
    if (access->records >= 0)
        close(access->records);
    if (access->lock >= 0)
        close(access->lock);
    free(access);
}

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

static bool is_node_name(const char *name)
{
    size_t n = 0;

    while (isalnum((unsigned char)name[n]))
        n++;
    return n > 0 && n < 64 && name[n] == '\0';
}

/* 1: it is there; 0: it is not. */
static int open_node(const struct access *access, const char *name, struct node *node)
{
    CLEANUP(closep) const int directory = open(access->nodes, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat status;

    node->name = name;
    if (directory < 0)
        return errno == ENOENT ? 0 : -errno;
    node->fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(node->fd, &status) < 0)
        return -errno;
    if (!S_ISCHR(status.st_mode))
        return -ENOTTY;
    node->owner = status.st_uid;
    int error = record_of(&status, &node->now);
    return error < 0 ? error : 1;
}

static const char *node_path(const struct node *node, char path[32])
{
    snprintf(path, 32, "/proc/self/fd/%d", node->fd);
    return path;
}

static int set_acl(const struct node *node, acl_t acl)
{
    char path[32];

    return acl_set_file(node_path(node, path), ACL_TYPE_ACCESS, acl) < 0 ? -errno : 0;
}

/* ---- Restricting --------------------------------------------------------------------------------------------- */

static int add_entry(acl_t *acl, acl_tag_t tag, const uint32_t *uid, unsigned permissions)
{
    acl_entry_t entry;
    acl_permset_t set;

    if (acl_create_entry(acl, &entry) < 0 || acl_set_tag_type(entry, tag) < 0 || acl_get_permset(entry, &set) < 0 ||
        acl_clear_perms(set) < 0)
        return -1;
    if ((uid && acl_set_qualifier(entry, uid) < 0) || (permissions && acl_add_perm(set, permissions) < 0))
        return -1;
    return 0;
}

/* The owner's permissions in an ACL. */
static unsigned owner_permissions(acl_t acl)
{
    acl_entry_t entry;
    acl_tag_t tag;
    acl_permset_t set;
    unsigned permissions = 0;

    for (int more = acl_get_entry(acl, ACL_FIRST_ENTRY, &entry); more == 1;
         more = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry)) {
        if (acl_get_tag_type(entry, &tag) < 0 || tag != ACL_USER_OBJ || acl_get_permset(entry, &set) < 0)
            continue;
        permissions |= acl_get_perm(set, ACL_READ) == 1 ? ACL_READ : 0;
        permissions |= acl_get_perm(set, ACL_WRITE) == 1 ? ACL_WRITE : 0;
    }
    return permissions;
}

static bool is_listed(uint32_t uid, const uint32_t *uids, size_t n_uids)
{
    for (size_t i = 0; i < n_uids; i++)
        if (uids[i] == uid)
            return true;
    return false;
}

/* `own` may open it too, unless it is the owner, whose entry stays: the device worker runs as that user. */
static acl_t make_restricted(acl_t original, uid_t owner, uint32_t own, const uint32_t *uids, size_t n_uids)
{
    acl_t acl = acl_init((int)n_uids + 5);
    bool failed = !acl;

    failed = failed || add_entry(&acl, ACL_USER_OBJ, NULL, owner_permissions(original)) < 0;
    for (size_t i = 0; !failed && i < n_uids; i++)
        failed = !is_listed(uids[i], uids, i) && add_entry(&acl, ACL_USER, &uids[i], ACL_READ | ACL_WRITE) < 0;
    if (!failed && own != owner && !is_listed(own, uids, n_uids))
        failed = add_entry(&acl, ACL_USER, &own, ACL_READ | ACL_WRITE) < 0;
    failed = failed || add_entry(&acl, ACL_GROUP_OBJ, NULL, 0) < 0 ||
             add_entry(&acl, ACL_MASK, NULL, ACL_READ | ACL_WRITE) < 0 || add_entry(&acl, ACL_OTHER, NULL, 0) < 0 ||
             acl_valid(acl) < 0;
    if (!failed)
        return acl;
    acl_freep(&acl);
    return NULL;
}

/* What is right already is not written again. */
static int put_acl(const struct node *node, acl_t acl)
{
    char path[32];
    CLEANUP(acl_freep) acl_t now = acl_get_file(node_path(node, path), ACL_TYPE_ACCESS);

    return now && acl_cmp(now, acl) == 0 ? 0 : set_acl(node, acl);
}

/* The record of the original, which is made where there is none of this node yet. 1: it was made; 0; -errno. */
static int ensure_record(const struct access *access, struct node *node, struct record *record)
{
    char path[32];
    int result = record_read(access->records, node->name, record);

    if (result < 0)
        return result;
    if (result == 1 && record_same_node(record, &node->now))
        return 0;
    record_clear(record);
    CLEANUP(acl_freep) acl_t acl = acl_get_file(node_path(node, path), ACL_TYPE_ACCESS);
    if (!acl)
        return -errno;
    CLEANUP(acl_textp) char *text = acl_to_any_text(acl, NULL, '\n', TEXT_NUMERIC_IDS);
    *record = node->now;
    record->acl = text ? strdup(text) : NULL;
    if (!record->acl)
        return -ENOMEM;
    result = record_write(access->records, node->name, record);
    return result < 0 ? result : 1;
}

static int restrict_node(const struct access *access, struct node *node, const uint32_t *uids, size_t n_uids)
{
    CLEANUP(record_clear) struct record record = {0};
    int made = ensure_record(access, node, &record);

    if (made < 0)
        return made;
    CLEANUP(acl_freep) acl_t original = acl_from_text(record.acl);
    if (!original)
        return -EBADMSG;
    CLEANUP(acl_freep) acl_t acl = make_restricted(original, node->owner, geteuid(), uids, n_uids);
    int result = acl ? put_acl(node, acl) : -ENOMEM;
    if (result < 0 && made == 1)
        record_drop(access->records, node->name); /* nothing was changed */
    return result;
}

/* NULL: not the path of a node. */
static const char *name_of(const char *path)
{
    const size_t length = strlen(NODES);

    return strncmp(path, NODES, length) == 0 && is_node_name(path + length) ? path + length : NULL;
}

int access_restrict(struct access *access, const char *path, const uint32_t *uids, size_t n_uids, char *error,
                    size_t size)
{
    CLEANUP(node_clear) struct node node = NODE_NULL;
    const char *name = name_of(path);
    int result = name ? open_node(access, name, &node) : -EINVAL;

    if (result == 0) {
        record_drop(access->records, name);
        result = -ENOENT;
    }
    if (result > 0)
        result = restrict_node(access, &node, uids, n_uids);
    return result < 0 ? fail(error, size, result, "access to %s cannot be restricted", path) : 0;
}

/* ---- Restoring ---------------------------------------------------------------------------------------------- */

static int restore(const struct access *access, const char *name)
{
    CLEANUP(record_clear) struct record record = {0};
    CLEANUP(node_clear) struct node node = NODE_NULL;
    int result = record_read(access->records, name, &record);

    if (result <= 0)
        return result;
    result = open_node(access, name, &node);
    if (result < 0)
        return result;
    if (result == 1 && record_same_node(&record, &node.now)) {
        CLEANUP(acl_freep) acl_t acl = acl_from_text(record.acl);
        result = acl ? set_acl(&node, acl) : -EBADMSG;
        if (result < 0)
            return result;
    }
    return record_drop(access->records, name);
}

int access_restore(struct access *access, const char *path, char *error, size_t size)
{
    const char *name = name_of(path);
    int result = name ? restore(access, name) : -EINVAL;

    return result < 0 ? fail(error, size, result, "access to %s cannot be restored", path) : 0;
}

static bool is_among(const char *name, const char *const *paths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *other = name_of(paths[i]);
        if (other && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

int access_restore_all(struct access *access, const char *const *except, size_t n_except, char *error, size_t size)
{
    int fd = fcntl(access->records, F_DUPFD_CLOEXEC, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int result = 0;

    if (!directory) {
        result = -errno;
        closep(&fd);
        return fail(error, size, result, "the records of restricted access cannot be read");
    }
    rewinddir(directory);
    while ((entry = readdir(directory))) {
        if (!is_node_name(entry->d_name) || is_among(entry->d_name, except, n_except))
            continue;
        int one = restore(access, entry->d_name);
        if (one < 0)
            result = fail(error, size, one, "access to " NODES "%s cannot be restored", entry->d_name);
    }
    closedir(directory);
    return result;
}
