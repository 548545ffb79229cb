/* What a node's access was before it was restricted: a small file per node, replaced by rename. */
#ifndef ITEXD_KEEPER_RECORD_H
#define ITEXD_KEEPER_RECORD_H

#include <sys/stat.h>

#define RECORD_MAX 8192

struct record {
    char boot[40]; /* boot id */
    dev_t device;  /* st_rdev of the node */
    dev_t filesystem;
    ino_t inode;
    char *acl; /* its text; owned */
};

/* The record of this node as it is now, without an ACL. */
int record_of(const struct stat *node, struct record *record);
void record_clear(struct record *record);
/* 1: read; 0: there is none; -EBADMSG: damaged; other -errno. */
int record_read(int directory, const char *name, struct record *record);
/* 0 or -errno; nothing half is left. */
int record_write(int directory, const char *name, const struct record *record);
int record_drop(int directory, const char *name);
/* Is it about the same node, of this boot? */
int record_same_node(const struct record *one, const struct record *other);

#endif
