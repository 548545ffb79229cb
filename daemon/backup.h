/* A copy of the database into the client's file, made while serving. */
#ifndef ITEXD_DAEMON_BACKUP_H
#define ITEXD_DAEMON_BACKUP_H

#include "daemon/call.h"

/* Takes fd over, which may be -1. */
void backup(struct call *call, int fd);

#endif
