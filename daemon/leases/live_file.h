/*
 * The live leases in a file that survives the service but not the machine: RUNTIME/leases, an itexd.leases.Live message
 * with the boot id in it. It is replaced whole (written beside, renamed) before a grant is answered, so neither a
 * killed service nor a lost or full database gives a device twice. A file of another boot counts as empty; one that is
 * damaged, or of a format that only another version of the service knows, is kept aside under another name and -EBADMSG
 * tells the caller, who then must not grant what it cannot know to be free.
 */
#ifndef ITEXD_LEASES_LIVE_FILE_H
#define ITEXD_LEASES_LIVE_FILE_H

#include "live.pb-c.h"

/* *out is to be freed with itexd__leases__live__free_unpacked; an empty message where there is no file. 0, -EBADMSG,
 * other -errno. */
int live_file_read(const char *directory, Itexd__Leases__Live **out);
/* format, boot id and the number of leases are set here. 0 or -errno (the old file is then still in place). */
int live_file_write(const char *directory, Itexd__Leases__Live *live);

#endif
