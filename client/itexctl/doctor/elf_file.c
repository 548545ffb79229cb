/*
 * Reading ELF files: see elf_file.h. Every offset and size comes from the file and is checked or bounded before it is
 * used; strings are read one by one, since the table of names alone may have hundreds of megabytes.
 */
#include "client/itexctl/doctor/elf_file.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_SEGMENTS 256
#define MOST_DYNAMIC 4096 /* entries */
#define MOST_NEEDED 512
#define MOST_NAME 4096
#define MOST_SYMBOLS (4u << 20)
#define MOST_BUCKETS (4u << 20)
#define MOST_FOUND 65536
#define CHUNK 1024 /* symbols or words read at once */

struct reading {
    int fd;
    uint64_t size;
    Elf64_Ehdr header;
    Elf64_Phdr segments[MOST_SEGMENTS];
    size_t n_segments;
    uint64_t strings, strings_size; /* where in the file; size 0: there are none */
    struct yaml_memory *memory;
};

static void reading_clear(struct reading *reading)
{
    closep(&reading->fd);
}

/* Exactly so many bytes of the file. 0, -EINVAL where it ends before, -errno. */
static int read_at(const struct reading *reading, uint64_t offset, void *to, size_t size)
{
    size_t done = 0;
    if (offset > reading->size || size > reading->size - offset)
        return -EINVAL;
    while (done < size) {
        ssize_t n = pread(reading->fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EINVAL;
        done += (size_t)n;
    }
    return 0;
}

static int read_header(struct reading *reading)
{
    Elf64_Ehdr *header = &reading->header;
    int r = read_at(reading, 0, header, sizeof(*header));
    unsigned char data = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
    if (r == -EINVAL || (r == 0 && (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
                                    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != data)))
        return -ENOEXEC;
    if (r < 0)
        return r;
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > MOST_SEGMENTS)
        return -EINVAL;
    reading->n_segments = header->e_phnum;
    return read_at(reading, header->e_phoff, reading->segments, reading->n_segments * sizeof(Elf64_Phdr));
}

