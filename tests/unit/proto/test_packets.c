/*
 * Recorded packets of one version, made by another implementation of protobuf, which every later build must
 * understand: each field under its name with its value; the same bytes when packed again; and with fields that only a
 * newer version has, in every message of the packet. A message is walked by its descriptor, so that no field can be
 * forgotten here.
 */
#include "itexd.pb-c.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RECORDING, and KINDS of packets in it, are given by the build. */
#define MAX_BYTES 16384
#define MAX_TEXT 32768

struct packet {
    char kind[16]; /* "request" or "server" */
    char body[32];
    uint8_t bytes[MAX_BYTES];
    size_t size;
    char text[MAX_TEXT]; /* the recorded lines PATH = VALUE */
};

static struct packet packets[KINDS + 1];
static size_t n_packets;

/* ---- Reading the recording ----------------------------------------------------------------------- */

static void add_bytes(struct packet *packet, const char *digits)
{
    for (unsigned byte; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
        if (packet->size >= MAX_BYTES)
            abort();
        packet->bytes[packet->size++] = (uint8_t)byte;
    }
}

static void read_line(const char *line)
{
    struct packet *packet = n_packets > 0 ? &packets[n_packets - 1] : NULL;

    if (*line == '#' || *line == '\n')
        return;
    if (strncmp(line, "packet ", 7) == 0) {
        if (n_packets > KINDS ||
            sscanf(line, "packet %15s %31s", packets[n_packets].kind, packets[n_packets].body) != 2)
            abort();
        n_packets++;
    } else if (packet && strncmp(line, "bytes ", 6) == 0) {
        add_bytes(packet, line + 6);
    } else if (packet && strlen(packet->text) + strlen(line) < MAX_TEXT) {
        strcat(packet->text, line);
    } else {
        abort();
    }
}

static int read_recording(void **state)
{
    FILE *file = fopen(RECORDING, "r");
    char *line = NULL;
    size_t size = 0;

    (void)state;
    if (!file)
        return -1;
    while (getline(&line, &size, file) > 0)
        read_line(line);
    free(line);
    return fclose(file);
}

/* ---- Showing a message as the recording does ------------------------------------------------------ */

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(double);
    default:
        return sizeof(uint32_t);
    }
}

static void show_message(FILE *out, const ProtobufCMessage *message, const char *path);

