/*
 * Who may open a device's node: restricted to some users, and put back exactly as it was.
 *
 * A restricted node has an entry for each of the users and for the one that this process runs as (the device worker,
 * which watches the card, does too), its owner's entry as before, nothing for group and others, and a mask of rw: so
 * st_mode stays what it looks like without an ACL. What was there before is in a record,
 * RUNTIME/access/NAME, written before the first change and removed behind the last; a keeper that was killed in between
 * leaves a record of the original, never of a restriction. A record of another boot, or of a node that was made anew
 * since (other inode or device number), is of no use any more and dropped.
 *
 * Nodes are /dev/dri/NAME under the device root; nothing but character devices is touched, and no symbolic link
 * followed. One keeper at a time: a lock in that directory.
 */
#ifndef ITEXD_KEEPER_ACCESS_H
#define ITEXD_KEEPER_ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct access;

/* All return 0 or -errno with a text for a person in error. */
int access_open(const char *runtime_directory, const char *device_root, struct access **out, char *error, size_t size);
void access_close(struct access *access);

int access_restrict(struct access *access, const char *node, const uint32_t *uids, size_t n_uids, char *error,
                    size_t size);
/* A node that is not restricted stays as it is. */
int access_restore(struct access *access, const char *node, char *error, size_t size);
/* Every node that is restricted but these; goes on behind one that fails, and returns the last failure. */
int access_restore_all(struct access *access, const char *const *except, size_t n_except, char *error, size_t size);

#endif
