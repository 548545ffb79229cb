/* The schema files, embedded at build: schema_steps[n] is the SQL that takes version n to n + 1. */
#ifndef ITEXD_DB_SCHEMA_SCHEMA_H
#define ITEXD_DB_SCHEMA_SCHEMA_H

/* "itex", in the header of every database of ours. */
#define SCHEMA_APPLICATION_ID 0x69746578

extern const char *const schema_steps[];
extern const int schema_version;

#endif
