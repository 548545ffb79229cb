/* Layers loader and driver-library: what the dynamic linker takes for them, here and with this environment. */
#include "client/itexctl/doctor/library.h"
#include "client/itexctl/doctor/machine.h"

#include <stdlib.h>
#include <string.h>

#define LOADER "libze_loader.so.1"
#define DRIVER "libze_intel_gpu.so.1"
#define LEGACY_DRIVER "libze_intel_gpu_legacy1.so.1" /* of newer packages, for older GPUs */

/* No child could be made, or it ended: true where that was told. */
static bool tell_end(struct doctor *doctor, const char *name, const struct library *library, int r)
{
    if (r < 0) {
        doctor_found(doctor, DOCTOR_WARNING, "not-looked-at", "no process could be made: %s", strerror(-r));
        doctor_fix(doctor, "see the limits above");
        return true;
    }
    if (!library->ended)
        return false;
    doctor_found(doctor, DOCTOR_ERROR, "library-crashed", "the process that loads %s ends while it does: %s", name,
                 library->end);
    doctor_fix(doctor, "install the library's package again; see what LD_PRELOAD and LD_LIBRARY_PATH put in its place");
    return true;
}

/* "1.8.12, /usr/lib/libze_loader.so.1.8.12" */
static const char *describe(const struct library *library, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", library->version, library->version[0] ? ", " : "", library->file);
    return text;
}

/* ---- The loader ------------------------------------------------------------------------------------------------ */

static void tell_loader_missing(struct doctor *doctor, const struct library *library)
{
    struct layer layer;
    char elsewhere[PATH_MAX];
    layers_loader_missing(library->error, &layer);
    if (!library_absent(library, LOADER)) {
        doctor_found(doctor, DOCTOR_ERROR, "loader-broken", "%s", layer.found);
        doctor_fix(doctor, "put right what it names, or the entry of LD_LIBRARY_PATH that it comes from");
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "loader-missing", "%s", layer.found);
    if (library_elsewhere(LOADER, elsewhere, sizeof(elsewhere)))
        doctor_fix(doctor,
                   "there is one, where the dynamic linker does not look: %s; ldconfig, or name its folder in "
                   "LD_LIBRARY_PATH",
                   elsewhere);
    else
        doctor_fix(doctor, "%s", layer.fix);
}

void machine_look_loader(struct doctor *doctor)
{
    struct library library;
    char text[PATH_MAX + 80];
    int r = library_load(doctor, LOADER, &library);
    if (tell_end(doctor, LOADER, &library, r))
        return;
    if (!library.loaded)
        tell_loader_missing(doctor, &library);
    else
        doctor_found(doctor, DOCTOR_OK, "loader-found", "%s", describe(&library, text, sizeof(text)));
}

/* ---- The driver ------------------------------------------------------------------------------------------------ */

static void tell_driver_missing(struct doctor *doctor, const char *name, const struct library *library)
{
    char elsewhere[PATH_MAX];
    if (!library_absent(library, name)) {
        doctor_found(doctor, DOCTOR_ERROR, "driver-library-broken", "the driver library cannot be loaded: %s",
                     library->error);
        doctor_fix(doctor, "install what it names; ldd on the driver library lists all that it needs");
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "driver-library-missing", "the driver library cannot be loaded: %s",
                 library->error);
    if (library_elsewhere(name, elsewhere, sizeof(elsewhere)))
        doctor_fix(doctor,
                   "there is one, where the dynamic linker does not look: %s; ldconfig, or name its folder in "
                   "LD_LIBRARY_PATH",
                   elsewhere);
    else
        doctor_fix(doctor, LAYERS_DRIVER_LIBRARY_FIX);
}

/* False where it cannot be loaded. */
static bool look_at_driver(struct doctor *doctor, const char *name, struct library *library)
{
    char text[PATH_MAX + 80];
    int r = library_load(doctor, name, library);
    if (tell_end(doctor, name, library, r) || !library->loaded)
        return false;
    doctor_found(doctor, DOCTOR_OK, "driver-library-found", "%s", describe(library, text, sizeof(text)));
    if (library->unresolved[0]) {
        doctor_found(doctor, DOCTOR_WARNING, "driver-library-unresolved", "it is loaded, but not whole: %s",
                     library->unresolved);
        doctor_fix(doctor, "take driver, graphics compiler (libigc) and libigdgmm of one release");
    }
    return true;
}

/* Each of "a.so,b.so" of ZE_ENABLE_ALT_DRIVERS, which take Intel's place. */
static void look_at_alternatives(struct doctor *doctor, const char *list)
{
    char names[PATH_MAX], *rest = names;
    const char *name;
    struct library library;
    snprintf(names, sizeof(names), "%s", list);
    while ((name = strsep(&rest, ",")))
        if (!look_at_driver(doctor, name, &library) && !library.ended)
            tell_driver_missing(doctor, name, &library);
}

void machine_look_driver_library(struct doctor *doctor)
{
    const char *alternatives = getenv("ZE_ENABLE_ALT_DRIVERS");
    struct library library, legacy;
    doctor->substitute = doctor->machine->substitute;
    if (alternatives && *alternatives) {
        look_at_alternatives(doctor, alternatives);
        return;
    }
    if (look_at_driver(doctor, DRIVER, &library) || library.ended)
        return;
    if (!library_absent(&library, DRIVER) || !look_at_driver(doctor, LEGACY_DRIVER, &legacy))
        tell_driver_missing(doctor, DRIVER, &library);
}
