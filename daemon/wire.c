/*
 * Packs replies. The envelope around stored blobs is written by hand: a field of a message is its tag, its length and
 * its bytes, in any order, so Decision is its packed head followed by the fields outcome and facts as they are.
 */
#include "daemon/wire.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <string.h>

/* Field numbers of proto/itexd.proto; tests/unit/daemon decodes what is made of them. */
enum {
    PACKET_REPLY = 1,
    REPLY_ID = 1,
    REPLY_DECISION = 4,
    REPLY_QUERY = 7,
    DECISION_OUTCOME = 9,
    DECISION_FACTS = 10,
    PAGE_DECISIONS = 1,
    PAGE_BEFORE = 2,
    PAGE_AFTER = 3,
    PAGE_FILTERS = 4,
};
enum { TYPE_VARINT = 0, TYPE_BYTES = 2 };

/* Left of a page for its envelope and `before`. */
#define PAGE_ENVELOPE 64

struct writer {
    uint8_t *at, *end;
    bool full;
};

static size_t varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static void put_varint(struct writer *writer, uint64_t value)
{
    if ((size_t)(writer->end - writer->at) < varint_size(value)) {
        writer->full = true;
        return;
    }
    for (; value >= 0x80; value >>= 7)
        *writer->at++ = (uint8_t)(value | 0x80);
    *writer->at++ = (uint8_t)value;
}

static void put_number(struct writer *writer, unsigned field, uint64_t value)
{
    put_varint(writer, field << 3 | TYPE_VARINT);
    put_varint(writer, value);
}

/* The tag and length of a field whose bytes come next. */
static void put_header(struct writer *writer, unsigned field, size_t size)
{
    put_varint(writer, field << 3 | TYPE_BYTES);
    put_varint(writer, size);
}

static void put_data(struct writer *writer, const void *data, size_t size)
{
    if (writer->full || (size_t)(writer->end - writer->at) < size) {
        writer->full = true;
        return;
    }
    if (size > 0)
        memcpy(writer->at, data, size);
    writer->at += size;
}

static void put_field(struct writer *writer, unsigned field, const void *data, size_t size)
{
    put_header(writer, field, size);
    put_data(writer, data, size);
}

/* Size of a field with all that is around it; all field numbers here are below 16, so a tag is one byte. */
static size_t field_size(size_t size)
{
    return 1 + varint_size(size) + size;
}

size_t wire_reply(uint8_t *buffer, uint64_t request, Itexd__V1__Reply *reply)
{
    Itexd__V1__ServerPacket packet = ITEXD__V1__SERVER_PACKET__INIT;

    if (request != 0) {
        reply->has_id = true;
        reply->id = request;
    }
    packet.kind_case = ITEXD__V1__SERVER_PACKET__KIND_REPLY;
    packet.reply = reply;
    if (itexd__v1__server_packet__get_packed_size(&packet) > ITEXD_MAX_PACKET)
        return 0;
    return itexd__v1__server_packet__pack(&packet, buffer);
}

size_t wire_refusal(uint8_t *buffer, uint64_t request, enum refusal refusal, const char *detail)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Error error = ITEXD__V1__ERROR__INIT;
    char text[32768];

    refusal_text(refusal, detail, text, sizeof text);
    error.has_code = true;
    error.code = refusal_code(refusal);
    error.text = text;
    reply.body_case = ITEXD__V1__REPLY__BODY_ERROR;
    reply.error = &error;
    return wire_reply(buffer, request, &reply);
}

size_t wire_event(uint8_t *buffer, const char *kind, const char *text)
{
    Itexd__V1__ServerPacket packet = ITEXD__V1__SERVER_PACKET__INIT;
    Itexd__V1__Event event = ITEXD__V1__EVENT__INIT;

    event.kind = (char *)kind;
    event.text = (char *)text;
    packet.kind_case = ITEXD__V1__SERVER_PACKET__KIND_EVENT;
    packet.event = &event;
    return itexd__v1__server_packet__pack(&packet, buffer);
}

size_t wire_waiting(uint8_t *buffer, uint64_t request, unsigned position, const char *substitute)
{
    Itexd__V1__ServerPacket packet = ITEXD__V1__SERVER_PACKET__INIT;
    Itexd__V1__Event event = ITEXD__V1__EVENT__INIT;
    char text[96];

    snprintf(text, sizeof text, "%.20s%swaiting for devices, position %u in the queue", substitute ? substitute : "",
             substitute ? " " : "", position);
    event.kind = (char *)"waiting";
    event.text = text;
    event.has_request = event.has_position = true;
    event.request = request;
    event.position = position;
    packet.kind_case = ITEXD__V1__SERVER_PACKET__KIND_EVENT;
    packet.event = &event;
    return itexd__v1__server_packet__pack(&packet, buffer);
}

