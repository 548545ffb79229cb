/* TensorFlow: which, how many of them, whether it is whole, and whether ITEX is made for it. */
#include "client/itexctl/doctor/python.h"

#include <gnu/libc-version.h>
#include <string.h>
#include <sys/utsname.h>

/* "manylinux_2_17_x86_64": the oldest GNU C library that it works with. */
static void tell_glibc(struct doctor *doctor, const struct distribution *distribution, const char *tag)
{
    unsigned major, minor, own_major, own_minor;
    if (!tag || sscanf(tag, "manylinux_%3u_%3u_", &major, &minor) != 2 ||
        sscanf(gnu_get_libc_version(), "%3u.%3u", &own_major, &own_minor) != 2 || own_major > major ||
        (own_major == major && own_minor >= minor))
        return;
    doctor_found(doctor, DOCTOR_ERROR, "tag-glibc", "%s %s in %s wants glibc %u.%u or newer; this machine has %u.%u",
                 distribution->name, distribution->version, distribution->folder->path, major, minor, own_major,
                 own_minor);
    doctor_fix(doctor, "use a node or a container with a newer distribution, such as Ubuntu 22.04");
}

/* The tag of a wheel against the interpreter and the machine: "cp311-cp311-manylinux_2_17_x86_64". */
void python_tell_tag(struct doctor *doctor, const struct distribution *distribution)
{
    const struct interpreter *interpreter = &doctor->python->installation.interpreter;
    const char *tag = distribution->tag, *dash = tag ? strrchr(tag, '-') : NULL;
    unsigned minor;
    struct utsname machine;
    if (!tag || !dash)
        return;
    if (sscanf(tag, "cp3%3u-cp3", &minor) == 1 && minor != interpreter->minor) {
        doctor_found(doctor, DOCTOR_ERROR, "tag-python", "%s %s in %s was built for Python 3.%u; this is %s",
                     distribution->name, distribution->version, distribution->folder->path, minor,
                     interpreter->version);
        doctor_fix(doctor, "%s -m pip install --force-reinstall --no-deps '%s==%s'", doctor->python->command,
                   distribution->name, distribution->version);
    }
    tell_glibc(doctor, distribution, strstr(tag, "manylinux_"));
    if (uname(&machine) == 0 && strncmp(dash, "-any", 4) != 0 && !strstr(dash, machine.machine)) {
        doctor_found(doctor, DOCTOR_ERROR, "tag-machine", "%s %s in %s was built for %s; this machine is %s",
                     distribution->name, distribution->version, distribution->folder->path, dash + 1, machine.machine);
        doctor_fix(doctor, "ITEX is for x86_64; on such a machine: %s -m pip install --force-reinstall '%s==%s'",
                   doctor->python->command, distribution->name, distribution->version);
    }
}

bool python_tell_broken(struct doctor *doctor, const struct distribution *distribution)
{
    if (distribution->state == DISTRIBUTION_NO_METADATA) {
        doctor_found(doctor, DOCTOR_ERROR, "metadata-missing",
                     "%s has no readable METADATA: %s was half installed, or half removed", distribution->path,
                     distribution->name);
        doctor_fix(doctor, "rm -r %s && %s -m pip install --force-reinstall --no-deps '%s%s%s'", distribution->path,
                   doctor->python->command, distribution->name, distribution->version ? "==" : "",
                   distribution->version ? distribution->version : "");
        return true;
    }
    if (distribution->state == DISTRIBUTION_NO_RECORD) {
        doctor_found(doctor, DOCTOR_WARNING, "record-missing",
                     "%s has no RECORD: pip can neither upgrade nor remove %s", distribution->path, distribution->name);
        doctor_fix(doctor, "%s -m pip install --force-reinstall --no-deps '%s==%s'", doctor->python->command,
                   distribution->name, distribution->version ? distribution->version : "VERSION");
    }
    return false;
}

static void tell_missing(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const struct site_folder *folder = module_find(&python->installation, "tensorflow");
    char wanted[256];
    python_wanted(python->release, wanted, sizeof(wanted));
    if (folder) {
        doctor_found(doctor, DOCTOR_WARNING, "tensorflow-unknown",
                     "%s/tensorflow is there without metadata, so its version is not known", folder->path);
        doctor_fix(doctor, "install it by pip: %s -m pip install %s", python->command, wanted);
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "tensorflow-missing", "TensorFlow is not installed for %s", python->command);
    if (doctor_level_of(doctor, "python-version") == DOCTOR_ERROR) /* there is no wheel that pip would find */
        doctor_fix(doctor, "first another Python, see python-version: its command installs this too");
    else
        doctor_fix(doctor, "%s -m pip install %s", python->command, wanted);
}

