/*
 * setuptools: ITEX imports `packaging` from its pkg_resources, which versions have lost and regained. And the packages
 * whose versions ITEX and its TensorFlow set bounds to.
 */
#include "client/itexctl/doctor/python.h"

#include <string.h>
#include <strings.h>

/* 70.0 and 70.3 have pkg_resources without packaging; from 82 on there is none. */
static bool has_packaging(const struct package_version *version)
{
    unsigned major = version->numbers[0], minor = version->n_numbers > 1 ? version->numbers[1] : 0;
    return major < 82 && !(major == 70 && (minor == 0 || minor == 3));
}

/* What the loss comes to depends on the release. */
static void tell_lost(struct doctor *doctor, const char *what)
{
    static const struct package_version since = {.numbers = {2, 16}, .n_numbers = 2};
    const struct doctor_python *python = doctor->python;
    const char *override = python_variable(doctor, "ITEX_OPS_OVERRIDE");
    bool overrides = override && (strcmp(override, "1") == 0 || strcasecmp(override, "true") == 0);
    if (python->has_version && package_version_compare(&python->version, &since) >= 0)
        doctor_found(doctor, DOCTOR_WARNING, "setuptools",
                     "%s: ITEX's check of Keras models fails with one warning, and models that XLA would have to "
                     "compile are only slow",
                     what);
    else if (overrides)
        doctor_found(doctor, DOCTOR_WARNING, "setuptools",
                     "%s: ITEX_OPS_OVERRIDE is set, and without it ITEX overrides nothing and says nothing", what);
    else {
        doctor_found(doctor, DOCTOR_INFO, "setuptools",
                     "%s: ITEX needs it for ITEX_OPS_OVERRIDE alone, which is not set", what);
        return;
    }
    doctor_fix(doctor, "%s -m pip install 'setuptools==69.5.1'", python->command);
}

void python_look_setuptools(struct doctor *doctor)
{
    struct doctor_python *python = doctor->python;
    const struct distribution *setuptools = distribution_find(&python->installation, "setuptools", NULL);
    struct package_version version;
    char what[160];
    if (!python->itex && !doctor->options->itex) {
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "ITEX, which needs it, is not installed");
        return;
    }
    if (!setuptools && module_find(&python->installation, "pkg_resources")) {
        doctor_found(doctor, DOCTOR_INFO, "setuptools-unknown",
                     "pkg_resources is there without metadata, so its version is not known");
        return;
    }
    if (!setuptools) {
        tell_lost(doctor, "setuptools is not installed");
        return;
    }
    if (python_tell_broken(doctor, setuptools) || !python_version_of(setuptools, &version))
        return;
    if (has_packaging(&version)) {
        doctor_found(doctor, DOCTOR_OK, "setuptools", "%s", setuptools->version);
        return;
    }
    snprintf(what, sizeof(what), "setuptools %.40s has no pkg_resources.packaging", setuptools->version);
    tell_lost(doctor, what);
}

/* ---- Other packages -------------------------------------------------------------------------------------------- */

static void look_at_package(struct doctor *doctor, const struct matrix_package *package)
{
    struct doctor_python *python = doctor->python;
    const struct distribution *found = distribution_find(&python->installation, package->name, NULL);
    struct package_version version;
    if (!found) {
        char module[64];
        snprintf(module, sizeof(module), "%s",
                 strcmp(package->name, "absl-py") == 0    ? "absl"
                 : strcmp(package->name, "protobuf") == 0 ? "google/protobuf"
                                                          : package->name);
        if (module_find(&python->installation, module))
            return;
        doctor_found(doctor, DOCTOR_ERROR, "package-missing", "%s is not installed, and ITEX %s needs %s%s",
                     package->name, python->release->itex.text, package->name, package->wants.text.text);
    } else if (!python_version_of(found, &version) || package_version_in_range(&version, &package->wants.range)) {
        return;
    } else {
        doctor_found(doctor, DOCTOR_WARNING, "package-version", "%s is %s in %s; ITEX %s and its TensorFlow are for %s",
                     package->name, found->version, found->folder->path, python->release->itex.text,
                     package->wants.text.text);
    }
    doctor_fix(doctor, "%s -m pip install '%s%s'", python->command, package->name, package->wants.text.text);
}

void python_look_packages(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const struct matrix_release *release = python->release;
    if (!release || !python->tensorflow) {
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "%s",
                     release ? "TensorFlow is not installed" : "no release of ITEX is known to hold them against");
        return;
    }
    for (size_t i = 0; i < release->n_packages; i++)
        look_at_package(doctor, &release->packages[i]);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        doctor_found(doctor, DOCTOR_OK, "packages", "%zu of them within ITEX %s's bounds", release->n_packages,
                     release->itex.text);
}
