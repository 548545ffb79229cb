/*
 * Layer device-cgroup: a control group may forget the device whatever its mode says. Version 2 has no list to read,
 * only programs; what shows is that opening fails with EPERM. Version 1 has devices.list.
 */
#include "client/itexctl/doctor/machine.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The path of this process's control group, of version 1's controller devices where there is one. */
static bool own_group(const struct doctor *doctor, char *group, size_t size, bool *first_version)
{
    char path[PATH_MAX], line[PATH_MAX];
    bool found = false;
    if (!doctor_path(doctor, path, "/proc/self/cgroup"))
        return false;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    *first_version = false;
    while (file && fgets(line, sizeof(line), file)) {
        char *rest = line;
        const char *number = strsep(&rest, ":"), *controllers = strsep(&rest, ":");
        if (!rest)
            continue;
        rest[strcspn(rest, "\n")] = '\0';
        if (strcmp(controllers, "devices") == 0) {
            snprintf(group, size, "%s", rest);
            *first_version = true;
            return true;
        }
        if (strcmp(number, "0") == 0) {
            snprintf(group, size, "%s", rest);
            found = true;
        }
    }
    return found;
}

/* "a *:* rwm", "c 226:* rwm", "c 226:128 rw" */
static bool rule_gives(const char *line, unsigned number_major, unsigned number_minor)
{
    char kind, major_text[16], minor_text[16], access[8];
    if (sscanf(line, "%c %15[^:]:%15s %7s", &kind, major_text, minor_text, access) != 4)
        return false;
    char wanted_major[16], wanted_minor[16];
    snprintf(wanted_major, sizeof(wanted_major), "%u", number_major);
    snprintf(wanted_minor, sizeof(wanted_minor), "%u", number_minor);
    return (kind == 'a' || kind == 'c') && strchr(access, 'r') && strchr(access, 'w') &&
           (strcmp(major_text, "*") == 0 || strcmp(major_text, wanted_major) == 0) &&
           (strcmp(minor_text, "*") == 0 || strcmp(minor_text, wanted_minor) == 0);
}

/* What version 1's list says of a node: 1 it is in it, 0 it is not, -1 there is no list to read. */
static int listed(const struct doctor *doctor, const char *group, const char *node)
{
    char path[PATH_MAX], line[128];
    struct stat status;
    if (!doctor_path(doctor, path, "%s", node) || stat(path, &status) < 0 ||
        !doctor_path(doctor, path, "/sys/fs/cgroup/devices%s/devices.list", group))
        return -1;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof(line), file))
        if (rule_gives(line, major(status.st_rdev), minor(status.st_rdev)))
            return 1;
    return 0;
}

static void tell_refused(struct doctor *doctor, enum doctor_level level, const char *group, int in_list,
                         const char *node)
{
    doctor_found(
        doctor, level, "device-cgroup-denied",
        "opening %s is not permitted (EPERM) whatever its mode says%s: the device rules of the control group %s "
        "leave it out",
        node, in_list == 0 ? ", and devices.list does not name it" : "", group);
    doctor_fix(doctor, "in a Slurm job: ask for GPUs (--gres=gpu:1; gres.conf names the File); in a unit: "
                       "DeviceAllow=char-drm rw; in a container: --device /dev/dri");
}

void machine_look_device_cgroup(struct doctor *doctor)
{
    const struct doctor_machine *machine = doctor->machine;
    char group[1024] = "?";
    bool first_version = false;
    size_t refused = 0, opened = 0;
    own_group(doctor, group, sizeof(group), &first_version);
    for (size_t i = 0; i < machine->cards.n; i++) {
        refused += machine->nodes[i].error == EPERM;
        opened += machine->nodes[i].opens;
    }
    for (size_t i = 0; i < machine->cards.n; i++) {
        const char *node = machine->cards.items[i].sysfs.render_node;
        if (machine->nodes[i].error == EPERM)
            tell_refused(doctor, opened > 0 ? DOCTOR_WARNING : DOCTOR_ERROR, group,
                         first_version ? listed(doctor, group, node) : -1, node);
    }
    if (refused > 0)
        return;
    if (opened == 0)
        doctor_found(doctor, DOCTOR_SKIPPED, "not-applicable", "no render node could be opened to see");
    else if (doctor->user.other)
        doctor_found(doctor, DOCTOR_INFO, "device-cgroup-other",
                     "%s lets them through; a job of %s may be in another control group", group, doctor->user.name);
    else
        doctor_found(doctor, DOCTOR_OK, "device-cgroup-open", "%s lets them through", group);
}
