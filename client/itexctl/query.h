/* itexctl query, in parts: what is asked (query_filter.c), how it is printed (query_print.c), --follow
 * (query_follow.c). */
#ifndef ITEXCTL_QUERY_H
#define ITEXCTL_QUERY_H

#include "client/itexctl/output.h"
#include "client/itexctl/service.h"

#define QUERY_PAGE_ROWS 200
#define QUERY_COLUMNS 7 /* of the table */

struct query_values {
    const char *job, *step, *user, *mode, *predicted_mode, *predicted_outcome, *observed, *rule, *verdict, *state;
    const char *itex, *device, *since, *until;
    int64_t uid, rule_set, limit, timeout;
    bool mismatch, follow, fail_empty;
};

/* All that return int: 0, or -1 with *failure filled. */

/* query points into values. */
int query_build(const struct query_values *values, Itexd__V1__Query *query, struct failure *failure);
/* One page of at most `limit` rows; it is the service's mistake, or its age, where it went by fewer filters. */
int query_page(const struct query_values *values, struct connection *connection, Itexd__V1__Query *query,
               uint64_t limit, Itexd__V1__Reply **reply, struct failure *failure);

/* Whether the service, which says what it goes by (QueryPage.filters and the like), knows all that is asked. */
int query_understood(const Itexd__V1__Query *query, uint32_t filters, struct failure *failure);

/* The options that say which decisions are meant; values are offsets in struct query_values. For replay too, whose
 * values begin with one. */
extern const struct option_def query_who[8], query_what[9];

/* Printing, page after page. */
struct query_print {
    const struct context *context;
    struct table_column columns[QUERY_COLUMNS];
    int job_room; /* columns for a job's name, 0: all that it needs */
    bool began;
};
void query_print_init(struct query_print *print, const struct context *context);
int query_print_page(struct query_print *print, const Itexd__V1__QueryPage *page, struct failure *failure);

/*
 * The last `limit` decisions (0: all), oldest first, and then each that is committed, until itexctl is ended. A
 * decision is printed once, as it is when it is first seen.
 */
int query_follow(struct query_print *print, const struct query_values *values, struct connection *connection,
                 Itexd__V1__Query *query, uint64_t limit, struct failure *failure);

#endif
