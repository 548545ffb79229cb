/*
 * Layer shm: /dev/shm, by which the ranks of a job and TensorFlow's data loaders speak with each other. A container has
 * 64 MB of it unless it is told otherwise.
 */
#include "client/itexctl/doctor/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_NUMBER 0x01021994
#define MB (1024.0 * 1024.0)
#define SMALL_MB 64.0 /* what docker and podman give */

static void tell_size(struct doctor *doctor, double size, double available)
{
    if (size <= SMALL_MB) {
        doctor_found(
            doctor, DOCTOR_WARNING, "shm-small",
            "/dev/shm has %.0f MB: ranks of oneCCL and MPI on one node, and data loaders, die of SIGBUS when it "
            "is full",
            size);
        doctor_fix(doctor, "in a container: --ipc=host or --shm-size=8g; else: mount -o remount,size=50%% /dev/shm");
    } else if (available <= SMALL_MB) {
        doctor_found(doctor, DOCTOR_WARNING, "shm-full", "/dev/shm has only %.0f of %.0f MB free", available, size);
        doctor_fix(doctor, "see what earlier jobs have left there: ls -l /dev/shm");
    } else {
        doctor_found(doctor, DOCTOR_OK, "shm-sufficient", "/dev/shm has %.0f MB, %.0f free", size, available);
    }
}

void machine_look_shm(struct doctor *doctor)
{
    char path[PATH_MAX];
    struct statvfs space;
    struct statfs kind;
    if (!doctor_path(doctor, path, "/dev/shm") || statvfs(path, &space) < 0 || statfs(path, &kind) < 0) {
        doctor_found(doctor, DOCTOR_WARNING, "shm-missing", "/dev/shm: %s: jobs of several ranks and data loaders fail",
                     strerror(errno));
        doctor_fix(doctor, "mount -t tmpfs tmpfs /dev/shm -o mode=1777");
        return;
    }
    /* Of the caller; others' rights follow from the mode, which is 1777 everywhere. */
    if (access(path, W_OK | X_OK) < 0) {
        doctor_found(doctor, DOCTOR_WARNING, "shm-denied", "/dev/shm is not writable: %s", strerror(errno));
        doctor_fix(doctor, "mount -o remount,rw,mode=1777 /dev/shm");
        return;
    }
    if (kind.f_type != TMPFS_NUMBER && !doctor->root[0])
        doctor_found(doctor, DOCTOR_INFO, "shm-on-disk",
                     "/dev/shm is no tmpfs: what should be memory is a file system");
    if (space.f_flag & ST_NOEXEC)
        doctor_found(doctor, DOCTOR_INFO, "shm-noexec",
                     "/dev/shm is mounted noexec; TensorFlow does not need it otherwise");
    tell_size(doctor, (double)space.f_blocks * (double)space.f_frsize / MB,
              (double)space.f_bavail * (double)space.f_frsize / MB);
}
