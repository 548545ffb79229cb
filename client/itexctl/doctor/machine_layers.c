/* The layers of the machine, in their order. */
#include "client/itexctl/doctor/machine.h"

const struct doctor_layer doctor_machine_layers[] = {
    {.name = "pci", .title = "PCI devices", .of_node = true, .look = machine_look_pci},
    {.name = NULL},
};
