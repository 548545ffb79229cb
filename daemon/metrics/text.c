#include "daemon/metrics/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t more)
{
    size_t room = text->room ? text->room : 32768;
    char *data;

    if (text->failed || text->size + more <= text->room)
        return !text->failed;
    while (room < text->size + more)
        room *= 2;
    data = realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

static void put(struct text *text, const char *from, size_t size)
{
    if (!reserve(text, size))
        return;
    memcpy(text->data + text->size, from, size);
    text->size += size;
}

static void put_text(struct text *text, const char *from)
{
    put(text, from, strlen(from));
}

/* ---- Labels ----------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character that begins here; 0: it is none. */
static size_t character(const unsigned char *at)
{
    static const struct {
        unsigned char from, to; /* of the first byte */
        size_t size;
    } forms[] = {{0x01, 0x7f, 1}, {0xc2, 0xdf, 2}, {0xe0, 0xef, 3}, {0xf0, 0xf4, 4}};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (at[0] < forms[i].from || at[0] > forms[i].to)
            continue;
        for (size_t j = 1; j < forms[i].size; j++)
            if ((at[j] & 0xc0) != 0x80)
                return 0;
        if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
            (at[0] == 0xf4 && at[1] > 0x8f))
            return 0; /* too long a form, a surrogate, or beyond Unicode */
        return forms[i].size;
    }
    return 0;
}

/* Users choose some of them (job ids): anything may be in there. */
static void put_value(struct text *text, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    size_t size, total = 0;

    for (; *at; at += size, total += size) {
        size = character(at);
        if (total + (size ? size : 1) > TEXT_LABEL_MAX)
            return;
        if (*at == '\\')
            put_text(text, "\\\\");
        else if (*at == '"')
            put_text(text, "\\\"");
        else if (*at == '\n')
            put_text(text, "\\n");
        else if (size == 0 || (size == 1 && (*at < 0x20 || *at == 0x7f)))
            put_text(text, "?");
        else
            put(text, (const char *)at, size);
        if (size == 0)
            size = 1;
    }
}

/* extra is one more label, NULL: none. */
static void put_labels(struct text *text, va_list pairs, const char *extra, const char *extra_value)
{
    const char *name = va_arg(pairs, const char *);
    const char *separator = "{";

    for (; name; name = va_arg(pairs, const char *)) {
        const char *value = va_arg(pairs, const char *);

        put_text(text, separator);
        put_text(text, name);
        put_text(text, "=\"");
        put_value(text, value ? value : "");
        put_text(text, "\"");
        separator = ",";
    }
    if (extra) {
        put_text(text, separator);
        put_text(text, extra);
        put_text(text, "=\"");
        put_text(text, extra_value);
        put_text(text, "\"");
        separator = ",";
    }
    if (separator[0] == ',')
        put_text(text, "}");
}

/* ---- Samples ---------------------------------------------------------------------------------------------- */

static void write_number(double value, char *text, size_t size)
{
    if (value == floor(value) && fabs(value) < 1e15)
        snprintf(text, size, "%.0f", value);
    else
        snprintf(text, size, "%.10g", value);
}

static void put_number(struct text *text, double value)
{
    char number[40];

    write_number(value, number, sizeof number);
    put_text(text, " ");
    put_text(text, number);
    put_text(text, "\n");
}

static const char *suffix_of(enum family_type type)
{
    return type == FAMILY_COUNTER ? "_total" : type == FAMILY_INFO ? "_info" : "";
}

static const char *type_name(enum family_type type, enum metrics_format format)
{
    static const char *const names[] = {"counter", "gauge", "histogram", "info"};

    return type == FAMILY_INFO && format == METRICS_PLAIN ? "gauge" : names[type];
}

void text_begin(struct text *text, enum family_id id)
{
    const struct family *family = &family_table[id];
    const char *suffix = text->format == METRICS_OPEN ? "" : suffix_of(family->type);
    const char *const heads[][2] = {
        {"HELP", family->help},
        {"TYPE", type_name(family->type, text->format)},
        {"UNIT", text->format == METRICS_OPEN ? family->unit : NULL},
    };

    text->family = family;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (!heads[i][1])
            continue;
        put_text(text, "# ");
        put_text(text, heads[i][0]);
        put_text(text, " ");
        put_text(text, family->name);
        put_text(text, suffix);
        put_text(text, " ");
        put_text(text, heads[i][1]);
        put_text(text, "\n");
    }
}

void text_sample(struct text *text, double value, ...)
{
    va_list pairs;

    put_text(text, text->family->name);
    put_text(text, suffix_of(text->family->type));
    va_start(pairs, value);
    put_labels(text, pairs, NULL, NULL);
    va_end(pairs);
    put_number(text, value);
}

/* As OpenMetrics wants to see them: a number that has a point. */
static void write_bound(double bound, char *text, size_t size)
{
    if (bound == floor(bound) && bound < 1e6)
        snprintf(text, size, "%.1f", bound);
    else
        snprintf(text, size, "%.10g", bound);
}

static void put_bucket(struct text *text, const char *bound, uint64_t count, va_list pairs)
{
    put_text(text, text->family->name);
    put_text(text, "_bucket");
    put_labels(text, pairs, "le", bound);
    put_number(text, (double)count);
}

static void put_total(struct text *text, const char *suffix, double value, va_list pairs)
{
    put_text(text, text->family->name);
    put_text(text, suffix);
    put_labels(text, pairs, NULL, NULL);
    put_number(text, value);
}

void text_histogram(struct text *text, const struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS],
                    double scale, ...)
{
    va_list pairs;
    uint64_t count = 0;
    char bound[32];

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->counts[i];
        if (i < HISTOGRAM_BOUNDS)
            write_bound((double)bounds[i] * scale, bound, sizeof bound);
        else
            strcpy(bound, "+Inf");
        va_start(pairs, scale);
        put_bucket(text, bound, count, pairs);
        va_end(pairs);
    }
    va_start(pairs, scale);
    put_total(text, "_count", (double)count, pairs);
    va_end(pairs);
    va_start(pairs, scale);
    put_total(text, "_sum", (double)histogram->sum * scale, pairs);
    va_end(pairs);
}

void text_end(struct text *text)
{
    if (text->format == METRICS_OPEN)
        put_text(text, "# EOF\n");
}

void text_clear(struct text *text)
{
    free(text->data);
    text->data = NULL;
    text->size = text->room = 0;
}
