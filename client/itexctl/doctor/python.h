/* What the layers of the job's Python share. The lowest of them fills it; each file of theirs has one concern. */
#ifndef ITEXCTL_DOCTOR_PYTHON_H
#define ITEXCTL_DOCTOR_PYTHON_H

#include "client/itexctl/doctor/doctor.h"
#include "client/itexctl/doctor/installation.h"
#include "client/itexctl/doctor/version_matrix.h"

struct doctor_python {
    struct yaml_memory memory;
    char *const *envp; /* of the job, as far as it is known: another user's is empty */
    bool has_matrix;
    struct version_matrix matrix;
    struct installation installation;
    const char *command; /* the interpreter, as a shell takes it */

    const struct distribution *tensorflow; /* NULL: none is installed */
    const struct distribution *itex;
    const struct distribution *lib; /* the package of a flavour */
    bool has_version;               /* which ITEX it is, or is going to be (--itex) */
    struct package_version version;
    const struct matrix_release *release; /* its row; NULL: none is known */
    enum matrix_match match;
};

/* The flavours are numbered: the last number of the lib package's version. */
enum itex_flavour { FLAVOUR_CPU, FLAVOUR_GPU, FLAVOUR_XPU, FLAVOUR_UNKNOWN };
const char *flavour_name(enum itex_flavour flavour);
enum itex_flavour flavour_of(const struct distribution *lib, const struct distribution *itex);

/* A variable of the job's; NULL where it is not set, empty, or not known. */
static inline const char *python_variable(const struct doctor *doctor, const char *name)
{
    return environment_value(doctor->python->envp, name);
}

/* The first installed of several names; NULL. */
struct distribution *python_first(struct doctor_python *python, const char *const *names);
/* Names under which TensorFlow is distributed, the usual one first; ends with NULL. */
extern const char *const tensorflow_names[];

/* Whether a distribution's version is one, which is then in *version. */
bool python_version_of(const struct distribution *distribution, struct package_version *version);
/* What to install: the release's TensorFlow and ITEX as arguments of pip. "" without a release. */
void python_wanted(const struct matrix_release *release, char *text, size_t size);
/* The newest release of a wheel; NULL without a matrix. */
const struct matrix_release *python_newest(const struct doctor_python *python);

/* Findings that any package may give: a wheel built for another Python or machine; metadata that are not whole (true:
 * its version is not known). */
void python_tell_tag(struct doctor *doctor, const struct distribution *distribution);
bool python_tell_broken(struct doctor *doctor, const struct distribution *distribution);

/* ---- The layers ---- */

void python_look_versions(struct doctor *doctor);
void python_look_interpreter(struct doctor *doctor);
void python_look_version(struct doctor *doctor);
void python_look_folders(struct doctor *doctor);
void python_look_tensorflow(struct doctor *doctor);
void python_look_itex(struct doctor *doctor);
void python_look_plugins(struct doctor *doctor);
void python_look_sycl(struct doctor *doctor);
void python_look_keras(struct doctor *doctor);
void python_look_setuptools(struct doctor *doctor);
void python_look_packages(struct doctor *doctor);

#endif
