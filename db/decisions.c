/*
 * Writing a decision, its state and what the job reported, each within the transaction of a commit.
 *
 * A job that the database refuses for itself (a rule set that is not there) fails alone: SQLite has undone the
 * statement, the others of the commit go on. Every other error ends the commit.
 */
#include "db/internal.h"

#include <errno.h>
#include <string.h>

int store_settle(struct job *job, int rc)
{
    if (rc == SQLITE_OK)
        return SQLITE_OK;
    switch (sql_primary(rc)) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        job->status = -EIO;
        return SQLITE_OK;
    default:
        return rc;
    }
}

/* A table of bodies stored once by hash. */
struct interned {
    struct hash_cache *cache;
    enum statement find, touch;
    const uint8_t *hash;
    uint64_t block; /* of the decision that refers to it */
};

/* The row's id, 0 where it has to be added. */
static int intern_find(struct writer *writer, const struct interned *what, int64_t *id)
{
    struct hash_entry *entry = hash_cache_find(what->cache, what->hash);
    sqlite3_stmt *find = writer->statements[what->find], *touch = writer->statements[what->touch];
    uint64_t block;
    int rc;

    *id = 0;
    if (entry && entry->last_block >= what->block) {
        *id = entry->id;
        return SQLITE_OK;
    }
    sql_bind_blob(find, 1, what->hash, HASH_SIZE);
    rc = sqlite3_step(find);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(find, 0);
        block = (uint64_t)sqlite3_column_int64(find, 1);
    }
    sqlite3_reset(find);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    if (block < what->block) {
        sqlite3_bind_int64(touch, 1, *id);
        sqlite3_bind_int64(touch, 2, (int64_t)what->block);
        rc = sql_run(touch);
        if (rc != SQLITE_OK)
            return rc;
    }
    hash_cache_put(what->cache, what->hash, *id, what->block);
    return SQLITE_OK;
}

static int intern_facts(struct writer *writer, const struct decision_job *decision, uint64_t block, int64_t *id)
{
    const struct interned what = {&writer->facts, SQL_FIND_FACTS, SQL_TOUCH_FACTS, decision->hashes.facts, block};
    sqlite3_stmt *add = writer->statements[SQL_ADD_FACTS];
    int rc = intern_find(writer, &what, id);

    if (rc != SQLITE_OK || *id != 0)
        return rc;
    sql_bind_blob(add, 1, decision->hashes.facts, HASH_SIZE);
    sqlite3_bind_int64(add, 2, (int64_t)block);
    sql_bind_blob(add, 3, decision->row.facts.data, decision->row.facts.size);
    rc = sql_run(add);
    if (rc != SQLITE_OK)
        return rc;
    *id = sqlite3_last_insert_rowid(writer->db);
    hash_cache_put(&writer->facts, decision->hashes.facts, *id, block);
    return SQLITE_OK;
}

static int add_outcome_rules(struct writer *writer, const struct store_decision *row, int64_t outcome)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_OUTCOME_RULE];

    for (size_t i = 0; i < row->n_rules; i++) {
        int rc;

        sql_bind_text(add, 1, row->rules[i]);
        sqlite3_bind_int64(add, 2, outcome);
        rc = sql_run(add);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static int intern_outcome(struct writer *writer, const struct decision_job *decision, uint64_t block, int64_t *id)
{
    const struct interned what = {&writer->outcomes, SQL_FIND_OUTCOME, SQL_TOUCH_OUTCOME, decision->hashes.outcome,
                                  block};
    const struct store_decision *row = &decision->row;
    sqlite3_stmt *add = writer->statements[SQL_ADD_OUTCOME];
    int rc = intern_find(writer, &what, id);

    if (rc != SQLITE_OK || *id != 0)
        return rc;
    sql_bind_blob(add, 1, decision->hashes.outcome, HASH_SIZE);
    sqlite3_bind_int64(add, 2, (int64_t)block);
    sql_bind_text(add, 3, row->mode);
    sql_bind_text(add, 4, row->verdict);
    sql_bind_blob(add, 5, row->outcome.data, row->outcome.size);
    rc = sql_run(add);
    if (rc != SQLITE_OK)
        return rc;
    *id = sqlite3_last_insert_rowid(writer->db);
    rc = add_outcome_rules(writer, row, *id);
    if (rc == SQLITE_OK)
        hash_cache_put(&writer->outcomes, decision->hashes.outcome, *id, block);
    return rc;
}

/* Where the clock was set back, a new stretch begins with this decision. */
static int follow_clock(struct writer *writer, int64_t time_ms)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_STRETCH];

    if (time_ms >= writer->newest_time - CLOCK_SLACK_MS) {
        if (time_ms > writer->newest_time)
            writer->newest_time = time_ms;
        return SQLITE_OK;
    }
    writer->newest_time = time_ms;
    sqlite3_bind_int64(add, 1, (int64_t)writer->next_id);
    return sql_run(add);
}

