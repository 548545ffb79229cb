/* What a query asks the service for: see query.h. */
#include "client/itexctl/query.h"
#include "client/itexctl/when.h"
#include "proto/clock.h"

#include <pwd.h>

/* The highest field of Query that is used here. */
#define NEWEST_FILTER 19

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

static int refuse_time(const char *option, const char *text, struct failure *failure)
{
    return failure_set(failure, EXIT_USAGE,
                       "--%s takes a time such as 2026-01-31, 2026-01-31T10:00Z, yesterday, \"2 hours ago\" or seconds "
                       "since 1970, not \"%.40s\"",
                       option, text);
}

static int add_times(const struct query_values *values, Itexd__V1__Query *query, struct failure *failure)
{
    uint64_t now = clock_wall_ms();
    query->has_since_ms = values->since != NULL;
    query->has_until_ms = values->until != NULL;
    if (values->since && !when_parse(values->since, now, &query->since_ms))
        return refuse_time("since", values->since, failure);
    if (values->until && !when_parse_end(values->until, now, &query->until_ms))
        return refuse_time("until", values->until, failure);
    if (values->since && values->until && query->since_ms > query->until_ms)
        return failure_set(failure, EXIT_USAGE, "--since is later than --until, so nothing can be between them");
    if (values->follow && values->until)
        return failure_set(failure, EXIT_USAGE, "--follow and --until exclude each other: what comes, comes later");
    return 0;
}

int query_build(const struct query_values *values, Itexd__V1__Query *query, struct failure *failure)
{
    query->job = (char *)values->job;
    query->step = (char *)values->step;
    query->mode = (char *)values->mode;
    query->predicted_mode = (char *)values->predicted_mode;
    query->predicted_outcome = (char *)values->predicted_outcome;
    query->observed = (char *)values->observed;
    query->rule = (char *)values->rule;
    query->verdict = (char *)values->verdict;
    query->state = (char *)values->state;
    query->itex = (char *)values->itex;
    query->device = (char *)values->device;
    query->has_mismatch = query->mismatch = values->mismatch;
    query->has_ruleset = values->rule_set > 0;
    query->ruleset = values->rule_set > 0 ? (uint64_t)values->rule_set : 0;
    if (values->follow && values->fail_empty)
        return failure_set(failure, EXIT_USAGE, "--follow and --fail-empty exclude each other: following has no end");
    return add_uid(values, query, failure) < 0 ? -1 : add_times(values, query, failure);
}

/* An older service skips what it does not know, and answers with too much. */
static bool asks_for_more(const Itexd__V1__Query *query)
{
    return query->step || query->state || query->predicted_mode || query->predicted_outcome || query->has_mismatch ||
           query->itex || query->has_ruleset || query->device || query->has_after || query->observed;
}

int query_understood(const Itexd__V1__Query *query, uint32_t filters, struct failure *failure)
{
    if (!asks_for_more(query) || filters >= NEWEST_FILTER)
        return 0;
    return failure_set(failure, EXIT_UNAVAILABLE,
                       "this itexd is older than itexctl and does not know all of these options; restart it, or use "
                       "only --job, --uid, --mode, --rule, --verdict, --since and --until");
}

int query_page(const struct query_values *values, struct connection *connection, Itexd__V1__Query *query,
               uint64_t limit, Itexd__V1__Reply **reply, struct failure *failure)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_QUERY;
    request.query = query;
    query->has_limit = 1;
    query->limit = limit < QUERY_PAGE_ROWS ? (uint32_t)limit : QUERY_PAGE_ROWS;
    if (service_call(connection, &request, -1, values->timeout > 0 ? values->timeout : ADMIN_TIMEOUT_MS,
                     ITEXD__V1__REPLY__BODY_QUERY, reply, failure) < 0)
        return -1;
    if (query_understood(query, (*reply)->query->filters, failure) == 0)
        return 0;
    service_reply_freep(reply);
    return -1;
}