static void show_value(FILE *out, const ProtobufCFieldDescriptor *field, const void *value, const char *path)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        show_message(out, *(ProtobufCMessage *const *)value, path);
        return;
    }
    fprintf(out, "%s = ", path);
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        fputs(*(char *const *)value, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        for (size_t i = 0; i < ((const ProtobufCBinaryData *)value)->len; i++)
            fprintf(out, "%02x", ((const ProtobufCBinaryData *)value)->data[i]);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        fprintf(out, "%" PRIu64, *(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        fprintf(out, "%.17g", *(const double *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        fprintf(out, "%" PRIu32, *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        fprintf(out, "%" PRIi32, *(const int32_t *)value);
        break;
    default:
        abort(); /* a type that version 1 does not use */
    }
    fputc('\n', out);
}

/* How many values a field has, and where they begin. */
static size_t field_values(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char **values)
{
    const char *member = (const char *)message + field->offset;
    const char *quantifier = (const char *)message + field->quantifier_offset;
    bool pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;

    *values = member;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        *values = *(const char *const *)member;
        return *(const size_t *)quantifier;
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)quantifier == field->id;
    if (pointer)
        return *(const void *const *)member != NULL;
    return *(const protobuf_c_boolean *)quantifier != 0;
}

static void show_message(FILE *out, const ProtobufCMessage *message, const char *path)
{
    bool empty = true;

    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *values;
        size_t n = field_values(message, field, &values);
        for (size_t j = 0; j < n; j++) {
            char name[256], index[32] = "";
            if (field->label == PROTOBUF_C_LABEL_REPEATED)
                snprintf(index, sizeof index, "[%zu]", j);
            snprintf(name, sizeof name, "%s.%s%s", path, field->name, index);
            show_value(out, field, values + j * element_size(field), name);
            empty = false;
        }
    }
    if (empty)
        fprintf(out, "%s = {}\n", path);
}

static char *shown(const ProtobufCMessage *message, const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    show_message(out, message, path);
    fclose(out);
    return text;
}

/* ---- The tests ----------------------------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *descriptor_of(const struct packet *packet)
{
    return strcmp(packet->kind, "request") == 0 ? &itexd__v1__request__descriptor
                                                : &itexd__v1__server_packet__descriptor;
}

static ProtobufCMessage *decode(const struct packet *packet, const uint8_t *bytes, size_t size)
{
    return protobuf_c_message_unpack(descriptor_of(packet), NULL, size, bytes);
}

static void test_every_kind_is_recorded(void **state)
{
    (void)state;
    assert_int_equal(n_packets, KINDS);
    for (size_t i = 0; i < n_packets; i++)
        assert_true(packets[i].size > 0 && *packets[i].text);
}

static void test_every_field_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_packets; i++) {
        ProtobufCMessage *message = decode(&packets[i], packets[i].bytes, packets[i].size);
        assert_non_null(message);
        char *text = shown(message, packets[i].kind);
        assert_string_equal(text, packets[i].text);
        free(text);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

static void test_packed_again_it_is_the_same(void **state)
{
    static uint8_t bytes[MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < n_packets; i++) {
        ProtobufCMessage *message = decode(&packets[i], packets[i].bytes, packets[i].size);
        assert_int_equal(protobuf_c_message_get_packed_size(message), packets[i].size);
        assert_int_equal(protobuf_c_message_pack(message, bytes), packets[i].size);
        assert_memory_equal(bytes, packets[i].bytes, packets[i].size);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* One unknown field of each wire type that this version knows how to skip. */
static void add_unknown(ProtobufCMessage *message)
{
    static const struct {
        ProtobufCWireType type;
        size_t size;
        const char *bytes;
    } fields[] = {
        {PROTOBUF_C_WIRE_TYPE_VARINT, 2, "\xac\x02"},
        {PROTOBUF_C_WIRE_TYPE_64BIT, 8, "12345678"},
        {PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 4, "\x03new"},
        {PROTOBUF_C_WIRE_TYPE_32BIT, 4, "1234"},
    };
    size_t n = sizeof fields / sizeof *fields;

    message->unknown_fields = calloc(n, sizeof *message->unknown_fields);
    for (size_t i = 0; i < n; i++) {
        ProtobufCMessageUnknownField *field = &message->unknown_fields[i];
        field->tag = 1000 + (uint32_t)i;
        field->wire_type = fields[i].type;
        field->len = fields[i].size;
        field->data = malloc(fields[i].size);
        memcpy(field->data, fields[i].bytes, fields[i].size);
    }
    message->n_unknown_fields = (unsigned)n;
}

static size_t add_unknown_everywhere(ProtobufCMessage *message)
{
    size_t messages = 1;

    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *values;
        size_t n = field->type == PROTOBUF_C_TYPE_MESSAGE ? field_values(message, field, &values) : 0;
        for (size_t j = 0; j < n; j++)
            messages += add_unknown_everywhere(((ProtobufCMessage *const *)(const void *)values)[j]);
    }
    add_unknown(message);
    return messages;
}

static void test_fields_of_a_newer_version_are_survived(void **state)
{
    static uint8_t bytes[4 * MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < n_packets; i++) {
        ProtobufCMessage *message = decode(&packets[i], packets[i].bytes, packets[i].size);
        size_t messages = add_unknown_everywhere(message);
        size_t size = protobuf_c_message_get_packed_size(message);
        assert_true(messages >= 2 && size > packets[i].size + messages * 20 && size <= sizeof bytes);
        protobuf_c_message_pack(message, bytes);
        protobuf_c_message_free_unpacked(message, NULL);

        message = decode(&packets[i], bytes, size);
        assert_non_null(message);
        assert_int_equal(message->n_unknown_fields, 4);
        char *text = shown(message, packets[i].kind);
        assert_string_equal(text, packets[i].text);
        free(text);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* A kind of request that a newer version has: no body is set, and the id is there to answer with an error. */
static void test_a_newer_request_has_an_id_and_no_body(void **state)
{
    static const uint8_t bytes[] = {0x08, 0x07, 0xc2, 0x3e, 0x02, 0x08, 0x01}; /* id 7, field 1000 { 1: 1 } */
    Itexd__V1__Request *request = itexd__v1__request__unpack(NULL, sizeof bytes, bytes);

    (void)state;
    assert_non_null(request);
    assert_int_equal(request->id, 7);
    assert_int_equal(request->body_case, ITEXD__V1__REQUEST__BODY__NOT_SET);
    itexd__v1__request__free_unpacked(request, NULL);
}

/* Cut anywhere, a packet is refused or is a smaller one; what the sanitizers see is the point. */
static void test_cut_packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_packets; i++)
        for (size_t size = 0; size < packets[i].size; size++) {
            uint8_t *exact = malloc(size + 1);
            memcpy(exact, packets[i].bytes, size);
            protobuf_c_message_free_unpacked(decode(&packets[i], exact, size), NULL);
            free(exact);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_recorded),
        cmocka_unit_test(test_every_field_is_understood),
        cmocka_unit_test(test_packed_again_it_is_the_same),
        cmocka_unit_test(test_fields_of_a_newer_version_are_survived),
        cmocka_unit_test(test_a_newer_request_has_an_id_and_no_body),
        cmocka_unit_test(test_cut_packets),
    };

    return cmocka_run_group_tests_name("proto-packets", tests, read_recording, NULL);
}
