/*
 * Modules say in modules.alias which devices they are for. A module is kept away by a blacklist (in modprobe.d or on
 * the kernel's command line), by an "install" line, by nomodeset, or for one device by force_probe=!ID.
 */
#include "client/itexctl/doctor/modules.h"
#include "client/itexctl/doctor/machine.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void modules_release(const struct doctor *doctor, char *text, size_t size)
{
    struct utsname kernel;
    if (machine_line(doctor, text, size, "/proc/sys/kernel/osrelease"))
        return;
    snprintf(text, size, "%s", uname(&kernel) == 0 ? kernel.release : "?");
}

/* ---- Which ------------------------------------------------------------------------------------------------------ */

static bool is_loaded(const struct doctor *doctor, const char *name)
{
    char path[PATH_MAX];
    return doctor_path(doctor, path, "/sys/module/%s", name) && access(path, F_OK) == 0;
}

/* "alias pci:v00008086d00000BD5sv*sd*bc03sc*i* i915" */
static bool alias_is_for(char *line, const char *modalias, char name[16])
{
    char *rest = line;
    const char *word = strsep(&rest, " "), *pattern = strsep(&rest, " "), *module = strsep(&rest, " \n");
    if (!module || strcmp(word, "alias") != 0 || !layers_is_gpu_driver(module))
        return false;
    if (fnmatch(pattern, modalias, 0) != 0)
        return false;
    snprintf(name, 16, "%s", module);
    return true;
}

static enum module_knows find_module(const struct doctor *doctor, const char *modalias, struct card_module *module)
{
    char path[PATH_MAX], line[1024];
    if (!modalias[0] || !doctor_path(doctor, path, "/lib/modules/%s/modules.alias", module->release))
        return MODULE_UNKNOWN;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    if (!file)
        return MODULE_UNKNOWN;
    while (fgets(line, sizeof(line), file))
        if (alias_is_for(line, modalias, module->name))
            return MODULE_KNOWS;
    return MODULE_KNOWS_NOT;
}

/* ---- What keeps it away -------------------------------------------------------------------------------------------
 */

static bool lists(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (;; list++) {
        size_t n = strcspn(list, ", \n");
        if (n == length && strncmp(list, name, n) == 0)
            return true;
        list += n;
        if (*list != ',')
            return false;
    }
}

/* A word of the command line that keeps the module from being loaded. */
static bool word_blocks(const char *word, const char *name)
{
    static const char *const lists_of[] = {"modprobe.blacklist=", "module_blacklist="};
    char modeset[40];
    for (size_t i = 0; i < LENGTH(lists_of); i++)
        if (strncmp(word, lists_of[i], strlen(lists_of[i])) == 0 && lists(word + strlen(lists_of[i]), name))
            return true;
    snprintf(modeset, sizeof(modeset), "%s.modeset=0", name);
    return strcmp(word, "nomodeset") == 0 || strcmp(word, modeset) == 0;
}

static void read_command_line(const struct doctor *doctor, struct card_module *module)
{
    char text[4096], wanted[40], *rest = text;
    const char *word;
    if (!machine_line(doctor, text, sizeof(text), "/proc/cmdline"))
        return;
    int length = snprintf(wanted, sizeof(wanted), "%s.force_probe=", module->name);
    while ((word = strsep(&rest, " "))) {
        if (word_blocks(word, module->name))
            snprintf(module->blocked, sizeof(module->blocked), "%.100s on the kernel's command line", word);
        if (strncmp(word, wanted, (size_t)length) != 0)
            continue;
        char off[32];
        snprintf(off, sizeof(off), "!%s", module->device);
        if (lists(word + length, off) || lists(word + length, "!*"))
            snprintf(module->forced_off, sizeof(module->forced_off), "%.100s on the kernel's command line", word);
    }
}

static bool line_blocks(char *line, const char *name)
{
    char *rest = line;
    const char *word = strsep(&rest, " \t\n"), *module = strsep(&rest, " \t\n"), *command = strsep(&rest, " \t\n");
    if (!module || strcmp(module, name) != 0)
        return false;
    if (strcmp(word, "blacklist") == 0)
        return true;
    const char *base = command ? strrchr(command, '/') : NULL;
    base = base ? base + 1 : command;
    return strcmp(word, "install") == 0 && base && (strcmp(base, "false") == 0 || strcmp(base, "true") == 0);
}

static void read_modprobe_file(const struct doctor *doctor, const char *folder, const char *name,
                               struct card_module *module)
{
    char path[PATH_MAX], line[1024];
    if (!doctor_path(doctor, path, "%s/%s", folder, name))
        return;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    for (int number = 1; file && fgets(line, sizeof(line), file); number++)
        if (line_blocks(line, module->name))
            snprintf(module->blocked, sizeof(module->blocked), "%.60s/%.120s, line %d", folder, name, number);
}

static void closedirp(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static void read_modprobe_folder(const struct doctor *doctor, const char *folder, struct card_module *module)
{
    CLEANUP(closedirp) DIR *directory = NULL;
    char path[PATH_MAX];
    const struct dirent *entry;
    if (doctor_path(doctor, path, "%s", folder))
        directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".conf") == 0)
            read_modprobe_file(doctor, folder, entry->d_name, module);
    }
}

/* ---- A card --------------------------------------------------------------------------------------------------------
 */

static void read_device(const struct doctor *doctor, const char *bdf, struct card_module *module)
{
    char path[128], id[32];
    snprintf(path, sizeof(path), SYSFS_PCI "/%s/device", bdf);
    bool known = machine_line(doctor, id, sizeof(id), path) && strncmp(id, "0x", 2) == 0;
    snprintf(module->device, sizeof(module->device), "%.8s", known ? id + 2 : "?");
}

void modules_for_card(const struct doctor *doctor, const char *bdf, struct card_module *module)
{
    static const char *const folders[] = {"/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d",
                                          "/lib/modprobe.d"};
    char path[128], modalias[256];
    *module = (struct card_module){.known = MODULE_UNKNOWN};
    modules_release(doctor, module->release, sizeof(module->release));
    read_device(doctor, bdf, module);
    snprintf(path, sizeof(path), SYSFS_PCI "/%s/modalias", bdf);
    machine_line(doctor, modalias, sizeof(modalias), path);
    module->known = find_module(doctor, modalias, module);
    if (module->known != MODULE_KNOWS)
        snprintf(module->name, sizeof(module->name), "%s", is_loaded(doctor, "xe") ? "xe" : "i915");
    module->loaded = module->known != MODULE_KNOWS_NOT && is_loaded(doctor, module->name);
    read_command_line(doctor, module);
    for (size_t i = 0; i < LENGTH(folders); i++)
        read_modprobe_folder(doctor, folders[i], module);
}
