/*
 * Files of libraries as they may lie in a job's installation: any bytes as an ELF file and as the dynamic linker's
 * cache. What must hold: no crash, no read beyond the file, and texts that end.
 */
#include "fuzz.h"

#include "client/itexctl/doctor/library_search.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_text(const char *text)
{
    if (text && strlen(text) >= 4096)
        fuzz_broken("a name is longer than any that is read");
}

static void read_as_library(const char *path)
{
    struct yaml_memory memory = YAML_MEMORY_INIT;
    struct elf_file file;
    struct elf_symbols symbols;
    int r = elf_file_read(path, &file, &memory);
    if (r != 0 && r != -ENOEXEC && r != -EINVAL)
        fuzz_broken("an error that says nothing of the file");
    for (size_t i = 0; i < file.n_needed; i++)
        check_text(file.needed[i]);
    check_text(file.soname);
    check_text(file.rpath);
    check_text(file.runpath);
    for (int kind = ELF_WANTED; kind <= ELF_OFFERED; kind++) {
        r = elf_symbols_read(path, (enum elf_symbol_kind)kind, "ze", &symbols, &memory);
        for (size_t i = 0; r == 0 && i < symbols.n_names; i++)
            if (strncmp(symbols.names[i], "ze", 2) != 0)
                fuzz_broken("a symbol of another name");
    }
    yaml_memory_clear(&memory);
}

static void read_as_cache(const char *path)
{
    struct linker_cache cache;
    if (linker_cache_read(path, &cache) < 0)
        fuzz_broken("no memory for a small file");
    for (size_t at = 0; linker_cache_find(&cache, "libze_loader.so.1", &at);)
        ;
    linker_cache_clear(&cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("library", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        fuzz_broken("no file could be made");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    read_as_library(path);
    read_as_cache(path);
    close(fd);
    return 0;
}
