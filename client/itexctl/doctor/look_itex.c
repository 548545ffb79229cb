/* ITEX itself: which release, of which flavour, and whether its native part is of the same release and there. */
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/doctor/python.h"
#include "client/itexctl/doctor/texts.h"

#include <string.h>

static void tell_missing(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const struct matrix_release *release = python->release ? python->release : python_newest(python);
    const char *version = release && release->released ? release->itex.text : NULL;
    if (doctor->options->itex) {
        doctor_found(doctor, DOCTOR_INFO, "itex-wanted", "ITEX is not installed; what is there was held against %s",
                     doctor->options->itex);
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "itex-missing", "ITEX is not installed for %s: TensorFlow sees no XPU",
                 python->command);
    if (doctor_level_of(doctor, "python-version") == DOCTOR_ERROR) /* there is no wheel that pip would find */
        doctor_fix(doctor, "first another Python, see python-version: its command installs this too");
    else
        doctor_fix(doctor, "%s -m pip install 'intel-extension-for-tensorflow[xpu]%s%s'", python->command,
                   version ? "==" : "", version ? version : "");
}

/* The command that installs the right flavour of the release that is there. */
static void fix_flavour(struct doctor *doctor, bool remove)
{
    const struct doctor_python *python = doctor->python;
    const char *lib = python->lib ? python->lib->name : "intel-extension-for-tensorflow-lib";
    doctor_fix(doctor,
               "%s%s%s%s%s -m pip install --force-reinstall --no-deps 'intel-extension-for-tensorflow-lib==%s.%d'",
               remove ? python->command : "", remove ? " -m pip uninstall -y " : "", remove ? lib : "",
               remove ? " && " : "", python->command, python->itex->version, FLAVOUR_XPU);
}

/* ---- The flavour ---------------------------------------------------------------------------------------------- */

/* Releases before 2.15 have both plugins in their xpu flavour. */
static bool has_one_plugin(const struct doctor_python *python)
{
    static const struct package_version since = {.numbers = {2, 15}, .n_numbers = 2};
    return python->has_version && package_version_compare(&python->version, &since) >= 0;
}

static bool has_plugin(const struct site_folder *folder, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof(path), "%s/tensorflow-plugins/%s", folder->path, name) < (int)sizeof(path) &&
           path_is_file(path);
}

/* Two packages of flavours; or the plugins of two, where one was installed over the other. */
static bool tell_both(struct doctor *doctor)
{
    struct doctor_python *python = doctor->python;
    static const char *const names[] = {"intel-extension-for-tensorflow-lib",
                                        "intel-extension-for-tensorflow-lib-weekly"};
    const struct distribution *lib = python->lib;
    for (size_t i = 0; i < LENGTH(names); i++) {
        const struct distribution *other = NULL;
        while ((other = distribution_find(&python->installation, names[i], other))) {
            if (other == lib || other->state == DISTRIBUTION_NO_METADATA)
                continue;
            doctor_found(doctor, DOCTOR_ERROR, "flavours-both", "two flavours are installed: %s of %s, and %s of %s",
                         flavour_name(flavour_of(lib, python->itex)), lib->path,
                         flavour_name(flavour_of(other, python->itex)), other->path);
            fix_flavour(doctor, true);
            return true;
        }
    }
    if (!has_one_plugin(python) || !has_plugin(lib->folder, "libitex_cpu.so") ||
        !has_plugin(lib->folder, "libitex_gpu.so"))
        return false;
    doctor_found(doctor, DOCTOR_ERROR, "flavours-both",
                 "%s/tensorflow-plugins has the plugins of two flavours, libitex_cpu.so and libitex_gpu.so",
                 lib->folder->path);
    fix_flavour(doctor, true);
    return true;
}

static bool same_release(const struct doctor_python *python)
{
    struct package_version numbers, own;
    if (!python_version_of(python->lib, &numbers) || !python_version_of(python->itex, &own))
        return true; /* nothing is known against it */
    for (size_t i = 0; i < own.n_numbers; i++)
        if (i >= numbers.n_numbers || numbers.numbers[i] != own.numbers[i])
            return false;
    return true;
}

