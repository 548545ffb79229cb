/*
 * An engine for where there is none: replays every file of a folder, then mutates them with a fixed seed, so that a
 * run is repeatable. A finding is an abort; the input that caused it is in PROGRAM.finding in the working directory.
 *
 *     fuzz-TARGET CORPUS [ROUNDS [SEED]]
 */
#include "fuzz.h"

#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_LIMIT 65536

struct input {
    uint8_t *data;
    size_t size;
    char name[256];
};

struct corpus {
    struct input *inputs;
    size_t count;
};

static uint64_t state;
static char finding[64];

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

/* Kept before each run, for a crash leaves no time to. */
static void keep(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = open(finding, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size) < 0)
        fuzz_broken("the input cannot be kept");
}

static void run(const uint8_t *data, size_t size)
{
    keep(data, size);
    LLVMFuzzerTestOneInput(data, size);
}

static void read_input(const char *directory, const char *name, struct corpus *corpus)
{
    char path[512];
    static uint8_t buffer[INPUT_LIMIT];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    size_t size = file ? fread(buffer, 1, sizeof buffer, file) : 0;
    struct input *more = realloc(corpus->inputs, (corpus->count + 1) * sizeof *more);
    uint8_t *data = malloc(size + 1);
    if (!file || !more || !data)
        fuzz_broken(path);
    memcpy(data, buffer, size);
    corpus->inputs = more;
    corpus->inputs[corpus->count] = (struct input){.data = data, .size = size};
    snprintf(corpus->inputs[corpus->count++].name, sizeof more->name, "%s", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static void read_corpus(const char *directory, struct corpus *corpus)
{
    DIR *dir = opendir(directory);
    if (!dir)
        fuzz_broken(directory);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            read_input(directory, entry->d_name, corpus);
    closedir(dir);
    if (!corpus->count)
        fuzz_broken("an empty corpus");
    qsort(corpus->inputs, corpus->count, sizeof *corpus->inputs, by_name);
}

static size_t insert(uint8_t *data, size_t size, const uint8_t *piece, size_t length)
{
    size_t at = (size_t)(next_random() % (size + 1));
    if (size + length > INPUT_LIMIT)
        return size;
    memmove(data + at + length, data + at, size - at);
    memcpy(data + at, piece, length);
    return size + length;
}

static size_t erase(uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t at = (size_t)(next_random() % size), length = 1 + (size_t)(next_random() % 16);
    length = length > size - at ? size - at : length;
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
}

static size_t mutate(const struct corpus *corpus, uint8_t *data, size_t size)
{
    static const char interesting[] = "\0\n\t -=:'\"\\{}[]#&*!|>,0129\177\200\377";
    const struct input *other = &corpus->inputs[next_random() % corpus->count];
    size_t at = other->size ? (size_t)(next_random() % other->size) : 0;
    size_t length = other->size ? 1 + (size_t)(next_random() % 32) : 0;
    length = length > other->size - at ? other->size - at : length;
    switch (next_random() % 5) {
    case 0:
        if (size)
            data[next_random() % size] = (uint8_t)next_random();
        return size;
    case 1:
        if (size)
            data[next_random() % size] = (uint8_t)interesting[next_random() % (sizeof interesting - 1)];
        return size;
    case 2:
        return erase(data, size);
    case 3:
        return insert(data, size, other->data + at, length);
    default:
        return insert(data, size, (const uint8_t *)&interesting[next_random() % (sizeof interesting - 1)], 1);
    }
}

static void mutate_all(const struct corpus *corpus, unsigned long rounds)
{
    static uint8_t data[INPUT_LIMIT];
    for (unsigned long round = 0; round < rounds; round++) {
        const struct input *seed = &corpus->inputs[next_random() % corpus->count];
        size_t size = seed->size;
        memcpy(data, seed->data, size);
        for (uint64_t n = 1 + next_random() % 6; n > 0; n--)
            size = mutate(corpus, data, size);
        run(data, size);
    }
}

int main(int argc, char **argv)
{
    struct corpus corpus = {.count = 0};
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s CORPUS [ROUNDS [SEED]]\n", argv[0]);
        return 2;
    }
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    state = (argc > 3 ? strtoull(argv[3], NULL, 10) : 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    snprintf(finding, sizeof finding, "%s.finding", program_invocation_short_name);
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_corpus(argv[1], &corpus);
    printf("1..%zu\n", corpus.count + 1);
    for (size_t i = 0; i < corpus.count; i++) {
        run(corpus.inputs[i].data, corpus.inputs[i].size);
        printf("ok %zu - %s\n", i + 1, corpus.inputs[i].name);
    }
    mutate_all(&corpus, rounds);
    printf("ok %zu - %lu mutations\n", corpus.count + 1, rounds);
    for (size_t i = 0; i < corpus.count; i++)
        free(corpus.inputs[i].data);
    free(corpus.inputs);
    unlink(finding);
    return 0;
}
