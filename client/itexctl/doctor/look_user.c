/* Layer user: whose rights the layers above are about. */
#include "client/itexctl/doctor/machine.h"

#include <stdio.h>

static void list_groups(const struct doctor_user *user, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%u", (unsigned)user->gid);
    for (size_t i = 0; i < user->n_groups && used < size; i++)
        if (user->groups[i] != user->gid)
            used += (size_t)snprintf(text + used, size - used, ", %u", (unsigned)user->groups[i]);
}

void machine_look_user(struct doctor *doctor)
{
    const struct doctor_user *user = &doctor->user;
    char groups[512];
    list_groups(user, groups, sizeof(groups));
    if (user->silent) {
        doctor_found(doctor, DOCTOR_WARNING, "user-database-silent",
                     "the user database does not say who uid %u is, in "
                     "its time",
                     (unsigned)user->uid);
        doctor_fix(doctor, "jobs wait for it, too: see sssd, nscd or whatever /etc/nsswitch.conf names");
    } else if (!user->listed && !user->other) {
        doctor_found(doctor, DOCTOR_INFO, "user-unknown", "uid %u, groups %s: the user database does not know it",
                     (unsigned)user->uid, groups);
    } else {
        doctor_found(doctor, DOCTOR_OK, "user-known", "%s, uid %u, groups %s", user->name, (unsigned)user->uid, groups);
    }
}
