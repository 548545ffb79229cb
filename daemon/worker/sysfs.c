/*
 * /sys/bus/pci/devices/ADDRESS: the bound kernel driver, the DRM nodes, the NUMA node with its CPUs, and hwmon.
 *
 * Files are small and read whole; what is missing or odd is not known, never an error. hwmon's sensors go by their
 * labels ("pkg", "card", "vram"), since i915 and xe number them differently and older kernels have one without a label.
 */
#include "daemon/worker/sysfs.h"
#include "daemon/worker/text.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTEL_VENDOR 0x8086
#define CLASS_DISPLAY 0x03

static void closedirp(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* PATH of a file of this device; false where it would be cut. */
static bool device_path(char path[PATH_MAX], const char *root, const char *bdf, const char *file)
{
    int length = snprintf(path, PATH_MAX, "%s" SYSFS_PCI "/%s/%s", root, bdf, file);

    return length > 0 && length < PATH_MAX;
}

static bool read_text(const char *path, char *text, size_t size)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char raw[4096];
    ssize_t length;

    text[0] = '\0';
    if (fd < 0)
        return false;
    length = read(fd, raw, sizeof raw);
    if (length <= 0)
        return false;
    text_copy(text, size, raw, (size_t)length);
    return text[0] != '\0';
}

/* base: 10, or 16 for "0x..." */
static bool read_number(const char *path, int base, long long *value)
{
    char text[64], *end;

    if (!read_text(path, text, sizeof text))
        return false;
    *value = strtoll(text, &end, base);
    return end != text && *end == '\0';
}

static bool device_number(const char *root, const char *bdf, const char *file, int base, long long *value)
{
    char path[PATH_MAX];

    return device_path(path, root, bdf, file) && read_number(path, base, value);
}

/* ---- A card --------------------------------------------------------------------------------------------------- */

static void read_driver(const char *root, const char *bdf, char *name, size_t size)
{
    char path[PATH_MAX], target[PATH_MAX];
    ssize_t length;
    const char *base;

    name[0] = '\0';
    if (!device_path(path, root, bdf, "driver"))
        return;
    length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return;
    target[length] = '\0';
    base = strrchr(target, '/');
    text_copy(name, size, base ? base + 1 : target, strlen(base ? base + 1 : target));
}

/* "renderD128" for the prefix "renderD"; connectors ("card0-DP-1") are not nodes. */
static bool is_node(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(name, prefix, length) == 0 && name[length] && strlen(name) < 20 &&
           strspn(name + length, "0123456789") == strlen(name + length);
}

static void read_nodes(const char *root, const char *bdf, struct sysfs_card *card)
{
    CLEANUP(closedirp) DIR *directory = NULL;
    char path[PATH_MAX];
    const struct dirent *entry;

    if (!device_path(path, root, bdf, "drm"))
        return;
    directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        if (is_node(entry->d_name, "renderD"))
            snprintf(card->render_node, sizeof card->render_node, "/dev/dri/%.19s", entry->d_name);
        else if (is_node(entry->d_name, "card"))
            snprintf(card->card_node, sizeof card->card_node, "/dev/dri/%.19s", entry->d_name);
    }
}

bool sysfs_on_bus(const char *root, const char *bdf)
{
    char path[PATH_MAX];

    return device_path(path, root, bdf, "") && access(path, F_OK) == 0;
}

void sysfs_card(const char *root, const char *bdf, struct sysfs_card *card)
{
    char path[PATH_MAX];
    long long node;

    memset(card, 0, sizeof *card);
    card->found = sysfs_on_bus(root, bdf);
    if (!card->found)
        return;
    read_driver(root, bdf, card->kernel_driver, sizeof card->kernel_driver);
    read_nodes(root, bdf, card);
    /* -1: the machine has no such notion */
    if (device_number(root, bdf, "numa_node", 10, &node) && node >= 0 && node < 4096) {
        card->has_numa_node = true;
        card->numa_node = (int32_t)node;
    }
    if (device_path(path, root, bdf, "local_cpulist"))
        read_text(path, card->cpus, sizeof card->cpus);
}

