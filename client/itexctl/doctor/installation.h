/*
 * A Python installation as it lies on the disk: its interpreter, the folders that it would import from, and the
 * distributions in them by their metadata. No Python is run for it, so that it can be asked for any user's, for a
 * damaged one, and within milliseconds for thousands of packages.
 *
 * What only running it would tell is kept as not known: a shim in the interpreter's place, lines of code in .pth files.
 */
#ifndef ITEXCTL_DOCTOR_INSTALLATION_H
#define ITEXCTL_DOCTOR_INSTALLATION_H

#include "daemon/yaml/yaml_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* ---- The interpreter (interpreter.c) ------------------------------------------------------------------------- */

enum interpreter_choice {
    CHOSEN_NONE, /* there is none */
    CHOSEN_OPTION,
    CHOSEN_VIRTUAL_ENV,
    CHOSEN_CONDA,
    CHOSEN_PATH,
};

enum interpreter_state {
    INTERPRETER_FINE,
    INTERPRETER_MISSING,  /* path is not there, or is no program */
    INTERPRETER_DANGLING, /* a link to one that is gone: what a virtual environment was made from was removed */
    INTERPRETER_SCRIPT,   /* a script (pyenv's shims), so which it comes to is not known */
    INTERPRETER_OTHER,    /* no CPython */
    INTERPRETER_UNKNOWN,  /* nothing tells its version */
    INTERPRETER_PYTHON2,
};

struct interpreter {
    enum interpreter_choice choice;
    enum interpreter_state state;
    const char *path; /* as it would be called */
    const char *real; /* behind all links */
    const char *prefix;
    const char *base;         /* the prefix of what a virtual environment was made from, else prefix */
    unsigned major, minor;    /* 3, 11 */
    const char *version;      /* "3.11", or "3.11.2" where that stands somewhere */
    unsigned base_minor;      /* of what a virtual environment's interpreter is now; 0: not known */
    const char *path_differs; /* the python3 that PATH has instead of the chosen environment's; NULL */
    bool virtual;             /* a virtual environment */
    bool system_site;         /* which sees its base's packages */
    bool conda;
    bool debian; /* dist-packages instead of site-packages */
};

/* The value of a variable; NULL where envp has none, or an empty one. */
const char *environment_value(char *const *envp, const char *name);

/* python: what was asked for, a program or an environment's folder; NULL: by the environment. 0 or -ENOMEM. */
int interpreter_find(struct interpreter *interpreter, const char *python, char *const *envp,
                     struct yaml_memory *memory);

/* ---- Folders (site_folders.c) -------------------------------------------------------------------------------- */

enum folder_kind {
    FOLDER_PYTHONPATH,
    FOLDER_USER,
    FOLDER_SITE,
    FOLDER_PTH, /* named by a .pth file of one of the two before */
};

struct site_folder {
    enum folder_kind kind;
    const char *path;
    const char *from; /* FOLDER_PTH: that file */
    bool readable;
    dev_t device;
    ino_t inode;
};

/* Code that a .pth file runs at the start of the interpreter. */
struct start_code {
    const char *file;
    const char *line; /* its beginning */
};

/* ---- Distributions (distributions.c) ------------------------------------------------------------------------- */

enum distribution_kind {
    DISTRIBUTION_WHEEL, /* .dist-info */
    DISTRIBUTION_EGG,   /* .egg-info, .egg */
    DISTRIBUTION_LINK,  /* .egg-link: a source tree, whose version is not looked for */
};

enum distribution_state {
    DISTRIBUTION_UNREAD,
    DISTRIBUTION_FINE,
    DISTRIBUTION_NO_METADATA, /* what is left of one that was half removed, or half installed */
    DISTRIBUTION_NO_RECORD,   /* which pip can neither upgrade nor remove */
};

struct distribution {
    enum distribution_kind kind;
    enum distribution_state state; /* of one that distribution_read was called with */
    const char *name;              /* normalised: lower case, dashes */
    const char *version;           /* of its metadata, else of the folder's name; NULL: it has none */
    const char *tag;               /* "cp311-cp311-linux_x86_64", the first one; NULL */
    const char *path;              /* of the metadata */
    bool editable;                 /* from a source tree (pip install -e) */
    const struct site_folder *folder;
};

struct installation {
    struct interpreter interpreter;
    struct site_folder *folders; /* in the order of sys.path */
    size_t n_folders;
    const char *user_site;              /* also where it is not there or not used; NULL: no home is known */
    const char *user_site_off;          /* why it is not used; NULL: it is */
    struct distribution *distributions; /* in the order in which an import would find them */
    size_t n_distributions;
    struct start_code *start_code;
    size_t n_start_code;
    const char **leftovers; /* "~ensorflow": what pip leaves where it was interrupted */
    size_t n_leftovers;
    struct yaml_memory *memory;
};

/* Folders and distributions of the interpreter that was found, which must be INTERPRETER_FINE. home: of whose job it
 * is; NULL. 0 or -ENOMEM. */
int installation_read(struct installation *installation, const char *home, char *const *envp,
                      struct yaml_memory *memory);
int site_folders_read(struct installation *installation, const char *home, char *const *envp);
int distributions_read(struct installation *installation);

/* The first distribution of a name (normalised) behind another, NULL for the first of all: this is the one that
 * counts. Its metadata have been read. NULL: there is none (more). */
struct distribution *distribution_find(struct installation *installation, const char *name,
                                       const struct distribution *behind);
/* The folder that a module (a package, a file, an extension) would be imported from; NULL: none of them. */
const struct site_folder *module_find(const struct installation *installation, const char *name);

#endif
