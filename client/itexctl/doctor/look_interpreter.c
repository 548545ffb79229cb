/* The version matrix, and the job's Python: which it is, whether it is whole, and whether ITEX has wheels for it. */
#include "client/itexctl/doctor/python.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/quote.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The matrix ---------------------------------------------------------------------------------------------- */

static struct doctor_python *begin(struct doctor *doctor)
{
    static char *const nothing[] = {NULL};
    if (!doctor->python)
        doctor->python = calloc(1, sizeof(*doctor->python));
    if (!doctor->python) {
        doctor->out_of_memory = true;
        return NULL;
    }
    doctor->python->envp = doctor->user.other ? nothing : environ;
    return doctor->python;
}

static void tell_mistakes(struct doctor *doctor, const struct yaml_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++) {
        if (messages->items[i].warning)
            continue;
        doctor_found(doctor, DOCTOR_ERROR, "versions-unreadable", "%s", messages->items[i].text);
        doctor_fix(doctor, "correct the file, or install itexctl's own again; ITEXD_VERSIONS names another one");
    }
}

void python_look_versions(struct doctor *doctor)
{
    struct doctor_python *python = begin(doctor);
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    if (!python)
        return;
    int r = version_matrix_load(&python->matrix, &python->memory, &messages);
    python->has_matrix = r == 0 && python->matrix.n_releases > 0;
    if (r == -ENOMEM)
        doctor->out_of_memory = true;
    else if (r < 0)
        tell_mistakes(doctor, &messages);
    else
        doctor_found(doctor, DOCTOR_OK, "versions", "%zu releases of ITEX are known, up to %s",
                     python->matrix.n_releases, python->matrix.releases[python->matrix.n_releases - 1].itex.text);
}

/* ---- Which Python -------------------------------------------------------------------------------------------- */

static const char *choice_text(enum interpreter_choice choice)
{
    static const char *const texts[] = {
        [CHOSEN_NONE] = "",
        [CHOSEN_OPTION] = "of --python",
        [CHOSEN_VIRTUAL_ENV] = "of VIRTUAL_ENV",
        [CHOSEN_CONDA] = "of CONDA_PREFIX",
        [CHOSEN_PATH] = "of PATH",
    };
    return texts[choice];
}

/* As a word of a shell's command. */
static const char *shell_text(struct doctor_python *python, const char *word)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    shell_word(out, word);
    return fclose(out) == 0 ? keep_copy(&python->memory, text) : NULL;
}

static void tell_none(struct doctor *doctor)
{
    doctor_found(doctor, DOCTOR_WARNING, "python-none",
                 "PATH has no python3, and no environment is active: packages were not looked at");
    doctor_fix(doctor, "activate the job's environment, or name its Python: itexctl doctor --python PATH");
}

/* A Python of which nothing more can be told. */
static void tell_state(struct doctor *doctor, const struct interpreter *interpreter)
{
    const char *path = interpreter->path, *of = choice_text(interpreter->choice);
    switch (interpreter->state) {
    case INTERPRETER_MISSING:
        doctor_found(doctor, DOCTOR_ERROR, "python-missing", "there is no Python at %s (%s)", path, of);
        doctor_fix(doctor, "make the environment again (python3.11 -m venv FOLDER), or name the right one by --python");
        break;
    case INTERPRETER_DANGLING:
        doctor_found(doctor, DOCTOR_ERROR, "python-gone",
                     "%s (%s) is a link to a Python that is gone: the environment was made from one that was removed",
                     path, of);
        doctor_fix(doctor, "make the environment again from one that is there: python3.11 -m venv --clear FOLDER");
        break;
    case INTERPRETER_SCRIPT:
        doctor_found(doctor, DOCTOR_WARNING, "python-script",
                     "%s (%s) is a script; which Python it comes to is not known without running it", path, of);
        doctor_fix(doctor,
                   "name the Python itself: itexctl doctor --python \"$(%s -c 'import sys; "
                   "print(sys.executable)')\"",
                   doctor->python->command);
        break;
    case INTERPRETER_OTHER:
        doctor_found(doctor, DOCTOR_ERROR, "python-other", "%s (%s) is no CPython, for which alone there are wheels",
                     path, of);
        doctor_fix(doctor, "use CPython: python3.11 -m venv FOLDER");
        break;
    case INTERPRETER_PYTHON2:
        doctor_found(doctor, DOCTOR_ERROR, "python-two", "%s (%s) is Python %s", path, of, interpreter->version);
        doctor_fix(doctor, "use Python 3: python3.11 -m venv FOLDER");
        break;
    default:
        doctor_found(doctor, DOCTOR_WARNING, "python-unknown",
                     "nothing around %s (%s) tells which version it is: packages were not looked at", path, of);
        doctor_fix(doctor, "name the Python by the name that has its version: itexctl doctor --python python3.11");
        break;
    }
}

/* ---- What is installed ----------------------------------------------------------------------------------------- */

/* The newest is the source tree's, which the matrix has last. */
static bool read_asked(const char *asked, const struct version_matrix *matrix, struct package_version *version)
{
    if (strcmp(asked, "newest") != 0)
        return package_version_read(asked, version) == 0;
    if (matrix->n_releases > 0)
        *version = matrix->releases[matrix->n_releases - 1].version;
    return matrix->n_releases > 0;
}

