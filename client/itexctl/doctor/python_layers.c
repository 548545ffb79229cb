/*
 * The layers of the job's Python, and what they share.
 *
 * Which release of ITEX it is about decides what the others are held against, so the interpreter's layer reads all that
 * is installed; what is wrong with it is told in the layer that it belongs to.
 */
#include "client/itexctl/doctor/python.h"

#include <stdlib.h>
#include <string.h>

static const char *const needs_python[] = {"python", NULL};

const struct doctor_layer doctor_python_layers[] = {
    {"versions", "version matrix", NULL, false, python_look_versions},
    {"python", "Python", NULL, false, python_look_interpreter},
    {"python-version", "Python's version", needs_python, false, python_look_version},
    {"python-folders", "folders of packages", needs_python, false, python_look_folders},
    {"tensorflow", "TensorFlow", needs_python, false, python_look_tensorflow},
    {"itex", "ITEX", needs_python, false, python_look_itex},
    {"plugins", "plugins of TensorFlow", needs_python, false, python_look_plugins},
    {"sycl", "SYCL runtime", needs_python, false, python_look_sycl},
    {"keras", "Keras", needs_python, false, python_look_keras},
    {"setuptools", "setuptools", needs_python, false, python_look_setuptools},
    {"packages", "other packages", needs_python, false, python_look_packages},
    {.name = NULL},
};

void doctor_python_clear(struct doctor *doctor)
{
    if (!doctor->python)
        return;
    yaml_memory_clear(&doctor->python->memory);
    free(doctor->python);
    doctor->python = NULL;
}

const char *doctor_python_itex(const struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    struct package_version version;
    return python && python_version_of(python->itex, &version) ? python->itex->version : NULL;
}

/* ---- Shared ------------------------------------------------------------------------------------------------- */

const char *const tensorflow_names[] = {
    "tensorflow",     "tensorflow-cpu", "intel-tensorflow", "tensorflow-intel",    "tf-nightly",
    "tensorflow-gpu", "tf-nightly-cpu", "tensorflow-rocm",  "tensorflow-directml", NULL};

struct distribution *python_first(struct doctor_python *python, const char *const *names)
{
    struct distribution *first = NULL;
    for (; *names; names++) {
        struct distribution *found = distribution_find(&python->installation, *names, NULL);
        /* in the order of imports; in one folder the usual name counts */
        if (found && (!first || (found->folder != first->folder && found < first)))
            first = found;
    }
    return first;
}

bool python_version_of(const struct distribution *distribution, struct package_version *version)
{
    return distribution && distribution->version && package_version_read(distribution->version, version) == 0;
}

const struct matrix_release *python_newest(const struct doctor_python *python)
{
    for (size_t i = python->has_matrix ? python->matrix.n_releases : 0; i > 0; i--)
        if (python->matrix.releases[i - 1].released)
            return &python->matrix.releases[i - 1];
    return NULL;
}

void python_wanted(const struct matrix_release *release, char *text, size_t size)
{
    const struct yaml_text *tensorflow =
        release && release->tensorflow_tried.text.text ? &release->tensorflow_tried.text : NULL;
    if (release && !tensorflow)
        tensorflow = &release->tensorflow.text;
    if (!release)
        text[0] = '\0';
    else if (release->released)
        snprintf(text, size, "'tensorflow%s' 'intel-extension-for-tensorflow[xpu]==%s'", tensorflow->text,
                 release->itex.text);
    else
        snprintf(text, size, "'tensorflow%s'", tensorflow->text);
}

const char *flavour_name(enum itex_flavour flavour)
{
    static const char *const names[] = {"cpu", "gpu", "xpu", "unknown"};
    return names[flavour];
}

/* 2.15.0.3.2 is ITEX 2.15.0.3 for xpu; releases before 2.13 have three numbers of their own. */
enum itex_flavour flavour_of(const struct distribution *lib, const struct distribution *itex)
{
    struct package_version numbers, own;
    if (!python_version_of(lib, &numbers))
        return FLAVOUR_UNKNOWN;
    size_t n = python_version_of(itex, &own) && own.n_numbers < numbers.n_numbers ? own.n_numbers : 4;
    if (numbers.n_numbers != n + 1 || numbers.numbers[n] > FLAVOUR_XPU)
        return FLAVOUR_UNKNOWN;
    return (enum itex_flavour)numbers.numbers[n];
}
