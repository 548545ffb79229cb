/* Reading whole decisions by id. */
#include "db/internal.h"

const char store_lease_units_sql[] =
    "SELECT u.place, d.key, u.tile, v.bdf, v.uuid, v.name FROM lease_units u JOIN device_versions v ON v.id = u.version"
    " JOIN devices d ON d.id = v.device"
    " WHERE u.lease = ?1 AND (?2 IS NULL OR u.place IN (SELECT value FROM json_each(?2))) ORDER BY u.place";

int store_rows_prepare(sqlite3 *db, struct row_reader *reader)
{
    int rc = sqlite3_prepare_v2(db,
                                "SELECT d.id, d.time_ms, d.uid, d.pid, d.start_time, d.state, d.policy, d.rule_set,"
                                " d.request_id, d.job, d.step, d.itex, d.observed_mode, d.observed_devices,"
                                " d.observed_match, f.body, o.body, o.mode, o.verdict, r.name, r.digest,"
                                " d.lease, l.state, l.shared, k.local_device, k.places"
                                " FROM decisions d JOIN facts f ON f.id = d.facts JOIN outcomes o ON o.id = d.outcome"
                                " JOIN rule_sets r ON r.id = d.rule_set LEFT JOIN leases l ON l.id = d.lease"
                                " LEFT JOIN lease_ranks k ON k.decision = d.id AND d.lease IS NOT NULL WHERE d.id = ?1",
                                -1, &reader->row, NULL);

    return rc == SQLITE_OK ? sqlite3_prepare_v2(db, store_lease_units_sql, -1, &reader->units, NULL) : rc;
}

void store_rows_clear(struct row_reader *reader)
{
    sqlite3_finalize(reader->row);
    sqlite3_finalize(reader->units);
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

/* ---- The lease ------------------------------------------------------------------------------------------ */

enum { FIRST_UNITS = 8 };

static struct store_unit read_unit(struct copier *copier)
{
    return (struct store_unit){
        .key = copy_text(copier, 1),
        .tile = sqlite3_column_int(copier->row, 2),
        .bdf = copy_text(copier, 3),
        .uuid = copy_text(copier, 4),
        .name = copy_text(copier, 5),
    };
}

/* In the pool, twice as many as there were; what was there goes with the rest. */
static struct store_unit *grow_units(struct pool *pool, const struct store_unit *units, size_t n, size_t *room)
{
    size_t larger = *room ? *room * 2 : FIRST_UNITS;
    struct store_unit *copy = pool_alloc(pool, larger * sizeof *copy);

    for (size_t i = 0; copy && i < n; i++)
        copy[i] = units[i];
    *room = larger;
    return copy;
}

/* Steps through `units`, whose parameters are bound. */
static int read_units(sqlite3_stmt *statement, struct pool *pool, struct store_decision *row)
{
    struct copier copier = {statement, pool, false};
    struct store_unit *units = NULL;
    size_t n = 0, room = 0;
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (n == room && !(units = grow_units(pool, units, n, &room))) {
            rc = SQLITE_NOMEM;
            break;
        }
        units[n++] = read_unit(&copier);
    }
    sqlite3_reset(statement);
    row->units = units;
    row->n_units = n;
    if (rc != SQLITE_DONE)
        return rc;
    return copier.failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int read_lease(struct row_reader *reader, struct pool *pool, struct store_decision *row)
{
    row->lease = (uint64_t)sqlite3_column_int64(reader->row, 21);
    if (row->lease == 0)
        return SQLITE_OK;
    row->lease_state = store_lease_state(sqlite3_column_int(reader->row, 22));
    row->lease_shared = sqlite3_column_int(reader->row, 23);
    row->local_device = (unsigned)sqlite3_column_int(reader->row, 24);
    sqlite3_bind_int64(reader->units, 1, (int64_t)row->lease);
    sqlite3_bind_value(reader->units, 2, sqlite3_column_value(reader->row, 25));
    return read_units(reader->units, pool, row);
}

int store_row_read(struct row_reader *reader, uint64_t id, struct pool *pool, struct store_decision *row)
{
    struct copier copier = {reader->row, pool, false};
    int rc;

    sqlite3_bind_int64(reader->row, 1, (int64_t)id);
    rc = sqlite3_step(reader->row);
    if (rc == SQLITE_ROW) {
        read_row(&copier, row);
        rc = copier.failed ? SQLITE_NOMEM : read_lease(reader, pool, row);
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_NOTFOUND;
    }
    sqlite3_reset(reader->row);
    return rc;
}
