/* Whether a decision is one that a filter asks for. */
#ifndef ITEXD_DB_MATCH_H
#define ITEXD_DB_MATCH_H

#include "db/sql.h"
#include "db/store.h"

/* What match_row looks at, in the order in which a statement selects it. */
#define MATCH_COLUMNS                                                                                                  \
    "id, time_ms, uid, outcome, job, step, state, rule_set, itex, observed_mode, observed_match, lease"

enum { MATCH_MEMO_SLOTS = 256 };

struct match {
    const struct store_filter *filter;
    sqlite3_stmt *outcome, *device;
    uint64_t memo[MATCH_MEMO_SLOTS]; /* outcome * 2 + matches */
};

/* All that return int: SQLite's codes. The filter must outlive the match. */
int match_prepare(struct match *match, sqlite3 *db, const struct store_filter *filter);
void match_clear(struct match *match);
int match_row(struct match *match, sqlite3_stmt *row, bool *matches);

/* Whether an index on outcomes finds some of it; parameters ?1 to ?3 of a statement on outcomes: mode, verdict, rule.
 */
bool match_filters_outcomes(const struct store_filter *filter);
void match_bind_outcome(sqlite3_stmt *statement, const struct store_filter *filter);
/* Whether more is asked of a decision than its time and what the indices of outcomes have. */
bool match_needs_row(const struct store_filter *filter);

/* Whether a device of this name - its number, PCI address, UUID or the beginning of one - was ever seen. */
int match_device_known(sqlite3 *db, const char *device, bool *known);

#endif
