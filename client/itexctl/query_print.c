/*
 * Decisions as rows: a table, JSON lines, or CSV. Pages go from the wire to the output one by one, so that memory stays
 * the same however many there are. The first page says how wide the table's columns are.
 */
#include "client/itexctl/query.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST 64 /* that a column is made for the sake of later pages */

#define JOB 3 /* the column */
#define ROOM_FOR_RULES 12

static const Itexd__V1__Outcome no_outcome = ITEXD__V1__OUTCOME__INIT;

static const Itexd__V1__Outcome *outcome_of(const Itexd__V1__Decision *decision)
{
    return decision->outcome ? decision->outcome : &no_outcome;
}

/* From malloc; NULL without memory. */
static char *rules_of(const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = outcome_of(decision);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        fprintf(out, "%s%s", i ? " " : "", outcome->diagnostics[i]->rule ? outcome->diagnostics[i]->rule : "?");
    return fclose(out) == 0 ? text : NULL;
}

/* "0000:3a:00.0 0000:3b:00.0/1": address and tile. */
static char *devices_of(const Itexd__V1__Decision *decision)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < decision->n_devices; i++) {
        const Itexd__V1__Device *device = decision->devices[i];
        fprintf(out, "%s%s", i ? " " : "", device->bdf ? device->bdf : device->uuid ? device->uuid : "?");
        if (device->has_tile)
            fprintf(out, "/%u", device->tile);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static int print_json(const Itexd__V1__QueryPage *page)
{
    for (size_t i = 0; i < page->n_decisions; i++)
        if (json_print(stdout, json_decision(page->decisions[i])) < 0)
            return -ENOMEM;
    return 0;
}

/* ---- The table ------------------------------------------------------------------------------------------ */

/* The texts of a row; those that are not of the decision itself are kept here. */
struct row {
    char id[24], uid[16], time[TIME_TEXT_SIZE], mode[64], job[WIDEST + 1];
    char *rules;
    const char *cells[QUERY_COLUMNS];
};

static void row_clear(struct row *row)
{
    free(row->rules);
}

/* What the job got is told where it is not what it was promised. */
static void mode_text(const Itexd__V1__Decision *decision, char text[64])
{
    const char *mode = outcome_of(decision)->mode;
    const Itexd__V1__Observed *observed = decision->observed;
    if (observed && observed->has_match && !observed->match && observed->mode && mode &&
        strcmp(mode, observed->mode) != 0)
        snprintf(text, 64, "%.24s, got %.24s", mode, observed->mode);
    else if (observed && observed->has_match && !observed->match && mode)
        snprintf(text, 64, "%.24s, got %u of %zu", mode, observed->devices, decision->n_devices);
    else
        snprintf(text, 64, "%.60s", mode ? mode : "-");
}

static void row_fill(struct row *row, const Itexd__V1__Decision *decision, int job_room)
{
    *row = (struct row){.uid = "-", .time = "-", .rules = rules_of(decision)};
    snprintf(row->id, sizeof(row->id), "%" PRIu64, decision->id);
    if (decision->peer && decision->peer->has_uid)
        snprintf(row->uid, sizeof(row->uid), "%u", decision->peer->uid);
    if (decision->has_time_ms) {
        time_text(decision->time_ms, row->time);
        strcpy(strchr(row->time, '.') ? strchr(row->time, '.') : row->time, "Z");
    }
    mode_text(decision, row->mode);
    const char *job = decision->job;
    if (job && job_room > 0 && strlen(job) > (size_t)job_room) {
        int kept = job_room - 1;
        while (kept > 0 && ((unsigned char)job[kept] & 0xc0) == 0x80) /* not in the middle of a character */
            kept--;
        snprintf(row->job, sizeof(row->job), "%.*s+", kept, job);
        job = row->job;
    }
    const char *const cells[QUERY_COLUMNS] = {row->id,   row->time, row->uid, job, outcome_of(decision)->verdict,
                                              row->mode, row->rules};
    memcpy(row->cells, cells, sizeof(cells));
}

/* Of a screen that is narrow for all, jobs and rules share what the others leave: a job has 12 columns in any case. */
static void share_out(struct query_print *print)
{
    struct printer printer = printer_open(print->context, stdout);
    int others = 0;
    for (size_t i = 0; i < QUERY_COLUMNS; i++)
        others += i == JOB || i == QUERY_COLUMNS - 1 ? 1 : print->columns[i].width + 1;
    int room = printer.width - others - ROOM_FOR_RULES;
    room = room < 12 ? 12 : room > WIDEST ? WIDEST : room;
    if (!table_cuts())
        return;
    print->job_room = room;
    if (print->columns[JOB].width > room)
        print->columns[JOB].width = room;
    print->columns[JOB].cut = false;
}

/* What fits the first page is meant to fit the others too; the last column takes what is left. */
static void fit_columns(struct query_print *print, const Itexd__V1__QueryPage *page)
{
    for (size_t i = 0; i < page->n_decisions; i++) {
        CLEANUP(row_clear) struct row row;
        row_fill(&row, page->decisions[i], 0);
        for (size_t j = 0; j < QUERY_COLUMNS - 1; j++) {
            int width = row.cells[j] ? (int)strnlen(row.cells[j], WIDEST) : 1;
            if (print->columns[j].width < width)
                print->columns[j].width = width;
        }
    }
    share_out(print);
}

static int print_table(struct query_print *print, const Itexd__V1__QueryPage *page)
{
    if (!print->began)
        fit_columns(print, page);
    CLEANUP(table_freep)
    struct table *table = table_new(print->context, print->columns, QUERY_COLUMNS, !print->began);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < page->n_decisions; i++) {
        CLEANUP(row_clear) struct row row;
        row_fill(&row, page->decisions[i], print->job_room);
        if (table_row(table, row.cells) < 0)
            return -ENOMEM;
    }
    return table_print(table, stdout);
}

