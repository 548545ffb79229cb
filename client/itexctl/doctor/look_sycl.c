/*
 * The SYCL runtime: whether the dynamic linker would find all that ITEX's plugin needs, where the missing is instead,
 * and whether the Level Zero adapter's symbols are all in the loader that it would get. Nothing is loaded for it.
 */
#include "client/itexctl/doctor/library_search.h"
#include "client/itexctl/doctor/python.h"
#include "client/itexctl/doctor/texts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

#define LOADER "libze_loader.so.1"
#define SHOWN 5

struct sycl {
    struct library_search search;
    struct needed_libraries libraries;
    const struct needed_library *missing[SHOWN]; /* the first of them */
    size_t n_missing;
    const struct needed_library *runtime; /* libsycl.so.N, found or not; NULL: nothing needs one */
};

static void sycl_clear(struct sycl *sycl)
{
    linker_cache_clear(&sycl->search.cache);
}

/* ---- What there is -------------------------------------------------------------------------------------------- */

static int begin(struct doctor *doctor, struct sycl *sycl)
{
    struct doctor_python *python = doctor->python;
    struct elf_file program;
    sycl->search.memory = &python->memory;
    sycl->search.program = python->installation.interpreter.real;
    sycl->search.library_path = python_variable(doctor, "LD_LIBRARY_PATH");
    int r = elf_file_read(sycl->search.program, &program, &python->memory);
    if (r == -ENOMEM)
        return r;
    if (r >= 0) {
        sycl->search.machine = program.machine;
        sycl->search.program_rpath = program.runpath ? NULL : program.rpath;
    }
    return linker_cache_read("/etc/ld.so.cache", &sycl->search.cache);
}

/* The plugin, and the inner library that it opens later. */
static int read_libraries(struct doctor *doctor, struct sycl *sycl)
{
    static const char *const names[] = {"tensorflow-plugins/libitex_gpu.so",
                                        "intel_extension_for_tensorflow/libitex_gpu_internal.so"};
    struct doctor_python *python = doctor->python;
    int r = 0;
    for (size_t i = 0; i < LENGTH(names) && r >= 0; i++) {
        const char *path = keep_format(&python->memory, "%s/%s", python->lib->folder->path, names[i]);
        if (!path)
            return -ENOMEM;
        if (path_is_file(path))
            r = library_search_all(&sycl->search, path, &sycl->libraries);
    }
    return r;
}

/* Levels below have their own layers: the loader. */
static void sort_out(struct sycl *sycl)
{
    for (size_t i = 0; i < sycl->libraries.n_items; i++) {
        const struct needed_library *library = sycl->libraries.items[i];
        if (strncmp(library->name, "libsycl.so.", 11) == 0)
            sycl->runtime = library;
        if (library->path || strcmp(library->name, LOADER) == 0)
            continue;
        if (sycl->n_missing < SHOWN)
            sycl->missing[sycl->n_missing] = library;
        sycl->n_missing++;
    }
}

/* ---- Where it is instead ---------------------------------------------------------------------------------------- */

/* The first file of a pattern that has "%s" for the name; NULL. */
static const char *match(struct yaml_memory *memory, const char *folder, const char *pattern, const char *name)
{
    glob_t found = {.gl_pathc = 0};
    const char *path = keep_format(memory, "%s%s/%s", folder, pattern, name), *first = NULL;
    if (path && glob(path, 0, NULL, &found) == 0)
        first = keep_copy(memory, found.gl_pathv[found.gl_pathc - 1]); /* the newest by its name */
    globfree(&found);
    return first;
}

