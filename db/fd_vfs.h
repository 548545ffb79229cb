/* A database in a file that is given as a descriptor; see fd_vfs.c. */
#ifndef ITEXD_DB_FD_VFS_H
#define ITEXD_DB_FD_VFS_H

#include <sqlite3.h>

/* The descriptor stays the caller's and must outlive the connection. SQLite's code. */
int fd_vfs_open(int fd, sqlite3 **out);

#endif
