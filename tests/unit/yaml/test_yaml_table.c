/* The table-driven reader: what it accepts, and each kind of mistake with its exact line and column. */
#include "daemon/yaml/yaml_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum colour { RED, GREEN };
static const char *const colours[] = {"red", "green", NULL};

struct inner {
    struct yaml_place place;
    struct yaml_text name;
    uint64_t count;
};

struct outer {
    struct yaml_place place;
    struct yaml_text id;
    bool on;
    struct yaml_place on_place;
    uint64_t count, size, wait;
    int colour;
    struct yaml_texts words;
    struct yaml_map set;
    struct yaml_maps when;
    struct inner one;
    struct yaml_list many;
};

static const struct yaml_field inner_fields[] = {
    {.key = "name", YAML_TO(struct inner, name), .kind = YAML_TEXT, .required = true},
    {.key = "count", YAML_TO(struct inner, count), .kind = YAML_UNSIGNED, .max = 9},
};
static const struct yaml_table inner_table = {.what = "an inner",
                                              .size = sizeof(struct inner),
                                              .fields = inner_fields,
                                              .n_fields = 2,
                                              YAML_PLACE(struct inner, place)};

static const struct yaml_field outer_fields[] = {
    {.key = "id", YAML_TO(struct outer, id), .kind = YAML_TEXT, .required = true},
    {.key = "on", YAML_TO(struct outer, on), YAML_PLACE(struct outer, on_place), .kind = YAML_BOOL},
    {.key = "count", YAML_TO(struct outer, count), .kind = YAML_UNSIGNED, .min = 2, .max = 5},
    {.key = "size", YAML_TO(struct outer, size), .kind = YAML_SIZE},
    {.key = "wait", YAML_TO(struct outer, wait), .kind = YAML_DURATION, .max = 60000},
    {.key = "colour", YAML_TO(struct outer, colour), .kind = YAML_ENUM, .names = colours},
    {.key = "words", YAML_TO(struct outer, words), .kind = YAML_TEXTS},
    {.key = "set", YAML_TO(struct outer, set), .kind = YAML_MAP},
    {.key = "when", YAML_TO(struct outer, when), .kind = YAML_MAPS},
    {.key = "one", YAML_TO(struct outer, one), .kind = YAML_RECORD, .table = &inner_table},
    {.key = "many", YAML_TO(struct outer, many), .kind = YAML_RECORDS, .single = true, .table = &inner_table},
};
static const struct yaml_table outer_table = YAML_TABLE("the file", struct outer, outer_fields);

struct reading {
    struct yaml_memory memory;
    struct yaml_messages messages;
    struct outer outer;
    int r;
};

static struct reading read_bytes(const char *text, size_t size)
{
    struct reading reading = {.outer = {.count = 42}};

    reading.r = yaml_read("f.yaml", text, size, &outer_table, &reading.outer, &reading.memory, &reading.messages);
    return reading;
}

static void done(struct reading *reading)
{
    yaml_messages_clear(&reading->messages);
    yaml_memory_clear(&reading->memory);
}

static void accepts_every_kind(void **state)
{
    static const char text[] = "id: a thing\non: true\ncount: 3\nsize: 2 KiB\nwait: 5s\ncolour: green\n"
                               "words: [a, 'null']\nset: {A: 1, B: [x, y]}\nwhen: {k: v}\none: {name: n, count: 4}\n"
                               "many:\n  - name: first\n  - name: second\n    count: 9\n";
    struct reading reading = read_bytes(text, strlen(text));
    const struct outer *outer = &reading.outer;
    const struct inner *many = outer->many.items;

    (void)state;
    assert_int_equal(reading.r, 0);
    assert_int_equal(reading.messages.n_items, 0);
    assert_string_equal(outer->id.text, "a thing");
    assert_true(outer->on);
    assert_int_equal(outer->on_place.line, 2);
    assert_int_equal(outer->on_place.column, 5);
    assert_int_equal(outer->count, 3);
    assert_int_equal(outer->size, 2048);
    assert_int_equal(outer->wait, 5000);
    assert_int_equal(outer->colour, GREEN);
    assert_int_equal(outer->words.n_items, 2);
    assert_string_equal(outer->words.items[1].text, "null");
    assert_string_equal(outer->set.items[1].values.items[1].text, "y");
    assert_int_equal(outer->when.n_items, 1);
    assert_string_equal(outer->when.items[0].items[0].key.text, "k");
    assert_int_equal(outer->one.count, 4);
    assert_int_equal(outer->many.n_items, 2);
    assert_string_equal(many[1].name.text, "second");
    assert_int_equal(many[1].place.line, 13);
    assert_int_equal(many[1].place.column, 5);
    assert_int_equal(many[1].name.place.line, 13);
    assert_int_equal(many[1].name.place.column, 11);
    done(&reading);
}