const char *wire_state(enum store_state_word state)
{
    static const char *const names[] = {
        [STORE_ASKED] = "asked",
        [STORE_OFFERED] = "offered",
        [STORE_ACCEPTED] = "accepted",
        [STORE_UNDELIVERED] = "undelivered",
    };

    return names[state];
}

/* Everything of a decision but its blobs. Room for the head: texts of bounded length and numbers. */
#define HEAD_SIZE 4096
/* Room for an outcome without diagnostics: the head, facts in short and the envelope need the rest. */
#define OUTCOME_SIZE (ITEXD_MAX_PACKET - 16 * 1024)

static size_t pack_head(const struct store_decision *row, uint8_t head[HEAD_SIZE])
{
    Itexd__V1__Decision decision = ITEXD__V1__DECISION__INIT;
    Itexd__V1__Peer peer = ITEXD__V1__PEER__INIT;
    Itexd__V1__RuleSetName set = ITEXD__V1__RULE_SET_NAME__INIT;
    Itexd__V1__Observed observed = ITEXD__V1__OBSERVED__INIT;

    decision.has_id = row->id != 0;
    decision.id = row->id;
    decision.has_recorded = true;
    decision.recorded = row->id != 0;
    decision.state = (char *)wire_state(row->state);
    decision.has_time_ms = true;
    decision.time_ms = row->time_ms;
    decision.job = (char *)row->job;
    decision.step = (char *)row->step;
    decision.policy = (char *)row->policy;
    decision.itex = (char *)row->itex;
    decision.has_request_id = true;
    decision.request_id = (ProtobufCBinaryData){.len = sizeof row->request_id, .data = (uint8_t *)row->request_id};

    peer.has_uid = peer.has_pid = true;
    peer.uid = row->uid;
    peer.pid = row->pid;
    peer.has_start = row->start_time != 0;
    peer.start = row->start_time;
    decision.peer = &peer;

    set.has_id = row->rule_set != 0;
    set.id = row->rule_set;
    set.name = (char *)row->rule_set_name;
    set.digest = (char *)row->rule_set_digest;
    decision.ruleset = &set;

    if (row->observed_mode) {
        observed.mode = (char *)row->observed_mode;
        observed.has_devices = row->observed_devices >= 0;
        observed.devices = (uint32_t)row->observed_devices;
        observed.has_match = row->observed_match >= 0;
        observed.match = row->observed_match > 0;
        decision.observed = &observed;
    }
    if (itexd__v1__decision__get_packed_size(&decision) > HEAD_SIZE)
        return 0;
    return itexd__v1__decision__pack(&decision, head);
}

/* Beyond this, devices are told without their names and UUIDs: by address and tile. */
#define DEVICES_SIZE 8192

static void fill_device(Itexd__V1__Device *device, const struct store_unit *unit, bool brief)
{
    itexd__v1__device__init(device);
    device->bdf = (char *)unit->bdf;
    device->has_tile = unit->tile >= 0;
    device->tile = (uint32_t)unit->tile;
    if (brief && unit->bdf)
        return;
    device->uuid = (char *)unit->uuid;
    device->name = (char *)unit->name;
}

/* Devices and lease, as fields that follow the head. *out is owned, NULL where there is nothing to say. */
static int pack_devices(const struct store_decision *row, const char *substitute, uint8_t **out, size_t *size)
{
    Itexd__V1__Decision decision = ITEXD__V1__DECISION__INIT;
    Itexd__V1__Lease lease = ITEXD__V1__LEASE__INIT;
    CLEANUP(freep) Itexd__V1__Device *devices = calloc(row->n_units + 1, sizeof *devices);
    CLEANUP(freep) Itexd__V1__Device **list = calloc(row->n_units + 1, sizeof(Itexd__V1__Device *));

    *out = NULL;
    *size = 0;
    if (!devices || !list)
        return -1;
    decision.devices = list;
    decision.n_devices = row->n_units;
    decision.substitute = (char *)substitute;
    if (row->lease != 0) {
        lease.has_id = lease.has_local_device = true;
        lease.id = row->lease;
        lease.local_device = row->local_device;
        lease.sharing = (char *)(row->lease_shared ? "shared" : "exclusive");
        lease.state = (char *)row->lease_state;
        decision.lease = &lease;
    }
    for (int brief = 0; brief <= 1; brief++) {
        for (size_t i = 0; i < row->n_units; i++) {
            fill_device(&devices[i], &row->units[i], brief);
            list[i] = &devices[i];
        }
        *size = itexd__v1__decision__get_packed_size(&decision);
        if (*size <= DEVICES_SIZE)
            break;
    }
    *out = malloc(*size + 1);
    if (!*out)
        return -1;
    itexd__v1__decision__pack(&decision, *out);
    return 0;
}

