/* Which Keras a script gets, by `import keras` and by tf.keras, and whether that is one for this ITEX. */
#include "client/itexctl/doctor/python.h"

#include <string.h>

struct keras {
    const struct distribution *installed; /* what `import keras` is; NULL */
    const struct distribution *legacy;    /* tf-keras; NULL */
    struct package_version version, tensorflow;
    bool has_version, has_tensorflow;
    bool wants_legacy; /* TF_USE_LEGACY_KERAS, as TensorFlow reads it */
    bool newest;       /* an ITEX that ends a job silently over Keras */
};

static const struct package_version version_of_216 = {.numbers = {2, 16}, .n_numbers = 2};

static void read_keras(const struct doctor *doctor, struct keras *keras)
{
    static const char *const names[] = {"keras", "keras-nightly", NULL};
    static const char *const legacy_names[] = {"tf-keras", "tf-keras-nightly", NULL};
    struct doctor_python *python = doctor->python;
    const char *wants = python_variable(doctor, "TF_USE_LEGACY_KERAS");
    keras->installed = python_first(python, names);
    keras->legacy = python_first(python, legacy_names);
    keras->has_version = python_version_of(keras->installed, &keras->version);
    keras->has_tensorflow = python_version_of(python->tensorflow, &keras->tensorflow);
    keras->wants_legacy =
        wants && (strcmp(wants, "true") == 0 || strcmp(wants, "True") == 0 || strcmp(wants, "1") == 0);
    keras->newest = python->has_version && package_version_compare(&python->version, &version_of_216) >= 0;
}

/* Right for the TensorFlow that is there. */
static void fix_keras(struct doctor *doctor, const struct keras *keras)
{
    const struct matrix_release *release = doctor->python->release;
    if (keras->has_tensorflow && release && package_version_in_range(&keras->tensorflow, &release->tensorflow.range))
        doctor_fix(doctor, "%s -m pip install 'keras%s'", doctor->python->command, release->keras.text.text);
    else
        doctor_fix(doctor, "%s -m pip install --force-reinstall 'tensorflow%s'", doctor->python->command,
                   release ? release->tensorflow.text.text : "");
}

/* ---- Findings -------------------------------------------------------------------------------------------------- */

static void tell_missing(struct doctor *doctor, const struct keras *keras)
{
    const struct site_folder *folder = module_find(&doctor->python->installation, "keras");
    if (folder) {
        doctor_found(doctor, DOCTOR_INFO, "keras-unknown",
                     "%s/keras is there without metadata, so its version is not known", folder->path);
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "keras-missing", "Keras is not installed: tf.keras cannot be used%s",
                 keras->newest ? ", and `import tensorflow` ends with status 0 before anything is trained" : "");
    fix_keras(doctor, keras);
}

static void hold_version(struct doctor *doctor, const struct keras *keras)
{
    const struct matrix_release *release = doctor->python->release;
    if (!release || !keras->has_version || package_version_in_range(&keras->version, &release->keras.range))
        return;
    if (keras->newest)
        doctor_found(doctor, DOCTOR_ERROR, "keras-version",
                     "Keras is %s; ITEX %s is for %s: `import tensorflow` ends with status 0 before anything is "
                     "trained",
                     keras->installed->version, release->itex.text, release->keras.text.text);
    else
        doctor_found(doctor, DOCTOR_WARNING, "keras-version", "Keras is %s; ITEX %s and its TensorFlow are for %s",
                     keras->installed->version, release->itex.text, release->keras.text.text);
    fix_keras(doctor, keras);
}

static void look_at_legacy(struct doctor *doctor, const struct keras *keras)
{
    struct package_version legacy;
    if (!keras->wants_legacy)
        return;
    if (!keras->legacy && !module_find(&doctor->python->installation, "tf_keras")) {
        doctor_found(doctor, DOCTOR_ERROR, "tf-keras-missing",
                     "TF_USE_LEGACY_KERAS is set and tf-keras is not installed: tf.keras is an ImportError");
        if (keras->has_tensorflow)
            doctor_fix(doctor, "%s -m pip install 'tf-keras~=%u.%u.0'", doctor->python->command,
                       keras->tensorflow.numbers[0],
                       keras->tensorflow.n_numbers > 1 ? keras->tensorflow.numbers[1] : 0);
        else
            doctor_fix(doctor, "%s -m pip install tf-keras", doctor->python->command);
        return;
    }
    if (!keras->has_tensorflow || !python_version_of(keras->legacy, &legacy) ||
        (legacy.numbers[0] == keras->tensorflow.numbers[0] && legacy.numbers[1] == keras->tensorflow.numbers[1]))
        return;
    doctor_found(doctor, DOCTOR_WARNING, "tf-keras-version",
                 "tf-keras is %s, TensorFlow %s: they go by the same number", keras->legacy->version,
                 doctor->python->tensorflow->version);
    doctor_fix(doctor, "%s -m pip install 'tf-keras~=%u.%u.0'", doctor->python->command, keras->tensorflow.numbers[0],
               keras->tensorflow.numbers[1]);
}

/* Keras 3 alone has other backends. */
static void look_at_backend(struct doctor *doctor, const struct keras *keras)
{
    const char *backend = python_variable(doctor, "KERAS_BACKEND");
    if (!backend || strcmp(backend, "tensorflow") == 0 || !keras->has_version || keras->version.numbers[0] < 3)
        return;
    if (keras->newest)
        doctor_found(doctor, DOCTOR_ERROR, "keras-backend",
                     "KERAS_BACKEND is %.40s: `import tensorflow` ends with status 0 before anything is trained",
                     backend);
    else
        doctor_found(doctor, DOCTOR_WARNING, "keras-backend",
                     "KERAS_BACKEND is %.40s: Keras does not train by TensorFlow, so not on an XPU", backend);
    doctor_fix(doctor, "unset KERAS_BACKEND");
}

static void tell_fine(struct doctor *doctor, const struct keras *keras)
{
    const char *version = keras->installed->version ? keras->installed->version : "of unknown version";
    if (keras->wants_legacy && keras->legacy)
        doctor_found(doctor, DOCTOR_OK, "keras", "`import keras` is Keras %s, tf.keras is tf-keras %s", version,
                     keras->legacy->version ? keras->legacy->version : "of unknown version");
    else
        doctor_found(doctor, DOCTOR_OK, "keras", "`import keras` and tf.keras are Keras %s", version);
}

void python_look_keras(struct doctor *doctor)
{
    struct keras keras = {.installed = NULL};
    if (!doctor->python->tensorflow) {
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped",
                     "which one is right is TensorFlow's to say, which is not there");
        return;
    }
    read_keras(doctor, &keras);
    look_at_legacy(doctor, &keras);
    if (!keras.installed) {
        tell_missing(doctor, &keras);
        return;
    }
    if (python_tell_broken(doctor, keras.installed))
        return;
    hold_version(doctor, &keras);
    look_at_backend(doctor, &keras);
    if (doctor_level_of(doctor, doctor->layer->name) < DOCTOR_WARNING)
        tell_fine(doctor, &keras);
}
