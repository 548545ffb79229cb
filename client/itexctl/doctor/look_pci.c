/* Layer pci: GPUs of Intel on the bus. */
#include "client/itexctl/doctor/machine.h"

void machine_look_pci(struct doctor *doctor)
{
    struct doctor_machine *machine = doctor->machine;
    static char bdfs[MACHINE_MAX_CARDS][SYSFS_BDF_SIZE];
    size_t n = sysfs_display_devices(doctor->root, bdfs, MACHINE_MAX_CARDS);
    machine->n_cards = n < MACHINE_MAX_CARDS ? n : MACHINE_MAX_CARDS;
    for (size_t i = 0; i < machine->n_cards; i++) {
        snprintf(machine->cards[i].bdf, SYSFS_BDF_SIZE, "%s", bdfs[i]);
        sysfs_card(doctor->root, bdfs[i], &machine->cards[i].sysfs);
    }
    if (n == 0) {
        doctor_found(doctor, DOCTOR_ERROR, "pci-none", "no PCI display device of Intel in %s" SYSFS_PCI, doctor->root);
        doctor_fix(doctor, "this machine or container has no such GPU: use another node, or give it to this one");
        return;
    }
    doctor_found(doctor, DOCTOR_OK, "pci-found", "%zu display device%s of Intel, the first at %s", n, n == 1 ? "" : "s",
                 bdfs[0]);
}
