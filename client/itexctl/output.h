/*
 * What itexctl prints: JSON (json.c), tables (table.c), and text for people (text.c).
 *
 * Values come from jobs' environments and from rule files. In text and tables control characters are shown as escapes
 * so that a value cannot steer an administrator's terminal; in JSON bytes that are not UTF-8 become U+FFFD.
 */
#ifndef ITEXCTL_OUTPUT_H
#define ITEXCTL_OUTPUT_H

#include "daemon/resolver/rule_set.h"
#include "itexd.pb-c.h"

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- JSON ---- */

/* The one object of a decision, its keys always there; NULL without memory. Freed by json_object_put. */
struct json_object *json_decision(const Itexd__V1__Decision *decision);
struct json_object *json_status(const Itexd__V1__Status *status);
struct json_object *json_rule_set(const Itexd__V1__RuleSetInfo *info);
struct json_object *json_devices(const Itexd__V1__DevicesReply *reply);
struct json_object *json_device_show(const Itexd__V1__DeviceShowReply *reply);
struct json_object *json_leases(const Itexd__V1__LeasesReply *reply);
struct json_object *json_lease_info(const Itexd__V1__LeaseInfo *lease);
/* The rules of a set, in their order, as people read them. */
struct json_object *json_rules(const struct rule_set_def *set);
/* Prints on one line and frees it. 0 or -ENOMEM (object NULL). */
int json_print(FILE *out, struct json_object *object);
/* A string or, for NULL, null. */
struct json_object *json_text(const char *text);

/* ---- Text ---- */

enum tone { TONE_PLAIN, TONE_BOLD, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };

struct printer {
    FILE *out;
    int width; /* columns of the screen */
    bool color;
    bool marked; /* out is of printer_mark */
};

struct context;
/* Colour only on a terminal, not with NO_COLOR or --no-color; width from COLUMNS, the terminal, else 80. */
struct printer printer_open(const struct context *context, FILE *out);
/*
 * From here on every line begins with mark, "SIMULATED" or "EMULATED": what it is about is no real GPU. NULL or "":
 * nothing changes. printer_close ends it. 0 or -ENOMEM.
 */
int printer_mark(struct printer *printer, const char *mark);
void printer_close(struct printer *printer);
void print_heading(const struct printer *printer, enum tone tone, const char *text);
/* "  label       text", the text wrapped behind a column of its own. label may be "". */
void print_field(const struct printer *printer, const char *label, const char *text);
__attribute__((format(printf, 3, 4))) void print_fieldf(const struct printer *printer, const char *label,
                                                        const char *format, ...);
/* A word in a column of its own, in a tone, and text wrapped behind it. */
void print_worded(const struct printer *printer, int column, enum tone tone, const char *word, const char *text);
/* Text wrapped at an indentation. */
void print_paragraph(const struct printer *printer, int indent, const char *text);
__attribute__((format(printf, 3, 4))) void print_paragraphf(const struct printer *printer, int indent,
                                                            const char *format, ...);
/* Within a line: as harmless as the others, not wrapped. */
void print_inline(const struct printer *printer, const char *text);
/* A line on stdout for people or pipes: not wrapped, but as harmless as the others. */
__attribute__((format(printf, 1, 2))) void print_linef(const char *format, ...);
/* Where text wraps: long lines are hard to read. */
static inline int printer_wrap(const struct printer *printer)
{
    return printer->width > 100 ? 100 : printer->width;
}
/* Bytes of the character that text begins with, if it would steer a terminal or turn the direction of writing; else 0.
 */
size_t steering(const char *text);
const char *tone_start(const struct printer *printer, enum tone tone);
const char *tone_end(const struct printer *printer);
enum tone severity_tone(const char *severity);
enum tone verdict_tone(const char *verdict);

/* "2026-01-31T10:00:00.123Z" into text, which is returned; "" for a time that is none. */
#define TIME_TEXT_SIZE 40
const char *time_text(uint64_t ms, char text[TIME_TEXT_SIZE]);

/* ---- Tables ---- */

struct table_column {
    const char *name;
    bool right; /* aligned */
    int width;  /* fixed, 0: as wide as its content */
    bool cut;   /* where the screen is too narrow for all */
};
struct table;
/* Whether tables are cut to the width of the screen. */
bool table_cuts(void);
/* NULL without memory. headings: false for a table that continues another. */
struct table *table_new(const struct context *context, const struct table_column *columns, size_t n_columns,
                        bool headings);
/* The same for a printer that is open. */
struct table *table_new_for(const struct printer *printer, const struct table_column *columns, size_t n_columns,
                            bool headings);
/* One cell text per column, NULL shown as "-". 0 or -ENOMEM. */
int table_row(struct table *table, const char *const *cells);
int table_print(struct table *table, FILE *out);
void table_freep(struct table **table);

#endif
