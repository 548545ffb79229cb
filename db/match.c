/*
 * Filters on rows: see match.h. What an outcome has is looked up once per outcome and slice, for thousands of decisions
 * share one; the device of a decision is that of its lease, and of the lease only what the decision's process sees.
 */
#include "db/match.h"
#include "db/internal.h"
#include "proto/cleanup.h"

#include <string.h>

enum match_column {
    COLUMN_ID,
    COLUMN_TIME,
    COLUMN_UID,
    COLUMN_OUTCOME,
    COLUMN_JOB,
    COLUMN_STEP,
    COLUMN_STATE,
    COLUMN_RULE_SET,
    COLUMN_ITEX,
    COLUMN_OBSERVED,
    COLUMN_MATCH,
    COLUMN_LEASE,
};

/* ?1 is the name: the address may lack its domain, the UUID its end. */
#define DEVICE_IS_CALLED                                                                                               \
    "(CAST(d.id AS TEXT) = ?1 OR lower(?1) IN (lower(d.key), lower(v.bdf))"                                            \
    " OR '0000:' || lower(?1) IN (lower(d.key), lower(v.bdf))"                                                         \
    " OR (length(?1) >= 8 AND substr(lower(v.uuid), 1, length(?1)) = lower(?1)))"

/* ---- Preparing ---------------------------------------------------------------------------------------- */

bool match_filters_outcomes(const struct store_filter *filter)
{
    return filter->rule || filter->mode || filter->verdict;
}

bool match_needs_row(const struct store_filter *filter)
{
    return filter->job || filter->step || filter->by_uid || filter->seen_by_uid || filter->by_state ||
           filter->mismatch || filter->rule_set != 0 || filter->itex || filter->observed || filter->device ||
           filter->outcome_fits;
}

void match_bind_outcome(sqlite3_stmt *statement, const struct store_filter *filter)
{
    sql_bind_text(statement, 1, filter->mode);
    sql_bind_text(statement, 2, filter->verdict);
    sql_bind_text(statement, 3, filter->rule);
}

static int prepare_device(struct match *match, sqlite3 *db)
{
    int rc = sqlite3_prepare_v2(db,
                                "SELECT 1 FROM lease_units u JOIN device_versions v ON v.id = u.version"
                                " JOIN devices d ON d.id = v.device LEFT JOIN lease_ranks k ON k.decision = ?3"
                                " WHERE u.lease = ?2 AND " DEVICE_IS_CALLED
                                " AND (k.places IS NULL OR u.place IN (SELECT value FROM json_each(k.places)))",
                                -1, &match->device, NULL);

    if (rc == SQLITE_OK)
        sql_bind_text(match->device, 1, match->filter->device);
    return rc;
}

int match_prepare(struct match *match, sqlite3 *db, const struct store_filter *filter)
{
    int rc;

    match->filter = filter;
    rc = sqlite3_prepare_v2(db,
                            "SELECT body FROM outcomes o WHERE o.id = ?4 AND (?1 IS NULL OR o.mode = ?1)"
                            " AND (?2 IS NULL OR o.verdict = ?2) AND (?3 IS NULL OR EXISTS"
                            " (SELECT 1 FROM outcome_rules WHERE rule = ?3 AND outcome = o.id))",
                            -1, &match->outcome, NULL);
    if (rc != SQLITE_OK)
        return rc;
    match_bind_outcome(match->outcome, filter);
    return filter->device ? prepare_device(match, db) : SQLITE_OK;
}

void match_clear(struct match *match)
{
    sqlite3_finalize(match->outcome);
    sqlite3_finalize(match->device);
}

int match_device_known(sqlite3 *db, const char *device, bool *known)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *find = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT 1 FROM devices d LEFT JOIN device_versions v ON v.device = d.id"
                                " WHERE " DEVICE_IS_CALLED " LIMIT 1",
                                -1, &find, NULL);

    if (rc != SQLITE_OK)
        return rc;
    sql_bind_text(find, 1, device);
    rc = sqlite3_step(find);
    *known = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- A row -------------------------------------------------------------------------------------------- */

