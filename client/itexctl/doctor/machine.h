/* What the layers of the machine have seen, for those above them. */
#ifndef ITEXCTL_DOCTOR_MACHINE_H
#define ITEXCTL_DOCTOR_MACHINE_H

#include "client/itexctl/doctor/doctor.h"
#include "daemon/worker/layers.h"

/* A card's render node. */
struct machine_node {
    bool there;
    bool opens;
    int error;       /* why it does not */
    bool restricted; /* by an ACL, as itexd's for a leased device is */
};

/* What Level Zero tells of them, without masks and selectors. */
struct machine_gpus {
    bool known;
    size_t n;
    unsigned tiles[LAYERS_MAX_CARDS];
    bool flat_by_default;
    char driver_version[32], api_version[16], loader_version[32];
};

struct doctor_machine {
    struct layers_cards cards;
    struct machine_node nodes[LAYERS_MAX_CARDS]; /* of cards.items */
    struct machine_gpus gpus;
    const char *substitute; /* this environment's driver is no real GPU's */
};

/* The first line of a small file, without the end of the line; false where there is none. */
bool machine_line(const struct doctor *doctor, char *text, size_t size, const char *path);

/* ---- The layers, a file for each ------------------------------------------------------------------------------- */

void machine_look_user(struct doctor *doctor);
void machine_look_pci(struct doctor *doctor);
void machine_look_kernel_driver(struct doctor *doctor);
void machine_look_render_node(struct doctor *doctor);
void machine_look_render_rights(struct doctor *doctor);
void machine_look_device_cgroup(struct doctor *doctor);
void machine_look_shm(struct doctor *doctor);
void machine_look_limits(struct doctor *doctor);
void machine_look_loader(struct doctor *doctor);
void machine_look_driver_library(struct doctor *doctor);
void machine_look_devices(struct doctor *doctor);
void machine_look_environment(struct doctor *doctor);

#endif
