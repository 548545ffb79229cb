/* Kernel modules: which one is for a card, and what keeps it away from it. */
#ifndef ITEXCTL_DOCTOR_MODULES_H
#define ITEXCTL_DOCTOR_MODULES_H

#include "client/itexctl/doctor/doctor.h"

enum module_knows { MODULE_UNKNOWN, MODULE_KNOWS, MODULE_KNOWS_NOT };

struct card_module {
    enum module_knows known; /* does a module say that it is for this card? UNKNOWN: the modules cannot be looked at */
    char name[16];           /* i915 or xe: the one that knows it, or is loaded */
    bool loaded;
    char blocked[256];    /* what keeps it from being loaded, and where; "" */
    char forced_off[256]; /* what keeps it from taking the card */
    char device[16];      /* "0bd5" */
    char release[128];    /* of the kernel */
};

void modules_for_card(const struct doctor *doctor, const char *bdf, struct card_module *module);
/* The running kernel's; below a device root that root's own. */
void modules_release(const struct doctor *doctor, char *text, size_t size);

#endif
