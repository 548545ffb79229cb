/*
 * One query, slice by slice.
 *
 * There are two ways to the rows. WAY_ROWS walks down the narrowest index that the filter offers (job, uid, else the
 * table itself) and looks at each row. WAY_OUTCOMES takes all outcomes that have the rule, mode and verdict asked for
 * and merges their runs in the index on outcome. Which is faster depends on the data: the first is where matches are
 * dense, the second where they are rare. The first begins; where it finds little, both have had a slice and the one
 * that covers more ids in the same time is kept.
 *
 * Forward - what came after an id, oldest first - there is only WAY_ROWS.
 *
 * A slice looks at SLICE_ROWS rows at most, so the read transaction around it is short. What has been found is kept
 * as ids; the rows are read at the end, in the transaction of the last slice.
 */
#include "db/internal.h"
#include "db/match.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdlib.h>

enum {
    FIRST_SLICE_ROWS = 256,
    SLICE_ROWS = 2048,
    DEFAULT_LIMIT = 100,
    LARGEST_LIMIT = 1000,
    SLICES_PER_PAGE = 16,
};

/* What a slice works with; gone at its end. */
struct slice {
    sqlite3 *db;
    struct query_job *query;
    struct match match;
    sqlite3_stmt *row;
};

static void slice_clear(struct slice *slice)
{
    match_clear(&slice->match);
    sqlite3_finalize(slice->row);
}

static int slice_prepare(struct slice *slice, sqlite3 *db, struct query_job *query)
{
    int rc = match_prepare(&slice->match, db, &query->filter);

    slice->db = db;
    slice->query = query;
    if (rc != SQLITE_OK)
        return rc;
    return sqlite3_prepare_v2(db, "SELECT " MATCH_COLUMNS " FROM decisions WHERE id = ?1", -1, &slice->row, NULL);
}

/* ---- By rows ---------------------------------------------------------------------------------------- */

/* Looks at the row and goes on behind it; *full when the page is. */
static int take_row(struct slice *slice, sqlite3_stmt *row, bool *full)
{
    struct query_job *query = slice->query;
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    bool matches;
    int rc = match_row(&slice->match, row, &matches);

    if (rc != SQLITE_OK)
        return rc;
    if (matches)
        query->found[query->n_found++] = id;
    query->cursor = id;
    *full = query->n_found == query->filter.limit;
    return SQLITE_OK;
}

static int prepare_walk(struct slice *slice, sqlite3_stmt **out)
{
    const struct store_filter *filter = &slice->query->filter;
    const char *from = "", *where = "";
    char text[320];
    int rc;

    if (filter->job) {
        from = "INDEXED BY decisions_job";
        where = "AND job = ?4";
    } else if (filter->by_uid || filter->seen_by_uid) {
        from = "INDEXED BY decisions_uid";
        where = "AND uid = ?4";
    }
    snprintf(text, sizeof text,
             "SELECT " MATCH_COLUMNS " FROM decisions %s WHERE id %s ?1 AND id >= ?2 %s ORDER BY id %s LIMIT ?3", from,
             filter->forward ? ">" : "<", where, filter->forward ? "ASC" : "DESC");
    rc = sqlite3_prepare_v2(slice->db, text, -1, out, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (filter->job)
        sql_bind_text(*out, 4, filter->job);
    else if (filter->by_uid)
        sqlite3_bind_int64(*out, 4, filter->uid);
    else if (filter->seen_by_uid)
        sqlite3_bind_int64(*out, 4, filter->seer);
    return SQLITE_OK;
}

static int slice_by_rows(struct slice *slice)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *walk = NULL;
    struct query_job *query = slice->query;
    int room = query->slices == 0 ? FIRST_SLICE_ROWS : SLICE_ROWS, seen = 0;
    bool full = false;
    int rc = prepare_walk(slice, &walk);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(walk, 1, (int64_t)query->cursor);
    sqlite3_bind_int64(walk, 2, (int64_t)query->low);
    sqlite3_bind_int64(walk, 3, room);
    while (!full && (rc = sqlite3_step(walk)) == SQLITE_ROW) {
        int error = take_row(slice, walk, &full);

        if (error != SQLITE_OK)
            return error;
        seen++;
    }
    if (!full && rc != SQLITE_DONE)
        return rc;
    query->finished = !full && seen < room;
    return SQLITE_OK;
}

