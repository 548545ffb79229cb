/*
 * The version matrix: what each release of ITEX is made for (db/versions.yaml, which explains the fields). All mistakes
 * of the file are found in one run, each with its line and column.
 */
#ifndef ITEXCTL_DOCTOR_VERSION_MATRIX_H
#define ITEXCTL_DOCTOR_VERSION_MATRIX_H

#include "client/itexctl/doctor/package_version.h"
#include "daemon/yaml/yaml_table.h"

/* A range as it is written, and what it means. text.text is NULL where there is none. */
struct matrix_range {
    struct yaml_text text;
    struct package_range range;
};

struct matrix_package {
    const char *name; /* normalised */
    struct matrix_range wants;
};

struct matrix_release {
    struct yaml_text itex;
    struct package_version version; /* the same */
    bool released;                  /* as a wheel */
    struct yaml_texts source;
    struct matrix_range python;
    struct matrix_range tensorflow, tensorflow_tried;
    struct matrix_range keras;
    struct matrix_package *packages;
    size_t n_packages;
    struct yaml_text sycl_library; /* "libsycl.so.8" */
    struct yaml_text oneapi;       /* "2025.0" */
    struct matrix_range compiler;  /* of the SYCL runtime's packages */
    struct yaml_text driver;       /* "803", as the vendor counts stable drivers */
    struct yaml_text compute;      /* "23.43.27642", its compute runtime */
    struct yaml_text loader;       /* "1.14.0", Level Zero's */
};

struct version_matrix {
    struct matrix_release *releases; /* from old to new */
    size_t n_releases;
};

/* $ITEXD_VERSIONS, or the one that is installed. */
const char *version_matrix_path(void);

/* Reads a text. 0; -EINVAL: errors were added to messages; -ENOMEM. */
int version_matrix_read(const char *file, const char *text, size_t size, struct version_matrix *matrix,
                        struct yaml_memory *memory, struct yaml_messages *messages);
/* Reads that file. 0; -EINVAL with messages, also where it cannot be read; -ENOMEM. */
int version_matrix_load(struct version_matrix *matrix, struct yaml_memory *memory, struct yaml_messages *messages);

enum matrix_match {
    MATRIX_NONE,  /* older than all of it */
    MATRIX_SAME,  /* this release, or a candidate or rebuild of it */
    MATRIX_NEAR,  /* another one of the same TensorFlow */
    MATRIX_OTHER, /* of none that the matrix knows: the newest wheel before it */
};
/* The row that goes for a version of ITEX; NULL for MATRIX_NONE. */
const struct matrix_release *version_matrix_find(const struct version_matrix *matrix,
                                                 const struct package_version *itex, enum matrix_match *match);
/* The newest release, as a wheel, of those that a TensorFlow is right for; NULL: there is none. */
const struct matrix_release *version_matrix_for_tensorflow(const struct version_matrix *matrix,
                                                           const struct package_version *tensorflow);

#endif
