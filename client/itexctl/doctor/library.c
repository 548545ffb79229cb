/* Loading by dlopen, first with all symbols: see library.h. */
#include "client/itexctl/doctor/library.h"
#include "proto/cleanup.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_MS 10000

struct load {
    const char *name;
    struct library *library; /* shared */
};

/* "/usr/lib/libze_loader.so.1.8.12" -> "1.8.12" */
static void read_version(const char *file, char *version, size_t size)
{
    const char *base = strrchr(file, '/'), *so = strstr(base ? base : file, ".so.");
    snprintf(version, size, "%s", so ? so + strlen(".so.") : "");
}

static void load(void *context)
{
    const struct load *wanted = context;
    struct library *library = wanted->library;
    struct link_map *map = NULL;
    void *handle = dlopen(wanted->name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *error = dlerror();
        snprintf(library->unresolved, sizeof(library->unresolved), "%s", error ? error : "?");
        handle = dlopen(wanted->name, RTLD_LAZY | RTLD_LOCAL); /* as the loader does with a driver */
    }
    if (!handle) {
        const char *error = dlerror();
        snprintf(library->error, sizeof(library->error), "%s", error ? error : "?");
        return;
    }
    library->loaded = true;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && !realpath(map->l_name, library->file))
        snprintf(library->file, sizeof(library->file), "%s", map->l_name);
}

int library_load(const struct doctor *doctor, const char *name, struct library *library)
{
    struct load wanted = {name, child_shared(sizeof(*library))};
    CLEANUP(freep) struct child_result *result = malloc(sizeof(*result));
    int timeout = doctor_left_ms(doctor, LOAD_MS);
    if (!wanted.library || !result) {
        child_unshare(wanted.library, sizeof(*library));
        return -ENOMEM;
    }
    int r = child_run(load, &wanted, timeout > 0 ? timeout : 1, result);
    *library = *wanted.library;
    child_unshare(wanted.library, sizeof(*library));
    if (r < 0)
        return r;
    library->ended = !library->loaded && !library->error[0];
    child_describe(result, timeout, library->end, sizeof(library->end));
    read_version(library->file, library->version, sizeof(library->version));
    return 0;
}

bool library_absent(const struct library *library, const char *name)
{
    size_t length = strlen(name);
    return strncmp(library->error, name, length) == 0 && library->error[length] == ':' &&
           strstr(library->error, strerror(ENOENT));
}

bool library_elsewhere(const char *name, char *file, size_t size)
{
    static const char *const folders[] = {
        "/usr/lib/x86_64-linux-gnu",      "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
        "/opt/intel/oneapi/*/latest/lib",
    };
    const char *conda = getenv("CONDA_PREFIX");
    char pattern[PATH_MAX];
    glob_t found = {.gl_pathc = 0};
    int flags = 0;
    for (size_t i = 0; i < LENGTH(folders); i++, flags = GLOB_APPEND) {
        snprintf(pattern, sizeof(pattern), "%s/%s", folders[i], name);
        glob(pattern, flags, NULL, &found);
    }
    if (conda && *conda && snprintf(pattern, sizeof(pattern), "%s/lib/%s", conda, name) < (int)sizeof(pattern))
        glob(pattern, flags, NULL, &found);
    bool any = found.gl_pathc > 0;
    if (any)
        snprintf(file, size, "%s", found.gl_pathv[0]);
    globfree(&found);
    return any;
}
