/* Thin helpers over SQLite. All return SQLite's extended result codes unless they say otherwise. */
#ifndef ITEXD_DB_SQL_H
#define ITEXD_DB_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int sql_exec(sqlite3 *db, const char *text);
/* For statements that are kept: closed with sqlite3_finalize. */
int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out);
/* The first column of the first row; fallback where there is no row or it is NULL. */
int sql_int(sqlite3 *db, const char *text, int64_t fallback, int64_t *out);
/* Runs a kept statement that gives no rows, and resets it. */
int sql_run(sqlite3_stmt *statement);

/* NULL binds NULL. What is bound must live until the statement is reset. */
void sql_bind_text(sqlite3_stmt *statement, int index, const char *text);
/* An id, 0 binds NULL. */
void sql_bind_id(sqlite3_stmt *statement, int index, uint64_t id);
void sql_bind_blob(sqlite3_stmt *statement, int index, const void *data, size_t size);

static inline void sql_finalizep(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}
static inline int sql_primary(int code)
{
    return code & 0xff;
}
/* The database itself is broken, not the way to it. */
static inline bool sql_is_damage(int code)
{
    return sql_primary(code) == SQLITE_CORRUPT || sql_primary(code) == SQLITE_NOTADB;
}

#endif
