/*
 * itexctl query: past decisions, newest first.
 *
 * Pages go from the wire to the output one by one, so that memory stays the same however many there are. The first page
 * says how wide the table's columns are.
 */
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "client/itexctl/when.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#define PAGE_ROWS 200
#define DEFAULT_LIMIT 100
#define N_COLUMNS 7 /* of the table */
#define WIDEST 40   /* that a column is made for the sake of later pages */

struct query_values {
    const char *job, *user, *mode, *rule, *verdict, *since, *until;
    int64_t uid, limit, timeout;
    bool fail_empty;
};

/* ---- What to ask ------------------------------------------------------------------------------------- */

static int add_uid(const struct query_values *values, Itexd__V1__Query *query, struct failure *failure)
{
    query->has_uid = values->uid >= 0 || values->user;
    query->uid = (uint32_t)values->uid;
    if (!values->user)
        return 0;
    if (values->uid >= 0)
        return failure_set(failure, EXIT_USAGE, "--uid and --user exclude each other");
    const struct passwd *user = getpwnam(values->user);
    if (!user)
        return failure_set(failure, EXIT_USAGE, "there is no user \"%.64s\" here; use --uid", values->user);
    query->uid = user->pw_uid;
    return 0;
}

static int add_time(const char *option, const char *text, protobuf_c_boolean *has, uint64_t *ms,
                    struct failure *failure)
{
    *has = text != NULL;
    if (!text || when_parse(text, clock_wall_ms(), ms))
        return 0;
    return failure_set(failure, EXIT_USAGE,
                       "--%s takes a time such as 2026-01-31, 2026-01-31T10:00Z, yesterday, \"2 hours ago\" or seconds "
                       "since 1970, not \"%.40s\"",
                       option, text);
}

static int build_query(const struct query_values *values, Itexd__V1__Query *query, struct failure *failure)
{
    query->job = (char *)values->job;
    query->mode = (char *)values->mode;
    query->rule = (char *)values->rule;
    query->verdict = (char *)values->verdict;
    if (add_uid(values, query, failure) < 0 ||
        add_time("since", values->since, &query->has_since_ms, &query->since_ms, failure) < 0 ||
        add_time("until", values->until, &query->has_until_ms, &query->until_ms, failure) < 0)
        return -1;
    return 0;
}

/* ---- Printing a page ---------------------------------------------------------------------------------- */

static char *rules_of(const Itexd__V1__Decision *decision, const char *separator)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    const Itexd__V1__Outcome *outcome = decision->outcome;
    for (size_t i = 0; outcome && i < outcome->n_diagnostics; i++)
        fprintf(out, "%s%s", i ? separator : "", outcome->diagnostics[i]->rule ? outcome->diagnostics[i]->rule : "?");
    return fclose(out) == 0 ? text : NULL;
}

static int print_json(const Itexd__V1__QueryPage *page)
{
    for (size_t i = 0; i < page->n_decisions; i++)
        if (json_print(stdout, json_decision(page->decisions[i])) < 0)
            return -ENOMEM;
    return 0;
}

/* The texts of a row; those that are not of the decision itself are kept here. */
struct row {
    char id[24], uid[16], time[TIME_TEXT_SIZE];
    char *rules;
    const char *cells[N_COLUMNS];
};

static void row_clear(struct row *row)
{
    free(row->rules);
}

static void row_fill(struct row *row, const Itexd__V1__Decision *decision)
{
    static const Itexd__V1__Outcome nothing = ITEXD__V1__OUTCOME__INIT;
    const Itexd__V1__Outcome *outcome = decision->outcome ? decision->outcome : &nothing;
    *row = (struct row){.uid = "-", .time = "-", .rules = rules_of(decision, " ")};
    snprintf(row->id, sizeof(row->id), "%" PRIu64, decision->id);
    if (decision->peer && decision->peer->has_uid)
        snprintf(row->uid, sizeof(row->uid), "%u", decision->peer->uid);
    if (decision->has_time_ms) {
        time_text(decision->time_ms, row->time);
        strcpy(strchr(row->time, '.') ? strchr(row->time, '.') : row->time, "Z");
    }
    const char *const cells[N_COLUMNS] = {row->id,          row->time,     row->uid,  decision->job,
                                          outcome->verdict, outcome->mode, row->rules};
    memcpy(row->cells, cells, sizeof(cells));
}

