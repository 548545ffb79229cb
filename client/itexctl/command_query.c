/* itexctl query: past decisions, newest first, or as they come; see query.h for its parts. */
#include "client/itexctl/query.h"
#include "proto/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_LIMIT 100
#define DEFAULT_FOLLOWED 10 /* as tail */

/* Page after page; limit 0: all. *rows counts what was printed. */
static int print_pages(struct query_print *print, struct connection *connection, Itexd__V1__Query *query,
                       uint64_t limit, uint64_t *rows, bool *more, struct failure *failure)
{
    *more = true;
    while (*more && (limit == 0 || *rows < limit) && !ferror(stdout)) {
        CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
        uint64_t left = limit ? limit - *rows : QUERY_PAGE_ROWS;
        if (query_page(print->context->values, connection, query, left, &reply, failure) < 0 ||
            query_print_page(print, reply->query, failure) < 0)
            return -1;
        *rows += reply->query->n_decisions;
        *more = reply->query->has_before;
        query->has_before = 1;
        query->before = reply->query->before;
    }
    return 0;
}

static int list(struct context *context, struct connection *connection, Itexd__V1__Query *query,
                struct failure *failure)
{
    const struct query_values *values = context->values;
    uint64_t rows = 0, limit = values->limit < 0 ? DEFAULT_LIMIT : (uint64_t)values->limit;
    struct query_print print;
    bool more = false;
    query_print_init(&print, context);
    if (print_pages(&print, connection, query, limit, &rows, &more, failure) < 0)
        return failure_report(failure);
    if (rows == 0 && strcmp(context->format, "table") == 0)
        note("no decision matches");
    if (more && values->limit < 0)
        note("there are more than these %" PRIu64 "; --limit 0 shows all", rows);
    return rows == 0 && values->fail_empty ? EXIT_NEGATIVE : EXIT_DONE;
}

static int follow(struct context *context, struct connection *connection, Itexd__V1__Query *query,
                  struct failure *failure)
{
    const struct query_values *values = context->values;
    uint64_t limit = values->limit < 0 ? DEFAULT_FOLLOWED : (uint64_t)values->limit;
    struct query_print print;
    query_print_init(&print, context);
    return query_follow(&print, values, connection, query, limit, failure) < 0 ? failure_report(failure) : EXIT_DONE;
}

static int query_run(struct context *context, const struct operands *operands)
{
    const struct query_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    Itexd__V1__Query query = ITEXD__V1__QUERY__INIT;
    if (operands->n_items > 0)
        return fail_operand(context, operands->items[0]);
    if (query_build(values, &query, &failure) < 0 || service_open(context, &connection, &failure) < 0)
        return failure_report(&failure);
    return values->follow ? follow(context, connection, &query, &failure) : list(context, connection, &query, &failure);
}

#define VALUE(field) offsetof(struct query_values, field)

static const char *const modes[] = {"npd+xla", "npd", "stream-executor", "none", NULL};
static const char *const reached[] = {"npd+xla", "npd", "stream-executor", NULL};
static const char *const outcomes[] = {"ok",    "warning", "slow",  "unsupported", "cpu",
                                       "exit0", "error",   "abort", "no-device",   NULL};
static const char *const verdicts[] = {"ok", "fixed", "advised", "rejected", NULL};
static const char *const states[] = {"asked", "offered", "accepted", "undelivered", NULL};
const struct option_def query_who[] = {
    {"job", OPTION_TEXT, VALUE(job), "ID", "of this job"},
    {"step", OPTION_TEXT, VALUE(step), "STEP", "of this step of a job"},
    {"uid", OPTION_NUMBER, VALUE(uid), "UID", "asked by this user", NULL, 0, UINT32_MAX},
    {"user", OPTION_TEXT, VALUE(user), "NAME", "the same by name"},
    {"itex", OPTION_TEXT, VALUE(itex), "VERSION", "about this version of ITEX, or newest"},
    {"device", OPTION_TEXT, VALUE(device), "DEVICE", "with this device: number, PCI address, UUID"},
    {"since", OPTION_TEXT, VALUE(since), "TIME", "not before: a date, \"2 hours ago\", yesterday, seconds since 1970"},
    {"until", OPTION_TEXT, VALUE(until), "TIME", "not after"},
};
const struct option_def query_what[] = {
    {"verdict", OPTION_CHOICE, VALUE(verdict), "VERDICT", "ok, fixed, advised or rejected", verdicts},
    {"mode", OPTION_CHOICE, VALUE(mode), "MODE", "npd+xla, npd, stream-executor or none", modes},
    {"rule", OPTION_TEXT, VALUE(rule), "ID", "in which this rule held"},
    {"rule-set", OPTION_NUMBER, VALUE(rule_set), "SET", "decided by this rule set", NULL, 1, INT64_MAX},
    {"predicted-mode", OPTION_CHOICE, VALUE(predicted_mode), "MODE", "which the job would have had without", reached},
    {"predicted-outcome", OPTION_CHOICE, VALUE(predicted_outcome), "OUTCOME",
     "what it would have come to without: ok, warning, slow, unsupported, cpu, exit0, error, abort or no-device",
     outcomes},
    {"state", OPTION_CHOICE, VALUE(state), "STATE", "asked, offered, accepted or undelivered", states},
    {"observed", OPTION_CHOICE, VALUE(observed), "MODE", "the mode that the job reported; none: the CPU", modes},
    {"mismatch", OPTION_FLAG, VALUE(mismatch), NULL, "what the job reported differs from what was decided"},
};
static const struct option_def how[] = {
    {"limit", OPTION_NUMBER, VALUE(limit), "N", "rows at most, 0: all; default 100, with --follow 10", NULL, 0},
    {"follow", OPTION_FLAG, VALUE(follow), NULL, "oldest first, and go on with new ones as they come"},
    {"fail-empty", OPTION_FLAG, VALUE(fail_empty), NULL, "exit with 1 where there is none"},
    {"timeout", OPTION_DURATION, VALUE(timeout), "T", "wait that long for each page; default 60s", NULL, 1},
};
static const char *const formats[] = {"table", "json", "csv", NULL};
static const struct option_group groups[] = {
    {"Whose, and when", query_who, LENGTH(query_who), NULL},
    {"What was decided, and what came of it", query_what, LENGTH(query_what), NULL},
    {"How", how, LENGTH(how), NULL},
};

const struct command command_query = {
    .name = "query",
    .summary = "list past decisions, newest first, or as they come",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct query_values),
    .run = query_run,
};
