/*
 * Writing metrics as text, in OpenMetrics 1.0 or in the older format of Prometheus, from the same calls. The two differ
 * in how a family of counters is headed, in infos (which the older one calls gauges), in units and in the end.
 */
#ifndef ITEXD_METRICS_TEXT_H
#define ITEXD_METRICS_TEXT_H

#include "daemon/metrics/families.h"
#include "daemon/metrics/negotiate.h"
#include "proto/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* A label's value is cut there, between two characters. */
#define TEXT_LABEL_MAX 128

struct text {
    char *data;
    size_t size, room;
    enum metrics_format format;
    bool failed; /* no memory: what is there is not whole */
    const struct family *family;
};

void text_begin(struct text *text, enum family_id family);
/* A sample of the family that was begun; pairs of a label's name and value follow, then NULL. */
void text_sample(struct text *text, double value, ...) __attribute__((sentinel));
/* bounds times scale are in the family's unit. */
void text_histogram(struct text *text, const struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS],
                    double scale, ...) __attribute__((sentinel));
void text_end(struct text *text);
void text_clear(struct text *text);

#endif
