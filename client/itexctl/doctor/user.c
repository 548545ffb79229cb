/* The user and their groups: see user.h. */
#include "client/itexctl/doctor/user.h"
#include "client/itexctl/doctor/child.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_GROUPS 1024
#define NAME_SERVICE_MS 5000

/* Written by the child. */
struct entry {
    bool found;
    int error;
    char name[256];
    char home[PATH_MAX];
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    int n_groups;
};

struct lookup {
    const char *name; /* NULL: by uid */
    uid_t uid;
    struct entry *entry;
};

/* A number is a uid, where no user has it for a name. */
static const struct passwd *by_name(const char *name)
{
    const struct passwd *found = getpwnam(name);
    int64_t number;
    if (!found && number_parse(name, 0, UINT32_MAX - 1, &number))
        found = getpwuid((uid_t)number);
    return found;
}

static void look_up(void *context)
{
    const struct lookup *lookup = context;
    struct entry *entry = lookup->entry;
    errno = 0;
    const struct passwd *found = lookup->name ? by_name(lookup->name) : getpwuid(lookup->uid);
    entry->error = errno;
    if (!found)
        return;
    snprintf(entry->name, sizeof(entry->name), "%s", found->pw_name);
    snprintf(entry->home, sizeof(entry->home), "%s", found->pw_dir ? found->pw_dir : "");
    entry->uid = found->pw_uid;
    entry->gid = found->pw_gid;
    entry->n_groups = MAX_GROUPS;
    if (getgrouplist(found->pw_name, found->pw_gid, entry->groups, &entry->n_groups) < 0)
        entry->n_groups = MAX_GROUPS;
    entry->found = true;
}

/* The rights of this process, whatever the database says of them. */
static int own_groups(struct doctor_user *user)
{
    int n = getgroups(0, NULL);
    if (n < 0)
        return -errno;
    user->groups = calloc((size_t)n + 1, sizeof(*user->groups));
    if (!user->groups)
        return -ENOMEM;
    n = getgroups(n, user->groups);
    if (n < 0)
        return -errno;
    user->n_groups = (size_t)n;
    return 0;
}

static int database_groups(const struct entry *entry, gid_t **groups, size_t *n)
{
    *groups = calloc((size_t)entry->n_groups + 1, sizeof(**groups));
    if (!*groups)
        return -ENOMEM;
    memcpy(*groups, entry->groups, (size_t)entry->n_groups * sizeof(**groups));
    *n = (size_t)entry->n_groups;
    return 0;
}

static int take_own(struct doctor_user *user, const struct entry *entry)
{
    user->uid = geteuid();
    user->gid = getegid();
    if (entry->found)
        user->name = strdup(entry->name);
    else if (asprintf(&user->name, "uid %u", (unsigned)user->uid) < 0)
        user->name = NULL;
    const char *home = getenv("HOME");
    if (home && *home)
        user->home = strdup(home);
    else if (entry->found)
        user->home = strdup(entry->home);
    int r = user->name ? own_groups(user) : -ENOMEM;
    return r < 0 || !entry->found ? r : database_groups(entry, &user->listed, &user->n_listed);
}

static int take_other(struct doctor_user *user, const struct entry *entry)
{
    if (!entry->found)
        return -ENOENT;
    user->other = true;
    user->uid = entry->uid;
    user->gid = entry->gid;
    user->name = strdup(entry->name);
    user->home = strdup(entry->home);
    return user->name && user->home ? database_groups(entry, &user->groups, &user->n_groups) : -ENOMEM;
}

static int ask_database(struct doctor *doctor, struct entry *entry)
{
    const char *name = doctor->options->user;
    struct lookup lookup = {.name = name, .uid = geteuid(), .entry = entry};
    CLEANUP(freep) struct child_result *result = malloc(sizeof(*result));
    int third = doctor_left_ms(doctor, 3 * NAME_SERVICE_MS) / 3; /* the layers want time, too */
    if (!result)
        return -ENOMEM;
    int r = child_run(look_up, &lookup, third > 0 ? third : 1, result);
    if (r < 0)
        return r;
    if (result->end == CHILD_EXITED)
        return 0;
    entry->found = false;
    doctor->user.silent = true;
    return name ? -ETIMEDOUT : 0;
}

int user_find(struct doctor *doctor)
{
    struct entry *entry = child_shared(sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    int r = doctor->options->node ? 0 : ask_database(doctor, entry);
    if (r == 0)
        r = doctor->options->user ? take_other(&doctor->user, entry) : take_own(&doctor->user, entry);
    child_unshare(entry, sizeof(*entry));
    return r;
}

void user_clear(struct doctor_user *user)
{
    free(user->name);
    free(user->home);
    free(user->groups);
    free(user->listed);
    *user = (struct doctor_user){.name = NULL};
}

/* ---- Groups --------------------------------------------------------------------------------------------------- */

bool user_is_listed(const struct doctor_user *user, gid_t gid)
{
    for (size_t i = 0; i < user->n_listed; i++)
        if (user->listed[i] == gid)
            return true;
    return false;
}

struct group_lookup {
    gid_t gid;
    char *name; /* shared */
};

static void look_up_group(void *context)
{
    const struct group_lookup *lookup = context;
    const struct group *group = getgrgid(lookup->gid);
    if (group)
        snprintf(lookup->name, 64, "%s", group->gr_name);
}

void user_group_name(const struct doctor *doctor, gid_t gid, char name[64])
{
    struct group_lookup lookup = {gid, child_shared(64)};
    CLEANUP(freep) struct child_result *result = malloc(sizeof(*result));
    int timeout = doctor_left_ms(doctor, NAME_SERVICE_MS);
    name[0] = '\0';
    if (lookup.name && result && child_run(look_up_group, &lookup, timeout > 0 ? timeout : 1, result) == 0 &&
        result->end == CHILD_EXITED)
        snprintf(name, 64, "%.63s", lookup.name);
    child_unshare(lookup.name, 64);
}
