/*
 * Layer render-rights: whether the user may open the nodes. They are really opened, in a child that becomes the user
 * where this is root: what mode, ACL, control groups and security modules come to, only the kernel can say. For another
 * user without being root, mode and ACL are read.
 *
 * EPERM is left to layer device-cgroup: modes and ACLs give EACCES.
 */
#include "client/itexctl/doctor/acl.h"
#include "client/itexctl/doctor/child.h"
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/doctor/user.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define OPEN_MS 5000

/* ---- Opening them ------------------------------------------------------------------------------------------------ */

/* Written by the child. */
struct opened {
    size_t at; /* the one that it is opening */
    int identity_error;
    int errors[LAYERS_MAX_CARDS]; /* -1: not tried */
};

struct attempt {
    const struct doctor *doctor;
    struct opened *opened;
};

static int become(const struct doctor_user *user)
{
    if (!user->other || geteuid() != 0)
        return 0;
    if (setgroups(user->n_groups, user->groups) < 0 || setgid(user->gid) < 0 || setuid(user->uid) < 0)
        return errno;
    return 0;
}

static int open_node(const struct doctor *doctor, const char *node)
{
    char path[PATH_MAX];
    if (!doctor_path(doctor, path, "%s", node))
        return ENAMETOOLONG;
    if (doctor->user.other && geteuid() != 0)
        return acl_may_open(path, &doctor->user);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void open_nodes(void *context)
{
    const struct attempt *attempt = context;
    const struct doctor_machine *machine = attempt->doctor->machine;
    struct opened *opened = attempt->opened;
    opened->identity_error = become(&attempt->doctor->user);
    for (size_t i = 0; i < machine->cards.n && opened->identity_error == 0; i++) {
        opened->at = i;
        if (machine->nodes[i].there)
            opened->errors[i] = open_node(attempt->doctor, machine->cards.items[i].sysfs.render_node);
    }
}

static void tell_stuck(struct doctor *doctor, const struct opened *opened, const struct child_result *result)
{
    char end[128];
    child_describe(result, OPEN_MS, end, sizeof(end));
    doctor_found(doctor, DOCTOR_ERROR, "render-hangs", "opening %s: %s",
                 doctor->machine->cards.items[opened->at].sysfs.render_node, end);
    doctor_fix(doctor, "the kernel driver hangs: see dmesg, drain the node and start it again");
}

/* False where it has been told that nothing could be found out. */
static bool try_to_open(struct doctor *doctor, struct opened *opened)
{
    struct attempt attempt = {doctor, opened};
    CLEANUP(freep) struct child_result *result = malloc(sizeof(*result));
    int timeout = doctor_left_ms(doctor, OPEN_MS);
    int r = result ? child_run(open_nodes, &attempt, timeout > 0 ? timeout : 1, result) : -ENOMEM;
    if (r < 0 || opened->identity_error != 0) {
        doctor_found(doctor, DOCTOR_WARNING, "not-looked-at", "no process of %s could be made: %s", doctor->user.name,
                     strerror(r < 0 ? -r : opened->identity_error));
        doctor_fix(doctor, "see the limits below");
        return false;
    }
    if (result->end != CHILD_EXITED) {
        tell_stuck(doctor, opened, result);
        return false;
    }
    return true;
}

/* ---- Why not ----------------------------------------------------------------------------------------------------- */

static void tell_groups(struct doctor *doctor, enum doctor_level level, const char *node, const struct stat *status,
                        const char *group)
{
    const char *name = doctor->user.name;
    bool named = group[0] != '\0';
    char number[16];
    snprintf(number, sizeof(number), "%u", (unsigned)status->st_gid);
    if (user_is_listed(&doctor->user, status->st_gid)) {
        doctor_found(doctor, level, "render-session",
                     "%s may not open %s: the user database has them in the group %s, "
                     "but this session began before",
                     name, node, named ? group : number);
        doctor_fix(doctor, "log in anew, or: newgrp %s", named ? group : number);
        return;
    }
    doctor_found(doctor, level, "render-denied",
                 "%s may not open %s: it is for the group %s (mode %04o), which they are "
                 "not in",
                 name, node, named ? group : number, (unsigned)status->st_mode & 07777);
    if (named)
        doctor_fix(doctor, "usermod -aG %s %s, then log in anew; in a container: --group-add %s", group, name, number);
    else
        doctor_fix(doctor, "the group has no name here: start the container with --group-add %s", number);
}

static bool is_nodev(const char *path)
{
    struct statvfs mounted;
    return statvfs(path, &mounted) == 0 && (mounted.f_flag & ST_NODEV);
}

static void tell_denied(struct doctor *doctor, enum doctor_level level, struct machine_node *own, const char *node)
{
    char path[PATH_MAX], group[64];
    struct stat status;
    if (!doctor_path(doctor, path, "%s", node) || stat(path, &status) < 0)
        return;
    own->restricted = acl_restricts(path);
    if (own->restricted) {
        doctor_found(doctor, DOCTOR_INFO, "render-leased",
                     "%s is open to some users by an ACL, as itexd does while a "
                     "device is leased",
                     node);
        doctor_fix(doctor, "a job gets it with its lease: itexctl run --gpus 1; itexctl leases says who has it");
        return;
    }
    if (is_nodev(path)) {
        doctor_found(doctor, level, "render-nodev", "%s may not be opened by anybody: its file system is mounted nodev",
                     node);
        doctor_fix(doctor, "mount -o remount,dev; in a container: --device /dev/dri instead of a volume");
        return;
    }
    user_group_name(doctor, status.st_gid, group);
    if (status.st_gid != 0 && (status.st_mode & 060) == 060) {
        tell_groups(doctor, level, node, &status, group);
        return;
    }
    doctor_found(doctor, level, "render-mode", "%s may not open %s: it has mode %04o and the group %s",
                 doctor->user.name, node, (unsigned)status.st_mode & 07777, group[0] ? group : "?");
    doctor_fix(doctor, "let udev give it to the group render: SUBSYSTEM==\"drm\", KERNEL==\"renderD*\", "
                       "GROUP=\"render\", MODE=\"0660\", then udevadm trigger --subsystem-match=drm");
}

static void tell_error(struct doctor *doctor, enum doctor_level level, size_t i)
{
    struct machine_node *own = &doctor->machine->nodes[i];
    const char *node = doctor->machine->cards.items[i].sysfs.render_node;
    if (own->error == EACCES) {
        tell_denied(doctor, level, own, node);
    } else if (own->error != EPERM) {
        doctor_found(doctor, level, "render-dead", "%s cannot be opened: %s", node, strerror(own->error));
        doctor_fix(doctor,
                   "the kernel driver refuses it: see dmesg (a card that has hung says \"wedged\"), then itexctl "
                   "devices reset, or start the node again");
    }
}

void machine_look_render_rights(struct doctor *doctor)
{
    struct doctor_machine *machine = doctor->machine;
    size_t n = 0, there = 0;
    if (machine->cards.n == 0) {
        doctor_found(doctor, DOCTOR_SKIPPED, "not-applicable", "there is no card on the bus");
        return;
    }
    struct opened *opened = child_shared(sizeof(*opened));
    if (!opened) {
        doctor->out_of_memory = true;
        return;
    }
    memset(opened->errors, -1, sizeof(opened->errors));
    bool known = try_to_open(doctor, opened);
    for (size_t i = 0; i < machine->cards.n && known; i++) {
        machine->nodes[i].error = opened->errors[i];
        machine->nodes[i].opens = opened->errors[i] == 0;
        n += machine->nodes[i].opens;
        there += opened->errors[i] >= 0;
    }
    child_unshare(opened, sizeof(*opened));
    if (!known)
        return;
    for (size_t i = 0; i < machine->cards.n; i++)
        if (machine->nodes[i].error > 0)
            tell_error(doctor, n > 0 ? DOCTOR_WARNING : DOCTOR_ERROR, i);
    if (n > 0)
        doctor_found(doctor, DOCTOR_OK, "render-opens", "%s may open %zu of %zu", doctor->user.name, n, there);
}
