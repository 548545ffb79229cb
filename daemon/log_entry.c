/*
 * Values of an entry stand one after the other: a head, then the bytes. Formatting walks them; nothing of it allocates.
 *
 * MESSAGE and lines hold printable ASCII only, whatever a client sends: what else there is stands as \xNN. The fields
 * of a journal entry have every byte, by the protocol's form with a length.
 */
#include "daemon/log_entry.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct head {
    uint16_t size;
    uint8_t field;
    bool missing;
};

/* ---- Values --------------------------------------------------------------------------------------------------- */

/* What does not fit is left out whole. */
static void put(struct log_entry *entry, enum log_field field, const char *text, size_t size)
{
    const bool cut = size > LOG_TEXT_MAX;
    struct head head = {.field = (uint8_t)field, .missing = !text};

    head.size = (uint16_t)(cut ? LOG_TEXT_MAX : size);
    if (entry->size + sizeof head + head.size > LOG_ENTRY_MAX)
        return;
    memcpy(entry->values + entry->size, &head, sizeof head);
    entry->size += sizeof head;
    if (head.size > 0)
        memcpy(entry->values + entry->size, text, head.size);
    entry->size += head.size;
    if (cut)
        memcpy(entry->values + entry->size - 3, "...", 3);
}

static void put_value(struct log_entry *entry, const struct log_value *value)
{
    char number[24];

    switch (value->kind) {
    case LOG_VALUE_TEXT:
        put(entry, value->field, value->text, value->text ? strlen(value->text) : 0);
        break;
    case LOG_VALUE_TEXTS:
        for (size_t i = 0; i < value->n; i++)
            put(entry, value->field, value->texts[i], strlen(value->texts[i]));
        break;
    default:
        put(entry, value->field, number, (size_t)snprintf(number, sizeof number, "%" PRId64, value->number));
    }
}

struct log_entry *log_entry_new(enum log_event event, const struct log_value *values)
{
    union {
        struct log_entry entry;
        unsigned char bytes[sizeof(struct log_entry) + LOG_ENTRY_MAX];
    } scratch; /* not cleared: most entries are some hundred bytes */
    struct log_entry *entry = &scratch.entry, *copy;

    entry->event = event;
    entry->size = 0;
    for (; values->kind != LOG_VALUE_END; values++)
        put_value(entry, values);
    copy = malloc(sizeof *copy + entry->size);
    if (copy)
        memcpy(copy, entry, sizeof *copy + entry->size);
    return copy;
}

/* The value at *at, which moves behind it. False: there are no more. */
static bool next(const struct log_entry *entry, size_t *at, struct head *head, const char **text)
{
    if (*at >= entry->size)
        return false;
    memcpy(head, entry->values + *at, sizeof *head);
    *text = (const char *)entry->values + *at + sizeof *head;
    *at += sizeof *head + head->size;
    return true;
}

/* ---- Texts ---------------------------------------------------------------------------------------------------- */

struct buffer {
    char *text;
    size_t size, limit; /* at the limit, what is added is cut */
};

static void add(struct buffer *buffer, const char *text, size_t size)
{
    size_t room = buffer->limit - buffer->size;

    if (size > room)
        size = room;
    memcpy(buffer->text + buffer->size, text, size);
    buffer->size += size;
}

static void add_text(struct buffer *buffer, const char *text)
{
    add(buffer, text, strlen(text));
}

/* Beyond ASCII too: it may be no UTF-8, or steer a terminal all the same. */
static void add_escaped(struct buffer *buffer, const char *text, size_t size, const char *with_backslash)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char escaped[8];

        if (c < 0x20 || c >= 0x7f)
            add(buffer, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", c));
        else if (strchr(with_backslash, c))
            add(buffer, (const char[]){'\\', (char)c}, 2);
        else
            add(buffer, text + i, 1);
    }
}

/* ---- A line --------------------------------------------------------------------------------------------------- */

static bool is_plain(const char *text, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+,@%*";

    for (size_t i = 0; i < size; i++)
        if (!text[i] || !strchr(plain, text[i]))
            return false;
    return size > 0;
}

static void add_value(struct buffer *line, const char *text, size_t size)
{
    if (is_plain(text, size)) {
        add(line, text, size);
        return;
    }
    add(line, "\"", 1);
    add_escaped(line, text, size, "\"\\");
    add(line, "\"", 1);
}

