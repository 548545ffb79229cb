/*
 * Where packages come from: the user's own folder and PYTHONPATH come before those of an environment, so that what is
 * imported is not what was installed there. And what is left of installations that were interrupted.
 */
#include "client/itexctl/doctor/python.h"
#include "client/itexctl/doctor/texts.h"

#include <stdio.h>
#include <string.h>

/* Those whose version decides how a job ends. That there are two flavours of ITEX is another layer's. */
static const char *const watched[] = {
    "tensorflow", "tensorflow-cpu", "intel-tensorflow", "tf-nightly", "keras",     "tf-keras",
    "numpy",      "protobuf",       "absl-py",          "setuptools", "ml-dtypes", "intel-extension-for-tensorflow",
};

/* ---- Shadows ------------------------------------------------------------------------------------------------- */

static const char *version_text(const struct distribution *distribution)
{
    return distribution->version ? distribution->version : "of unknown version";
}

/* Installed twice in one folder, as by an upgrade that was interrupted: which one counts is left to chance. */
static void tell_twice(struct doctor *doctor, const struct distribution *first, const struct distribution *other)
{
    doctor_found(doctor, DOCTOR_WARNING, "metadata-twice", "%s is registered twice in %s, as %s and as %s", first->name,
                 first->folder->path, version_text(first), version_text(other));
    doctor_fix(doctor,
               "remove both and install the one that is wanted: %s -m pip uninstall -y %s; "
               "%s -m pip uninstall -y %s",
               doctor->python->command, first->name, doctor->python->command, first->name);
}

static void tell_shadow(struct doctor *doctor, const struct distribution *first, const struct distribution *hidden)
{
    char what[512];
    snprintf(what, sizeof(what), "%s %s of %s comes before %s of %s", first->name, version_text(first),
             first->folder->path, version_text(hidden), hidden->folder->path);
    if (first->folder->kind == FOLDER_USER) {
        doctor_found(doctor, DOCTOR_WARNING, "user-site-first", "%s", what);
        doctor_fix(doctor, "leave the user's own packages out of the job: export PYTHONNOUSERSITE=1");
    } else {
        doctor_found(doctor, DOCTOR_WARNING, "pythonpath-first", "%s", what);
        doctor_fix(doctor, "take the folder out of the job's variable: unset PYTHONPATH");
    }
}

static bool comes_from_outside(const struct distribution *distribution)
{
    return distribution->folder->kind == FOLDER_USER || distribution->folder->kind == FOLDER_PYTHONPATH;
}

static void look_for_shadows(struct doctor *doctor, const char *name)
{
    struct installation *installation = &doctor->python->installation;
    const struct distribution *first = distribution_find(installation, name, NULL), *other = first;
    while (first && (other = distribution_find(installation, name, other))) {
        bool differs = strcmp(version_text(first), version_text(other)) != 0;
        if (other->folder == first->folder && differs)
            tell_twice(doctor, first, other);
        else if (other->folder != first->folder && comes_from_outside(first) && differs)
            tell_shadow(doctor, first, other);
        else
            continue;
        return;
    }
}

/* ---- The folders themselves ------------------------------------------------------------------------------------- */

/* ".../lib/python3.10/site-packages" of another version: compiled packages in it cannot be loaded. */
static void look_at_folder(struct doctor *doctor, const struct site_folder *folder)
{
    const struct interpreter *interpreter = &doctor->python->installation.interpreter;
    const char *at = strstr(folder->path, "/python3.");
    unsigned minor;
    if (folder->kind == FOLDER_PYTHONPATH && at && sscanf(at, "/python3.%3u/", &minor) == 1 &&
        minor != interpreter->minor) {
        doctor_found(doctor, DOCTOR_WARNING, "pythonpath-other-python",
                     "PYTHONPATH has %s, which is of Python 3.%u; the job's is %s", folder->path, minor,
                     interpreter->version);
        doctor_fix(doctor, "take it out of the job's variable: unset PYTHONPATH");
    }
    if (!folder->readable && path_is_folder(folder->path)) {
        doctor_found(doctor, DOCTOR_WARNING, "folder-unreadable",
                     "%s cannot be read: what is installed in it is not known", folder->path);
        doctor_fix(doctor, "look as the user whose job it is, or allow reading it: chmod a+rx %s", folder->path);
    }
}

static bool concerns_jobs(const char *leftover)
{
    static const char *const parts[] = {"ensorflow", "ntel_extension", "ntel-extension", "eras", "f_keras", "umpy"};
    const char *slash = strrchr(leftover, '/');
    for (size_t i = 0; slash && i < LENGTH(parts); i++)
        if (strncmp(slash + 2, parts[i], strlen(parts[i])) == 0)
            return true;
    return false;
}

static void tell_leftovers(struct doctor *doctor)
{
    const struct installation *installation = &doctor->python->installation;
    for (size_t i = 0; i < installation->n_leftovers; i++) {
        if (!concerns_jobs(installation->leftovers[i]))
            continue;
        doctor_found(doctor, DOCTOR_WARNING, "leftover",
                     "%s is what pip left of a package when it was interrupted: what replaced it may not be whole",
                     installation->leftovers[i]);
        doctor_fix(doctor,
                   "install the package again (%s -m pip install --force-reinstall --no-deps NAME), then: "
                   "rm -r %s",
                   doctor->python->command, installation->leftovers[i]);
    }
}

/* Code at the start of the interpreter may change where modules come from; these do not. */
static bool is_harmless(const struct start_code *code)
{
    static const char *const names[] = {"distutils-precedence.pth", "itexclient.pth", "_virtualenv.pth",
                                        "a1_coverage.pth",          "pytest-cov.pth", "sitecustomize.pth"};
    const char *slash = strrchr(code->file, '/'), *name = slash ? slash + 1 : code->file;
    size_t length = strlen(name);
    if (length > 10 && strcmp(name + length - 10, "-nspkg.pth") == 0)
        return true;
    for (size_t i = 0; i < LENGTH(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void tell_start_code(struct doctor *doctor)
{
    const struct installation *installation = &doctor->python->installation;
    const struct start_code *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < installation->n_start_code; i++) {
        if (is_harmless(&installation->start_code[i]))
            continue;
        first = first ? first : &installation->start_code[i];
        n++;
    }
    if (first)
        doctor_found(doctor, DOCTOR_INFO, "start-code",
                     "%s%s code when Python starts (%.60s): modules that only it makes known are not seen here",
                     first->file, n > 1 ? " and others run" : " runs", first->line);
}

void python_look_folders(struct doctor *doctor)
{
    const struct installation *installation = &doctor->python->installation;
    for (size_t i = 0; i < installation->n_folders; i++)
        look_at_folder(doctor, &installation->folders[i]);
    for (size_t i = 0; i < LENGTH(watched); i++)
        look_for_shadows(doctor, watched[i]);
    tell_leftovers(doctor);
    tell_start_code(doctor);
    if (doctor_level_of(doctor, doctor->layer->name) >= DOCTOR_WARNING)
        return;
    const char *off = installation->user_site_off;
    doctor_found(doctor, DOCTOR_OK, "folders", "%zu distributions in %zu folder%s; %s%s%s",
                 installation->n_distributions, installation->n_folders, installation->n_folders == 1 ? "" : "s",
                 installation->user_site ? installation->user_site : "no user's folder is known", off ? ": " : "",
                 off ? off : "");
}
