/* Layer pci: GPUs of Intel on the bus. */
#include "client/itexctl/doctor/machine.h"
#include "daemon/worker/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What this environment makes of the driver: nothing is on the bus where it simulates. */
static const char *substitute(void)
{
    const char *alternatives = getenv("ZE_ENABLE_ALT_DRIVERS"), *keys = getenv("NEOReadDebugKeys");
    if (alternatives && *alternatives && !strstr(alternatives, "libze_intel_gpu"))
        return "SIMULATED";
    return keys && strcmp(keys, "1") == 0 && getenv("SetCommandStreamReceiver") ? "EMULATED" : NULL;
}

/* Under WSL the GPU is reached through Windows. */
static bool is_wsl(const struct doctor *doctor)
{
    char path[PATH_MAX];
    return doctor_path(doctor, path, "/dev/dxg") && access(path, F_OK) == 0;
}

/* "0x0bd5 at 0000:3a:00.0, 0x0bd5 at 0000:4a:00.0" */
static void list_cards(const struct doctor *doctor, char *text, size_t size)
{
    const struct layers_cards *cards = &doctor->machine->cards;
    size_t used = 0;
    for (size_t i = 0; i < cards->n && used < size; i++) {
        char path[128], id[32];
        snprintf(path, sizeof(path), SYSFS_PCI "/%s/device", cards->items[i].bdf);
        bool known = machine_line(doctor, id, sizeof(id), path);
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i ? ", " : "", known ? id : "",
                                 known ? " at " : "", cards->items[i].bdf);
    }
}

void machine_look_pci(struct doctor *doctor)
{
    struct doctor_machine *machine = doctor->machine;
    struct layer layer;
    char list[1024] = "";
    machine->substitute = substitute();
    layers_cards(doctor->root, &machine->cards);
    if (!layers_pci_missing(doctor->root, &machine->cards, &layer)) {
        list_cards(doctor, list, sizeof(list));
        doctor_found(doctor, DOCTOR_OK, "pci-found", "%zu of Intel: %s", machine->cards.n, list);
    } else if (machine->substitute) {
        doctor->substitute = machine->substitute;
        doctor_found(doctor, DOCTOR_INFO, "pci-substituted", "%s; this environment makes the driver do without",
                     layer.found);
    } else {
        doctor_found(doctor, DOCTOR_ERROR, "pci-none", "%s: %s", layer.found, layer.fix);
        doctor_fix(
            doctor, "%s",
            is_wsl(doctor)
                ? "this is Windows' subsystem, where the GPU is Windows' and itexd cannot manage it: see Intel's "
                  "page on WSL"
                : "use a node with an Intel GPU, or give the card to this machine or container (passthrough, "
                  "--device /dev/dri); lspci -nn -d 8086::03xx lists what the firmware shows");
    }
}