/* ---- The bus ---------------------------------------------------------------------------------------------------- */

static int compare_bdfs(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_display_of_intel(const char *root, const char *bdf)
{
    long long vendor, class;

    return device_number(root, bdf, "vendor", 16, &vendor) && vendor == INTEL_VENDOR &&
           device_number(root, bdf, "class", 16, &class) && class >> 16 == CLASS_DISPLAY;
}

size_t sysfs_display_devices(const char *root, char (*bdfs)[SYSFS_BDF_SIZE], size_t capacity)
{
    CLEANUP(closedirp) DIR *directory = NULL;
    char path[PATH_MAX];
    const struct dirent *entry;
    size_t n = 0;

    if (snprintf(path, sizeof path, "%s" SYSFS_PCI, root) >= (int)sizeof path)
        return 0;
    directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= SYSFS_BDF_SIZE)
            continue;
        if (!is_display_of_intel(root, entry->d_name))
            continue;
        if (n < capacity)
            memcpy(bdfs[n], entry->d_name, strlen(entry->d_name) + 1);
        n++;
    }
    qsort(bdfs, n < capacity ? n : capacity, sizeof bdfs[0], compare_bdfs);
    return n;
}

/* ---- hwmon ------------------------------------------------------------------------------------------------------ */

/* What a sensor of this file name ("temp2_input") measures: its label, "" without one. */
static void read_label(const char *hwmon, const char *file, char *label, size_t size)
{
    char path[PATH_MAX];
    const char *underscore = strchr(file, '_');

    label[0] = '\0';
    if (underscore &&
        snprintf(path, sizeof path, "%s/%.*s_label", hwmon, (int)(underscore - file), file) < (int)sizeof path)
        read_text(path, label, size);
}

static void raise(bool *has, double *value, double reading)
{
    if (!*has || reading > *value)
        *value = reading;
    *has = true;
}

static void read_sensor(const char *hwmon, const char *file, struct sysfs_sensors *sensors)
{
    char path[PATH_MAX], label[32];
    long long raw;
    bool temperature = strncmp(file, "temp", 4) == 0, energy = strncmp(file, "energy", 6) == 0;

    if ((!temperature && !energy) || !strstr(file, "_input"))
        return;
    if (snprintf(path, sizeof path, "%s/%s", hwmon, file) >= (int)sizeof path || !read_number(path, 10, &raw))
        return;
    read_label(hwmon, file, label, sizeof label);
    if (temperature && strcmp(label, "vram") == 0)
        raise(&sensors->has_memory_temperature, &sensors->memory_temperature, (double)raw / 1e3);
    else if (temperature)
        raise(&sensors->has_temperature, &sensors->temperature, (double)raw / 1e3);
    else if (raw >= 0) /* of several (card, package) the card's is the largest */
        raise(&sensors->has_energy, &sensors->energy, (double)raw / 1e6);
}

void sysfs_sensors(const char *root, const char *bdf, struct sysfs_sensors *sensors)
{
    CLEANUP(closedirp) DIR *directory = NULL;
    char path[PATH_MAX], hwmon[PATH_MAX];
    const struct dirent *entry, *file;

    memset(sensors, 0, sizeof *sensors);
    if (!device_path(path, root, bdf, "hwmon"))
        return;
    directory = opendir(path);
    while (directory && (entry = readdir(directory))) {
        CLEANUP(closedirp) DIR *files = NULL;

        if (strncmp(entry->d_name, "hwmon", 5) != 0 ||
            snprintf(hwmon, sizeof hwmon, "%s/%s", path, entry->d_name) >= (int)sizeof hwmon)
            continue;
        files = opendir(hwmon);
        while (files && (file = readdir(files)))
            read_sensor(hwmon, file->d_name, sensors);
    }
}
