/* Checks the descriptor and hands it to the store, which answers when the copy is complete. */
#include "daemon/backup.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What is wrong with it, as the end of a sentence; NULL: nothing. */
static const char *check_target(int fd)
{
    struct stat info;
    int flags;

    if (fd < 0)
        return "is missing: an empty file, open for reading and writing, goes with the request";
    flags = fcntl(fd, F_GETFL);
    if (fstat(fd, &info) < 0 || flags < 0)
        return "cannot be examined";
    if (!S_ISREG(info.st_mode))
        return "is no regular file";
    if ((flags & O_ACCMODE) != O_RDWR)
        return "is not open for reading and writing";
    if (info.st_size != 0)
        return "names a file that is not empty; choose a new name";
    return NULL;
}

static void on_copied(void *context, int status, uint64_t id)
{
    struct call *call = context;
    struct store_status store;

    (void)id;
    if (status == 0) {
        log_event(EVENT_BACKUP, LOG_NUMBER(FIELD_UID, call->who.uid));
        call_done(call);
        return;
    }
    log_event(EVENT_BACKUP_FAILED, LOG_NUMBER(FIELD_UID, call->who.uid), LOG_TEXT(FIELD_MESSAGE, strerror(-status)));
    store_status(call->service->store, &store);
    call_refuse(call, REFUSED_STORE, !store.recording && store.problem[0] ? store.problem : strerror(-status));
}

void backup(struct call *call, int fd)
{
    CLEANUP(closep) const int target = fd; /* the store has its own copy */
    const char *wrong = check_target(target);
    int error;

    if (wrong) {
        call_refuse(call, REFUSED_BACKUP, wrong);
        return;
    }
    error = store_backup(call->service->store, target, on_copied, call);
    if (error == -EAGAIN || error == -EBUSY)
        call_refuse(call, REFUSED_WRITES, NULL);
    else if (error < 0)
        call_refuse(call, REFUSED_STORE, strerror(-error));
}
