/* Samples are kept whole and sorted when asked: a percentile of everything, not of a sketch. */
#include "bench_stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void reserve(struct samples *samples, size_t count)
{
    if (count <= samples->capacity)
        return;
    size_t capacity = samples->capacity ? samples->capacity : 4096;
    while (capacity < count)
        capacity *= 2;
    double *values = realloc(samples->values, capacity * sizeof *values);
    if (!values)
        bench_fail("no memory for %zu samples", capacity);
    samples->values = values;
    samples->capacity = capacity;
}

void samples_add(struct samples *samples, double value)
{
    reserve(samples, samples->count + 1);
    samples->values[samples->count++] = value;
}

void samples_append(struct samples *samples, const struct samples *more)
{
    if (!more->count)
        return;
    reserve(samples, samples->count + more->count);
    memcpy(samples->values + samples->count, more->values, more->count * sizeof *more->values);
    samples->count += more->count;
}

void samples_clear(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples)SAMPLES_INIT;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_at(struct samples *samples, double share)
{
    if (!samples->count)
        return 0;
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
    size_t rank = (size_t)(share * (double)samples->count);
    return samples->values[rank < samples->count ? rank : samples->count - 1];
}

uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench-service: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}
