/*
 * Builds a Resolve message. The message owns everything in it, each string and array from malloc, so that
 * itexd__v1__resolve__free_unpacked(resolve, NULL) frees it whole and a caller may fill further fields with its own
 * strdup'ed strings.
 */
#ifndef ITEXD_CLIENT_RESOLVE_REQUEST_H
#define ITEXD_CLIENT_RESOLVE_REQUEST_H

#include "client/core/environment.h"
#include "itexd.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REQUEST_ID_SIZE 16

/* Fills id with random bytes. 0 or -errno. */
int request_id_new(uint8_t id[REQUEST_ID_SIZE]);

/* NULL without memory. */
Itexd__V1__Resolve *resolve_request_new(const uint8_t id[REQUEST_ID_SIZE]);
void resolve_request_freep(Itexd__V1__Resolve **resolve);

/* All: 0, -ENOMEM, or -EINVAL where said. */

/* The environment and the two facts about the flags file. */
int resolve_request_environment(Itexd__V1__Resolve *resolve, const struct environment *environment);
/* from: "declared", "script", "environment", "node". A fact told twice: the later one holds. */
int resolve_request_fact(Itexd__V1__Resolve *resolve, const char *name, const char *value, const char *from);
int resolve_request_script_variable(Itexd__V1__Resolve *resolve, const char *name, const char *value, const char *file,
                                    unsigned line);
/*
 * What the process runs under already, as ITEXD_DECISION and ITEXD_LEASE in envp say: the digest of its rule set, and,
 * where devices are asked for (do that first), its lease. What no itexd can have put there is left out.
 */
int resolve_request_inherited(Itexd__V1__Resolve *resolve, char *const *envp);
/* The process that holds what is given, instead of the asking one. -ESRCH where there is no such process. */
int resolve_request_holder(Itexd__V1__Resolve *resolve, pid_t pid);
/* job or step NULL: absent. */
int resolve_request_job(Itexd__V1__Resolve *resolve, const char *job, const char *step);
/* "enforce" or "advise", else -EINVAL; NULL: the service's. */
int resolve_request_policy(Itexd__V1__Resolve *resolve, const char *policy);
/* The device request inside, made on first use, all fields absent; NULL without memory. */
Itexd__V1__DeviceRequest *resolve_request_devices(Itexd__V1__Resolve *resolve);
/* Sets an optional string field of any message built here: frees the old one, copies the new one (NULL: absent). */
int resolve_request_string(char **field, const char *value);
/*
 * Makes it fit into a packet: as long as it does not, the longest value of the environment moves to `oversized`; where
 * that is the text of the flags file, the fact's name is put there and the file counts as unreadable. -EMSGSIZE where
 * nothing is left to move. Call it last.
 */
int resolve_request_fit(Itexd__V1__Resolve *resolve);

#endif
