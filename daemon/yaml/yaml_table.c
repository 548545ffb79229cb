/*
 * The reader: walks a loaded document along the tables. A mistake is reported and the walk goes on beside it; only a
 * lack of memory ends it. Depth is bounded by the tables and by yaml_scan, lists by MAX_ITEMS, free mappings by
 * MAX_PAIRS (their keys are compared pairwise).
 */
#include "daemon/yaml/yaml_table.h"

#include "daemon/yaml/yaml_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { MAX_ITEMS = 100000, MAX_PAIRS = 256, MAX_FIELDS = 64 };

struct reader {
    yaml_document_t document;
    const char *file;
    struct yaml_memory *memory;
    struct yaml_messages *messages;
};

typedef int read_value(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target);
static read_value *const read_kind[];

static struct yaml_place place_of(const struct reader *reader, const yaml_node_t *node)
{
    return yaml_place_at(reader->file, node->start_mark);
}

static const char *node_name(const yaml_node_t *node)
{
    return node->type == YAML_SEQUENCE_NODE ? "a list" : node->type == YAML_MAPPING_NODE ? "a mapping" : "a text";
}

static const char *scalar(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* Nothing, ~ or null: what YAML calls null. Quoted, they are texts. */
static bool is_null(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (scalar(node)[0] == '\0' || strcmp(scalar(node), "~") == 0 || strcmp(scalar(node), "null") == 0);
}

/* Whether the node is of the wanted type; says what is wrong if not. */
static bool expect(struct reader *reader, const char *key, const yaml_node_t *node, yaml_node_type_t type,
                   const char *wanted)
{
    if (is_null(node) && type != YAML_SCALAR_NODE)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" has no value; give it %s or leave it out", key,
                   wanted);
    else if (node->type != type)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" must be %s, not %s", key, wanted, node_name(node));
    return node->type == type;
}

static bool expect_scalar(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node)
{
    if (!expect(reader, field->key, node, YAML_SCALAR_NODE, "a single value"))
        return false;
    if (is_null(node)) {
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" has no value; give it one or leave it out",
                   field->key);
        return false;
    }
    return true;
}

static int copy_text(struct reader *reader, const yaml_node_t *node, struct yaml_text *text)
{
    text->place = place_of(reader, node);
    text->text = yaml_memory_copy(reader->memory, scalar(node), node->data.scalar.length);
    return text->text ? 0 : -ENOMEM;
}

static int read_text(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    if (!expect_scalar(reader, field, node))
        return 0;
    if (node->data.scalar.length == 0 && !field->may_be_empty) {
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" must not be empty", field->key);
        return 0;
    }
    return copy_text(reader, node, target);
}

/* The nodes of a list, or the one node that stands for a list of one. */
struct items {
    yaml_node_t *single;
    const yaml_node_item_t *first;
    size_t n;
};

static bool list_items(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, bool single,
                       struct items *items)
{
    if (single) {
        *items = (struct items){.single = node, .n = 1};
        return true;
    }
    if (!expect(reader, field->key, node, YAML_SEQUENCE_NODE, "a list"))
        return false;
    items->single = NULL;
    items->first = node->data.sequence.items.start;
    items->n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (items->n > MAX_ITEMS)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" has more than %d items", field->key, MAX_ITEMS);
    else if (items->n == 0 && !field->may_be_empty)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" is an empty list; fill it or leave it out",
                   field->key);
    return items->n <= MAX_ITEMS;
}

static yaml_node_t *item(struct reader *reader, const struct items *items, size_t i)
{
    return items->single ? items->single : yaml_document_get_node(&reader->document, items->first[i]);
}

static int read_texts(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    struct yaml_texts *texts = target;
    struct items items;

    if (!list_items(reader, field, node, node->type == YAML_SCALAR_NODE, &items))
        return 0;
    texts->place = place_of(reader, node);
    texts->n_items = 0;
    texts->items = yaml_memory_get(reader->memory, items.n, sizeof(*texts->items));
    if (!texts->items)
        return -ENOMEM;
    for (size_t i = 0; i < items.n; i++) {
        yaml_node_t *value = item(reader, &items, i);
        if (!expect_scalar(reader, field, value))
            continue;
        if (copy_text(reader, value, &texts->items[texts->n_items++]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_bool(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    const char *why;

    if (expect_scalar(reader, field, node) && yaml_parse_bool(scalar(node), target, &why) < 0)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" %s, not \"%.*s\"", field->key, why,
                   yaml_shown(scalar(node)), scalar(node));
    return 0;
}

static int parse_number(const struct yaml_field *field, const char *text, uint64_t *value, const char **why)
{
    if (field->kind == YAML_SIZE)
        return yaml_parse_size(text, value, why);
    if (field->kind == YAML_DURATION)
        return yaml_parse_duration(text, value, why);
    return yaml_parse_unsigned(text, value, why);
}

static int read_number(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    const char *unit = field->kind == YAML_SIZE ? " bytes" : field->kind == YAML_DURATION ? " ms" : "", *why;
    uint64_t value;

    if (!expect_scalar(reader, field, node))
        return 0;
    if (parse_number(field, scalar(node), &value, &why) < 0)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" %s, not \"%.*s\"", field->key, why,
                   yaml_shown(scalar(node)), scalar(node));
    else if (value < field->min)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" must be %" PRIu64 "%s at least", field->key,
                   field->min, unit);
    else if (field->max > 0 && value > field->max)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" must be %" PRIu64 "%s at most", field->key,
                   field->max, unit);
    else
        *(uint64_t *)target = value;
    return 0;
}