static void absent_fields_keep_their_defaults(void **state)
{
    struct reading reading = read_bytes("id: x", 5);

    (void)state;
    assert_int_equal(reading.r, 0);
    assert_int_equal(reading.outer.count, 42);
    assert_int_equal(reading.outer.on_place.line, 0);
    assert_int_equal(reading.outer.many.n_items, 0);
    done(&reading);
}

static void single_mapping_is_a_list_of_one(void **state)
{
    static const char text[] = "\xef\xbb\xbfid: x\nmany: {name: y}\nwords: z\n";
    struct reading reading = read_bytes(text, strlen(text));

    (void)state;
    assert_int_equal(reading.r, 0);
    assert_int_equal(reading.outer.many.n_items, 1);
    assert_int_equal(reading.outer.words.n_items, 1);
    done(&reading);
}

/* One mistake in a file and what is said of it; the message may go on behind `message`. */
struct mistake {
    const char *text;
    size_t size; /* 0: strlen */
    const char *message;
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct mistake mistakes[] = {
    {"", 0, "f.yaml:1:1: the file is empty"},
    {"# only a comment\n", 0, "f.yaml:1:1: the file is empty"},
    {"---\n", 0, "f.yaml:1:1: the file is empty"},
    {"id: a\n---\nid: b\n", 0, "f.yaml:2:1: a second document"},
    {"id: a\nid: b\n", 0, "f.yaml:2:1: \"id\" is there twice (first in line 1)"},
    {"id: a\ncolor: red\n", 0, "f.yaml:2:1: unknown key \"color\" in the file; did you mean \"colour\"?"},
    {"id: a\nzebra: red\n", 0, "f.yaml:2:1: unknown key \"zebra\" in the file; the keys are id, on, count"},
    {"on: true\n", 0, "f.yaml:1:1: the file needs \"id\""},
    {"id: a\none: {count: 1}\n", 0, "f.yaml:2:6: an inner needs \"name\""},
    {"id: &x a\n", 0, "f.yaml:1:5: anchors (&x) are not supported"},
    {"id: &x a\nwords: [*x]\n", 0, "f.yaml:1:5: anchors (&x)"},
    {"id: a\nwords: [*x]\n", 0, "f.yaml:2:9: aliases (*x) are not supported"},
    {"id: !!str a\n", 0, "f.yaml:1:5: tags (tag:yaml.org,2002:str) are not supported"},
    {"%YAML 1.1\n---\nid: a\n", 0, "f.yaml:1:1: directives (%YAML, %TAG) are not supported"},
    {"id: \"a\\0b\"\n", 0, "f.yaml:1:5: a NUL in the value"},
    {"id: \"a\\eb\"\n", 0, "f.yaml:1:5: a control character in the value"},
    {"id: \"a\\x9bb\"\n", 0, "f.yaml:1:5: a control character in the value"},
    {BYTES("id: a\nwords: x\0y\n"), "f.yaml:2:9: a control character"},
    {BYTES("id: a\nwords: \xc3\xa9\xff\n"), "f.yaml:2:9: not UTF-8"},
    {BYTES("\xff\xfei\0d\0"), "f.yaml:1:1: not UTF-8"},
    {"id: [a\n", 0, "f.yaml:2:1: not valid YAML: while parsing a flow sequence"},
    {"id: a\n\ton: true\n", 0, "f.yaml:2:1: not valid YAML: while scanning a plain scalar"},
    {"- id\n", 0, "f.yaml:1:1: \"the file\" must be a mapping, not a list"},
    {"just text\n", 0, "f.yaml:1:1: \"the file\" must be a mapping, not a text"},
    {"id:\n", 0, "f.yaml:1:4: \"id\" has no value"},
    {"id: ~\n", 0, "f.yaml:1:5: \"id\" has no value"},
    {"id: ''\n", 0, "f.yaml:1:5: \"id\" must not be empty"},
    {"id: [a, b]\n", 0, "f.yaml:1:5: \"id\" must be a single value, not a list"},
    {"id: {a: b}\n", 0, "f.yaml:1:5: \"id\" must be a single value, not a mapping"},
    {"id: a\non: yes\n", 0, "f.yaml:2:5: \"on\" must be true or false, not \"yes\""},
    {"id: a\ncount: 1\n", 0, "f.yaml:2:8: \"count\" must be 2 at least"},
    {"id: a\ncount: 6\n", 0, "f.yaml:2:8: \"count\" must be 5 at most"},
    {"id: a\ncount: -3\n", 0, "f.yaml:2:8: \"count\" must be a whole number, not \"-3\""},
    {"id: a\ncount: 99999999999999999999\n", 0, "f.yaml:2:8: \"count\" must be a whole number"},
    {"id: a\nsize: 3 kB\n", 0, "f.yaml:2:7: \"size\" must be a size"},
    {"id: a\nsize: 99999999999 GiB\n", 0, "f.yaml:2:7: \"size\" must be a size"},
    {"id: a\nwait: 5\n", 0, "f.yaml:2:7: \"wait\" must be a duration"},
    {"id: a\nwait: 2min\n", 0, "f.yaml:2:7: \"wait\" must be 60000 ms at most"},
    {"id: a\ncolour: blue\n", 0, "f.yaml:2:9: \"colour\" must be one of red, green, not \"blue\""},
    {"id: a\nwords: []\n", 0, "f.yaml:2:8: \"words\" is an empty list"},
    {"id: a\nwords: [x, [y]]\n", 0, "f.yaml:2:12: \"words\" must be a single value, not a list"},
    {"id: a\nset: {}\n", 0, "f.yaml:2:6: \"set\" is empty"},
    {"id: a\nset: x\n", 0, "f.yaml:2:6: \"set\" must be a mapping, not a text"},
    {"id: a\nset:\n", 0, "f.yaml:2:5: \"set\" has no value"},
    {"id: a\nset: {A: 1, A: 2}\n", 0, "f.yaml:2:13: \"A\" is there twice (first in line 2)"},
    {"id: a\nset: {A: {B: 1}}\n", 0, "f.yaml:2:10: \"A\" must be a value or a list of values"},
    {"id: a\nset: {[A]: 1}\n", 0, "f.yaml:2:7: a key must be a text"},
    {"id: a\n? [b]\n: c\n", 0, "f.yaml:2:3: a key must be a text, not a list"},
    {"id: a\nwhen: [x]\n", 0, "f.yaml:2:8: \"when\" must be a mapping, not a text"},
    {"id: a\none: [b]\n", 0, "f.yaml:2:6: \"one\" must be a mapping, not a list"},
    {"id: a\nmany: b\n", 0, "f.yaml:2:7: \"many\" must be a list, not a text"},
    {"id: a\nmany:\n  - name: b\n    cont: 1\n", 0, "f.yaml:4:5: unknown key \"cont\" in an inner; did you mean"},
    {"id: \xc3\xa9\nset: {\xc3\xa9: {}}\n", 0, "f.yaml:2:10: "}, /* columns count characters, not bytes */
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, "f.yaml:1:17: nested deeper than 16 levels"},
    {"id: &x a\nwords: &x b\n", 0, "f.yaml:1:5: anchors (&x)"},
};

