/*
 * The files of a rule set: from disk, or one by one; and the digest that names their content.
 *
 * The digest is SHA-256 over the number of files and, for each in order, its name and its text, every part preceded
 * by its length: no two different sets can run together into the same bytes.
 */
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <string.h>
#include <sys/stat.h>

#define FACTS_FILE "facts.yaml"

void rule_files_clear(struct rule_files *files)
{
    for (size_t i = 0; i < files->n_files; i++) {
        free(files->files[i].name);
        free(files->files[i].text);
    }
    free(files->files);
    *files = (struct rule_files)RULE_FILES_INIT;
}

static size_t total_size(const struct rule_files *files)
{
    size_t total = 0;

    for (size_t i = 0; i < files->n_files; i++)
        total += files->files[i].size;
    return total;
}

int rule_files_add(struct rule_files *files, const char *name, const char *text, size_t size)
{
    CLEANUP(freep) char *name_copy = NULL, *text_copy = NULL;
    struct rule_file *grown;

    if (*name == '\0' || strchr(name, '/'))
        return -EINVAL;
    for (size_t i = 0; i < files->n_files; i++)
        if (strcmp(files->files[i].name, name) == 0)
            return -EEXIST;
    if (size > RULES_MAX_BYTES - total_size(files))
        return -EFBIG;
    name_copy = strdup(name);
    text_copy = malloc(size + 1);
    grown = reallocarray(files->files, files->n_files + 1, sizeof(*grown));
    if (grown)
        files->files = grown;
    if (!name_copy || !text_copy || !grown)
        return -ENOMEM;
    if (size > 0)
        memcpy(text_copy, text, size);
    text_copy[size] = '\0';
    files->files[files->n_files++] =
        (struct rule_file){.name = TAKE_PTR(name_copy), .text = TAKE_PTR(text_copy), .size = size};
    return 0;
}

/* Reads what the descriptor has, at most one byte more than is allowed: growing files are cut off there. */
static int read_all(int fd, char **text, size_t *size)
{
    CLEANUP(freep) char *buffer = NULL;
    struct stat status;
    size_t room, used = 0;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > RULES_MAX_BYTES)
        return -EFBIG;
    room = (size_t)status.st_size + 1;
    buffer = malloc(room);
    if (!buffer)
        return -ENOMEM;
    while (used < room) {
        ssize_t n = read(fd, buffer + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    *text = TAKE_PTR(buffer);
    *size = used;
    return 0;
}

static int read_file(int directory, const char *path, struct rule_files *files)
{
    CLEANUP(closep) int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    CLEANUP(freep) char *text = NULL;
    const char *slash = strrchr(path, '/');
    size_t size = 0;
    int r;

    if (fd < 0)
        return -errno;
    r = read_all(fd, &text, &size);
    if (r < 0)
        return r;
    return rule_files_add(files, slash ? slash + 1 : path, text, size);
}

static int is_rule_file(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && end && strcmp(end, ".yaml") == 0 && strcmp(entry->d_name, FACTS_FILE) != 0;
}

/* The locale must not change the order of rules. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_directory(const char *path, struct rule_files *files)
{
    CLEANUP(closep) int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent **entries;
    int n, r = 0;

    if (directory < 0)
        return -errno;
    n = scandirat(directory, ".", &entries, is_rule_file, by_bytes);
    if (n < 0)
        return -errno;
    if (n == 0)
        r = -ENOENT;
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = read_file(directory, entries[i]->d_name, files);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int rule_files_read(const char *path, struct rule_files *files)
{
    size_t before = files->n_files;
    int r = read_file(AT_FDCWD, path, files);

    if (r == -EISDIR)
        r = read_directory(path, files);
    while (r < 0 && files->n_files > before) {
        struct rule_file *last = &files->files[--files->n_files];
        free(last->name);
        free(last->text);
    }
    if (files->n_files == 0)
        rule_files_clear(files);
    return r;
}

static void update_number(SHA2_CTX *context, uint64_t number)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    SHA256Update(context, bytes, sizeof(bytes));
}

static void update_text(SHA2_CTX *context, const char *text, size_t size)
{
    update_number(context, size);
    SHA256Update(context, (const unsigned char *)text, size);
}

void rule_files_digest(const struct rule_files *files, char digest[RULES_DIGEST_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA2_CTX context;

    SHA256Init(&context);
    update_number(&context, files->n_files);
    for (size_t i = 0; i < files->n_files; i++) {
        update_text(&context, files->files[i].name, strlen(files->files[i].name));
        update_text(&context, files->files[i].text, files->files[i].size);
    }
    SHA256Final(hash, &context);
    for (size_t i = 0; i < sizeof(hash); i++) {
        digest[2 * i] = digits[hash[i] >> 4];
        digest[2 * i + 1] = digits[hash[i] & 0xf];
    }
    digest[2 * sizeof(hash)] = '\0';
}
