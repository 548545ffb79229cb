/*
 * What a shared library or program says of itself: what it needs, where it looks for that, which symbols it wants and
 * offers. Read from the file, piece by piece; nothing of it is loaded or run, so that it may be damaged, as large as
 * it likes (ITEX's inner library has 2.3 GB) and of any machine.
 */
#ifndef ITEXCTL_DOCTOR_ELF_FILE_H
#define ITEXCTL_DOCTOR_ELF_FILE_H

#include "daemon/yaml/yaml_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts live in the memory that the file was read into. */
struct elf_file {
    unsigned machine;        /* EM_X86_64 */
    const char *interpreter; /* the dynamic linker that a program asks for; NULL */
    const char *soname;      /* NULL */
    const char *rpath;       /* with colons, as it is written; NULL */
    const char *runpath;
    const char **needed;
    size_t n_needed;
};

struct elf_symbols {
    const char **names;
    size_t n_names;
};

/* 0; -ENOEXEC: no ELF file for 64 bit of this machine's byte order; -EINVAL: it is one and damaged; -ENOMEM; -errno
 * where it cannot be opened or read. */
int elf_file_read(const char *path, struct elf_file *file, struct yaml_memory *memory);

enum elf_symbol_kind {
    ELF_WANTED,  /* undefined, and the library does not work without */
    ELF_OFFERED, /* defined and visible */
};
/* The dynamic symbols of a kind whose names begin with prefix and a capital letter (zeInit, not zebra), in no order.
 * As above. */
int elf_symbols_read(const char *path, enum elf_symbol_kind kind, const char *prefix, struct elf_symbols *symbols,
                     struct yaml_memory *memory);

/* "x86_64", or "machine 21". */
const char *elf_machine_name(unsigned machine, char text[24]);

#endif
