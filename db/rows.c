/* Reading whole decisions by id. */
#include "db/internal.h"

int store_rows_prepare(sqlite3 *db, sqlite3_stmt **out)
{
    return sqlite3_prepare_v2(db,
                              "SELECT d.id, d.time_ms, d.uid, d.pid, d.start_time, d.state, d.policy, d.rule_set,"
                              " d.request_id, d.job, d.step, d.itex, d.observed_mode, d.observed_devices,"
                              " d.observed_match, f.body, o.body, o.mode, o.verdict, r.name, r.digest"
                              " FROM decisions d JOIN facts f ON f.id = d.facts JOIN outcomes o ON o.id = d.outcome"
                              " JOIN rule_sets r ON r.id = d.rule_set WHERE d.id = ?1",
                              -1, out, NULL);
}

/* Copies out of the statement; remembers the first failure, so that it is looked at once. */
struct copier {
    sqlite3_stmt *row;
    struct pool *pool;
    bool failed;
};

static const char *copy_text(struct copier *copier, int column)
{
    const unsigned char *text = sqlite3_column_text(copier->row, column);
    const char *copy;

    if (!text) {
        copier->failed |= sqlite3_column_type(copier->row, column) != SQLITE_NULL;
        return NULL;
    }
    copy = pool_copy(copier->pool, text, (size_t)sqlite3_column_bytes(copier->row, column));
    copier->failed |= !copy;
    return copy;
}

static struct store_blob copy_blob(struct copier *copier, int column)
{
    const void *data = sqlite3_column_blob(copier->row, column);
    struct store_blob blob = {.size = (size_t)sqlite3_column_bytes(copier->row, column)};

    blob.data = pool_copy(copier->pool, data, blob.size);
    copier->failed |= !blob.data;
    return blob;
}

static enum store_state_word state_of_rank(int rank)
{
    static const enum store_state_word words[] = {STORE_ASKED, STORE_OFFERED, STORE_UNDELIVERED, STORE_ACCEPTED};

    return words[rank & 3];
}

static void read_request_id(sqlite3_stmt *statement, int column, uint8_t *out, size_t size)
{
    const uint8_t *data = sqlite3_column_blob(statement, column);
    size_t stored = (size_t)sqlite3_column_bytes(statement, column);

    for (size_t i = 0; i < size; i++)
        out[i] = i < stored ? data[i] : 0;
}

static void read_observed(struct copier *copier, struct store_decision *row)
{
    sqlite3_stmt *statement = copier->row;

    row->observed_mode = copy_text(copier, 12);
    row->observed_devices =
        sqlite3_column_type(statement, 13) == SQLITE_NULL ? -1 : sqlite3_column_int64(statement, 13);
    row->observed_match = sqlite3_column_type(statement, 14) == SQLITE_NULL ? -1 : sqlite3_column_int(statement, 14);
}

static void read_row(struct copier *copier, struct store_decision *row)
{
    sqlite3_stmt *statement = copier->row;

    *row = (struct store_decision){
        .id = (uint64_t)sqlite3_column_int64(statement, 0),
        .time_ms = (uint64_t)sqlite3_column_int64(statement, 1),
        .uid = (uint32_t)sqlite3_column_int64(statement, 2),
        .pid = sqlite3_column_int(statement, 3),
        .start_time = (uint64_t)sqlite3_column_int64(statement, 4),
        .state = state_of_rank(sqlite3_column_int(statement, 5)),
        .policy = sqlite3_column_int(statement, 6) ? "advise" : "enforce",
        .rule_set = (uint64_t)sqlite3_column_int64(statement, 7),
    };
    read_request_id(statement, 8, row->request_id, sizeof row->request_id);
    row->job = copy_text(copier, 9);
    row->step = copy_text(copier, 10);
    row->itex = copy_text(copier, 11);
    read_observed(copier, row);
    row->facts = copy_blob(copier, 15);
    row->outcome = copy_blob(copier, 16);
    row->mode = copy_text(copier, 17);
    row->verdict = copy_text(copier, 18);
    row->rule_set_name = copy_text(copier, 19);
    row->rule_set_digest = copy_text(copier, 20);
}

int store_row_read(sqlite3_stmt *statement, uint64_t id, struct pool *pool, struct store_decision *row)
{
    struct copier copier = {statement, pool, false};
    int rc;

    sqlite3_bind_int64(statement, 1, (int64_t)id);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        read_row(&copier, row);
    sqlite3_reset(statement);
    if (rc == SQLITE_DONE)
        return SQLITE_NOTFOUND;
    if (rc != SQLITE_ROW)
        return rc;
    return copier.failed ? SQLITE_NOMEM : SQLITE_OK;
}
