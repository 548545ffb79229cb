/* drm: render nodes come, go, or the driver tells of a hang. pci: cards. module: the kernel drivers i915 and xe. */
#include "daemon/devices/uevent_filter.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_DISPLAY 0x03
#define CLASS_ACCELERATOR 0x12

const char *const uevent_gpu_subsystems[] = {"drm", "pci", "module", NULL};

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static bool comes_or_goes(const struct uevent *event)
{
    return is(event->action, "add") || is(event->action, "remove");
}

/* By its class; where that is not told, whatever Intel makes. */
static bool is_gpu(const struct uevent *event)
{
    unsigned long class;

    if (!event->pci_class)
        return event->pci_id && strncmp(event->pci_id, "8086:", 5) == 0;
    class = strtoul(event->pci_class, NULL, 16) >> 16;
    return class == CLASS_DISPLAY || class == CLASS_ACCELERATOR;
}

bool uevent_concerns_gpus(const struct uevent *event)
{
    if (is(event->subsystem, "drm"))
        return comes_or_goes(event) || (is(event->action, "change") && !is(event->hotplug, "1"));
    if (is(event->subsystem, "pci"))
        return comes_or_goes(event) && is_gpu(event);
    if (is(event->subsystem, "module"))
        return comes_or_goes(event) && (is(event->name, "i915") || is(event->name, "xe"));
    return false;
}
