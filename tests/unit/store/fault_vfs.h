/*
 * A shim over SQLite's own VFS that lets one call fail: the n-th write, sync, open or truncate from now. Registered as
 * the default, so that the store opens its files through it and knows nothing of it.
 */
#ifndef ITEXD_TESTS_FAULT_VFS_H
#define ITEXD_TESTS_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind { FAULT_WRITE, FAULT_SYNC, FAULT_OPEN, FAULT_TRUNCATE, FAULT_READ, FAULT_KINDS };

enum { FAULT_KILL = -1 }; /* in place of a code: the call does not return, the process is killed */

void fault_vfs_register(void);
/* The n-th call (from 1) of this kind fails with SQLite's `code`; with `lasting` all later ones too. */
void fault_vfs_arm(enum fault_kind kind, unsigned n, int code, bool lasting);
void fault_vfs_disarm(void);
/* Has the call come that had to fail? */
bool fault_vfs_fired(void);

#endif