static void look_at_lib(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    if (!python->lib) {
        doctor_found(doctor, DOCTOR_ERROR, "flavour-none",
                     "intel-extension-for-tensorflow-lib, which has the plugin, is not installed: TensorFlow sees no "
                     "XPU and trains on the CPU");
        fix_flavour(doctor, false);
        return;
    }
    if (python_tell_broken(doctor, python->lib) || tell_both(doctor))
        return;
    python_tell_tag(doctor, python->lib);
    enum itex_flavour flavour = flavour_of(python->lib, python->itex);
    if (!same_release(python)) {
        doctor_found(doctor, DOCTOR_ERROR, "lib-version", "ITEX is %s, its native part %s: they are of two releases",
                     python->itex->version, python->lib->version);
        fix_flavour(doctor, false);
    } else if (flavour == FLAVOUR_CPU) {
        doctor_found(doctor, DOCTOR_ERROR, "flavour-cpu",
                     "intel-extension-for-tensorflow-lib %s is the cpu flavour: it trains on the CPU, without a word",
                     python->lib->version);
        fix_flavour(doctor, true);
    } else if (!python->lib->editable && !has_plugin(python->lib->folder, "libitex_gpu.so")) {
        doctor_found(doctor, DOCTOR_ERROR, "plugin-missing",
                     "%s/tensorflow-plugins has no libitex_gpu.so: the %s flavour is not whole",
                     python->lib->folder->path, flavour_name(flavour));
        fix_flavour(doctor, false);
    }
}

/* ---- The release ----------------------------------------------------------------------------------------------- */

static void tell_release(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const char *version = python->itex->version ? python->itex->version : "of unknown version";
    if (!python->has_matrix)
        return;
    if (!python->has_version) {
        doctor_found(doctor, DOCTOR_WARNING, "itex-unknown", "ITEX is %s: nothing could be held against it", version);
        doctor_fix(doctor, "say which it is: itexctl doctor --itex VERSION");
    } else if (python->match == MATRIX_NONE) {
        doctor_found(doctor, DOCTOR_WARNING, "itex-unknown", "ITEX %s is older than all that are known", version);
        doctor_fix(doctor, "%s -m pip install --upgrade 'intel-extension-for-tensorflow[xpu]'", python->command);
    } else if (python->match == MATRIX_OTHER) {
        doctor_found(doctor, DOCTOR_WARNING, "itex-unknown",
                     "ITEX %s is none of the releases that are known; it was held against %s", version,
                     python->release->itex.text);
        doctor_fix(doctor, "a newer itexctl may know it; ITEXD_VERSIONS names another table of versions");
    } else if (python->match == MATRIX_NEAR) {
        doctor_found(doctor, DOCTOR_INFO, "itex-near", "ITEX %s is not in the table; it was held against %s", version,
                     python->release->itex.text);
    }
}

/* The last number of Level Zero's driver version and the third of the compute runtime's are the same build. */
static void hold_driver(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const char *driver = doctor->machine->gpus.driver_version;
    struct package_version has, wants;
    if (!python->release || !python->release->compute.text || !driver[0] || package_version_read(driver, &has) < 0 ||
        package_version_read(python->release->compute.text, &wants) < 0 || has.n_numbers < 3 || wants.n_numbers < 3 ||
        has.numbers[2] >= wants.numbers[2])
        return;
    doctor_found(doctor, DOCTOR_WARNING, "driver-old",
                 "the driver is %s (build %u); ITEX %s is for %s (build %u) and newer", driver, has.numbers[2],
                 python->release->itex.text, python->release->compute.text, wants.numbers[2]);
    doctor_fix(doctor,
               "install the vendor's compute runtime %s or newer: sudo apt-get install --only-upgrade "
               "intel-opencl-icd libze-intel-gpu1",
               python->release->compute.text);
}

void python_look_itex(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    if (!python->itex) {
        tell_missing(doctor);
        return;
    }
    if (python_tell_broken(doctor, python->itex))
        return;
    tell_release(doctor);
    python_tell_tag(doctor, python->itex);
    look_at_lib(doctor);
    hold_driver(doctor);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        doctor_found(doctor, DOCTOR_OK, "itex", "%s, %s flavour, in %s", python->itex->version,
                     flavour_name(flavour_of(python->lib, python->itex)), python->itex->folder->path);
}
