/*
 * What TensorFlow loads at its import: every library in the tensorflow-plugins of each folder of packages, and what
 * TF_PLUGGABLE_DEVICE_LIBRARY_PATH names. A second plugin is loaded into the same process whether it is wanted or not.
 */
#include "client/itexctl/doctor/python.h"
#include "client/itexctl/doctor/texts.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_RECORD (8u << 20)

struct plugin_tally {
    size_t n_itex;          /* folders with a plugin of ITEX's */
    const char *first_itex; /* the first of them */
};

static bool is_library(const char *name)
{
    size_t length = strlen(name);
    return (length > 3 && strcmp(name + length - 3, ".so") == 0) || strstr(name, ".so.");
}

/* ITEX's own; which flavours they are is another layer's. */
static bool is_itex(const char *name)
{
    return strcmp(name, "libitex_gpu.so") == 0 || strcmp(name, "libitex_cpu.so") == 0;
}

/* The distribution whose record has the file; NULL. Looked for only where something was found. */
static const char *owner_of(struct doctor *doctor, const struct site_folder *folder, const char *name)
{
    struct doctor_python *python = doctor->python;
    const char *entry = keep_format(&python->memory, "tensorflow-plugins/%s,", name);
    for (size_t i = 0; entry && i < python->installation.n_distributions; i++) {
        const struct distribution *distribution = &python->installation.distributions[i];
        CLEANUP(freep) char *record = NULL;
        if (distribution->folder != folder || distribution->kind != DISTRIBUTION_WHEEL)
            continue;
        const char *path = keep_format(&python->memory, "%s/RECORD", distribution->path);
        if (path && file_text(path, MOST_RECORD, &record) == 0 && strstr(record, entry))
            return distribution->name;
    }
    return NULL;
}

static void tell_second(struct doctor *doctor, const struct site_folder *folder, const char *name)
{
    const char *owner = owner_of(doctor, folder, name);
    doctor_found(doctor, DOCTOR_WARNING, "second-plugin",
                 "%s/tensorflow-plugins/%s%s%s%s is loaded into every TensorFlow process beside ITEX", folder->path,
                 name, owner ? " (of " : "", owner ? owner : "", owner ? ")" : "");
    if (owner)
        doctor_fix(doctor, "remove it, or give ITEX an environment of its own: %s -m pip uninstall -y %s",
                   doctor->python->command, owner);
    else
        doctor_fix(doctor, "no package knows it; move it away: mv %s/tensorflow-plugins/%s /tmp/", folder->path, name);
}

static void look_in(struct doctor *doctor, const struct site_folder *folder, struct plugin_tally *tally)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool itex = false;
    if (snprintf(path, sizeof(path), "%s/tensorflow-plugins", folder->path) >= (int)sizeof(path))
        return;
    DIR *plugins = opendir(path);
    while (plugins && (entry = readdir(plugins))) {
        if (is_itex(entry->d_name))
            itex = true;
        else if (is_library(entry->d_name))
            tell_second(doctor, folder, entry->d_name);
    }
    if (plugins)
        closedir(plugins);
    if (!itex)
        return;
    if (tally->n_itex++ == 0) {
        tally->first_itex = folder->path;
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "itex-twice",
                 "ITEX's plugin is in %s/tensorflow-plugins and in %s/tensorflow-plugins, and TensorFlow loads both",
                 tally->first_itex, folder->path);
    if (doctor->python->installation.folders[0].kind == FOLDER_USER)
        doctor_fix(doctor, "leave the user's own packages out of the job: export PYTHONNOUSERSITE=1");
    else
        doctor_fix(doctor, "remove one of them: %s -m pip uninstall -y intel-extension-for-tensorflow-lib",
                   doctor->python->command);
}

static void look_at_variable(struct doctor *doctor)
{
    const char *path = python_variable(doctor, "TF_PLUGGABLE_DEVICE_LIBRARY_PATH");
    if (!path)
        return;
    doctor_found(doctor, DOCTOR_WARNING, "plugin-variable",
                 "TF_PLUGGABLE_DEVICE_LIBRARY_PATH names %s: TensorFlow loads it besides what is installed", path);
    doctor_fix(doctor, "unset TF_PLUGGABLE_DEVICE_LIBRARY_PATH");
}

void python_look_plugins(struct doctor *doctor)
{
    const struct installation *installation = &doctor->python->installation;
    struct plugin_tally tally = {.n_itex = 0};
    for (size_t i = 0; i < installation->n_folders; i++) {
        const struct site_folder *folder = &installation->folders[i];
        if (folder->kind == FOLDER_SITE || folder->kind == FOLDER_USER || strstr(folder->path, "site-packages"))
            look_in(doctor, folder, &tally);
    }
    look_at_variable(doctor);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        doctor_found(doctor, DOCTOR_OK, "plugins", "%s", tally.n_itex > 0 ? "ITEX's and no other" : "none");
}