static int open_reading(struct reading *reading, const char *path)
{
    struct stat status;
    reading->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (reading->fd < 0 || fstat(reading->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -ENOEXEC;
    reading->size = (uint64_t)status.st_size;
    return read_header(reading);
}

static const Elf64_Phdr *find_segment(const struct reading *reading, uint32_t type)
{
    for (size_t i = 0; i < reading->n_segments; i++)
        if (reading->segments[i].p_type == type)
            return &reading->segments[i];
    return NULL;
}

/* Where in the file an address of the loaded library comes from. */
static bool offset_of(const struct reading *reading, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < reading->n_segments; i++) {
        const Elf64_Phdr *segment = &reading->segments[i];
        if (segment->p_type != PT_LOAD || address < segment->p_vaddr || address - segment->p_vaddr >= segment->p_filesz)
            continue;
        *offset = segment->p_offset + (address - segment->p_vaddr);
        return *offset >= segment->p_offset && *offset < reading->size;
    }
    return false;
}

/* A text that ends within the bytes from offset on. *text NULL: longer than any name. */
static int read_text(const struct reading *reading, uint64_t offset, uint64_t room, const char **text)
{
    char buffer[MOST_NAME];
    *text = NULL;
    if (offset >= reading->size)
        return -EINVAL;
    if (room > reading->size - offset)
        room = reading->size - offset;
    for (size_t used = 0, size = 128; used < sizeof(buffer); size *= 2) { /* most are short */
        size_t wanted = size < sizeof(buffer) - used ? size : sizeof(buffer) - used;
        if (wanted > room - used)
            wanted = (size_t)(room - used);
        int r = wanted == 0 ? -EINVAL : read_at(reading, offset + used, buffer + used, wanted);
        if (r < 0)
            return r;
        used += wanted;
        size_t length = strnlen(buffer, used);
        if (length < used) {
            *text = yaml_memory_copy(reading->memory, buffer, length);
            return *text ? 0 : -ENOMEM;
        }
    }
    return -EINVAL;
}

static int read_string(const struct reading *reading, uint64_t at, const char **text)
{
    if (at >= reading->strings_size)
        return -EINVAL;
    return read_text(reading, reading->strings + at, reading->strings_size - at, text);
}

/* ---- The dynamic section ------------------------------------------------------------------------------------- */

struct dynamic {
    Elf64_Dyn *entries; /* from malloc */
    size_t n_entries;
};

static void dynamic_clear(struct dynamic *dynamic)
{
    free(dynamic->entries);
}

/* The value of the first entry of a kind. */
static bool dynamic_value(const struct dynamic *dynamic, int64_t tag, uint64_t *value)
{
    for (size_t i = 0; i < dynamic->n_entries; i++)
        if (dynamic->entries[i].d_tag == tag) {
            *value = dynamic->entries[i].d_un.d_val;
            return true;
        }
    return false;
}

static int read_dynamic(struct reading *reading, struct dynamic *dynamic)
{
    const Elf64_Phdr *segment = find_segment(reading, PT_DYNAMIC);
    uint64_t address;
    if (!segment) /* a program that is linked statically */
        return 0;
    size_t n = segment->p_filesz / sizeof(Elf64_Dyn);
    if (n > MOST_DYNAMIC)
        n = MOST_DYNAMIC;
    dynamic->entries = calloc(n + 1, sizeof(*dynamic->entries));
    if (!dynamic->entries)
        return -ENOMEM;
    int r = read_at(reading, segment->p_offset, dynamic->entries, n * sizeof(Elf64_Dyn));
    if (r < 0)
        return r;
    while (dynamic->n_entries < n && dynamic->entries[dynamic->n_entries].d_tag != DT_NULL)
        dynamic->n_entries++;
    if (!dynamic_value(dynamic, DT_STRTAB, &address) || !dynamic_value(dynamic, DT_STRSZ, &reading->strings_size) ||
        !offset_of(reading, address, &reading->strings))
        return -EINVAL;
    return 0;
}

static int keep_needed(const struct reading *reading, const struct dynamic *dynamic, struct elf_file *file)
{
    size_t n = 0;
    for (size_t i = 0; i < dynamic->n_entries; i++)
        n += dynamic->entries[i].d_tag == DT_NEEDED;
    if (n > MOST_NEEDED)
        return -EINVAL;
    file->needed = yaml_memory_get(reading->memory, n, sizeof(*file->needed));
    if (!file->needed)
        return -ENOMEM;
    for (size_t i = 0; i < dynamic->n_entries; i++) {
        if (dynamic->entries[i].d_tag != DT_NEEDED)
            continue;
        int r = read_string(reading, dynamic->entries[i].d_un.d_val, &file->needed[file->n_needed]);
        if (r < 0)
            return r;
        file->n_needed++;
    }
    return 0;
}

static int keep_string(const struct reading *reading, const struct dynamic *dynamic, int64_t tag, const char **text)
{
    uint64_t at;
    return dynamic_value(dynamic, tag, &at) ? read_string(reading, at, text) : 0;
}

int elf_file_read(const char *path, struct elf_file *file, struct yaml_memory *memory)
{
    CLEANUP(reading_clear) struct reading reading = {.fd = -1, .memory = memory};
    CLEANUP(dynamic_clear) struct dynamic dynamic = {.entries = NULL};
    *file = (struct elf_file){.machine = 0};
    int r = open_reading(&reading, path);
    const Elf64_Phdr *segment = r < 0 ? NULL : find_segment(&reading, PT_INTERP);
    if (r >= 0)
        file->machine = reading.header.e_machine;
    if (segment)
        r = read_text(&reading, segment->p_offset, segment->p_filesz, &file->interpreter);
    if (r >= 0)
        r = read_dynamic(&reading, &dynamic);
    if (r >= 0)
        r = keep_needed(&reading, &dynamic, file);
    if (r >= 0)
        r = keep_string(&reading, &dynamic, DT_SONAME, &file->soname);
    if (r >= 0)
        r = keep_string(&reading, &dynamic, DT_RPATH, &file->rpath);
    if (r >= 0)
        r = keep_string(&reading, &dynamic, DT_RUNPATH, &file->runpath);
    return r < 0 ? r : 0;
}

/* ---- Symbols ------------------------------------------------------------------------------------------------- */

/* Behind the last symbol that a chain of the hash table has. */
static int follow_chain(const struct reading *reading, uint64_t chains, uint32_t first, uint32_t symbol, uint32_t *end)
{
    uint32_t words[CHUNK];
    for (;;) {
        uint64_t offset = chains + 4ull * (symbol - first), left = offset < reading->size ? reading->size - offset : 0;
        size_t n = left / 4 < CHUNK ? (size_t)(left / 4) : CHUNK;
        int r = n == 0 ? -EINVAL : read_at(reading, offset, words, n * 4);
        if (r < 0)
            return r;
        for (size_t i = 0; i < n; i++, symbol++) {
            if (symbol >= MOST_SYMBOLS)
                return -EINVAL;
            if (words[i] & 1) {
                *end = symbol + 1;
                return 0;
            }
        }
    }
}

/* The number of symbols stands nowhere; the last chain has the last of them. */
static int count_by_gnu_hash(const struct reading *reading, uint64_t offset, uint32_t *n)
{
    uint32_t table[4], words[CHUNK], last = 0;
    int r = read_at(reading, offset, table, sizeof(table));
    if (r < 0)
        return r;
    uint32_t n_buckets = table[0], first = table[1], n_filters = table[2];
    uint64_t buckets = offset + sizeof(table) + 8ull * n_filters, chains = buckets + 4ull * n_buckets;
    if (n_buckets > MOST_BUCKETS || first > MOST_SYMBOLS)
        return -EINVAL;
    for (uint32_t i = 0; i < n_buckets; i += CHUNK) {
        uint32_t part = n_buckets - i < CHUNK ? n_buckets - i : CHUNK;
        r = read_at(reading, buckets + 4ull * i, words, part * 4ull);
        if (r < 0)
            return r;
        for (uint32_t j = 0; j < part; j++)
            last = words[j] > last ? words[j] : last;
    }
    *n = first;
    if (last < first) /* it offers none */
        return 0;
    return last > MOST_SYMBOLS ? -EINVAL : follow_chain(reading, chains, first, last, n);
}

static int count_symbols(const struct reading *reading, const struct dynamic *dynamic, uint32_t *n)
{
    uint64_t address, offset;
    uint32_t table[2];
    if (dynamic_value(dynamic, DT_HASH, &address) && offset_of(reading, address, &offset)) {
        int r = read_at(reading, offset, table, sizeof(table));
        *n = table[1];
        return r < 0 ? r : *n > MOST_SYMBOLS ? -EINVAL : 0;
    }
    if (dynamic_value(dynamic, DT_GNU_HASH, &address) && offset_of(reading, address, &offset))
        return count_by_gnu_hash(reading, offset, n);
    *n = 0;
    return 0;
}

static bool is_of_kind(const Elf64_Sym *symbol, enum elf_symbol_kind kind)
{
    unsigned char binding = ELF64_ST_BIND(symbol->st_info), visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    if (kind == ELF_WANTED)
        return symbol->st_shndx == SHN_UNDEF && binding == STB_GLOBAL;
    return symbol->st_shndx != SHN_UNDEF && binding != STB_LOCAL &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

/* Whether a symbol's name begins as it shall; read before the whole name is kept. */
static bool begins_so(const struct reading *reading, const Elf64_Sym *symbol, const char *prefix)
{
    char start[16];
    size_t length = strlen(prefix);
    if (length + 1 > sizeof(start) || symbol->st_name + length + 1 > reading->strings_size ||
        read_at(reading, reading->strings + symbol->st_name, start, length + 1) < 0)
        return false;
    return memcmp(start, prefix, length) == 0 && start[length] >= 'A' && start[length] <= 'Z';
}

/* A name more; grows by doubling, in memory that is given back as a whole. */
static int keep_symbol(const struct reading *reading, uint32_t name, struct elf_symbols *symbols)
{
    size_t n = symbols->n_names;
    if (n >= MOST_FOUND)
        return -EINVAL;
    if ((n & (n - 1)) == 0) {
        const char **grown = yaml_memory_get(reading->memory, n ? n * 2 : 1, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (n > 0)
            memcpy(grown, symbols->names, n * sizeof(*grown));
        symbols->names = grown;
    }
    int r = read_string(reading, name, &symbols->names[n]);
    symbols->n_names += r == 0;
    return r;
}

static int read_symbols(const struct reading *reading, uint64_t offset, uint32_t n, enum elf_symbol_kind kind,
                        const char *prefix, struct elf_symbols *symbols)
{
    Elf64_Sym part[CHUNK];
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i += CHUNK) {
        uint32_t count = n - i < CHUNK ? n - i : CHUNK;
        r = read_at(reading, offset + (uint64_t)i * sizeof(*part), part, count * sizeof(*part));
        for (uint32_t j = 0; j < count && r == 0; j++)
            if (is_of_kind(&part[j], kind) && begins_so(reading, &part[j], prefix))
                r = keep_symbol(reading, part[j].st_name, symbols);
    }
    return r;
}

int elf_symbols_read(const char *path, enum elf_symbol_kind kind, const char *prefix, struct elf_symbols *symbols,
                     struct yaml_memory *memory)
{
    CLEANUP(reading_clear) struct reading reading = {.fd = -1, .memory = memory};
    CLEANUP(dynamic_clear) struct dynamic dynamic = {.entries = NULL};
    uint64_t address, offset;
    uint32_t n = 0;
    *symbols = (struct elf_symbols){.names = NULL};
    int r = open_reading(&reading, path);
    if (r >= 0)
        r = read_dynamic(&reading, &dynamic);
    if (r >= 0)
        r = count_symbols(&reading, &dynamic, &n);
    if (r < 0 || n == 0)
        return r;
    if (!dynamic_value(&dynamic, DT_SYMTAB, &address) || !offset_of(&reading, address, &offset))
        return -EINVAL;
    return read_symbols(&reading, offset, n, kind, prefix, symbols);
}

const char *elf_machine_name(unsigned machine, char text[24])
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_PPC64, "ppc64"}, {EM_RISCV, "riscv64"}};
    for (size_t i = 0; i < LENGTH(names); i++)
        if (names[i].machine == machine)
            return names[i].name;
    snprintf(text, 24, "machine %u", machine);
    return text;
}