/* Drops diagnostics from the end until the outcome needs no more than limit bytes. */
static int shorten_outcome(struct store_blob blob, size_t limit, struct store_blob *out, uint8_t **owned)
{
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, blob.size, blob.data);
    size_t all, size;

    if (!outcome)
        return -1;
    all = outcome->n_diagnostics;
    while ((size = itexd__v1__outcome__get_packed_size(outcome)) > limit && outcome->n_diagnostics > 0) {
        outcome->n_diagnostics--;
        outcome->has_diagnostics_omitted = true;
        outcome->diagnostics_omitted++;
    }
    *owned = size <= limit ? malloc(size) : NULL;
    if (*owned)
        *out = (struct store_blob){.data = *owned, .size = itexd__v1__outcome__pack(outcome, *owned)};
    outcome->n_diagnostics = all; /* what was hidden is freed with the rest */
    itexd__v1__outcome__free_unpacked(outcome, NULL);
    return *owned ? 0 : -1;
}

/* A fact with a longer value is the text of a flags file; what was found in it is in other facts. */
#define SHORT_FACT 512

/* Moves facts with long values behind the others; returns how many others there are. */
static size_t short_facts_first(Itexd__V1__Facts *facts)
{
    size_t n = 0;

    for (size_t i = 0; i < facts->n_facts; i++) {
        Itexd__V1__Fact *fact = facts->facts[i];

        if (fact->value && strlen(fact->value) > SHORT_FACT)
            continue;
        facts->facts[i] = facts->facts[n];
        facts->facts[n++] = fact;
    }
    return n;
}

/* Leaves the facts themselves, without the job's variables they were read from. */
static int shorten_facts(struct store_blob blob, bool short_ones, struct store_blob *out, uint8_t **owned)
{
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, blob.size, blob.data);
    Itexd__V1__Facts shorter;

    if (!facts)
        return -1;
    shorter = *facts;
    shorter.n_env = shorter.n_script_env = 0;
    shorter.devices = NULL;
    if (short_ones)
        shorter.n_facts = short_facts_first(facts);
    free(*owned);
    *owned = malloc(itexd__v1__facts__get_packed_size(&shorter) + 1);
    if (*owned)
        *out = (struct store_blob){.data = *owned, .size = itexd__v1__facts__pack(&shorter, *owned)};
    itexd__v1__facts__free_unpacked(facts, NULL);
    return *owned ? 0 : -1;
}

/* One decision's parts, within a limit. */
struct parts {
    uint8_t head[HEAD_SIZE];
    size_t head_size;
    size_t devices_size;
    struct store_blob outcome, facts;
    uint8_t *devices, *owned_outcome, *owned_facts;
};

static void parts_clear(struct parts *parts)
{
    free(parts->devices);
    free(parts->owned_outcome);
    free(parts->owned_facts);
}

static size_t parts_size(const struct parts *parts)
{
    return parts->head_size + parts->devices_size + field_size(parts->outcome.size) + field_size(parts->facts.size);
}

static int parts_fill(struct parts *parts, const struct store_decision *row, const char *substitute, size_t limit)
{
    parts->head_size = pack_head(row, parts->head);
    parts->outcome = row->outcome;
    parts->facts = row->facts;
    parts->devices = parts->owned_outcome = parts->owned_facts = NULL;
    parts->devices_size = 0;
    if (parts->head_size == 0)
        return -1;
    if ((row->lease != 0 || row->n_units > 0 || substitute) &&
        pack_devices(row, substitute, &parts->devices, &parts->devices_size) < 0)
        return -1;
    for (int short_ones = 0; short_ones <= 1; short_ones++) {
        if (parts_size(parts) <= limit)
            return 0;
        if (shorten_facts(row->facts, short_ones, &parts->facts, &parts->owned_facts) < 0)
            return -1;
    }
    if (parts_size(parts) <= limit)
        return 0;

    size_t rest = parts->head_size + parts->devices_size + field_size(parts->facts.size) + field_size(0) + 3;
    if (rest > limit)
        return -1;
    return shorten_outcome(row->outcome, limit - rest, &parts->outcome, &parts->owned_outcome);
}

