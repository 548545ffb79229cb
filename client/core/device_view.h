/*
 * Where a process that asks for devices stands: which render nodes it can open, on which NUMA node it runs, and which
 * of the node's ranks it is. The service numbers devices by this view, so that a mask means to the job what it means
 * to the service.
 */
#ifndef ITEXD_CLIENT_DEVICE_VIEW_H
#define ITEXD_CLIENT_DEVICE_VIEW_H

#include "itexd.pb-c.h"

/*
 * Adds all of it to a device request, as far as it is known; envp is the process's own. The message owns what is added,
 * as those of resolve_request.h do. 0 or -ENOMEM.
 */
int device_view_add(Itexd__V1__DeviceRequest *devices, char *const *envp);

/*
 * Its parts. A render node counts where it can really be opened for reading and writing: a container's device rules are
 * not in its permissions. Where there is no such directory nothing is told. 0 or -ENOMEM.
 */
int device_view_render_nodes(Itexd__V1__DeviceRequest *devices, const char *directory);
/* The one NUMA node that the process may run on; -1 where there are several, or only one in the machine. */
int device_view_numa(const char *directory);

#endif