/* "a, b, c" for messages; long lists are cut. */
static void join(char *out, size_t size, const char *const *names, size_t n)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

static int read_enum(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    char list[256];
    size_t n = 0;

    if (!expect_scalar(reader, field, node))
        return 0;
    for (; field->names[n]; n++) {
        if (strcmp(field->names[n], scalar(node)) == 0) {
            *(int *)target = (int)n;
            return 0;
        }
    }
    join(list, sizeof(list), field->names, n);
    yaml_error(reader->messages, place_of(reader, node), "\"%s\" must be one of %s, not \"%.*s\"", field->key, list,
               yaml_shown(scalar(node)), scalar(node));
    return 0;
}

static void check_new_key(struct reader *reader, const struct yaml_map *map, const struct yaml_text *key)
{
    for (size_t i = 0; i < map->n_items; i++) {
        if (strcmp(map->items[i].key.text, key->text) == 0) {
            yaml_error(reader->messages, key->place, "\"%.*s\" is there twice (first in line %u)",
                       yaml_shown(key->text), key->text, map->items[i].key.place.line);
            return;
        }
    }
}

static int read_pair(struct reader *reader, struct yaml_map *map, const yaml_node_pair_t *nodes)
{
    yaml_node_t *key = yaml_document_get_node(&reader->document, nodes->key);
    yaml_node_t *value = yaml_document_get_node(&reader->document, nodes->value);
    struct yaml_pair *pair = &map->items[map->n_items];
    struct yaml_field field = {.kind = YAML_TEXTS, .may_be_empty = true};
    int r;

    if (key->type != YAML_SCALAR_NODE || key->data.scalar.length == 0) {
        yaml_error(reader->messages, place_of(reader, key), "a key must be a text");
        return 0;
    }
    r = copy_text(reader, key, &pair->key);
    if (r < 0)
        return r;
    check_new_key(reader, map, &pair->key);
    field.key = pair->key.text;
    if (value->type == YAML_MAPPING_NODE) {
        yaml_error(reader->messages, place_of(reader, value), "\"%.*s\" must be a value or a list of values",
                   yaml_shown(pair->key.text), pair->key.text);
        return 0;
    }
    map->n_items++;
    return read_texts(reader, &field, value, &pair->values);
}

