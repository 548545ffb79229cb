/*
 * Which processes have which cards open, by the DRM lines of /proc/PID/fdinfo (i915 and xe, Linux 5.19 and newer).
 *
 * Other users' fdinfo takes CAP_SYS_PTRACE; without it only processes of the own user are looked at, and all_users is
 * false. Bounded: a look takes USAGE_BUDGET_MS. Processes that were seen on a card and those that are new are looked at
 * first, each time; the others in turn, as far as the time goes, and go on in the next look where this one ended.
 */
#ifndef ITEXD_KEEPER_USAGE_H
#define ITEXD_KEEPER_USAGE_H

#include "child.pb-c.h"

#include <stddef.h>

#define USAGE_BUDGET_MS 100
#define USAGE_MAX_PROCESSES 4096
#define USAGE_MAX_CARDS 64

struct usage;

int usage_open(const char *device_root, struct usage **out, char *error, size_t size);
void usage_close(struct usage *usage);
/* Of these cards (PCI addresses), which should be all there are, for who is on none of them is looked at last the next
 * time; uid: only that user's processes, NULL: all. Valid until the next call; never NULL. */
Itexd__Child__Usage *usage_scan(struct usage *usage, const char *const *bdfs, size_t n_bdfs, const uint32_t *uid);

#endif