/* In an installation of oneAPI whose variables were not set. *root is that. */
static const char *in_oneapi(struct doctor *doctor, const char *name, const char **root)
{
    static const char *const patterns[] = {"/*/latest/lib", "/*/latest/lib/intel64", "/*/latest/linux/lib",
                                           "/*/latest/linux/compiler/lib/intel64_lin", "/*/*/lib"};
    struct yaml_memory *memory = &doctor->python->memory;
    const char *home = doctor->user.home ? keep_format(memory, "%s/intel/oneapi", doctor->user.home) : NULL;
    const char *roots[] = {python_variable(doctor, "ONEAPI_ROOT"), "/opt/intel/oneapi", home};
    for (size_t i = 0; i < LENGTH(roots); i++)
        for (size_t j = 0; roots[i] && j < LENGTH(patterns); j++) {
            const char *path = match(memory, roots[i], patterns[j], name);
            *root = roots[i];
            if (path)
                return path;
        }
    return NULL;
}

/* Where pip and conda put libraries of their packages. */
static const char *in_prefix(struct doctor *doctor, const char *name)
{
    const struct interpreter *interpreter = &doctor->python->installation.interpreter;
    const char *path = match(&doctor->python->memory, interpreter->prefix, "/lib", name);
    return path && strcmp(interpreter->prefix, "/usr") != 0 ? path : NULL;
}

/* libsycl.so.7 where libsycl.so.8 is wanted: of another oneAPI. The one that would be found. */
static const char *other_runtime(const struct sycl *sycl)
{
    for (unsigned number = 12; number >= 4; number--) {
        const char *name = keep_format(sycl->search.memory, "libsycl.so.%u", number);
        const char *path = name ? library_search_one(&sycl->search, name, sycl->runtime->by) : NULL;
        if (path)
            return path;
    }
    return NULL;
}

/* ---- Findings -------------------------------------------------------------------------------------------------- */

static void list_missing(const struct sycl *sycl, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sycl->n_missing && i < SHOWN && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.80s", i ? ", " : "", sycl->missing[i]->name);
    if (sycl->n_missing > SHOWN && used < size)
        snprintf(text + used, size - used, " and %zu more", sycl->n_missing - SHOWN);
}

/* Packages of pip that hold the runtime, of the release's version. */
static void fix_by_pip(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const char *version = python->release ? python->release->compiler.text.text : "";
    const char *prefix = python->installation.interpreter.prefix;
    doctor_fix(doctor,
               "%s -m pip install 'dpcpp-cpp-rt%s' 'onemkl-sycl-blas%s' 'onemkl-sycl-lapack%s' 'onemkl-sycl-dft%s' && "
               "export LD_LIBRARY_PATH=%s/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}",
               python->command, version, version, version, version, prefix);
}

