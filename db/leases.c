/*
 * Writing leases and what decisions have of them, each within the transaction of a commit.
 *
 * The lease itself is in the service's live file; what is here is its history, and may lag behind or have been lost
 * with a database that was moved aside. So nothing here fails because a row is missing: a decision whose lease is not
 * there brings it along, as far as the decision knows it.
 */
#include "db/internal.h"
#include "proto/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_OFFERED, LEASE_ACCEPTED, LEASE_RELEASED }; /* as stored */

static int state_rank(const char *state)
{
    if (strcmp(state, "released") == 0)
        return LEASE_RELEASED;
    return strcmp(state, "accepted") == 0 ? LEASE_ACCEPTED : LEASE_OFFERED;
}

const char *store_lease_state(int rank)
{
    return rank == LEASE_OFFERED ? "offered" : rank == LEASE_ACCEPTED ? "accepted" : "released";
}

/* ---- Leases --------------------------------------------------------------------------------------------- */

static int add_units(struct writer *writer, const struct store_lease *lease)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_LEASE_UNIT];

    for (size_t i = 0; i < lease->n_units; i++) {
        struct device_ref ref;
        int rc = store_refer_to_device(writer, lease->units[i].key, true, &ref);

        if (rc != SQLITE_OK)
            return rc;
        sqlite3_bind_int64(add, 1, (int64_t)lease->id);
        sqlite3_bind_int64(add, 2, (int64_t)i);
        sqlite3_bind_int64(add, 3, ref.version);
        sqlite3_bind_int64(add, 4, lease->units[i].tile);
        rc = sql_run(add);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static int add_lease(struct writer *writer, const struct store_lease *lease)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_LEASE];
    int rc;

    sqlite3_bind_int64(add, 1, (int64_t)lease->id);
    sqlite3_bind_int64(add, 2, (int64_t)lease->granted_ms);
    sqlite3_bind_int64(add, 3, lease->uid);
    sqlite3_bind_int64(add, 4, lease->shared);
    sqlite3_bind_int64(add, 5, (int64_t)(writer->next_id >> BLOCK_SHIFT));
    sql_bind_text(add, 6, lease->job);
    rc = sql_run(add);
    /* put again after an interruption: what is there stands */
    return rc != SQLITE_OK || sqlite3_changes(writer->db) == 0 ? rc : add_units(writer, lease);
}

int store_write_lease(struct writer *writer, struct job *job)
{
    return store_settle(job, add_lease(writer, &job->of.lease));
}

static int set_lease(struct writer *writer, uint64_t lease, int state, uint64_t time_ms)
{
    sqlite3_stmt *set = writer->statements[SQL_SET_LEASE];

    sqlite3_bind_int64(set, 1, (int64_t)lease);
    sqlite3_bind_int64(set, 2, state);
    sqlite3_bind_int64(set, 3, (int64_t)time_ms);
    return sql_run(set);
}

int store_write_lease_state(struct writer *writer, struct job *job)
{
    const struct lease_state_job *change = &job->of.lease_state;

    return store_settle(job, set_lease(writer, change->lease, state_rank(change->state), change->time_ms));
}

static bool is_live(const struct live_leases_job *live, uint64_t id)
{
    for (size_t i = 0; i < live->n; i++) {
        if (live->leases[i] == id)
            return true;
    }
    return false;
}

/* The open ones have an index of their own, so this costs as much as there are of them. */
int store_write_live_leases(struct writer *writer, struct job *job)
{
    const struct live_leases_job *live = &job->of.live_leases;
    sqlite3_stmt *next = writer->statements[SQL_NEXT_OPEN_LEASE];
    int64_t id = 0;
    int rc;

    for (;;) {
        sqlite3_bind_int64(next, 1, id);
        rc = sqlite3_step(next);
        if (rc == SQLITE_ROW)
            id = sqlite3_column_int64(next, 0);
        sqlite3_reset(next);
        if (rc != SQLITE_ROW)
            break;
        rc = is_live(live, (uint64_t)id) ? SQLITE_OK : set_lease(writer, (uint64_t)id, LEASE_RELEASED, live->time_ms);
        if (rc != SQLITE_OK)
            break;
    }
    return store_settle(job, rc == SQLITE_DONE ? SQLITE_OK : rc);
}

