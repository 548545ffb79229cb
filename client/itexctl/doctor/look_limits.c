/* Layer limits: those of this process, which a job started from here has too. */
#include "client/itexctl/doctor/machine.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>

#define OPEN_FILES_LEAST 1024 /* a driver opens nodes and a file for each buffer that ranks share */
#define PROCESSES_LEAST 1024  /* TensorFlow has several threads a core */

/* A network card that reads and writes memory itself, for which it must be locked. */
static bool has_fabric(const struct doctor *doctor)
{
    char path[PATH_MAX];
    if (!doctor_path(doctor, path, "/sys/class/infiniband"))
        return false;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool found = false;
    while (directory && (entry = readdir(directory)))
        found |= entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return found;
}

/* True where it says something. */
static bool look_at_files(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= OPEN_FILES_LEAST)
        return false;
    doctor_found(doctor, DOCTOR_WARNING, "limit-nofile",
                 "%" PRIu64 " open files (nofile) are few for a driver and its "
                 "buffers",
                 (uint64_t)limit.rlim_cur);
    doctor_fix(doctor, "ulimit -n %s; LimitNOFILE= in a unit, nofile in /etc/security/limits.conf for sessions",
               limit.rlim_max >= 65536 ? "65536" : "$(ulimit -Hn)");
    return true;
}

static bool look_at_memory(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    doctor_found(doctor, DOCTOR_WARNING, "limit-as",
                 "the address space is limited to %" PRIu64
                 " MB: the driver reserves addresses for all of a GPU's memory, "
                 "and may fail",
                 (uint64_t)limit.rlim_cur >> 20);
    doctor_fix(doctor, "ulimit -v unlimited; in Slurm VSizeFactor=0; limit the memory by the control group instead");
    return true;
}

static bool look_at_locked(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || !has_fabric(doctor))
        return false;
    doctor_found(doctor, DOCTOR_WARNING, "limit-memlock",
                 "%" PRIu64 " kB may be locked (memlock), and this node has a fabric: jobs of several nodes fail on it",
                 (uint64_t)limit.rlim_cur >> 10);
    doctor_fix(doctor, "LimitMEMLOCK=infinity in the unit of slurmd or sshd, memlock unlimited in "
                       "/etc/security/limits.conf");
    return true;
}

static bool look_at_processes(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur >= PROCESSES_LEAST)
        return false;
    doctor_found(doctor, DOCTOR_WARNING, "limit-nproc",
                 "%" PRIu64 " processes and threads (nproc) are few for TensorFlow", (uint64_t)limit.rlim_cur);
    doctor_fix(doctor, "ulimit -u 4096 or more; nproc in /etc/security/limits.conf");
    return true;
}

void machine_look_limits(struct doctor *doctor)
{
    if (doctor->user.other) {
        doctor_found(doctor, DOCTOR_INFO, "limits-other", "those of %s's sessions are not known from here",
                     doctor->user.name);
        return;
    }
    bool told = look_at_files(doctor);
    told |= look_at_memory(doctor);
    told |= look_at_locked(doctor);
    told |= look_at_processes(doctor);
    if (!told)
        doctor_found(doctor, DOCTOR_OK, "limits-sufficient", "open files, address space, locked memory, processes");
}
