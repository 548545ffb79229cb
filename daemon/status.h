/* How the service is, in one message: for `itexctl status` and for the service manager's status line. */
#ifndef ITEXD_DAEMON_STATUS_H
#define ITEXD_DAEMON_STATUS_H

#include "daemon/call.h"

void status_reply(struct call *call);
/* Is something wrong that a person should look at? Looks at no file. */
bool status_degraded(const struct service *service);
const char *status_policy(const struct service *service); /* that is in force: "enforce", "advise" */
/* One line for the service manager. */
void status_notify(struct service *service);

#endif