int store_state_rank(enum store_state_word state)
{
    switch (state) {
    case STORE_OFFERED:
        return 1;
    case STORE_UNDELIVERED:
        return 2;
    case STORE_ACCEPTED:
        return 3;
    case STORE_ASKED:
        break;
    }
    return 0;
}

static void bind_decision(sqlite3_stmt *add, const struct store_decision *row)
{
    sqlite3_bind_int64(add, 2, (int64_t)row->time_ms);
    sqlite3_bind_int64(add, 3, row->uid);
    sqlite3_bind_int64(add, 4, row->pid);
    sqlite3_bind_int64(add, 5, (int64_t)row->start_time);
    sqlite3_bind_int64(add, 6, store_state_rank(row->state));
    sqlite3_bind_int64(add, 7, row->policy && strcmp(row->policy, "advise") == 0);
    sqlite3_bind_int64(add, 8, (int64_t)row->rule_set);
    sql_bind_blob(add, 11, row->request_id, sizeof row->request_id);
    sql_bind_text(add, 12, row->job);
    sql_bind_text(add, 13, row->step);
    sql_bind_text(add, 14, row->itex);
    sql_bind_id(add, 15, row->lease);
}

int store_write_decision(struct writer *writer, struct job *job)
{
    const struct decision_job *decision = &job->of.decision;
    sqlite3_stmt *add = writer->statements[SQL_ADD_DECISION];
    uint64_t id = writer->next_id, block = id >> BLOCK_SHIFT;
    int64_t facts, outcome, lease_units = 0;
    int rc = intern_facts(writer, decision, block, &facts);

    if (rc == SQLITE_OK)
        rc = intern_outcome(writer, decision, block, &outcome);
    if (rc == SQLITE_OK && decision->row.lease != 0)
        rc = store_join_lease(writer, &decision->row, block, &lease_units);
    if (rc != SQLITE_OK)
        return store_settle(job, rc);
    bind_decision(add, &decision->row);
    sqlite3_bind_int64(add, 1, (int64_t)id);
    sqlite3_bind_int64(add, 9, facts);
    sqlite3_bind_int64(add, 10, outcome);
    rc = sql_run(add);
    if (rc != SQLITE_OK)
        return store_settle(job, rc);
    if (decision->row.lease != 0)
        rc = store_add_rank(writer, &decision->row, id, lease_units);
    if (rc == SQLITE_OK)
        rc = follow_clock(writer, (int64_t)decision->row.time_ms);
    if (rc != SQLITE_OK)
        return rc;
    job->id = id;
    writer->next_id++;
    return SQLITE_OK;
}

int store_write_state(struct writer *writer, struct job *job)
{
    sqlite3_stmt *set = writer->statements[SQL_SET_STATE];
    int rc;

    sqlite3_bind_int64(set, 1, (int64_t)job->of.state.decision);
    sqlite3_bind_int64(set, 2, store_state_rank(job->of.state.state));
    rc = sql_run(set);
    if (rc == SQLITE_OK)
        writer->written.states[job->of.state.state] += sqlite3_changes(writer->db) > 0;
    return store_settle(job, rc);
}

enum found { FOUND_NONE, FOUND_UNREPORTED, FOUND_REPORTED };

static int find_report(struct writer *writer, uint64_t id, enum found *found)
{
    sqlite3_stmt *find = writer->statements[SQL_FIND_REPORT];
    int rc;

    sqlite3_bind_int64(find, 1, (int64_t)id);
    rc = sqlite3_step(find);
    *found = rc != SQLITE_ROW ? FOUND_NONE : sqlite3_column_int(find, 0) ? FOUND_REPORTED : FOUND_UNREPORTED;
    sqlite3_reset(find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int set_report(struct writer *writer, const struct report_job *report)
{
    sqlite3_stmt *set = writer->statements[SQL_SET_REPORT];

    sqlite3_bind_int64(set, 1, (int64_t)report->decision);
    sql_bind_text(set, 2, report->mode);
    if (report->devices >= 0)
        sqlite3_bind_int64(set, 3, report->devices);
    else
        sqlite3_bind_null(set, 3);
    sqlite3_bind_int64(set, 4, report->match);
    return sql_run(set);
}

int store_write_report(struct writer *writer, struct job *job)
{
    const struct report_job *report = &job->of.report;
    enum found found;
    int rc = find_report(writer, report->decision, &found);

    job->id = report->decision;
    if (rc == SQLITE_OK && found != FOUND_NONE)
        rc = set_report(writer, report);
    if (rc != SQLITE_OK)
        return store_settle(job, rc);
    if (found == FOUND_NONE) {
        job->status = -ENOENT;
    } else if (sqlite3_changes(writer->db) == 0) {
        job->status = -EALREADY;
    } else {
        writer->written.reports += found == FOUND_UNREPORTED;
        writer->written.mismatches += !report->match;
    }
    return SQLITE_OK;
}