static void says_where_each_mistake_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const struct mistake *mistake = &mistakes[i];
        struct reading reading = read_bytes(mistake->text, mistake->size ? mistake->size : strlen(mistake->text));

        assert_int_equal(reading.r, -EINVAL);
        assert_true(reading.messages.n_errors > 0);
        if (strncmp(reading.messages.items[0].text, mistake->message, strlen(mistake->message)) != 0)
            fail_msg("\"%s\"\n expected: %s\n is: %s", mistake->text, mistake->message, reading.messages.items[0].text);
        done(&reading);
    }
}

static void reports_all_mistakes_in_one_run(void **state)
{
    static const char text[] = "idd: a\non: maybe\ncount: 1\nset: {A: {}}\nmany:\n  - {count: 99}\n  - x\n";
    static const char *const places[] = {"f.yaml:1:1: ",  "f.yaml:2:5: ", "f.yaml:3:8: ", "f.yaml:4:10: ",
                                         "f.yaml:6:13: ", "f.yaml:6:5: ", "f.yaml:7:5: ", "f.yaml:1:1: "};
    struct reading reading = read_bytes(text, strlen(text));

    (void)state;
    assert_int_equal(reading.r, -EINVAL);
    assert_int_equal(reading.messages.n_items, sizeof(places) / sizeof(places[0]));
    for (size_t i = 0; i < reading.messages.n_items; i++)
        assert_memory_equal(reading.messages.items[i].text, places[i], strlen(places[i]));
    done(&reading);
}

static void messages_are_one_printable_line(void **state)
{
    static const char text[] = "id: a\ncolour: \"re\\e[31md\\nx\"\n";
    struct reading reading = read_bytes(text, strlen(text));

    (void)state;
    for (size_t i = 0; i < reading.messages.n_items; i++)
        for (const char *at = reading.messages.items[i].text; *at; at++)
            assert_true((unsigned char)*at >= 0x20);
    done(&reading);
}

static void the_list_of_messages_is_bounded(void **state)
{
    struct yaml_messages messages = YAML_MESSAGES_INIT;
    struct yaml_place place = {.file = "f", .line = 1, .column = 1};

    (void)state;
    for (size_t i = 0; i < YAML_MAX_MESSAGES + 500; i++)
        yaml_error(&messages, place, "x");
    assert_int_equal(messages.n_items, YAML_MAX_MESSAGES);
    assert_int_equal(messages.n_errors, YAML_MAX_MESSAGES + 500);
    assert_non_null(strstr(messages.items[YAML_MAX_MESSAGES - 1].text, "not listed"));
    yaml_messages_clear(&messages);
}