/* ---- By outcomes ------------------------------------------------------------------------------------ */

/* The highest ids seen so far, as a heap with the lowest of them at the root. */
struct highest {
    uint64_t ids[SLICE_ROWS];
    size_t n, room;
};

static void sink(struct highest *heap, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        uint64_t id = heap->ids[at];

        if (child >= heap->n)
            return;
        if (child + 1 < heap->n && heap->ids[child + 1] < heap->ids[child])
            child++;
        if (id <= heap->ids[child])
            return;
        heap->ids[at] = heap->ids[child];
        heap->ids[child] = id;
        at = child;
    }
}

static void rise(struct highest *heap, size_t at)
{
    while (at > 0 && heap->ids[at] < heap->ids[(at - 1) / 2]) {
        uint64_t id = heap->ids[at];

        heap->ids[at] = heap->ids[(at - 1) / 2];
        heap->ids[(at - 1) / 2] = id;
        at = (at - 1) / 2;
    }
}

/* False where the id is too low to be among the highest, as are then all that follow in its run. */
static bool offer(struct highest *heap, uint64_t id)
{
    if (heap->n < heap->room) {
        heap->ids[heap->n] = id;
        rise(heap, heap->n++);
        return true;
    }
    if (id <= heap->ids[0])
        return false;
    heap->ids[0] = id;
    sink(heap, 0);
    return true;
}

static int newest_first(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a < b) - (a > b);
}

static int prepare_outcomes(struct slice *slice, sqlite3_stmt **out)
{
    const struct store_filter *filter = &slice->query->filter;
    const char *text = filter->rule      ? "SELECT r.outcome FROM outcome_rules r JOIN outcomes o ON o.id = r.outcome"
                                           " WHERE r.rule = ?3 AND (?1 IS NULL OR o.mode = ?1)"
                                           " AND (?2 IS NULL OR o.verdict = ?2)"
                       : filter->verdict ? "SELECT id FROM outcomes WHERE verdict = ?2 AND (?1 IS NULL OR mode = ?1)"
                                           " AND ?3 IS NULL"
                                         : "SELECT id FROM outcomes WHERE mode = ?1 AND ?2 IS NULL AND ?3 IS NULL";
    int rc = sqlite3_prepare_v2(slice->db, text, -1, out, NULL);

    if (rc == SQLITE_OK)
        match_bind_outcome(*out, filter);
    return rc;
}

