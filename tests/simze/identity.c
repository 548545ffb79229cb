/*
 * What a card and its tiles are. A UUID tells the card by its bus and, in the last byte, the tile (from 1; 0 is the
 * card), which is how simze-show knows them again.
 */
#include "tests/simze/simze.h"

#include <stdio.h>
#include <string.h>

enum { VENDOR = 0x8086, DEVICE = 0x0bd5, BUSES = 13, EUS_PER_SUBSLICE = 8, SUBSLICES = 64 };

unsigned identity_tiles(const struct control *control)
{
    return control->tiles > 1 ? control->tiles : 1;
}

struct pci_address identity_pci(unsigned card)
{
    return (struct pci_address){.domain = card / BUSES, .bus = 0x3a + 0x10 * (card % BUSES)};
}

static void put_uuid(const struct control *control, const struct object *device, uint8_t uuid[16])
{
    const struct card_control *card = &control->card[device->card];
    struct pci_address pci = identity_pci(device->card);

    if (card->has_uuid && device->tile < 0) {
        memcpy(uuid, card->uuid, 16);
        return;
    }
    memset(uuid, 0, 16);
    uuid[0] = VENDOR & 0xff;
    uuid[1] = VENDOR >> 8;
    uuid[2] = DEVICE & 0xff;
    uuid[3] = DEVICE >> 8;
    uuid[8] = (uint8_t)pci.domain;
    uuid[9] = (uint8_t)pci.bus;
    uuid[15] = (uint8_t)(device->tile + 1);
}

void identity_device(const struct control *control, const struct object *device, ze_device_properties_t *out)
{
    out->type = ZE_DEVICE_TYPE_GPU;
    out->vendorId = VENDOR;
    out->deviceId = DEVICE;
    out->flags = visibility_is_subdevice(device) ? ZE_DEVICE_PROPERTY_FLAG_SUBDEVICE : 0;
    out->subdeviceId = device->tile < 0 ? 0 : (uint32_t)device->tile;
    out->coreClockRate = 1600;
    out->maxMemAllocSize = 4ULL << 30;
    out->maxHardwareContexts = 1024;
    out->numThreadsPerEU = 8;
    out->physicalEUSimdWidth = 16;
    out->numEUsPerSubslice = EUS_PER_SUBSLICE;
    out->numSubslicesPerSlice = SUBSLICES;
    out->numSlices = device->tile < 0 ? identity_tiles(control) : 1;
    out->timerResolution = 80;
    out->timestampValidBits = 32;
    out->kernelTimestampValidBits = 32;
    put_uuid(control, device, out->uuid.id);
    snprintf(out->name, sizeof out->name, "%s", control->name);
}