/* Several distributions with the same files, the last of which won; removing one breaks the other. */
static void look_for_others(struct doctor *doctor)
{
    struct doctor_python *python = doctor->python;
    for (const char *const *name = tensorflow_names; *name; name++) {
        const struct distribution *other = distribution_find(&python->installation, *name, NULL);
        if (!other || other == python->tensorflow || other->folder != python->tensorflow->folder)
            continue; /* in another folder it is only hidden */
        doctor_found(doctor, DOCTOR_WARNING, "tensorflow-twice",
                     "%s %s and %s %s are both installed, with the same files: which of them is imported is left to "
                     "chance",
                     python->tensorflow->name, python->tensorflow->version, other->name, other->version);
        doctor_fix(doctor, "%s -m pip uninstall -y %s %s && %s -m pip install 'tensorflow%s'", python->command,
                   python->tensorflow->name, other->name, python->command,
                   python->release ? python->release->tensorflow.text.text : "");
        return;
    }
    if (strcmp(python->tensorflow->name, "tensorflow") == 0 || strcmp(python->tensorflow->name, "tensorflow-cpu") == 0)
        return;
    doctor_found(doctor, DOCTOR_WARNING, "tensorflow-build",
                 "TensorFlow comes from %s %s; ITEX is made for the stock one", python->tensorflow->name,
                 python->tensorflow->version);
    doctor_fix(doctor, "%s -m pip uninstall -y %s && %s -m pip install 'tensorflow%s'", python->command,
               python->tensorflow->name, python->command, python->release ? python->release->tensorflow.text.text : "");
}

/* Against the row of the release that is, or is going to be, installed. */
static void hold_against_release(struct doctor *doctor, const struct package_version *version)
{
    const struct doctor_python *python = doctor->python;
    const struct matrix_release *release = python->release;
    const struct matrix_range *tried = &release->tensorflow_tried;
    bool fits = package_version_in_range(version, &release->tensorflow.range);
    if (!fits && !python->has_version) {
        const struct matrix_release *newest = python_newest(python);
        doctor_found(doctor, DOCTOR_ERROR, "tensorflow-version",
                     "TensorFlow %s: no release of ITEX is for it; the newest, %s, is for %s",
                     python->tensorflow->version, newest->itex.text, newest->tensorflow.text.text);
    } else if (!fits) {
        doctor_found(doctor, DOCTOR_ERROR, "tensorflow-version", "TensorFlow %s; ITEX %s is for %s%s",
                     python->tensorflow->version, release->itex.text, release->tensorflow.text.text,
                     python->match == MATRIX_NEAR || python->match == MATRIX_OTHER ? " (the nearest release)" : "");
    } else if (tried->text.text && !package_version_in_range(version, &tried->range)) {
        doctor_found(doctor, DOCTOR_WARNING, "tensorflow-untried",
                     "TensorFlow %s: ITEX %s can be installed with it, but was tried with %s only",
                     python->tensorflow->version, release->itex.text, tried->text.text);
    } else {
        return;
    }
    doctor_fix(doctor, "%s -m pip install 'tensorflow%s'", python->command,
               tried->text.text ? tried->text.text : release->tensorflow.text.text);
}

void python_look_tensorflow(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    struct package_version version;
    if (!python->tensorflow) {
        tell_missing(doctor);
        return;
    }
    if (python_tell_broken(doctor, python->tensorflow))
        return;
    look_for_others(doctor);
    python_tell_tag(doctor, python->tensorflow);
    if (python->tensorflow->editable || !python_version_of(python->tensorflow, &version)) {
        doctor_found(doctor, DOCTOR_INFO, "tensorflow-source",
                     "TensorFlow comes from a source tree or says no version: it was not held against ITEX's");
        return;
    }
    if (python->release)
        hold_against_release(doctor, &version);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        doctor_found(doctor, DOCTOR_OK, "tensorflow", "%s %s in %s", python->tensorflow->name,
                     python->tensorflow->version, python->tensorflow->folder->path);
}