static int offer_run(sqlite3_stmt *run, int64_t outcome, struct highest *heap)
{
    int rc;

    sqlite3_bind_int64(run, 1, outcome);
    do
        rc = sqlite3_step(run);
    while (rc == SQLITE_ROW && offer(heap, (uint64_t)sqlite3_column_int64(run, 0)));
    sqlite3_reset(run);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The newest rows of all outcomes asked for. */
static int collect(struct slice *slice, struct highest *heap)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *outcomes = NULL;
    CLEANUP(sql_finalizep) sqlite3_stmt *run = NULL;
    int rc = prepare_outcomes(slice, &outcomes);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(slice->db,
                                "SELECT id FROM decisions INDEXED BY decisions_outcome"
                                " WHERE outcome = ?1 AND id < ?2 AND id >= ?3 ORDER BY id DESC",
                                -1, &run, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(run, 2, (int64_t)slice->query->cursor);
    sqlite3_bind_int64(run, 3, (int64_t)slice->query->low);
    while ((rc = sqlite3_step(outcomes)) == SQLITE_ROW) {
        int error = offer_run(run, sqlite3_column_int64(outcomes, 0), heap);

        if (error != SQLITE_OK)
            return error;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Looks at one row by id, if it is still there. */
static int take_id(struct slice *slice, uint64_t id, bool *full)
{
    int rc;

    sqlite3_bind_int64(slice->row, 1, (int64_t)id);
    rc = sqlite3_step(slice->row);
    if (rc == SQLITE_ROW)
        rc = take_row(slice, slice->row, full);
    sqlite3_reset(slice->row);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int slice_by_outcomes(struct slice *slice)
{
    struct query_job *query = slice->query;
    const struct store_filter *filter = &query->filter;
    bool exact = !match_needs_row(filter);
    size_t missing = filter->limit - query->n_found;
    struct highest heap = {.n = 0, .room = exact ? missing : SLICE_ROWS};
    bool full = false;
    int rc = collect(slice, &heap);

    if (rc != SQLITE_OK)
        return rc;
    qsort(heap.ids, heap.n, sizeof *heap.ids, newest_first);
    for (size_t i = 0; i < heap.n && !full; i++) {
        rc = take_id(slice, heap.ids[i], &full);
        if (rc != SQLITE_OK)
            return rc;
    }
    query->finished = !full && heap.n < heap.room;
    return SQLITE_OK;
}

/* ---- The whole -------------------------------------------------------------------------------------- */

/* A time is looked for only where it saves the way from the oldest row. */
static int set_forward(sqlite3 *db, struct query_job *query)
{
    const struct store_filter *filter = &query->filter;
    uint64_t low, high;
    int64_t newest = 0;
    int rc;

    query->cursor = filter->after < INT64_MAX ? filter->after : INT64_MAX;
    if (filter->after != 0 || filter->since_ms == 0)
        return SQLITE_OK;
    rc = store_time_bounds(db, filter->since_ms, 0, &low, &high);
    if (rc == SQLITE_OK && low > high) /* none is as late: the newest is where to go on */
        rc = sql_int(db, "SELECT max(id) FROM decisions", 0, &newest);
    if (rc == SQLITE_OK)
        query->cursor = low > high ? (uint64_t)newest : low - 1;
    return rc;
}

/* From where to where. */
static int set_bounds(sqlite3 *db, struct query_job *query)
{
    const struct store_filter *filter = &query->filter;
    uint64_t high;
    int rc;

    query->low = 0;
    if (filter->forward)
        return set_forward(db, query);
    query->cursor = filter->before != 0 && filter->before < INT64_MAX ? filter->before : INT64_MAX;
    if ((filter->since_ms == 0 && filter->until_ms == 0) || filter->id != 0)
        return SQLITE_OK;
    rc = store_time_bounds(db, filter->since_ms, filter->until_ms, &query->low, &high);
    if (rc != SQLITE_OK)
        return rc;
    if (high < query->cursor)
        query->cursor = high;
    if (query->low > query->cursor)
        query->low = query->cursor;
    return SQLITE_OK;
}

/* Finished at once, and job->status says why, where the filter names what never was. */
static int query_start(sqlite3 *db, struct job *job)
{
    struct query_job *query = &job->of.query;
    struct store_filter *filter = &query->filter;
    bool known = true;
    int rc = filter->device ? match_device_known(db, filter->device, &known) : SQLITE_OK;

    if (rc != SQLITE_OK)
        return rc;
    if (!known) {
        job->status = -ENODEV;
        query->finished = true;
        return SQLITE_OK;
    }
    if (filter->limit == 0)
        filter->limit = DEFAULT_LIMIT;
    if (filter->limit > LARGEST_LIMIT)
        filter->limit = LARGEST_LIMIT;
    query->found = pool_alloc(&job->pool, filter->limit * sizeof *query->found);
    return query->found ? set_bounds(db, query) : SQLITE_NOMEM;
}

/* Rows go on while they fill the page in a few slices; else outcomes get a try, and the faster of the two the rest. */
static void choose_way(struct query_job *query, size_t found, uint64_t covered, uint64_t took_us)
{
    double speed = (double)covered / (double)(took_us + 1);

    if (query->filter.forward || !match_filters_outcomes(&query->filter))
        return;
    if (query->way == WAY_OUTCOMES && !query->settled) {
        query->settled = true;
        if (speed < query->rows_speed)
            query->way = WAY_ROWS;
    } else if (!query->settled && found * SLICES_PER_PAGE < query->filter.limit) {
        query->rows_speed = speed;
        query->way = WAY_OUTCOMES;
    }
}

static int search(struct slice *slice)
{
    struct query_job *query = slice->query;
    uint64_t from = query->cursor, began = clock_steady_us();
    size_t found = query->n_found;
    bool full = false;
    int rc;

    if (query->filter.id != 0) {
        query->finished = true;
        return take_id(slice, query->filter.id, &full);
    }
    rc = query->way == WAY_ROWS ? slice_by_rows(slice) : slice_by_outcomes(slice);
    if (query->slices == 0 && from == INT64_MAX &&
        !query->filter.forward) /* ids above the newest row were not covered, they do not exist */
        from = query->n_found > 0 ? query->found[0] : query->cursor + FIRST_SLICE_ROWS;
    choose_way(query, query->n_found - found, from - query->cursor, clock_steady_us() - began);
    query->slices++;
    return rc;
}

/* Where the next page begins. At the end forward: with the newest row of all, which may be below where this one began
 * if another database has taken the place of the old one. */
static int find_next(sqlite3 *db, struct query_job *query)
{
    int64_t newest = 0;
    int rc = SQLITE_OK;

    if (!query->finished)
        query->next = query->cursor;
    else if (query->filter.forward && (rc = sql_int(db, "SELECT max(id) FROM decisions", 0, &newest)) == SQLITE_OK)
        query->next = (uint64_t)newest;
    else
        query->next = 0;
    return rc;
}

static int read_briefs(sqlite3 *db, struct job *job)
{
    int rc = store_read_briefs(db, job);

    if (rc == SQLITE_OK)
        rc = find_next(db, &job->of.query);
    return rc == SQLITE_OK ? store_count_left(db, &job->of.query) : rc;
}

/* Reads what was found, up to max_bytes of blobs but one row at least. */
static int read_found(sqlite3 *db, struct job *job)
{
    CLEANUP(store_rows_clear) struct row_reader reader = ROW_READER_NULL;
    struct query_job *query = &job->of.query;
    size_t bytes = 0, i;
    int rc = store_rows_prepare(db, &reader);

    query->rows = pool_alloc(&job->pool, query->n_found * sizeof *query->rows);
    if (rc != SQLITE_OK || !query->rows)
        return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
    for (i = 0; i < query->n_found; i++) {
        struct store_decision *row = &query->rows[query->n_rows];

        rc = store_row_read(&reader, query->found[i], &job->pool, row);
        if (rc == SQLITE_NOTFOUND) /* retention was faster */
            continue;
        if (rc != SQLITE_OK)
            return rc;
        bytes += row->facts.size + row->outcome.size;
        if (query->max_bytes != 0 && bytes > query->max_bytes && query->n_rows > 0)
            break;
        query->n_rows++;
    }
    if (i == query->n_found)
        return find_next(db, query);
    query->next = query->rows[query->n_rows - 1].id;
    return SQLITE_OK;
}

int store_query_slice(sqlite3 *db, struct job *job)
{
    struct query_job *query = &job->of.query;
    CLEANUP(slice_clear) struct slice slice = {.db = NULL};
    int rc = query->found ? SQLITE_OK : query_start(db, job);

    if (rc != SQLITE_OK || query->finished)
        return rc;
    rc = slice_prepare(&slice, db, query);
    if (rc == SQLITE_OK)
        rc = search(&slice);
    if (rc != SQLITE_OK)
        return rc;
    if (!query->finished && query->n_found < query->filter.limit)
        return SQLITE_OK;
    rc = job->kind == JOB_BRIEF ? read_briefs(db, job) : read_found(db, job);
    query->finished = true;
    return rc;
}