static void find_release(struct doctor *doctor)
{
    struct doctor_python *python = doctor->python;
    const char *asked = doctor->options->itex;
    struct package_version tensorflow;
    python->has_version = asked ? read_asked(asked, &python->matrix, &python->version)
                                : python_version_of(python->itex, &python->version);
    if (!python->has_matrix)
        return;
    if (python->has_version)
        python->release = version_matrix_find(&python->matrix, &python->version, &python->match);
    else if (python_version_of(python->tensorflow, &tensorflow))
        python->release = version_matrix_for_tensorflow(&python->matrix, &tensorflow);
    if (!python->release && !python->has_version)
        python->release = python_newest(python);
}

static int read_installation(struct doctor *doctor)
{
    static const char *const itex[] = {"intel-extension-for-tensorflow", "intel-extension-for-tensorflow-weekly", NULL};
    static const char *const lib[] = {"intel-extension-for-tensorflow-lib", "intel-extension-for-tensorflow-lib-weekly",
                                      NULL};
    struct doctor_python *python = doctor->python;
    int r = installation_read(&python->installation, doctor->user.home, python->envp, &python->memory);
    if (r < 0)
        return r;
    python->tensorflow = python_first(python, tensorflow_names);
    python->itex = python_first(python, itex);
    python->lib = python_first(python, lib);
    find_release(doctor);
    return 0;
}

/* The system's Python, where an environment was forgotten: it is not the job's. */
static bool is_jobs(const struct doctor_python *python)
{
    return python->installation.interpreter.choice != CHOSEN_PATH || python->tensorflow || python->itex;
}

/* ---- Findings --------------------------------------------------------------------------------------------------- */

static void tell_environment(struct doctor *doctor, const struct interpreter *interpreter)
{
    if (interpreter->path_differs) {
        doctor_found(doctor, DOCTOR_WARNING, "python-not-first",
                     "the environment of %s is active, but PATH begins with %s: a job started by \"python3\" runs that "
                     "one",
                     interpreter->path, interpreter->path_differs);
        doctor_fix(doctor, "put the environment first: export PATH=%s/bin:\"$PATH\"", interpreter->prefix);
    }
    if (interpreter->virtual && interpreter->base_minor != 0 && interpreter->base_minor != interpreter->minor) {
        doctor_found(doctor, DOCTOR_ERROR, "python-replaced",
                     "%s was made for Python %u.%u, and %s is %u.%u by now: it finds none of its packages",
                     interpreter->prefix, interpreter->major, interpreter->minor, interpreter->real, interpreter->major,
                     interpreter->base_minor);
        doctor_fix(doctor, "make the environment again: python%u.%u -m venv --clear %s", interpreter->major,
                   interpreter->minor, interpreter->prefix);
    }
}

void python_look_version(struct doctor *doctor)
{
    const struct doctor_python *python = doctor->python;
    const struct interpreter *interpreter = &python->installation.interpreter;
    const struct matrix_release *release = python->release;
    struct package_version version;
    char wanted[256];
    if (!release) {
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "no release of ITEX is known to hold Python %s against",
                     interpreter->version);
        return;
    }
    if (package_version_read(interpreter->version, &version) < 0 ||
        package_version_in_range(&version, &release->python.range)) {
        doctor_found(doctor, DOCTOR_OK, "python-version", "%s is right for ITEX %s (%s)", interpreter->version,
                     release->itex.text, release->python.text.text);
        return;
    }
    python_wanted(release, wanted, sizeof(wanted));
    doctor_found(doctor, DOCTOR_ERROR, "python-version", "%s is Python %s; ITEX %s is for Python %s", interpreter->path,
                 interpreter->version, release->itex.text, release->python.text.text);
    doctor_fix(doctor,
               "make an environment of a Python that it is for: python3.11 -m venv FOLDER && "
               "FOLDER/bin/python -m pip install %s",
               wanted);
}

void python_look_interpreter(struct doctor *doctor)
{
    struct doctor_python *python = begin(doctor);
    if (!python)
        return;
    struct interpreter *interpreter = &python->installation.interpreter;
    int r = interpreter_find(interpreter, doctor->options->python, python->envp, &python->memory);
    if (r >= 0 && interpreter->path)
        python->command = shell_text(python, interpreter->path);
    if (r < 0 || (interpreter->path && !python->command)) {
        doctor->out_of_memory = true;
        return;
    }
    bool fine = interpreter->path && interpreter->state == INTERPRETER_FINE;
    if (!interpreter->path)
        tell_none(doctor);
    else if (!fine)
        tell_state(doctor, interpreter);
    else if (read_installation(doctor) < 0)
        doctor->out_of_memory = true;
    if (!fine && doctor_level_of(doctor, doctor->layer->name) < DOCTOR_ERROR)
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "no Python is known");
    if (!fine)
        return;
    if (doctor->user.other)
        doctor_found(doctor, DOCTOR_INFO, "python-environment-unknown",
                     "the environment that %s's jobs have is not known: variables count as not set", doctor->user.name);
    tell_environment(doctor, interpreter);
    if (is_jobs(python)) {
        doctor_found(doctor, DOCTOR_OK, "python", "%s (%s), Python %s%s", interpreter->path,
                     choice_text(interpreter->choice), interpreter->version,
                     interpreter->virtual ? ", a virtual environment" : "");
        return;
    }
    doctor_found(doctor, DOCTOR_WARNING, "python-not-the-jobs",
                 "%s (%s) has neither TensorFlow nor ITEX, so it is hardly the job's: packages were not looked at",
                 interpreter->path, choice_text(interpreter->choice));
    doctor_fix(doctor, "activate the job's environment, or name its Python: itexctl doctor --python PATH");
    doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "the job's Python is not known");
}
