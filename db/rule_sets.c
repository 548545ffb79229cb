/*
 * Rule sets and the history of their activations. A set never changes once stored; the last activation says which one
 * is in force.
 */
#include "db/internal.h"
#include "proto/cleanup.h"

#include <errno.h>

static int activate(struct writer *writer, const struct store_activation *activation)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_ACTIVATION];

    sqlite3_bind_int64(add, 1, (int64_t)activation->rule_set);
    sqlite3_bind_int64(add, 2, (int64_t)activation->time_ms);
    sqlite3_bind_int64(add, 3, activation->uid);
    sqlite3_bind_int64(add, 4, activation->chosen);
    sql_bind_text(add, 5, activation->how);
    sql_bind_text(add, 6, activation->comment);
    return sql_run(add);
}

static int add_rule_set(struct writer *writer, const struct store_rule_set *set, uint64_t *id)
{
    sqlite3_stmt *find = writer->statements[SQL_FIND_RULE_SET], *add = writer->statements[SQL_ADD_RULE_SET];
    int rc;

    sql_bind_text(find, 1, set->digest);
    rc = sqlite3_step(find);
    if (rc == SQLITE_ROW)
        *id = (uint64_t)sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    sql_bind_text(add, 1, set->name);
    sql_bind_text(add, 2, set->digest);
    sql_bind_text(add, 3, set->origin);
    sqlite3_bind_int64(add, 4, (int64_t)set->created_ms);
    sqlite3_bind_int64(add, 5, set->created_uid);
    sqlite3_bind_int64(add, 6, set->n_rules);
    sql_bind_blob(add, 7, set->files.data, set->files.size);
    sql_bind_text(add, 8, set->comment);
    rc = sql_run(add);
    if (rc == SQLITE_OK)
        *id = (uint64_t)sqlite3_last_insert_rowid(writer->db);
    return rc;
}

int store_write_rule_set(struct writer *writer, struct job *job)
{
    const struct rule_set_job *wanted = &job->of.rule_set;
    struct store_activation activation = {.time_ms = wanted->now_ms, .uid = wanted->set.created_uid, .how = "shipped"};
    int rc = add_rule_set(writer, &wanted->set, &job->id);

    if (rc == SQLITE_OK && wanted->activate) {
        activation.rule_set = job->id;
        rc = activate(writer, &activation);
    }
    if (sql_primary(rc) == SQLITE_CONSTRAINT || rc == SQLITE_TOOBIG) {
        job->status = -EIO;
        return SQLITE_OK;
    }
    return rc;
}

int store_write_activation(struct writer *writer, struct job *job)
{
    int rc = activate(writer, &job->of.activate);

    job->id = job->of.activate.rule_set;
    if (sql_primary(rc) == SQLITE_CONSTRAINT) { /* the foreign key */
        job->status = -ENOENT;
        return SQLITE_OK;
    }
    return rc;
}

/* ---- Reading ------------------------------------------------------------------------------------ */

#define COLUMNS                                                                                                        \
    "SELECT s.id, s.name, s.digest, s.origin, s.created_ms, s.created_uid, s.rules,"                                   \
    " s.id = (SELECT rule_set FROM activations ORDER BY id DESC LIMIT 1),"                                             \
    " EXISTS (SELECT 1 FROM activations a WHERE a.rule_set = s.id AND a.chosen),"                                      \
    " l.time_ms, l.uid, CASE WHEN ?1 THEN s.files END"                                                                 \
    " FROM rule_sets s LEFT JOIN activations l"                                                                        \
    " ON l.id = (SELECT max(id) FROM activations WHERE rule_set = s.id) "

/* The newest activation of another set than the present one, made before the present one came. Going back twice
 * therefore returns to where one was: rollback is itself an activation. */
#define PREVIOUS                                                                                                       \
    "WHERE s.id = (SELECT rule_set FROM activations WHERE rule_set <>"                                                 \
    " (SELECT rule_set FROM activations ORDER BY id DESC LIMIT 1) ORDER BY id DESC LIMIT 1)"
#define ACTIVE "WHERE s.id = (SELECT rule_set FROM activations ORDER BY id DESC LIMIT 1)"

static const char *column_text(struct pool *pool, sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    return text ? pool_copy(pool, text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
}

static int read_set(struct pool *pool, sqlite3_stmt *row, struct store_rule_set *set)
{
    *set = (struct store_rule_set){
        .id = (uint64_t)sqlite3_column_int64(row, 0),
        .name = column_text(pool, row, 1),
        .digest = column_text(pool, row, 2),
        .origin = column_text(pool, row, 3),
        .created_ms = (uint64_t)sqlite3_column_int64(row, 4),
        .created_uid = (uint32_t)sqlite3_column_int64(row, 5),
        .n_rules = (uint32_t)sqlite3_column_int64(row, 6),
        .active = sqlite3_column_int(row, 7),
        .chosen = sqlite3_column_int(row, 8),
        .activated_ms = (uint64_t)sqlite3_column_int64(row, 9),
        .activated_uid = (uint32_t)sqlite3_column_int64(row, 10),
    };
    if (sqlite3_column_type(row, 11) == SQLITE_BLOB) {
        const void *files = sqlite3_column_blob(row, 11);

        set->files.size = (size_t)sqlite3_column_bytes(row, 11);
        set->files.data = pool_copy(pool, files, set->files.size);
        if (!set->files.data)
            return SQLITE_NOMEM;
    }
    return set->name && set->digest && set->origin ? SQLITE_OK : SQLITE_NOMEM;
}

/* Doubles the array in the pool; the old one is given back with the rest. */
static int grow(struct job *job, size_t *room)
{
    struct rule_sets_job *wanted = &job->of.rule_sets;
    size_t larger = *room ? *room * 2 : 16;
    struct store_rule_set *sets = pool_alloc(&job->pool, larger * sizeof *sets);

    if (!sets)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < wanted->n_sets; i++)
        sets[i] = wanted->sets[i];
    wanted->sets = sets;
    *room = larger;
    return SQLITE_OK;
}

static int read_sets(sqlite3 *db, struct job *job, const char *text, bool files)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *statement = NULL;
    struct rule_sets_job *wanted = &job->of.rule_sets;
    size_t room = 0;
    int rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int(statement, 1, files);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, (int64_t)wanted->id);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int error = wanted->n_sets == room ? grow(job, &room) : SQLITE_OK;

        if (error == SQLITE_OK)
            error = read_set(&job->pool, statement, &wanted->sets[wanted->n_sets]);
        if (error != SQLITE_OK)
            return error;
        wanted->n_sets++;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_read_rule_sets(sqlite3 *db, struct job *job)
{
    const struct rule_sets_job *wanted = &job->of.rule_sets;

    if (wanted->previous)
        return read_sets(db, job, COLUMNS PREVIOUS, true);
    if (wanted->id != 0)
        return read_sets(db, job, COLUMNS "WHERE s.id = ?2", true);
    return read_sets(db, job, COLUMNS "ORDER BY s.id DESC", false);
}

int store_read_active_rule_set(sqlite3 *db, struct job *job)
{
    return read_sets(db, job, COLUMNS ACTIVE, true);
}