/* Who asked and when, for a list that must go on: rows that only an older itexd could have recorded. */
static void parts_bare(struct parts *parts)
{
    parts->devices_size = 0;
    parts->outcome = parts->facts = (struct store_blob){.data = NULL};
}

bool wire_outcome_fits(struct store_blob blob)
{
    Itexd__V1__Outcome *outcome;
    size_t n_diagnostics, size;

    if (blob.size <= OUTCOME_SIZE)
        return true;
    outcome = itexd__v1__outcome__unpack(NULL, blob.size, blob.data);
    if (!outcome)
        return false;
    n_diagnostics = outcome->n_diagnostics;
    outcome->n_diagnostics = 0;
    size = itexd__v1__outcome__get_packed_size(outcome);
    outcome->n_diagnostics = n_diagnostics;
    itexd__v1__outcome__free_unpacked(outcome, NULL);
    return size <= OUTCOME_SIZE;
}

static void put_parts(struct writer *writer, const struct parts *parts)
{
    put_data(writer, parts->head, parts->head_size);
    put_data(writer, parts->devices, parts->devices_size);
    put_field(writer, DECISION_OUTCOME, parts->outcome.data, parts->outcome.size);
    put_field(writer, DECISION_FACTS, parts->facts.data, parts->facts.size);
}

/* The headers of ServerPacket and Reply around one field of a size. */
static void put_envelope(struct writer *writer, uint64_t request, unsigned body, size_t size)
{
    put_header(writer, PACKET_REPLY, 1 + varint_size(request) + field_size(size));
    put_number(writer, REPLY_ID, request);
    put_header(writer, body, size);
}

size_t wire_decision(uint8_t *buffer, uint64_t request, const struct store_decision *row, const char *substitute)
{
    struct writer writer = {.at = buffer, .end = buffer + ITEXD_MAX_PACKET};
    CLEANUP(parts_clear) struct parts parts;

    if (parts_fill(&parts, row, substitute, ITEXD_MAX_PACKET - PAGE_ENVELOPE) < 0)
        return 0;
    put_envelope(&writer, request, REPLY_DECISION, parts_size(&parts));
    put_parts(&writer, &parts);
    return writer.full ? 0 : (size_t)(writer.at - buffer);
}

size_t wire_query_page(uint8_t *buffer, uint64_t request, const struct store_decision *rows, size_t n_rows,
                       bool forward, uint64_t *next)
{
    /* The page is written first, behind the longest envelope, and moved up to the real one. */
    struct writer page = {.at = buffer + PAGE_ENVELOPE, .end = buffer + ITEXD_MAX_PACKET};
    const uint8_t *start = page.at;
    size_t done = 0;

    for (; done < n_rows; done++) {
        CLEANUP(parts_clear) struct parts parts;
        size_t room = (size_t)(page.end - page.at) - PAGE_ENVELOPE;

        /* A row is shortened only where not even a page of its own would hold it. */
        if (parts_fill(&parts, &rows[done], NULL, done == 0 ? room - 8 : ITEXD_MAX_PACKET) < 0)
            parts_bare(&parts);
        if (field_size(parts_size(&parts)) > room)
            break;
        put_header(&page, PAGE_DECISIONS, parts_size(&parts));
        put_parts(&page, &parts);
    }
    if (done < n_rows)
        *next = done > 0 ? rows[done - 1].id : 0;
    if (forward || *next != 0)
        put_number(&page, forward ? PAGE_AFTER : PAGE_BEFORE, *next);
    put_number(&page, PAGE_FILTERS, WIRE_QUERY_FILTERS);

    struct writer envelope = {.at = buffer, .end = buffer + PAGE_ENVELOPE};
    size_t size = (size_t)(page.at - start);
    put_envelope(&envelope, request, REPLY_QUERY, size);
    if (page.full || envelope.full)
        return 0;
    memmove(envelope.at, start, size);
    return (size_t)(envelope.at - buffer) + size;
}
