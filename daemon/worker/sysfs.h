/* What the kernel says of a card, by its PCI address. Nothing here needs a driver library or a right. */
#ifndef ITEXD_WORKER_SYSFS_H
#define ITEXD_WORKER_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFS_PCI "/sys/bus/pci/devices"

/* A text is "" where it is not known. */
struct sysfs_card {
    bool found; /* on the bus */
    char kernel_driver[32];
    char render_node[32]; /* "/dev/dri/renderD128" */
    char card_node[32];   /* "/dev/dri/card0" */
    bool has_numa_node;
    int32_t numa_node;
    char cpus[256];
};
/* root is "" for the real tree. */
void sysfs_card(const char *root, const char *bdf, struct sysfs_card *card);
bool sysfs_on_bus(const char *root, const char *bdf);

/* PCI display devices of Intel: their addresses, sorted. Returns how many there are, which may be more than fit. */
#define SYSFS_BDF_SIZE 16
size_t sysfs_display_devices(const char *root, char (*bdfs)[SYSFS_BDF_SIZE], size_t capacity);

/* What the kernel's sensors say; each is absent unless its flag is set. */
struct sysfs_sensors {
    bool has_temperature, has_memory_temperature, has_energy;
    double temperature, memory_temperature; /* degrees Celsius */
    double energy;                          /* J */
};
void sysfs_sensors(const char *root, const char *bdf, struct sysfs_sensors *sensors);

#endif
