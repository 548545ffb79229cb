/*
 * itexctl doctor: what stands between this node, or this user on it, and a training job, from the bus up to itexd.
 *
 * A layer is a table entry with a function that looks and says what it found. A layer fails by a finding of level
 * error; those that need it are then skipped, with the reason. Layers that need nothing of each other are looked at
 * whatever became of the others: a node without a GPU is told that its TensorFlow is of the wrong version, too.
 *
 * Everything is bounded by one deadline. What may hang or crash (the driver, a Python) runs in a child (child.h).
 * Nothing here changes anything.
 */
#ifndef ITEXCTL_DOCTOR_DOCTOR_H
#define ITEXCTL_DOCTOR_DOCTOR_H

#include "client/itexctl/itexctl.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- What is asked ------------------------------------------------------------------------------------------- */

struct doctor_options {
    const char *user;        /* --user: whose rights; NULL: the caller's, as they are in this process */
    const char *python;      /* --python: the job's interpreter; NULL: by the environment */
    const char *itex;        /* --itex: the version that is going to be installed; NULL: the installed one */
    const char *device_root; /* --device-root: sys, dev and proc are below it */
    bool strict;             /* a warning, too, makes the status 1 */
    bool node;               /* only what concerns the node, in one line */
    int64_t timeout;         /* of the whole run, in ms; -1: the default */
};

/* Whose job it is about. */
struct doctor_user {
    char *name; /* "uid 1000" for one that the database does not know */
    char *home; /* NULL: not known */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary ones too: of this process, or the database's for --user */
    size_t n_groups;
    gid_t *listed; /* those that the database has for the caller; NULL: it has no such user */
    size_t n_listed;
    bool other;  /* --user: it is not this process */
    bool silent; /* the database did not answer */
};

/* ---- What is found ------------------------------------------------------------------------------------------- */

/* What makes a training job fail is an error; what makes it slow, or is at risk, a warning. */
enum doctor_level {
    DOCTOR_OK,
    DOCTOR_INFO,
    DOCTOR_SKIPPED,
    DOCTOR_WARNING,
    DOCTOR_ERROR,
};
const char *doctor_level_name(enum doctor_level level);

struct doctor_layer;

struct doctor_finding {
    const struct doctor_layer *layer;
    enum doctor_level level;
    const char *id;         /* stable, "render-denied"; docs/doctor.md explains each */
    const char *substitute; /* "SIMULATED", "EMULATED": it is about no real GPU; NULL */
    char *found;            /* a sentence without a full stop: what, which */
    char *fix;              /* what to do, as an imperative; NULL: nothing to do */
};

struct doctor {
    const struct context *context;
    const struct doctor_options *options;
    const char *root;     /* device_root, "" for the real tree */
    uint64_t deadline_ms; /* of clock_steady_ms */
    struct doctor_user user;
    const char *substitute;           /* of what is found from here on; NULL */
    const struct doctor_layer *layer; /* whose turn it is */
    struct doctor_finding *findings;
    size_t n_findings;
    bool out_of_memory;
    struct doctor_machine *machine; /* machine.h: what lower layers have seen */
    struct doctor_python *python;   /* the Python layers' own */
    struct doctor_service *service; /* what itexd has answered */
};

/* One more finding of the layer whose turn it is. id is a literal: a test compares those in the sources with the
 * documentation. */
__attribute__((format(printf, 4, 5))) void doctor_found(struct doctor *doctor, enum doctor_level level, const char *id,
                                                        const char *format, ...);
/* What to do about the last finding. */
__attribute__((format(printf, 2, 3))) void doctor_fix(struct doctor *doctor, const char *format, ...);

/* The worst level that a layer came to; DOCTOR_SKIPPED for one that was not looked at. */
enum doctor_level doctor_level_of(const struct doctor *doctor, const char *layer);
/* Milliseconds until the deadline, at most `most`; 0: it has passed. */
int doctor_left_ms(const struct doctor *doctor, int most);
/* A path below the device root; false where it would be cut. */
__attribute__((format(printf, 3, 4))) bool doctor_path(const struct doctor *doctor, char path[PATH_MAX],
                                                       const char *format, ...);

/* ---- The layers ---------------------------------------------------------------------------------------------- */

struct doctor_layer {
    const char *name;         /* in JSON: "render-rights" */
    const char *title;        /* for people: "rights on the render node" */
    const char *const *needs; /* names of layers before it, ends with NULL; NULL: none */
    bool of_node;             /* also with --node: no user's environment, no Python */
    void (*look)(struct doctor *doctor);
};

/* In their order, from the bottom up; each table ends with an entry without a name. */
extern const struct doctor_layer doctor_machine_layers[]; /* bus, kernel, rights, libraries, devices */
extern const struct doctor_layer doctor_python_layers[];  /* SYCL, Python, TensorFlow, ITEX, Keras */
extern const struct doctor_layer doctor_job_layers[];     /* its variables */
extern const struct doctor_layer doctor_service_layers[]; /* itexd */

/* The version of ITEX that is installed, where it can be read; NULL. After the Python layers. */
const char *doctor_python_itex(const struct doctor *doctor);
/* Free doctor->python and doctor->service, which may be NULL. */
void doctor_python_clear(struct doctor *doctor);
void doctor_service_clear(struct doctor *doctor);
/* Of itexd; "?" where it has not answered. */
const char *doctor_service_version(const struct doctor *doctor);

/* ---- Running it (doctor.c), showing it (show.c) -------------------------------------------------------------- */

/* Looks through all layers, or those of the node. 0; -ENOMEM; -ENOENT: there is no such user; -errno. */
int doctor_run(struct doctor *doctor);
void doctor_clear(struct doctor *doctor);
size_t doctor_count(const struct doctor *doctor, enum doctor_level level);
/* All of it; 0 or -ENOMEM. */
int doctor_show(const struct doctor *doctor);

#endif
