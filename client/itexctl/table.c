/*
 * Tables, laid out by libsmartcols. On a terminal columns are cut to fit it; into a pipe or file nothing is
 * cut. A table that continues another (the next page) has fixed column widths, so that both line up.
 */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/output.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct table {
    struct libscols_table *lines;
    size_t n_columns;
};

/* A column is as wide as its heading in any case; libsmartcols takes only a width beyond that for a fixed one. */
static int add_column(struct table *table, const struct table_column *column)
{
    bool fixed = column->width > (int)strlen(column->name);
    int flags =
        (column->right ? SCOLS_FL_RIGHT : 0) | (column->cut ? SCOLS_FL_TRUNC : 0) | (fixed ? SCOLS_FL_STRICTWIDTH : 0);
    return scols_table_new_column(table->lines, column->name, fixed ? column->width : 0, flags) ? 0 : -ENOMEM;
}

bool table_cuts(void)
{
    return isatty(STDOUT_FILENO) || getenv("COLUMNS");
}

struct table *table_new(const struct context *context, const struct table_column *columns, size_t n_columns,
                        bool headings)
{
    struct printer printer = printer_open(context, stdout);
    return table_new_for(&printer, columns, n_columns, headings);
}

struct table *table_new_for(const struct printer *printer, const struct table_column *columns, size_t n_columns,
                            bool headings)
{
    CLEANUP(table_freep) struct table *table = calloc(1, sizeof(*table));
    if (!table || !(table->lines = scols_new_table()))
        return NULL;
    table->n_columns = n_columns;
    scols_table_enable_noheadings(table->lines, !headings);
    scols_table_enable_colors(table->lines, printer->color);
    bool cut = table_cuts();
    scols_table_set_termforce(table->lines, cut ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
    if (cut)
        scols_table_set_termwidth(table->lines, (size_t)printer->width);
    for (size_t i = 0; i < n_columns; i++)
        if (add_column(table, &columns[i]) < 0)
            return NULL;
    return TAKE_PTR(table);
}

/* libsmartcols writes control characters as escapes, but lets marks that turn the direction through. */
static int set_cell(struct libscols_line *line, size_t column, const char *text)
{
    CLEANUP(freep) char *clean = strdup(text);
    if (!clean)
        return -ENOMEM;
    for (char *at = clean; *at; at++)
        if (steering(at) == 3)
            memset(at, '?', 3);
    return scols_line_set_data(line, column, clean);
}

int table_row(struct table *table, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(table->lines, NULL);
    if (!line)
        return -ENOMEM;
    for (size_t i = 0; i < table->n_columns; i++)
        if (set_cell(line, i, cells[i] && cells[i][0] ? cells[i] : "-") != 0)
            return -ENOMEM;
    return 0;
}

int table_print(struct table *table, FILE *out)
{
    scols_table_set_stream(table->lines, out);
    int r = scols_print_table(table->lines);
    return r < 0 ? r : 0;
}

void table_freep(struct table **table)
{
    if (!*table)
        return;
    scols_unref_table((*table)->lines);
    free(*table);
    *table = NULL;
}
