/* See sql.h. */
#include "db/sql.h"
#include "proto/cleanup.h"

int sql_exec(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int sql_int(sqlite3 *db, const char *text, int64_t fallback, int64_t *out)
{
    CLEANUP(sql_finalizep) sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    *out = fallback;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
            *out = sqlite3_column_int64(statement, 0);
        return SQLITE_OK;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sql_run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    /* reset repeats the error of the step; it is the step's that counts */
    sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

void sql_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    if (text)
        sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, index);
}

void sql_bind_id(sqlite3_stmt *statement, int index, uint64_t id)
{
    if (id != 0)
        sqlite3_bind_int64(statement, index, (int64_t)id);
    else
        sqlite3_bind_null(statement, index);
}

void sql_bind_blob(sqlite3_stmt *statement, int index, const void *data, size_t size)
{
    /* a NULL pointer would bind NULL, an empty blob is meant */
    sqlite3_bind_blob64(statement, index, data ? data : "", size, SQLITE_STATIC);
}
