/* Which of the kernel's events are about GPUs. Pure. */
#ifndef ITEXD_DEVICES_UEVENT_FILTER_H
#define ITEXD_DEVICES_UEVENT_FILTER_H

#include <stdbool.h>

/* What an event says; NULL: it does not. */
struct uevent {
    const char *subsystem, *action;
    const char *name;      /* of the device in sysfs: "card0", "0000:3a:00.0", "i915" */
    const char *hotplug;   /* HOTPLUG: "1" for a monitor that was plugged in or out */
    const char *pci_class; /* PCI_CLASS: "38000" */
    const char *pci_id;    /* PCI_ID: "8086:0BD5" */
};

bool uevent_concerns_gpus(const struct uevent *event);

/* The subsystems of such events; ends with NULL. */
extern const char *const uevent_gpu_subsystems[];

#endif