size_t log_entry_line(const struct log_entry *entry, bool with_priority, char text[LOG_LINE])
{
    struct buffer line = {.text = text, .limit = LOG_LINE - 4}; /* "...\n" always fits */
    struct head head;
    const char *value;
    char priority[8];

    if (with_priority)
        add(&line, priority, (size_t)snprintf(priority, sizeof priority, "<%d>", (int)log_events[entry->event].level));
    add_text(&line, "event=");
    add_text(&line, log_events[entry->event].name);
    for (size_t at = 0; next(entry, &at, &head, &value);) {
        add_text(&line, " ");
        add_text(&line, log_field_rows[head.field].key);
        add_text(&line, "=");
        if (head.missing)
            add_text(&line, "-");
        else
            add_value(&line, value, head.size);
    }
    if (line.size == line.limit) {
        line.limit += 3;
        add_text(&line, "...");
    }
    text[line.size++] = '\n';
    return line.size;
}

/* ---- The message ---------------------------------------------------------------------------------------------- */

/* All values of the field, with commas between; false: it has none. */
static bool add_field(struct buffer *message, const struct log_entry *entry, const char *key, size_t key_size)
{
    struct head head;
    const char *value;
    bool found = false;

    for (size_t at = 0; next(entry, &at, &head, &value);) {
        const char *its = log_field_rows[head.field].key;

        if (head.missing || strlen(its) != key_size || memcmp(its, key, key_size) != 0)
            continue;
        if (found)
            add_text(message, ", ");
        add_escaped(message, value, head.size, "\\");
        found = true;
    }
    return found;
}

static void add_message(struct buffer *message, const struct log_entry *entry)
{
    size_t optional = 0; /* where a part in [] began */
    bool complete = true;

    for (const char *at = log_events[entry->event].message; *at; at++) {
        if (*at == '[') {
            optional = message->size;
            complete = true;
        } else if (*at == ']') {
            if (!complete)
                message->size = optional;
        } else if (*at == '{') {
            const char *end = strchr(at, '}');

            complete &= add_field(message, entry, at + 1, (size_t)(end - at - 1));
            at = end;
        } else {
            add(message, at, 1);
        }
    }
}

/* ---- An entry of the journal ---------------------------------------------------------------------------------- */

/* NAME, newline, the length as 64 bits in little endian, the bytes, newline. Whole or not at all. */
static void add_journal_field(struct buffer *datagram, const char *name, const char *text, size_t size)
{
    const uint64_t length = htole64(size);

    if (datagram->limit - datagram->size < strlen(name) + sizeof length + size + 2)
        return;
    add_text(datagram, name);
    add_text(datagram, "\n");
    add(datagram, (const char *)&length, sizeof length);
    add(datagram, text, size);
    add_text(datagram, "\n");
}

static void add_journal_text(struct buffer *datagram, const char *name, const char *text)
{
    add_journal_field(datagram, name, text, strlen(text));
}

size_t log_entry_datagram(const struct log_entry *entry, char text[LOG_DATAGRAM_MAX])
{
    const struct log_event_row *row = &log_events[entry->event];
    struct buffer datagram = {.text = text, .limit = LOG_DATAGRAM_MAX};
    char bytes[LOG_MESSAGE_MAX], priority[4];
    struct buffer message = {.text = bytes, .limit = sizeof bytes - 3};
    struct head head;
    const char *value;

    add_message(&message, entry);
    if (message.size == message.limit) {
        message.limit += 3;
        add_text(&message, "...");
    }
    snprintf(priority, sizeof priority, "%d", (int)row->level);
    add_journal_field(&datagram, "MESSAGE", bytes, message.size);
    add_journal_text(&datagram, "MESSAGE_ID", row->id);
    add_journal_text(&datagram, "PRIORITY", priority);
    add_journal_text(&datagram, "SYSLOG_FACILITY", "3"); /* daemon */
    add_journal_text(&datagram, "SYSLOG_IDENTIFIER", "itexd");
    add_journal_text(&datagram, "ITEXD_EVENT", row->name);
    for (size_t at = 0; next(entry, &at, &head, &value);)
        if (!head.missing)
            add_journal_field(&datagram, log_field_rows[head.field].journal, value, head.size);
    return datagram.size;
}

const char *log_event_label(enum log_event event, char *text, size_t size)
{
    const struct log_event_row *row = &log_events[event];

    snprintf(text, size, "%s%s%s", row->name, *row->variant ? "-" : "", row->variant);
    return text;
}