/* `head`, then n times `item` with its number, then `tail`. */
static struct reading read_many(const char *head, const char *item, size_t n, const char *tail)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct reading reading;

    assert_non_null(stream);
    fputs(head, stream);
    for (size_t i = 0; i < n; i++)
        fprintf(stream, "%s%zu", item, i);
    fputs(tail, stream);
    assert_int_equal(fclose(stream), 0);
    reading = read_bytes(text, size);
    free(text);
    return reading;
}

static void numbers_of_keys_and_items_are_limited(void **state)
{
    struct reading keys = read_many("id: x\nset: {a: b", ", k", 300, ": v}\n");
    struct reading items = read_many("id: x\nwords: [a", ",", 100001, "]\n");
    struct reading enough = read_many("id: x\nset: {a: b", ", k", 255, ": v}\n");

    (void)state;
    assert_string_equal(keys.messages.items[0].text, "f.yaml:2:6: \"set\" has more than 256 keys");
    assert_string_equal(items.messages.items[0].text, "f.yaml:2:8: \"words\" has more than 100000 items");
    assert_int_equal(enough.outer.set.n_items, 256);
    done(&keys);
    done(&items);
    done(&enough);
}

static void scalars_are_read_exactly(void **state)
{
    static const char *const names[] = {"severity", "solution", "source"};
    const char *why;
    uint64_t value;

    (void)state;
    assert_int_equal(yaml_parse_duration("0", &value, &why), 0);
    assert_int_equal(value, 0);
    assert_int_equal(yaml_parse_duration("2 d", &value, &why), 0);
    assert_int_equal(value, 172800000);
    assert_int_equal(yaml_parse_duration("2 days", &value, &why), -EINVAL);
    assert_int_equal(yaml_parse_size("18446744073709551615", &value, &why), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(yaml_parse_size("18446744073709551616", &value, &why), -EINVAL);
    assert_int_equal(yaml_parse_size("", &value, &why), -EINVAL);
    assert_int_equal(yaml_parse_size("MiB", &value, &why), -EINVAL);
    assert_int_equal(yaml_parse_unsigned("12 ", &value, &why), -EINVAL);
    assert_string_equal(yaml_nearest("severty", names, 3), "severity");
    assert_null(yaml_nearest("zebra", names, 3));
    assert_null(yaml_nearest("a-name-that-is-much-longer-than-any-name-that-a-person-would-type-here", names, 3));
}

/* Bytes shown of a long value end with a whole character. */
static void long_values_are_cut_between_characters(void **state)
{
    char text[100];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(yaml_shown(text), 60);
    memcpy(text + 59, "\xc3\xa9", 2);
    assert_int_equal(yaml_shown(text), 59);
    assert_int_equal(yaml_shown("abc"), 3);
}

static void larger_than_the_limit_is_refused(void **state)
{
    size_t size = YAML_MAX_BYTES + 1;
    char *text = malloc(size);
    struct reading reading;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', size);
    reading = read_bytes(text, size);
    assert_int_equal(reading.r, -EINVAL);
    assert_string_equal(reading.messages.items[0].text, "f.yaml: larger than 16 MiB");
    done(&reading);
    free(text);
}

static void memory_serves_large_and_small(void **state)
{
    struct yaml_memory memory = YAML_MEMORY_INIT;
    char *small = yaml_memory_copy(&memory, "abc", 3);
    char *large = yaml_memory_get(&memory, 1000, 1000);

    (void)state;
    assert_non_null(large);
    memset(large, 'x', 1000 * 1000);
    assert_string_equal(small, "abc");
    assert_non_null(yaml_memory_get(&memory, 0, 8));
    assert_null(yaml_memory_get(&memory, SIZE_MAX / 2, 4));
    yaml_memory_clear(&memory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_kind),
        cmocka_unit_test(absent_fields_keep_their_defaults),
        cmocka_unit_test(single_mapping_is_a_list_of_one),
        cmocka_unit_test(says_where_each_mistake_is),
        cmocka_unit_test(reports_all_mistakes_in_one_run),
        cmocka_unit_test(messages_are_one_printable_line),
        cmocka_unit_test(the_list_of_messages_is_bounded),
        cmocka_unit_test(numbers_of_keys_and_items_are_limited),
        cmocka_unit_test(scalars_are_read_exactly),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(larger_than_the_limit_is_refused),
        cmocka_unit_test(memory_serves_large_and_small),
    };

    return cmocka_run_group_tests_name("yaml-table", tests, NULL, NULL);
}
