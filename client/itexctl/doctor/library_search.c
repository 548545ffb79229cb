/* Looking for libraries as the dynamic linker does: see library_search.h. */
#include "client/itexctl/doctor/library_search.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

#define MOST_LIBRARIES 512

/* ---- One ------------------------------------------------------------------------------------------------------ */

/* A library in a folder, read into *library. 1: taken; 0: there is none that fits; -ENOMEM. */
static int try_path(const struct library_search *search, const char *path, struct needed_library *library)
{
    if (!path)
        return -ENOMEM;
    if (!path_is_file(path))
        return 0;
    int r = elf_file_read(path, &library->file, search->memory);
    if (r == -ENOMEM)
        return r;
    if (r == -ENOEXEC || r == -EACCES) /* the linker goes on where it cannot read, and fails where it is no library */
        return 0;
    if (search->machine != 0 && library->file.machine != search->machine)
        return 0;
    library->path = path;
    library->damaged = r < 0;
    return 1;
}

/* The folder of a file. */
static int origin_length(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? (int)(slash - path) : 0;
}

/* One folder of a list, with $ORIGIN at its beginning put in. NULL: it depends on something else that is not known,
 * or there is no memory. */
static const char *expand(const struct library_search *search, const char *folder, size_t length, const char *origin)
{
    static const char *const names[] = {"$ORIGIN", "${ORIGIN}"};
    size_t skipped = 0;
    for (size_t i = 0; i < LENGTH(names) && skipped == 0; i++)
        if (strncmp(folder, names[i], strlen(names[i])) == 0)
            skipped = strlen(names[i]);
    if (memchr(folder + skipped, '$', length - skipped))
        return NULL;
    if (length == 0)
        return ".";
    return keep_format(search->memory, "%.*s%.*s", skipped ? origin_length(origin) : 0, skipped ? origin : "",
                       (int)(length - skipped), folder + skipped);
}

/* Folders with colons (LD_LIBRARY_PATH: with semicolons as well). */
static int try_list(const struct library_search *search, const char *list, const char *origin, const char *name,
                    struct needed_library *library)
{
    int r = 0;
    for (size_t length; list && r == 0; list += length + 1) {
        length = strcspn(list, ":;");
        const char *folder = expand(search, list, length, origin);
        if (folder)
            r = try_path(search, keep_format(search->memory, "%s/%s", folder, name), library);
        if (!list[length])
            break;
    }
    return r;
}

/* RPATH of what needs it, of what loads that, and of the program; none of them counts where what needs it has a
 * RUNPATH. */
static int try_rpaths(const struct library_search *search, const char *name, const struct needed_library *by,
                      struct needed_library *library)
{
    int r = 0;
    if (by && by->file.runpath)
        return 0;
    for (; by && r == 0; by = by->by)
        if (!by->file.runpath)
            r = try_list(search, by->file.rpath, by->path, name, library);
    return r != 0 ? r : try_list(search, search->program_rpath, search->program, name, library);
}

static int try_cache(const struct library_search *search, const char *name, struct needed_library *library)
{
    const char *path;
    int r = 0;
    for (size_t at = 0; r == 0 && (path = linker_cache_find(&search->cache, name, &at));)
        r = try_path(search, keep_copy(search->memory, path), library);
    return r;
}

static int try_defaults(const struct library_search *search, const char *name, struct needed_library *library)
{
    static const char *const folders[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    int r = 0;
    for (size_t i = 0; i < LENGTH(folders) && r == 0; i++)
        r = try_path(search, keep_format(search->memory, "%s/%s", folders[i], name), library);
    return r;
}

static int find(const struct library_search *search, const char *name, const struct needed_library *by,
                struct needed_library *library)
{
    if (strchr(name, '/'))
        return try_path(search, name, library);
    int r = try_rpaths(search, name, by, library);
    if (r == 0)
        r = try_list(search, search->library_path, search->program, name, library);
    if (r == 0 && by)
        r = try_list(search, by->file.runpath, by->path, name, library);
    if (r == 0)
        r = try_cache(search, name, library);
    return r == 0 ? try_defaults(search, name, library) : r;
}

const char *library_search_one(const struct library_search *search, const char *name, const struct needed_library *by)
{
    struct needed_library library = {.path = NULL};
    return find(search, name, by, &library) == 1 ? library.path : NULL;
}

/* ---- All ------------------------------------------------------------------------------------------------------- */

static bool is_among(const struct needed_libraries *libraries, const char *name)
{
    for (size_t i = 0; i < libraries->n_items; i++) {
        const struct needed_library *library = libraries->items[i];
        if (strcmp(library->name, name) == 0 || (library->file.soname && strcmp(library->file.soname, name) == 0))
            return true;
    }
    return false;
}

/* Loaded before any plugin is, from TensorFlow's own folders. */
static bool is_tensorflows(const char *name)
{
    return strncmp(name, "_pywrap_tensorflow", 18) == 0 || strncmp(name, "libtensorflow", 13) == 0;
}

static int add(const struct library_search *search, const char *name, const struct needed_library *by,
               struct needed_libraries *libraries)
{
    struct needed_library *library = yaml_memory_get(search->memory, 1, sizeof(*library));
    struct needed_library **grown =
        keep_room(search->memory, libraries->items, libraries->n_items, sizeof(struct needed_library *));
    if (!library || !grown)
        return -ENOMEM;
    library->name = name;
    library->by = by;
    libraries->items = grown;
    grown[libraries->n_items++] = library;
    int r = find(search, name, by, library);
    if (r == 0)
        library->file = (struct elf_file){.machine = 0};
    return r < 0 ? r : 0;
}

int library_search_all(const struct library_search *search, const char *path, struct needed_libraries *libraries)
{
    size_t at = libraries->n_items;
    int r = is_among(libraries, path) ? 0 : add(search, path, NULL, libraries);
    for (; r == 0 && at < libraries->n_items; at++) {
        const struct needed_library *library = libraries->items[at];
        for (size_t i = 0; library->path && i < library->file.n_needed && r == 0; i++) {
            const char *name = library->file.needed[i];
            if (libraries->n_items < MOST_LIBRARIES && !is_tensorflows(name) && !is_among(libraries, name))
                r = add(search, name, library, libraries);
        }
    }
    return r;
}
