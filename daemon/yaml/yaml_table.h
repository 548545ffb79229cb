/*
 * A reader of YAML files that is driven by tables: one table of fields for each kind of mapping, saying which keys it
 * may have, what their values are and where in a C record they go. Configuration and rule files are read by it.
 *
 * All mistakes of a file are reported in one run, each with its line and column: a key that is unknown (with the one
 * that was probably meant), missing or there twice, a value of the wrong kind or out of its range. Of YAML only what
 * such files need is accepted: one document of block or flow mappings, lists and scalars. Anchors, aliases, tags,
 * merge keys, further documents, empty files, NUL and other control characters, text that is not UTF-8 and nesting
 * deeper than YAML_MAX_DEPTH are mistakes like any other.
 *
 * Scalars are text: no value changes its meaning because it looks like a number or like yes; a field's kind decides.
 *
 *     static const struct yaml_field server_fields[] = {
 *         {.key = "socket", YAML_TO(struct server, socket), .kind = YAML_TEXT, .required = true},
 *         {.key = "backlog", YAML_TO(struct server, backlog), .kind = YAML_UNSIGNED, .min = 1, .max = 4096},
 *     };
 *     static const struct yaml_table server_table = YAML_TABLE("server", struct server, server_fields);
 *
 * Fields that the file does not have leave their target as it was: fill in the defaults before reading.
 */
#ifndef ITEXD_YAML_TABLE_H
#define ITEXD_YAML_TABLE_H

#include "daemon/yaml/yaml_memory.h"
#include "daemon/yaml/yaml_messages.h"

#include <stdint.h>

#define YAML_MAX_BYTES (16u << 20)
#define YAML_MAX_DEPTH 16

/* A scalar and where it stands; text is NULL where the field was not given. */
struct yaml_text {
    const char *text;
    struct yaml_place place;
};

/* Several of them; one scalar is a list of one. */
struct yaml_texts {
    struct yaml_text *items;
    size_t n_items;
    struct yaml_place place;
};

/* A mapping with keys of the user's choice; a value is a scalar or a list of scalars. */
struct yaml_pair {
    struct yaml_text key;
    struct yaml_texts values;
};
struct yaml_map {
    struct yaml_pair *items;
    size_t n_items;
    struct yaml_place place;
};

/* Several of them; one mapping is a list of one. */
struct yaml_maps {
    struct yaml_map *items;
    size_t n_items;
    struct yaml_place place;
};

/* Records read by a table of their own. items points to n_items of the table's record. */
struct yaml_list {
    void *items;
    size_t n_items;
    struct yaml_place place;
};

enum yaml_kind {
    YAML_TEXT,     /* struct yaml_text */
    YAML_TEXTS,    /* struct yaml_texts: a scalar or a list of scalars */
    YAML_BOOL,     /* bool: true or false */
    YAML_UNSIGNED, /* uint64_t: digits, from min to max */
    YAML_SIZE,     /* uint64_t: bytes; a number, optionally with KiB, MiB or GiB */
    YAML_DURATION, /* uint64_t: milliseconds; a number with ms, s, min, h or d; 0 needs no unit */
    YAML_ENUM,     /* int: the index of one of names */
    YAML_MAP,      /* struct yaml_map: keys of the user's choice */
    YAML_MAPS,     /* struct yaml_maps: a mapping or a list of mappings */
    YAML_RECORD,   /* the record of table itself, in place */
    YAML_RECORDS,  /* struct yaml_list: a list of mappings; with `single`, one mapping is a list of one */
};

struct yaml_table;

struct yaml_field {
    const char *key;
    enum yaml_kind kind;
    size_t offset;
    size_t place; /* by YAML_PLACE: a struct yaml_place for where the value stands. Its line stays 0 where the field
                     was not given. Kinds that hold a place of their own do not need it. */
    bool required;
    bool single;
    bool may_be_empty;              /* "" or an empty list or mapping is a value */
    uint64_t min, max;              /* YAML_UNSIGNED, YAML_SIZE, YAML_DURATION; max 0: no limit */
    const char *const *names;       /* YAML_ENUM: NULL at the end */
    const struct yaml_table *table; /* YAML_RECORD, YAML_RECORDS */
};

struct yaml_table {
    const char *what;     /* "rule", for messages */
    size_t size;          /* of its record */
    size_t place;         /* by YAML_PLACE: a struct yaml_place in the record for where it starts */
    const void *defaults; /* a record that those of a list start from; NULL: all zero */
    bool may_be_empty;    /* a file of it may have nothing but comments */
    const struct yaml_field *fields;
    size_t n_fields;
};

#define YAML_TO(type, member) .offset = offsetof(type, member)
/* One more than the offset, so that 0 means that no place is wanted. */
#define YAML_PLACE(type, member) .place = offsetof(type, member) + 1
/* A table of its fields; further members (YAML_PLACE) may follow. */
#define YAML_TABLE(name, type, list, ...)                                                                              \
    {                                                                                                                  \
        .what = (name), .size = sizeof(type), .fields = (list), .n_fields = sizeof(list) / sizeof((list)[0]),          \
        __VA_ARGS__                                                                                                    \
    }

/*
 * Reads one file's text into *record, whose strings and lists then live in memory (as does the file's name in the
 * places). 0; -EINVAL where an error was added to messages: the record is then filled as far as possible, for
 * further checks; -ENOMEM.
 */
int yaml_read(const char *file, const char *text, size_t size, const struct yaml_table *table, void *record,
              struct yaml_memory *memory, struct yaml_messages *messages);

/* The values of single scalars, for options that stand on the command line as well. 0, or -EINVAL: *why then says
 * what is expected. */
int yaml_parse_bool(const char *text, bool *value, const char **why);
int yaml_parse_unsigned(const char *text, uint64_t *value, const char **why);
int yaml_parse_size(const char *text, uint64_t *value, const char **why);
int yaml_parse_duration(const char *text, uint64_t *value, const char **why);

/* The one of n names that is nearest to a mistyped one, or NULL if none is near. */
const char *yaml_nearest(const char *name, const char *const *names, size_t n);

#endif
