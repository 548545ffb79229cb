/* Samples of one measurement, and what is said about them. */
#ifndef ITEXD_BENCH_STATS_H
#define ITEXD_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    double *values;
    size_t count, capacity;
};
#define SAMPLES_INIT                                                                                                   \
    {                                                                                                                  \
        .values = NULL                                                                                                 \
    }

void samples_add(struct samples *samples, double value);
void samples_append(struct samples *samples, const struct samples *more);
void samples_clear(struct samples *samples);
/* Nearest rank; share 0.5 is the median. 0 where there are none. Sorts in place. */
double samples_at(struct samples *samples, double share);

uint64_t now_ns(void);

/* Ends the program with a message: a benchmark that cannot measure has nothing to say. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