/* ---- CSV, as RFC 4180 has it ------------------------------------------------------------------------------ */

#define CSV_HEADINGS                                                                                                   \
    "decision,time,uid,job,verdict,mode,predicted_mode,predicted_outcome,state,rules,step,pid,policy,itex,ruleset,"    \
    "observed_mode,observed_devices,match,lease,devices\r\n"

/* Each field but the first brings its comma. */
static void csv_text(const char *text)
{
    text = text ? text : "";
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    fputs(quoted ? ",\"" : ",", stdout);
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    if (quoted)
        putchar('"');
}

static void csv_number(bool known, uint64_t number)
{
    putchar(',');
    if (known)
        printf("%" PRIu64, number);
}

static void print_csv_more(const Itexd__V1__Decision *decision)
{
    static const Itexd__V1__Observed nothing = ITEXD__V1__OBSERVED__INIT;
    const Itexd__V1__Observed *observed = decision->observed ? decision->observed : &nothing;
    CLEANUP(freep) char *devices = devices_of(decision);
    csv_text(decision->step);
    csv_number(decision->peer && decision->peer->has_pid, decision->peer ? (uint64_t)decision->peer->pid : 0);
    csv_text(decision->policy);
    csv_text(decision->itex);
    csv_number(decision->ruleset && decision->ruleset->has_id, decision->ruleset ? decision->ruleset->id : 0);
    csv_text(observed->mode);
    csv_number(observed->has_devices, observed->devices);
    csv_text(!observed->has_match ? NULL : observed->match ? "true" : "false");
    csv_number(decision->lease && decision->lease->has_id, decision->lease ? decision->lease->id : 0);
    csv_text(devices);
    fputs("\r\n", stdout);
}

static void print_csv_row(const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = outcome_of(decision);
    char time[TIME_TEXT_SIZE] = "";
    CLEANUP(freep) char *rules = rules_of(decision);
    printf("%" PRIu64, decision->id);
    csv_text(decision->has_time_ms ? time_text(decision->time_ms, time) : NULL);
    csv_number(decision->peer && decision->peer->has_uid, decision->peer ? decision->peer->uid : 0);
    csv_text(decision->job);
    csv_text(outcome->verdict);
    csv_text(outcome->mode);
    csv_text(outcome->predicted_mode);
    csv_text(outcome->predicted_outcome);
    csv_text(decision->state);
    csv_text(rules);
    print_csv_more(decision);
}

/* The headings come even where there are no rows: a program that reads them is not to fail. */
static int print_csv(struct query_print *print, const Itexd__V1__QueryPage *page)
{
    if (!print->began)
        fputs(CSV_HEADINGS, stdout);
    print->began = true;
    for (size_t i = 0; i < page->n_decisions; i++)
        print_csv_row(page->decisions[i]);
    return 0;
}

/* ---- A page --------------------------------------------------------------------------------------------- */

void query_print_init(struct query_print *print, const struct context *context)
{
    static const struct table_column columns[QUERY_COLUMNS] = {
        {"DECISION", true, 8, false}, {"TIME", false, 4, false}, {"UID", true, 3, false},   {"JOB", false, 3, true},
        {"VERDICT", false, 8, false}, {"MODE", false, 4, false}, {"RULES", false, 0, true},
    };
    *print = (struct query_print){.context = context};
    memcpy(print->columns, columns, sizeof(columns));
}

int query_print_page(struct query_print *print, const Itexd__V1__QueryPage *page, struct failure *failure)
{
    int r = 0;
    if (strcmp(print->context->format, "csv") == 0)
        r = print_csv(print, page);
    else if (page->n_decisions > 0)
        r = print->context->json ? print_json(page) : print_table(print, page);
    print->began |= page->n_decisions > 0;
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "cannot print the rows: out of memory") : 0;
}
