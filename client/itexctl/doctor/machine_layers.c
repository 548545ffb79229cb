/*
 * The layers of the machine, in their order.
 *
 * /dev/shm and limits need nothing below them, nor do the libraries: a container without a card is told of a missing
 * loader all the same.
 */
#include "client/itexctl/doctor/machine.h"
#include "proto/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const needs_pci[] = {"pci", NULL};
static const char *const needs_driver[] = {"kernel-driver", NULL};
static const char *const needs_node[] = {"render-node", NULL};
static const char *const needs_loader[] = {"loader", NULL};
static const char *const needs_all[] = {"render-rights", "device-cgroup", "driver-library", NULL};

const struct doctor_layer doctor_machine_layers[] = {
    {"user", "user", NULL, false, machine_look_user},
    {"pci", "PCI devices", NULL, true, machine_look_pci},
    {"kernel-driver", "kernel driver", needs_pci, true, machine_look_kernel_driver},
    {"render-node", "render nodes", needs_driver, true, machine_look_render_node},
    {"render-rights", "rights on render nodes", needs_node, true, machine_look_render_rights},
    {"device-cgroup", "device rules", needs_node, true, machine_look_device_cgroup},
    {"shm", "shared memory", NULL, true, machine_look_shm},
    {"limits", "limits", NULL, false, machine_look_limits},
    {"loader", "Level Zero loader", NULL, true, machine_look_loader},
    {"driver-library", "driver library", needs_loader, true, machine_look_driver_library},
    {"devices", "Level Zero devices", needs_all, true, machine_look_devices},
    {.name = NULL},
};

/* Behind those of Python: which version of ITEX it is decides what it reads. */
const struct doctor_layer doctor_job_layers[] = {
    {"environment", "device variables", NULL, false, machine_look_environment},
    {.name = NULL},
};

bool machine_line(const struct doctor *doctor, char *text, size_t size, const char *path)
{
    char full[PATH_MAX];
    text[0] = '\0';
    if (!doctor_path(doctor, full, "%s", path))
        return false;
    CLEANUP(closep) int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}
