/*
 * One pass over the events of a file, before its document is loaded: the document API resolves aliases and forgets
 * anchors, tags and how often a document began. What gets past here is a tree of bounded depth and size.
 */
#include "daemon/yaml/yaml_scan.h"

#include <errno.h>
#include <string.h>

enum { MAX_NODES = 2000000 };

struct scan {
    yaml_parser_t parser;
    const char *file;
    const char *text;
    size_t size;
    struct yaml_messages *messages;
    unsigned documents, depth;
    size_t nodes;
    bool finished, unfit;
};

__attribute__((format(printf, 3, 4))) static void unfit(struct scan *scan, yaml_mark_t mark, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    yaml_error(scan->messages, yaml_place_at(scan->file, mark), "%s", text);
    scan->unfit = true;
    scan->finished = true;
}

/* libyaml gives only the byte where reading stopped. */
static struct yaml_place place_of_byte(const struct scan *scan, size_t offset)
{
    struct yaml_place place = {.file = scan->file, .line = 1, .column = 1};

    for (size_t i = 0; i < offset && i < scan->size; i++) {
        if (scan->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)scan->text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static int parser_failed(struct scan *scan)
{
    const yaml_parser_t *parser = &scan->parser;

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR)
        yaml_error(scan->messages, place_of_byte(scan, parser->problem_offset), "%s",
                   parser->problem_value >= 0 && parser->problem_value < 0x20
                       ? "a control character; only line breaks and tabs may stand in the text"
                       : "not UTF-8; save the file in that encoding");
    else
        yaml_error(scan->messages, yaml_place_at(scan->file, parser->problem_mark), "not valid YAML: %s%s%s",
                   parser->context ? parser->context : "", parser->context ? ", " : "",
                   parser->problem ? parser->problem : "unreadable");
    return -EINVAL;
}

static void look_at_node(struct scan *scan, const yaml_event_t *event, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
    struct yaml_place place = yaml_place_at(scan->file, event->start_mark);

    if (anchor)
        yaml_error(scan->messages, place, "anchors (&%.*s) are not supported; write the value out where it is needed",
                   yaml_shown((const char *)anchor), (const char *)anchor);
    if (tag)
        yaml_error(scan->messages, place, "tags (%.*s) are not supported; leave it out", yaml_shown((const char *)tag),
                   (const char *)tag);
    if (++scan->nodes > MAX_NODES)
        unfit(scan, event->start_mark, "more than %d values; split the file", MAX_NODES);
}

/* Control characters, which a double-quoted scalar can spell, have no place in names, messages or environments. */
static void look_at_scalar(struct scan *scan, const yaml_event_t *event)
{
    const unsigned char *value = event->data.scalar.value;

    for (size_t i = 0; i < event->data.scalar.length; i++) {
        bool c1 = value[i] == 0xc2 && i + 1 < event->data.scalar.length && value[i + 1] < 0xa0;
        if ((value[i] < 0x20 && value[i] != '\n' && value[i] != '\t') || value[i] == 0x7f || c1) {
            yaml_error(scan->messages, yaml_place_at(scan->file, event->start_mark), "%s in the value; take it out",
                       value[i] == 0 ? "a NUL" : "a control character");
            return;
        }
    }
}

static void enter(struct scan *scan, const yaml_event_t *event)
{
    if (++scan->depth > YAML_MAX_DEPTH)
        unfit(scan, event->start_mark, "nested deeper than %d levels", YAML_MAX_DEPTH);
}

static void begin_document(struct scan *scan, const yaml_event_t *event)
{
    if (++scan->documents > 1) {
        unfit(scan, event->start_mark, "a second document; keep one document in a file");
        return;
    }
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        yaml_error(scan->messages, yaml_place_at(scan->file, event->start_mark),
                   "directives (%%YAML, %%TAG) are not supported; leave them out");
}

static void look_at_event(struct scan *scan, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        begin_document(scan, event);
        break;
    case YAML_ALIAS_EVENT:
        unfit(scan, event->start_mark, "aliases (*%.40s) are not supported; write the value out",
              (const char *)event->data.alias.anchor);
        break;
    case YAML_SCALAR_EVENT:
        look_at_node(scan, event, event->data.scalar.anchor, event->data.scalar.tag);
        look_at_scalar(scan, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        look_at_node(scan, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        enter(scan, event);
        break;
    case YAML_MAPPING_START_EVENT:
        look_at_node(scan, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        enter(scan, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        scan->depth--;
        break;
    case YAML_STREAM_END_EVENT:
        scan->finished = true;
        break;
    default:
        break;
    }
}

static int scan_events(struct scan *scan)
{
    while (!scan->finished) {
        yaml_event_t event;
        if (!yaml_parser_parse(&scan->parser, &event))
            return parser_failed(scan);
        look_at_event(scan, &event);
        yaml_event_delete(&event);
    }
    return scan->unfit ? -EINVAL : 0;
}

int yaml_scan(const char *file, const char *text, size_t size, struct yaml_messages *messages)
{
    struct scan scan = {.file = file, .text = text, .size = size, .messages = messages};
    int r;

    if (size > YAML_MAX_BYTES) {
        yaml_error(messages, (struct yaml_place){.file = file}, "larger than %u MiB", YAML_MAX_BYTES >> 20);
        return -EINVAL;
    }
    if (!yaml_parser_initialize(&scan.parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&scan.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&scan.parser, (const unsigned char *)text, size);
    r = scan_events(&scan);
    yaml_parser_delete(&scan.parser);
    return r;
}
