/* Who may open a file by its mode and its ACL, for a user that this process cannot become. */
#ifndef ITEXCTL_DOCTOR_ACL_H
#define ITEXCTL_DOCTOR_ACL_H

#include "client/itexctl/doctor/doctor.h"

/* For reading and writing. 0, EACCES, or why it cannot be told. */
int acl_may_open(const char *path, const struct doctor_user *user);
/* The ACL gives it to some users and takes it from the owning group, as itexd does for a leased device. */
bool acl_restricts(const char *path);

#endif