static bool body_fits(const struct match *match)
{
    const struct store_filter *filter = match->filter;
    struct store_blob body;

    if (!filter->outcome_fits)
        return true;
    body.data = sqlite3_column_blob(match->outcome, 0);
    body.size = (size_t)sqlite3_column_bytes(match->outcome, 0);
    return filter->outcome_fits(&body, filter);
}

static int outcome_matches(struct match *match, uint64_t outcome, bool *matches)
{
    uint64_t *memo = &match->memo[outcome % MATCH_MEMO_SLOTS];

    if (*memo >> 1 != outcome) {
        int rc;
        bool fits;

        sqlite3_bind_int64(match->outcome, 4, (int64_t)outcome);
        rc = sqlite3_step(match->outcome);
        fits = rc == SQLITE_ROW && body_fits(match);
        sqlite3_reset(match->outcome);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rc;
        *memo = outcome << 1 | fits;
    }
    *matches = *memo & 1;
    return SQLITE_OK;
}

static int device_matches(struct match *match, sqlite3_stmt *row, bool *matches)
{
    int rc;

    sqlite3_bind_int64(match->device, 2, sqlite3_column_int64(row, COLUMN_LEASE));
    sqlite3_bind_int64(match->device, 3, sqlite3_column_int64(row, COLUMN_ID));
    rc = sqlite3_step(match->device);
    sqlite3_reset(match->device);
    *matches = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* wanted NULL: any. */
static bool text_is(sqlite3_stmt *row, enum match_column column, const char *wanted)
{
    const char *text = wanted ? (const char *)sqlite3_column_text(row, column) : NULL;

    return !wanted || (text && strcmp(text, wanted) == 0);
}

static bool is_about(const struct store_filter *filter, sqlite3_stmt *row)
{
    uint64_t time_ms = (uint64_t)sqlite3_column_int64(row, COLUMN_TIME);
    uint32_t uid = (uint32_t)sqlite3_column_int64(row, COLUMN_UID);

    if ((filter->by_uid && uid != filter->uid) || (filter->seen_by_uid && uid != filter->seer))
        return false;
    if (time_ms < filter->since_ms || (filter->until_ms != 0 && time_ms >= filter->until_ms))
        return false;
    return text_is(row, COLUMN_JOB, filter->job) && text_is(row, COLUMN_STEP, filter->step) &&
           text_is(row, COLUMN_ITEX, filter->itex);
}

static bool came_to(const struct store_filter *filter, sqlite3_stmt *row)
{
    if (filter->by_state && sqlite3_column_int(row, COLUMN_STATE) != store_state_rank(filter->state))
        return false;
    if (filter->mismatch &&
        (sqlite3_column_type(row, COLUMN_MATCH) == SQLITE_NULL || sqlite3_column_int(row, COLUMN_MATCH) != 0))
        return false;
    if (filter->rule_set != 0 && (uint64_t)sqlite3_column_int64(row, COLUMN_RULE_SET) != filter->rule_set)
        return false;
    if (filter->device && sqlite3_column_type(row, COLUMN_LEASE) == SQLITE_NULL)
        return false;
    return text_is(row, COLUMN_OBSERVED, filter->observed);
}

/* What costs a look-up comes last. */
int match_row(struct match *match, sqlite3_stmt *row, bool *matches)
{
    const struct store_filter *filter = match->filter;
    int rc = SQLITE_OK;

    *matches = is_about(filter, row) && came_to(filter, row);
    if (*matches && (match_filters_outcomes(filter) || filter->outcome_fits))
        rc = outcome_matches(match, (uint64_t)sqlite3_column_int64(row, COLUMN_OUTCOME), matches);
    if (rc == SQLITE_OK && *matches && filter->device)
        rc = device_matches(match, row, matches);
    return rc;
}
