/* The process's own view of devices: see device_view.h. What cannot be found out is left out; nothing here fails a job.
 */
#include "client/core/device_view.h"

#include "client/core/job.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#define RENDER_NODES "/dev/dri"
#define NUMA_NODES "/sys/devices/system/node"
#define MOST_RENDER_NODES 64 /* that the kernel has minors for */
#define CPU_SETS 8           /* of 1024 processors each */

/* ---- Render nodes -------------------------------------------------------------------------------- */

static int is_render_node(const struct dirent *entry)
{
    static const char prefix[] = "renderD";
    const char *number = entry->d_name + strlen(prefix);

    return strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && *number &&
           number[strspn(number, "0123456789")] == '\0';
}

static bool opens(const char *directory, const char *name)
{
    CLEANUP(closep) int folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(closep) int node = folder < 0 ? -1 : openat(folder, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    return node >= 0;
}

int device_view_render_nodes(Itexd__V1__DeviceRequest *devices, const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_render_node, versionsort);

    if (n < 0)
        return errno == ENOMEM ? -ENOMEM : 0;
    CLEANUP(freep) char **names = calloc((size_t)n + 1, sizeof *names);
    size_t found = 0;
    int r = names ? 0 : -ENOMEM;
    for (int i = 0; i < n; i++) {
        if (r == 0 && found < MOST_RENDER_NODES && opens(directory, entries[i]->d_name)) {
            names[found] = strdup(entries[i]->d_name);
            r = names[found++] ? 0 : -ENOMEM;
        }
        free(entries[i]);
    }
    free(entries);
    if (r < 0) {
        for (size_t i = 0; i < found; i++)
            free(names[i]);
        return r;
    }
    devices->has_render_nodes_told = devices->render_nodes_told = 1;
    devices->n_render_nodes = found;
    devices->render_nodes = TAKE_PTR(names);
    return 0;
}

/* ---- NUMA ---------------------------------------------------------------------------------------- */

/* Of "0-27,56-83", as the kernel writes lists of processors. */
static bool may_run_on(const char *list, const cpu_set_t *allowed, size_t size)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        unsigned long first = strtoul(list, &end, 10);
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

        for (unsigned long cpu = first; cpu <= last && cpu < size * 8; cpu++)
            if (CPU_ISSET_S(cpu, size, allowed))
                return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* The list of processors of a node; false where it has none, or is no node. */
static bool read_cpus(const char *directory, const char *node, char *text, size_t size)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s/cpulist", directory, node);
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    return file && fgets(text, (int)size, file) && *text >= '0' && *text <= '9';
}

static int is_numa_node(const struct dirent *entry)
{
    return strncmp(entry->d_name, "node", 4) == 0 && entry->d_name[4] >= '0' && entry->d_name[4] <= '9';
}

int device_view_numa(const char *directory)
{
    cpu_set_t allowed[CPU_SETS];
    struct dirent **entries;
    char cpus[4096];
    int nodes = 0, mine = 0, found = -1;

    if (sched_getaffinity(0, sizeof allowed, allowed) < 0)
        return -1;
    int n = scandir(directory, &entries, is_numa_node, NULL);
    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        if (read_cpus(directory, entries[i]->d_name, cpus, sizeof cpus)) {
            nodes++;
            if (may_run_on(cpus, allowed, sizeof allowed)) {
                mine++;
                found = atoi(entries[i]->d_name + 4);
            }
        }
        free(entries[i]);
    }
    free(entries);
    return nodes > 1 && mine == 1 ? found : -1;
}

/* ---- All of it ----------------------------------------------------------------------------------- */

int device_view_add(Itexd__V1__DeviceRequest *devices, char *const *envp)
{
    struct local_rank rank;

    if (job_local_rank(envp, &rank)) {
        devices->has_local_size = devices->has_local_rank = 1;
        devices->local_size = rank.size;
        devices->local_rank = rank.rank;
    }
    int numa = devices->has_numa ? -1 : device_view_numa(NUMA_NODES);
    if (numa >= 0) {
        devices->has_numa = 1;
        devices->numa = numa;
    }
    return device_view_render_nodes(devices, RENDER_NODES);
}
