/*
 * Where the dynamic linker would find a library, and what a library needs altogether, from the files alone: RPATH of
 * it and of what loads it, LD_LIBRARY_PATH, RUNPATH, the linker's cache, its default folders - in the linker's order.
 */
#ifndef ITEXCTL_DOCTOR_LIBRARY_SEARCH_H
#define ITEXCTL_DOCTOR_LIBRARY_SEARCH_H

#include "client/itexctl/doctor/elf_file.h"

/* The dynamic linker's cache, as ldconfig made it. */
struct linker_cache {
    char *data; /* from malloc; NULL: there is none */
    size_t size;
};
/* Without one, or with one in a form that is not known, it is empty. 0 or -ENOMEM. */
int linker_cache_read(const char *path, struct linker_cache *cache);
void linker_cache_clear(struct linker_cache *cache);
/* The first path behind number *at for a name, which is moved on; NULL: there is none (more). */
const char *linker_cache_find(const struct linker_cache *cache, const char *name, size_t *at);

struct library_search {
    const char *library_path; /* LD_LIBRARY_PATH; NULL */
    const char *program;      /* the interpreter that loads it all, links resolved; NULL */
    const char *program_rpath;
    unsigned machine; /* 0: any */
    struct linker_cache cache;
    struct yaml_memory *memory;
};

/* A library among those that are needed. */
struct needed_library {
    const char *name;                /* that was looked for */
    const char *path;                /* NULL: it was not found */
    const struct needed_library *by; /* the one that needs it; NULL: it was asked for */
    bool damaged;                    /* found, and no library that can be read */
    struct elf_file file;
};

struct needed_libraries {
    struct needed_library **items;
    size_t n_items;
};

/* Adds the library at a path and all that it needs and that is not among them. What TensorFlow has loaded before
 * (its own libraries) is taken as there. 0 or -ENOMEM. */
int library_search_all(const struct library_search *search, const char *path, struct needed_libraries *libraries);
/* Where one would be found that a library needs, by name; NULL: nowhere, or no memory. */
const char *library_search_one(const struct library_search *search, const char *name, const struct needed_library *by);

#endif
