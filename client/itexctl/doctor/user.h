/* Whose job it is about. The name service may hang, as that of a cluster does at times: it is asked in a child. */
#ifndef ITEXCTL_DOCTOR_USER_H
#define ITEXCTL_DOCTOR_USER_H

#include "client/itexctl/doctor/doctor.h"

/* Fills doctor->user. 0; -ENOENT: --user names nobody; -ETIMEDOUT: the database does not say who that is; -ENOMEM;
 * -errno. With --node nobody is looked up. */
int user_find(struct doctor *doctor);
void user_clear(struct doctor_user *user);

/* Whether the user database, unlike this process, has the user in the group. */
bool user_is_listed(const struct doctor_user *user, gid_t gid);
/* "" where the database does not know it, or does not answer. */
void user_group_name(const struct doctor *doctor, gid_t gid, char name[64]);

#endif