/* What fits the first page is meant to fit the others too; the last column takes what is left. */
static void fit_columns(struct table_column *columns, const Itexd__V1__QueryPage *page)
{
    for (size_t i = 0; i < page->n_decisions; i++) {
        CLEANUP(row_clear) struct row row;
        row_fill(&row, page->decisions[i]);
        for (size_t j = 0; j < N_COLUMNS - 1; j++) {
            int width = row.cells[j] ? (int)strnlen(row.cells[j], WIDEST) : 1;
            if (columns[j].width < width)
                columns[j].width = width;
        }
    }
}

static int print_table(const struct context *context, struct table_column *columns, const Itexd__V1__QueryPage *page,
                       bool first)
{
    if (page->n_decisions == 0)
        return 0;
    if (first)
        fit_columns(columns, page);
    CLEANUP(table_freep) struct table *table = table_new(context, columns, N_COLUMNS, first);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < page->n_decisions; i++) {
        CLEANUP(row_clear) struct row row;
        row_fill(&row, page->decisions[i]);
        if (table_row(table, row.cells) < 0)
            return -ENOMEM;
    }
    return table_print(table, stdout);
}

/* As RFC 4180 has it. */
static void print_csv_text(const char *text, bool last)
{
    text = text ? text : "";
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted)
        putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    if (quoted)
        putchar('"');
    fputs(last ? "\r\n" : ",", stdout);
}

static void print_csv_row(const Itexd__V1__Decision *decision)
{
    static const Itexd__V1__Outcome nothing = ITEXD__V1__OUTCOME__INIT;
    const Itexd__V1__Outcome *outcome = decision->outcome ? decision->outcome : &nothing;
    char time[TIME_TEXT_SIZE] = "";
    CLEANUP(freep) char *rules = rules_of(decision, " ");
    printf("%" PRIu64 ",", decision->id);
    print_csv_text(decision->has_time_ms ? time_text(decision->time_ms, time) : NULL, false);
    if (decision->peer && decision->peer->has_uid)
        printf("%u", decision->peer->uid);
    putchar(',');
    print_csv_text(decision->job, false);
    print_csv_text(outcome->verdict, false);
    print_csv_text(outcome->mode, false);
    print_csv_text(outcome->predicted_mode, false);
    print_csv_text(outcome->predicted_outcome, false);
    print_csv_text(decision->state, false);
    print_csv_text(rules, true);
}

static int print_csv(const Itexd__V1__QueryPage *page, bool first)
{
    if (first)
        fputs("decision,time,uid,job,verdict,mode,predicted_mode,predicted_outcome,state,rules\r\n", stdout);
    for (size_t i = 0; i < page->n_decisions; i++)
        print_csv_row(page->decisions[i]);
    return 0;
}

static int print_page(const struct context *context, struct table_column *columns, const Itexd__V1__QueryPage *page,
                      bool first)
{
    if (context->json)
        return print_json(page);
    if (strcmp(context->format, "csv") == 0)
        return print_csv(page, first);
    return print_table(context, columns, page, first);
}

/* ---- Page after page ---------------------------------------------------------------------------------- */

