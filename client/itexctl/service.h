/* Talking to itexd: one connection, calls that end in a reply or a struct failure. */
#ifndef ITEXCTL_SERVICE_H
#define ITEXCTL_SERVICE_H

#include "client/core/connection.h"
#include "client/itexctl/errors.h"
#include "client/itexctl/itexctl.h"
#include "daemon/rules/rules.h"

#define DEFAULT_TIMEOUT_MS 2000
/* Administration may check thousands of rules or copy a database. */
#define ADMIN_TIMEOUT_MS 60000
#define BACKUP_TIMEOUT_MS 3600000

void service_reply_freep(Itexd__V1__Reply **reply);

/* All: 0, or -1 with *failure filled. */

int service_open(const struct context *context, struct connection **connection, struct failure *failure);
/* The reply has the body `expected`; an Error has become a failure. */
int service_call(struct connection *connection, Itexd__V1__Request *request, int fd, int64_t timeout_ms,
                 Itexd__V1__Reply__BodyCase expected, Itexd__V1__Reply **reply, struct failure *failure);
/* Both, for one call on a connection of its own. */
int service_once(const struct context *context, Itexd__V1__Request *request, int64_t timeout_ms,
                 Itexd__V1__Reply__BodyCase expected, Itexd__V1__Reply **reply, struct failure *failure);
/* "SIMULATED" or "EMULATED" where the service's devices are no real GPUs, else "". mark holds 32 bytes. */
void service_mark(struct connection *connection, char mark[32]);
/* The files of a rule set, each page within the timeout; id 0: the active one. info (may be NULL) is of the set, freed
 * with free_unpacked. */
int service_rule_files(struct connection *connection, uint64_t id, int64_t timeout_ms, struct rule_files *files,
                       Itexd__V1__RuleSetInfo **info, struct failure *failure);

#endif
