/* Loading a library as a job would, in a child: what is loaded may crash. */
#ifndef ITEXCTL_DOCTOR_LIBRARY_H
#define ITEXCTL_DOCTOR_LIBRARY_H

#include "client/itexctl/doctor/child.h"
#include "client/itexctl/doctor/doctor.h"

struct library {
    bool loaded;
    char file[PATH_MAX];  /* that the dynamic linker took, links resolved */
    char version[64];     /* what its name says, "1.8.12"; "" */
    char error[512];      /* of the dynamic linker, where it was not loaded */
    char unresolved[512]; /* it was, but this is missing in it */
    bool ended;           /* the process did not come back from loading it: */
    char end[160];
};

/* By name or path. 0, or -errno where no child could be made. */
int library_load(const struct doctor *doctor, const char *name, struct library *library);
/* Whether the error says that there is no such library at all, and not that another is missing in it. */
bool library_absent(const struct library *library, const char *name);
/* Where the library is on this machine, outside of what the dynamic linker looks through; false: nowhere known. */
bool library_elsewhere(const char *name, char *file, size_t size);

#endif