/* limit 0: all. *rows counts what was printed. */
static int print_pages(const struct context *context, struct connection *connection, Itexd__V1__Query *query,
                       uint64_t limit, uint64_t *rows, bool *more, struct failure *failure)
{
    const struct query_values *values = context->values;
    struct table_column columns[N_COLUMNS] = {
        {"DECISION", true, 8, false}, {"TIME", false, 4, false}, {"UID", true, 3, false},   {"JOB", false, 3, true},
        {"VERDICT", false, 7, false}, {"MODE", false, 4, false}, {"RULES", false, 0, true},
    };
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_QUERY;
    request.query = query;
    query->has_limit = 1;
    *more = true;
    while (*more && (limit == 0 || *rows < limit) && !ferror(stdout)) {
        CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
        uint64_t left = limit ? limit - *rows : PAGE_ROWS;
        query->limit = left < PAGE_ROWS ? (uint32_t)left : PAGE_ROWS;
        if (service_call(connection, &request, -1, values->timeout > 0 ? values->timeout : ADMIN_TIMEOUT_MS,
                         ITEXD__V1__REPLY__BODY_QUERY, &reply, failure) < 0)
            return -1;
        if (print_page(context, columns, reply->query, *rows == 0) < 0)
            return failure_set(failure, EXIT_INTERNAL, "cannot print the rows: out of memory");
        *rows += reply->query->n_decisions;
        *more = reply->query->has_before;
        query->has_before = 1;
        query->before = reply->query->before;
    }
    return 0;
}

static int query_run(struct context *context, const struct operands *operands)
{
    const struct query_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__Query query = ITEXD__V1__QUERY__INIT;
    uint64_t rows = 0, limit = values->limit < 0 ? DEFAULT_LIMIT : (uint64_t)values->limit;
    bool more = false;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    if (build_query(values, &query, &failure) < 0 || service_open(context, &connection, &failure) < 0 ||
        print_pages(context, connection, &query, limit, &rows, &more, &failure) < 0)
        return failure_report(&failure);
    if (rows == 0 && strcmp(context->format, "table") == 0)
        note("no decision matches");
    if (more && values->limit < 0)
        note("there are more than these %" PRIu64 "; --limit 0 shows all", rows);
    return rows == 0 && values->fail_empty ? EXIT_NEGATIVE : EXIT_DONE;
}

static const char *const modes[] = {"npd+xla", "npd", "stream-executor", "none", NULL};
static const char *const verdicts[] = {"ok", "fixed", "advised", "rejected", NULL};
static const struct option_def options[] = {
    {"job", OPTION_TEXT, offsetof(struct query_values, job), "ID", "of this job"},
    {"uid", OPTION_NUMBER, offsetof(struct query_values, uid), "UID", "asked by this user", NULL, 0, UINT32_MAX},
    {"user", OPTION_TEXT, offsetof(struct query_values, user), "NAME", "the same by name"},
    {"mode", OPTION_CHOICE, offsetof(struct query_values, mode), "MODE", "npd+xla, npd, stream-executor or none",
     modes},
    {"rule", OPTION_TEXT, offsetof(struct query_values, rule), "ID", "in which this rule held"},
    {"verdict", OPTION_CHOICE, offsetof(struct query_values, verdict), "VERDICT", "ok, fixed, advised or rejected",
     verdicts},
    {"since", OPTION_TEXT, offsetof(struct query_values, since), "TIME",
     "not before: a date, \"2 hours ago\", yesterday, seconds since 1970"},
    {"until", OPTION_TEXT, offsetof(struct query_values, until), "TIME", "not after"},
    {"limit", OPTION_NUMBER, offsetof(struct query_values, limit), "N", "rows at most, 0: all; default 100", NULL, 0},
    {"fail-empty", OPTION_FLAG, offsetof(struct query_values, fail_empty), NULL, "exit with 1 where there is none"},
    {"timeout", OPTION_DURATION, offsetof(struct query_values, timeout), "T",
     "wait that long for each page; default 60s", NULL, 1},
};
static const char *const formats[] = {"table", "json", "csv", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_query = {
    .name = "query",
    .summary = "list past decisions, newest first",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct query_values),
    .run = query_run,
};