static void fix_missing(struct doctor *doctor, const struct sycl *sycl)
{
    const char *name = sycl->missing[0]->name, *root = NULL;
    const char *path = in_prefix(doctor, name);
    if (path)
        doctor_fix(doctor, "export LD_LIBRARY_PATH=%s/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}",
                   doctor->python->installation.interpreter.prefix);
    else if (in_oneapi(doctor, name, &root))
        doctor_fix(doctor, "source %s/setvars.sh", root);
    else
        fix_by_pip(doctor);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The runtime first: without it nothing else matters. */
static void tell_missing(struct doctor *doctor, struct sycl *sycl)
{
    const struct needed_library *runtime = sycl->runtime;
    char names[512];
    list_missing(sycl, names, sizeof(names));
    if (runtime && !runtime->path) {
        const char *other = other_runtime(sycl);
        const struct matrix_release *release = doctor->python->release;
        doctor_found(doctor, DOCTOR_ERROR, "sycl-missing",
                     "%s needs %s%s%s%s, which the dynamic linker would not find; missing are %s%s%s%s",
                     base_name(runtime->by->name), runtime->name, release ? " (oneAPI " : "",
                     release ? release->oneapi.text : "", release ? ")" : "", names, other ? "; it would find " : "",
                     other ? other : "", other ? ", which is of another oneAPI" : "");
    } else {
        doctor_found(doctor, DOCTOR_ERROR, "library-missing", "%s needs %s, which the dynamic linker would not find",
                     base_name(sycl->missing[0]->by ? sycl->missing[0]->by->name : "ITEX"), names);
    }
    fix_missing(doctor, sycl);
}

static void tell_damaged(struct doctor *doctor, const struct sycl *sycl)
{
    for (size_t i = 0; i < sycl->libraries.n_items; i++) {
        const struct needed_library *library = sycl->libraries.items[i];
        if (!library->damaged && (library->path || library->by))
            continue;
        doctor_found(doctor, DOCTOR_ERROR, "library-damaged", "%s is no library that can be read: it is cut or damaged",
                     library->path ? library->path : library->name);
        doctor_fix(doctor, "install again what it came with: %s -m pip install --force-reinstall --no-deps '%s==%s'",
                   doctor->python->command, doctor->python->lib->name, doctor->python->lib->version);
    }
}

/* ---- The adapter ------------------------------------------------------------------------------------------------ */

/* Beside the runtime, which opens it by name: since 2024.2 libur_*, before that libpi_*. */
static const char *find_adapter(const struct sycl *sycl)
{
    static const char *const names[] = {"libur_adapter_level_zero.so.0", "libur_adapter_level_zero.so",
                                        "libpi_level_zero.so", "libpi_unified_runtime.so"};
    const char *slash = strrchr(sycl->runtime->path, '/');
    for (size_t i = 0; slash && i < LENGTH(names); i++) {
        const char *path = keep_format(sycl->search.memory, "%.*s/%s", (int)(slash - sycl->runtime->path),
                                       sycl->runtime->path, names[i]);
        if (path && path_is_file(path))
            return path;
    }
    return NULL;
}

static bool offers(const struct elf_symbols *symbols, const char *name)
{
    for (size_t i = 0; i < symbols->n_names; i++)
        if (strcmp(symbols->names[i], name) == 0)
            return true;
    return false;
}

/* What is preloaded may offer what the loader lacks. */
static bool preloaded_offers(struct doctor *doctor, const char *name)
{
    const char *list = python_variable(doctor, "LD_PRELOAD");
    struct yaml_memory *memory = &doctor->python->memory;
    for (size_t length; list && *list; list += length + strspn(list + length, " :")) {
        struct elf_symbols symbols;
        length = strcspn(list, " :");
        const char *path = yaml_memory_copy(memory, list, length);
        if (path && elf_symbols_read(path, ELF_OFFERED, "ze", &symbols, memory) == 0 && offers(&symbols, name))
            return true;
    }
    return false;
}

/* Names of the adapter's that neither the loader nor anything preloaded has. 0 or -ENOMEM. */
static int unresolved(struct doctor *doctor, const char *adapter, const char *loader, struct elf_symbols *lacking)
{
    struct yaml_memory *memory = &doctor->python->memory;
    struct elf_symbols wanted, offered;
    static const char *const prefixes[] = {"ze", "zes", "zet"};
    for (size_t i = 0; i < LENGTH(prefixes); i++) {
        int r = elf_symbols_read(adapter, ELF_WANTED, prefixes[i], &wanted, memory);
        if (r == 0)
            r = elf_symbols_read(loader, ELF_OFFERED, prefixes[i], &offered, memory);
        if (r < 0)
            return r == -ENOMEM ? r : 0; /* damaged libraries are told of elsewhere */
        for (size_t j = 0; j < wanted.n_names; j++) {
            if (offers(&offered, wanted.names[j]) || preloaded_offers(doctor, wanted.names[j]))
                continue;
            lacking->names = keep_room(memory, lacking->names, lacking->n_names, sizeof(*lacking->names));
            if (!lacking->names)
                return -ENOMEM;
            lacking->names[lacking->n_names++] = wanted.names[j];
        }
    }
    return 0;
}

static void tell_unresolved(struct doctor *doctor, const char *adapter, const char *loader,
                            const struct elf_symbols *lacking)
{
    const struct matrix_release *release = doctor->python->release;
    const char *wanted = release && release->loader.text ? release->loader.text : NULL;
    char names[512];
    size_t used = 0;
    for (size_t i = 0; i < lacking->n_names && i < SHOWN && used < sizeof(names); i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%.80s", i ? ", " : "", lacking->names[i]);
    doctor_found(doctor, DOCTOR_ERROR, "adapter-symbols",
                 "%s needs %zu function%s that %s does not have (%s%s): SYCL then sees no Level Zero device", adapter,
                 lacking->n_names, lacking->n_names == 1 ? "" : "s", loader, names,
                 lacking->n_names > SHOWN ? ", ..." : "");
    doctor_fix(doctor,
               "install a newer Level Zero loader%s%s, from the distribution or the vendor's repository: sudo "
               "apt-get install --only-upgrade libze1",
               wanted ? ", at least " : "", wanted ? wanted : "");
}

static void look_at_adapter(struct doctor *doctor, const struct sycl *sycl)
{
    const char *adapter = find_adapter(sycl);
    struct elf_symbols lacking = {.names = NULL};
    struct needed_libraries own = {.items = NULL};
    const char *loader = NULL;
    if (!adapter) {
        doctor_found(doctor, DOCTOR_ERROR, "adapter-missing",
                     "beside %s there is no adapter for Level Zero: SYCL sees no GPU", sycl->runtime->path);
        fix_by_pip(doctor);
        return;
    }
    if (library_search_all(&sycl->search, adapter, &own) < 0) {
        doctor->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < own.n_items; i++)
        if (strcmp(own.items[i]->name, LOADER) == 0)
            loader = own.items[i]->path;
    if (!loader) /* the loader's own layer tells of that */
        return;
    if (unresolved(doctor, adapter, loader, &lacking) < 0)
        doctor->out_of_memory = true;
    else if (lacking.n_names > 0)
        tell_unresolved(doctor, adapter, loader, &lacking);
}

/* ---- The packages ------------------------------------------------------------------------------------------------ */

/* Those of pip, where they are what would be loaded. */
static void hold_packages(struct doctor *doctor, const struct sycl *sycl)
{
    static const char *const names[] = {"dpcpp-cpp-rt", "intel-sycl-rt", "intel-cmplr-lib-ur", "onemkl-sycl-blas"};
    struct doctor_python *python = doctor->python;
    const char *prefix = python->installation.interpreter.prefix;
    size_t length = strlen(prefix);
    if (!python->release || strncmp(sycl->runtime->path, prefix, length) != 0 || sycl->runtime->path[length] != '/')
        return;
    for (size_t i = 0; i < LENGTH(names); i++) {
        const struct distribution *found = distribution_find(&python->installation, names[i], NULL);
        struct package_version version;
        if (!python_version_of(found, &version) || package_version_in_range(&version, &python->release->compiler.range))
            continue;
        doctor_found(doctor, DOCTOR_WARNING, "sycl-version", "%s is %s; ITEX %s is for %s", names[i], found->version,
                     python->release->itex.text, python->release->compiler.text.text);
        fix_by_pip(doctor);
        return;
    }
}

static void look(struct doctor *doctor, struct sycl *sycl)
{
    if (begin(doctor, sycl) < 0 || read_libraries(doctor, sycl) < 0) {
        doctor->out_of_memory = true;
        return;
    }
    sort_out(sycl);
    tell_damaged(doctor, sycl);
    if (doctor_level_of(doctor, doctor->layer->name) == DOCTOR_ERROR)
        return;
    if (sycl->n_missing > 0) {
        tell_missing(doctor, sycl);
        return;
    }
    if (!sycl->runtime) {
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "no library of ITEX's needs a SYCL runtime");
        return;
    }
    look_at_adapter(doctor, sycl);
    hold_packages(doctor, sycl);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        doctor_found(doctor, DOCTOR_OK, "sycl", "%s, and all %zu libraries that ITEX needs are found",
                     sycl->runtime->path, sycl->libraries.n_items);
}

void python_look_sycl(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    CLEANUP(sycl_clear) struct sycl sycl = {.runtime = NULL};
    if (!python->lib)
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "ITEX's native part, which needs it, is not installed");
    else if (flavour_of(python->lib, python->itex) == FLAVOUR_CPU)
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "the cpu flavour of ITEX needs none");
    else
        look(doctor, &sycl);
}