/* ---- A decision's part ------------------------------------------------------------------------------------- */

/* How many units the lease has; -1 where its row is not there. */
static int find_lease(struct writer *writer, uint64_t lease, int64_t *n, uint64_t *last_block)
{
    sqlite3_stmt *find = writer->statements[SQL_FIND_LEASE];
    int rc;

    sqlite3_bind_int64(find, 1, (int64_t)lease);
    rc = sqlite3_step(find);
    *n = rc == SQLITE_ROW ? sqlite3_column_int64(find, 0) : -1;
    *last_block = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(find, 1) : 0;
    sqlite3_reset(find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int touch_lease(struct writer *writer, uint64_t lease, uint64_t block)
{
    sqlite3_stmt *touch = writer->statements[SQL_TOUCH_LEASE];

    sqlite3_bind_int64(touch, 1, (int64_t)lease);
    sqlite3_bind_int64(touch, 2, (int64_t)block);
    return sql_run(touch);
}

static int add_lost_lease(struct writer *writer, const struct store_decision *row)
{
    const struct store_lease lease = {
        .id = row->lease,
        .granted_ms = row->time_ms,
        .uid = row->uid,
        .shared = row->lease_shared,
        .job = row->job,
        .units = row->units,
        .n_units = row->n_units,
    };

    return add_lease(writer, &lease);
}

static bool is_own(const struct store_decision *row, const char *key, int tile)
{
    for (size_t i = 0; i < row->n_units; i++) {
        if (row->units[i].tile == tile && strcmp(row->units[i].key, key) == 0)
            return true;
    }
    return false;
}

/* As a JSON array, malloc'ed. */
static int find_places(struct writer *writer, const struct store_decision *row, char **out)
{
    sqlite3_stmt *units = writer->statements[SQL_LEASE_UNITS];
    CLEANUP(freep) char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const char *before = "[";
    int rc;

    if (!stream)
        return SQLITE_NOMEM;
    sqlite3_bind_int64(units, 1, (int64_t)row->lease);
    sqlite3_bind_null(units, 2);
    while ((rc = sqlite3_step(units)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(units, 1);

        if (!key || !is_own(row, key, sqlite3_column_int(units, 2)))
            continue;
        fprintf(stream, "%s%d", before, sqlite3_column_int(units, 0));
        before = ",";
    }
    sqlite3_reset(units);
    fprintf(stream, "%s", before[0] == '[' ? "[]" : "]");
    if (fclose(stream) != 0)
        return SQLITE_NOMEM;
    if (rc == SQLITE_DONE)
        *out = TAKE_PTR(text);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_join_lease(struct writer *writer, const struct store_decision *row, uint64_t block, int64_t *n_units)
{
    uint64_t last_block;
    int rc = find_lease(writer, row->lease, n_units, &last_block);

    if (rc != SQLITE_OK)
        return rc;
    if (*n_units < 0)
        return add_lost_lease(writer, row);
    return last_block < block ? touch_lease(writer, row->lease, block) : SQLITE_OK;
}

int store_add_rank(struct writer *writer, const struct store_decision *row, uint64_t decision, int64_t n_units)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_RANK];
    CLEANUP(freep) char *places = NULL;
    bool all = row->n_units == 0 || n_units <= (int64_t)row->n_units;
    int rc = all ? SQLITE_OK : find_places(writer, row, &places);

    if (rc != SQLITE_OK || (all && row->local_device == 0))
        return rc;
    sqlite3_bind_int64(add, 1, (int64_t)decision);
    sqlite3_bind_int64(add, 2, row->local_device);
    sql_bind_text(add, 3, places);
    return sql_run(add);
}
