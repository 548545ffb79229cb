/*
 * Migrations: each step of the schema in a transaction that also raises user_version, so that a crash leaves the
 * database at one version or the next. A database that is newer never comes here (store_inspect).
 */
#include "db/internal.h"
#include "db/schema/schema.h"

#include <stdio.h>

static int migrate_step(sqlite3 *db, int version)
{
    char tail[128];
    int rc = sql_exec(db, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK)
        rc = sql_exec(db, schema_steps[version]);
    snprintf(tail, sizeof tail, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", SCHEMA_APPLICATION_ID,
             version + 1);
    if (rc == SQLITE_OK)
        rc = sql_exec(db, tail);
    if (!sqlite3_get_autocommit(db))
        sql_exec(db, "ROLLBACK");
    return rc;
}

/* auto_vacuum can be chosen freely only while the file is empty; a file that is not needs a VACUUM, which costs
 * nothing as there is no table yet. */
static int prepare_empty(sqlite3 *db)
{
    int64_t mode;
    int rc = sql_exec(db, "PRAGMA auto_vacuum = INCREMENTAL");

    if (rc == SQLITE_OK)
        rc = sql_exec(db, "PRAGMA journal_mode = WAL");
    if (rc == SQLITE_OK)
        rc = sql_int(db, "PRAGMA auto_vacuum", 0, &mode);
    if (rc == SQLITE_OK && mode != 2)
        rc = sql_exec(db, "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = INCREMENTAL; VACUUM;"
                          "PRAGMA journal_mode = WAL");
    return rc;
}

int store_migrate(sqlite3 *db)
{
    int64_t version;
    int rc = sql_int(db, "PRAGMA user_version", 0, &version);

    if (rc == SQLITE_OK && version == 0)
        rc = prepare_empty(db);
    while (rc == SQLITE_OK && version < schema_version)
        rc = migrate_step(db, (int)version++);
    return rc;
}
