/* Devices as messages of the protocol. */
#ifndef ITEXD_DEVICES_INFO_H
#define ITEXD_DEVICES_INFO_H

#include "daemon/call.h"
#include "daemon/devices/device.h"

/* Memory for so many messages; texts of devices are pointed to, so it is used up within a turn of the loop. */
struct info_space;
struct info_space *info_space_new(size_t n_devices);
void info_space_free(struct info_space *space);

/* The next message, of this device as the call's peer may see it; whole: what a show has and a list has not. */
Itexd__V1__DeviceInfo *info_fill(struct info_space *space, struct call *call, struct device *device, bool whole);
size_t info_list(struct info_space *space, Itexd__V1__DeviceInfo ***list);

#endif
