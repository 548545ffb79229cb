/* What the layers of the machine have seen, for those above them. */
#ifndef ITEXCTL_DOCTOR_MACHINE_H
#define ITEXCTL_DOCTOR_MACHINE_H

#include "client/itexctl/doctor/doctor.h"
#include "daemon/worker/sysfs.h"

#define MACHINE_MAX_CARDS 64

struct machine_card {
    char bdf[SYSFS_BDF_SIZE];
    struct sysfs_card sysfs;
};

struct doctor_machine {
    struct machine_card cards[MACHINE_MAX_CARDS];
    size_t n_cards;
};

/* ---- A file for each */

void machine_look_pci(struct doctor *doctor);

#endif