static int read_map(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    struct yaml_map *map = target;
    const yaml_node_pair_t *pairs;
    size_t n;

    if (!expect(reader, field->key, node, YAML_MAPPING_NODE, "a mapping"))
        return 0;
    pairs = node->data.mapping.pairs.start;
    n = (size_t)(node->data.mapping.pairs.top - pairs);
    if (n == 0 && !field->may_be_empty)
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" is empty; fill it or leave it out", field->key);
    if (n > MAX_PAIRS) {
        yaml_error(reader->messages, place_of(reader, node), "\"%s\" has more than %d keys", field->key, MAX_PAIRS);
        return 0;
    }
    map->place = place_of(reader, node);
    map->n_items = 0;
    map->items = yaml_memory_get(reader->memory, n, sizeof(*map->items));
    if (!map->items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (read_pair(reader, map, &pairs[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int read_maps(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    struct yaml_maps *maps = target;
    struct items items;

    if (!list_items(reader, field, node, node->type == YAML_MAPPING_NODE, &items))
        return 0;
    maps->place = place_of(reader, node);
    maps->n_items = items.n;
    maps->items = yaml_memory_get(reader->memory, items.n, sizeof(*maps->items));
    if (!maps->items)
        return -ENOMEM;
    for (size_t i = 0; i < items.n; i++)
        if (read_map(reader, field, item(reader, &items, i), &maps->items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static size_t field_index(const struct yaml_table *table, const char *key)
{
    size_t i = 0;

    while (i < table->n_fields && strcmp(table->fields[i].key, key) != 0)
        i++;
    return i;
}

static void report_unknown_key(struct reader *reader, const struct yaml_table *table, const yaml_node_t *key)
{
    const char *names[MAX_FIELDS], *nearest;
    char list[512];
    size_t n = table->n_fields < MAX_FIELDS ? table->n_fields : MAX_FIELDS;

    for (size_t i = 0; i < n; i++)
        names[i] = table->fields[i].key;
    nearest = yaml_messages_full(reader->messages) ? NULL : yaml_nearest(scalar(key), names, n);
    join(list, sizeof(list), names, n);
    if (nearest)
        yaml_error(reader->messages, place_of(reader, key), "unknown key \"%.*s\" in %s; did you mean \"%s\"?",
                   yaml_shown(scalar(key)), scalar(key), table->what, nearest);
    else
        yaml_error(reader->messages, place_of(reader, key), "unknown key \"%.*s\" in %s; the keys are %s",
                   yaml_shown(scalar(key)), scalar(key), table->what, list);
}

static void report_missing(struct reader *reader, const struct yaml_table *table, const yaml_node_t *node,
                           const unsigned *first_line)
{
    for (size_t i = 0; i < table->n_fields; i++)
        if (table->fields[i].required && first_line[i] == 0)
            yaml_error(reader->messages, place_of(reader, node), "%s needs \"%s\"", table->what, table->fields[i].key);
}

/* Reads one key of a record and its value. first_line has the line where each field was first seen. */
static int read_field(struct reader *reader, const struct yaml_table *table, const yaml_node_pair_t *pair,
                      unsigned *first_line, char *record)
{
    yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
    const struct yaml_field *field;
    size_t i;

    if (key->type != YAML_SCALAR_NODE) {
        yaml_error(reader->messages, place_of(reader, key), "a key must be a text, not %s", node_name(key));
        return 0;
    }
    i = field_index(table, scalar(key));
    if (i == table->n_fields) {
        report_unknown_key(reader, table, key);
        return 0;
    }
    if (first_line[i]) {
        yaml_error(reader->messages, place_of(reader, key), "\"%s\" is there twice (first in line %u)", scalar(key),
                   first_line[i]);
        return 0;
    }
    first_line[i] = (unsigned)key->start_mark.line + 1;
    field = &table->fields[i];
    if (field->place)
        *(struct yaml_place *)(void *)(record + field->place - 1) = place_of(reader, value);
    return read_kind[field->kind](reader, field, value, record + field->offset);
}

static int read_record_at(struct reader *reader, const struct yaml_table *table, const char *key, yaml_node_t *node,
                          void *record)
{
    unsigned first_line[MAX_FIELDS] = {0};
    const yaml_node_pair_t *pair;

    if (!expect(reader, key, node, YAML_MAPPING_NODE, "a mapping"))
        return 0;
    if (table->place)
        *(struct yaml_place *)(void *)((char *)record + table->place - 1) = place_of(reader, node);
    for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
        if (read_field(reader, table, pair, first_line, record) < 0)
            return -ENOMEM;
    report_missing(reader, table, node, first_line);
    return 0;
}

static int read_record(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    return read_record_at(reader, field->table, field->key, node, target);
}

static int read_records(struct reader *reader, const struct yaml_field *field, yaml_node_t *node, void *target)
{
    struct yaml_list *list = target;
    struct items items;

    if (!list_items(reader, field, node, field->single && node->type == YAML_MAPPING_NODE, &items))
        return 0;
    list->place = place_of(reader, node);
    list->n_items = items.n;
    list->items = yaml_memory_get(reader->memory, items.n, field->table->size);
    if (!list->items)
        return -ENOMEM;
    for (size_t i = 0; i < items.n; i++) {
        char *record = (char *)list->items + i * field->table->size;
        if (field->table->defaults)
            memcpy(record, field->table->defaults, field->table->size);
        if (read_record_at(reader, field->table, field->key, item(reader, &items, i), record) < 0)
            return -ENOMEM;
    }
    return 0;
}

static read_value *const read_kind[] = {
    [YAML_TEXT] = read_text,       [YAML_TEXTS] = read_texts,     [YAML_BOOL] = read_bool,
    [YAML_UNSIGNED] = read_number, [YAML_SIZE] = read_number,     [YAML_DURATION] = read_number,
    [YAML_ENUM] = read_enum,       [YAML_MAP] = read_map,         [YAML_MAPS] = read_maps,
    [YAML_RECORD] = read_record,   [YAML_RECORDS] = read_records,
};

/* Only memory can be short, or one anchor be there twice: the scan has reported anything else. */
static int load(struct reader *reader, const char *text, size_t size)
{
    yaml_parser_t parser;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &reader->document))
        r = parser.error == YAML_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    yaml_parser_delete(&parser);
    return r;
}

static int read_document(struct reader *reader, const struct yaml_table *table, void *record)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);

    if (!root || is_null(root)) {
        if (table->may_be_empty)
            return 0;
        yaml_error(reader->messages, (struct yaml_place){.file = reader->file, .line = 1, .column = 1},
                   "the file is empty");
        return 0;
    }
    return read_record_at(reader, table, table->what, root, record);
}

int yaml_read(const char *file, const char *text, size_t size, const struct yaml_table *table, void *record,
              struct yaml_memory *memory, struct yaml_messages *messages)
{
    size_t errors = messages->n_errors;
    struct reader reader = {.memory = memory, .messages = messages};
    int r;

    reader.file = yaml_memory_copy(memory, file, strlen(file));
    if (!reader.file)
        return -ENOMEM;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark says nothing in UTF-8 */
        text += 3;
        size -= 3;
    }
    r = yaml_scan(reader.file, text, size, messages);
    if (r < 0)
        return r;
    r = load(&reader, text, size);
    if (r < 0)
        return r;
    r = read_document(&reader, table, record);
    yaml_document_delete(&reader.document);
    if (r < 0)
        return r;
    return messages->n_errors > errors ? -EINVAL : 0;
}
