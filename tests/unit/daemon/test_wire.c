/* What is put together by hand decodes as the protocol says, and always fits a packet. */
#include "daemon/wire.h"
#include "proto/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[ITEXD_MAX_PACKET];

/* Facts with one variable of a size; outcome with n diagnostics of a size each. */
static struct store_blob make_facts(size_t variable_size)
{
    Itexd__V1__Facts facts = ITEXD__V1__FACTS__INIT;
    Itexd__V1__Fact fact = ITEXD__V1__FACT__INIT, *fact_list[] = {&fact};
    Itexd__V1__Variable variable = ITEXD__V1__VARIABLE__INIT, *variable_list[] = {&variable};
    char *value = malloc(variable_size + 1);

    memset(value, 'v', variable_size);
    value[variable_size] = '\0';
    fact.name = "keras";
    fact.value = "3";
    variable.name = "TF_XLA_FLAGS";
    variable.value = value;
    facts.n_facts = facts.n_env = 1;
    facts.facts = fact_list;
    facts.env = variable_list;
    uint8_t *data = malloc(itexd__v1__facts__get_packed_size(&facts));
    size_t size = itexd__v1__facts__pack(&facts, data);
    free(value);
    return (struct store_blob){.data = data, .size = size};
}

static struct store_blob make_outcome(size_t n, size_t message_size)
{
    Itexd__V1__Outcome outcome = ITEXD__V1__OUTCOME__INIT;
    Itexd__V1__Diagnostic *items = calloc(n + 1, sizeof *items), **list = calloc(n + 1, sizeof *list);
    char *message = malloc(message_size + 1);

    memset(message, 'm', message_size);
    message[message_size] = '\0';
    for (size_t i = 0; i < n; i++) {
        items[i] = (Itexd__V1__Diagnostic)ITEXD__V1__DIAGNOSTIC__INIT;
        items[i].rule = "keras3-1";
        items[i].message = message;
        list[i] = &items[i];
    }
    outcome.verdict = "fixed";
    outcome.mode = "npd";
    outcome.n_diagnostics = n;
    outcome.diagnostics = list;
    uint8_t *data = malloc(itexd__v1__outcome__get_packed_size(&outcome));
    size_t size = itexd__v1__outcome__pack(&outcome, data);
    free(items);
    free(list);
    free(message);
    return (struct store_blob){.data = data, .size = size};
}

static struct store_decision make_row(uint64_t id, size_t variable_size, size_t n_diagnostics)
{
    return (struct store_decision){.id = id,
                                   .time_ms = 1234,
                                   .uid = 1000,
                                   .pid = 42,
                                   .start_time = 4711,
                                   .job = "job",
                                   .state = STORE_ACCEPTED,
                                   .policy = "enforce",
                                   .rule_set = 3,
                                   .facts = make_facts(variable_size),
                                   .outcome = make_outcome(n_diagnostics, 1000),
                                   .observed_devices = -1,
                                   .observed_match = -1,
                                   .rule_set_name = "shipped",
                                   .rule_set_digest = "abc"};
}

static void free_row(struct store_decision *row)
{
    free((void *)row->facts.data);
    free((void *)row->outcome.data);
}

static Itexd__V1__ServerPacket *decode(size_t size)
{
    assert_in_range(size, 1, ITEXD_MAX_PACKET);
    Itexd__V1__ServerPacket *packet = itexd__v1__server_packet__unpack(NULL, size, buffer);
    assert_non_null(packet);
    assert_int_equal(packet->kind_case, ITEXD__V1__SERVER_PACKET__KIND_REPLY);
    return packet;
}

static void test_wire_decision_decodes(void **state)
{
    struct store_decision row = make_row(300, 10, 2);
    Itexd__V1__ServerPacket *packet = decode(wire_decision(buffer, UINT64_MAX, &row, NULL));
    const Itexd__V1__Decision *decision = packet->reply->decision;

    (void)state;
    assert_true(packet->reply->id == UINT64_MAX);
    assert_int_equal(packet->reply->body_case, ITEXD__V1__REPLY__BODY_DECISION);
    assert_int_equal(decision->id, 300);
    assert_true(decision->recorded);
    assert_string_equal(decision->state, "accepted");
    assert_string_equal(decision->outcome->mode, "npd");
    assert_int_equal(decision->outcome->n_diagnostics, 2);
    assert_string_equal(decision->facts->facts[0]->name, "keras");
    assert_int_equal(decision->facts->n_env, 1);
    assert_int_equal(decision->ruleset->id, 3);
    assert_null(decision->observed);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

static void test_wire_decision_unrecorded_has_no_number(void **state)
{
    struct store_decision row = make_row(0, 10, 0);
    Itexd__V1__ServerPacket *packet = decode(wire_decision(buffer, 1, &row, NULL));

    (void)state;
    assert_false(packet->reply->decision->has_id);
    assert_false(packet->reply->decision->recorded);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

static void test_wire_decision_sheds_variables_first(void **state)
{
    struct store_decision row = make_row(1, 60000, 10);
    Itexd__V1__ServerPacket *packet = decode(wire_decision(buffer, 1, &row, NULL));

    (void)state;
    assert_int_equal(packet->reply->decision->facts->n_env, 0);
    assert_int_equal(packet->reply->decision->facts->n_facts, 1);
    assert_int_equal(packet->reply->decision->outcome->n_diagnostics, 10);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

/* Outcome with one changed variable of a size, and one diagnostic. */
static struct store_blob make_change(size_t value_size)
{
    Itexd__V1__Outcome outcome = ITEXD__V1__OUTCOME__INIT;
    Itexd__V1__Variable variable = ITEXD__V1__VARIABLE__INIT, *variables[] = {&variable};
    Itexd__V1__Diagnostic diagnostic = ITEXD__V1__DIAGNOSTIC__INIT, *diagnostics[] = {&diagnostic};
    char *value = malloc(value_size + 1);

    memset(value, 'c', value_size);
    value[value_size] = '\0';
    variable.name = "TF_XLA_FLAGS";
    variable.value = diagnostic.message = value;
    outcome.n_env = outcome.n_diagnostics = 1;
    outcome.env = variables;
    outcome.diagnostics = diagnostics;
    uint8_t *data = malloc(itexd__v1__outcome__get_packed_size(&outcome));
    size_t size = itexd__v1__outcome__pack(&outcome, data);
    free(value);
    return (struct store_blob){.data = data, .size = size};
}

/* Facts with the text of a flags file of a size between two others. */
static struct store_blob make_file_facts(size_t file_size)
{
    Itexd__V1__Facts facts = ITEXD__V1__FACTS__INIT;
    Itexd__V1__Fact keras = ITEXD__V1__FACT__INIT, file = ITEXD__V1__FACT__INIT, jit = ITEXD__V1__FACT__INIT;
    Itexd__V1__Fact *list[] = {&keras, &file, &jit};
    char *text = malloc(file_size + 1);

    memset(text, 'f', file_size);
    text[file_size] = '\0';
    keras.name = "keras";
    keras.value = "3";
    file.name = "xla_flags_file";
    file.value = text;
    jit.name = "jit";
    jit.value = "on";
    facts.n_facts = 3;
    facts.facts = list;
    uint8_t *data = malloc(itexd__v1__facts__get_packed_size(&facts));
    size_t size = itexd__v1__facts__pack(&facts, data);
    free(text);
    return (struct store_blob){.data = data, .size = size};
}

static void test_wire_decision_sheds_the_flags_file_next(void **state)
{
    struct store_decision row = make_row(1, 10, 0);

    (void)state;
    free_row(&row);
    row.facts = make_file_facts(40000);
    row.outcome = make_change(40000);
    assert_true(wire_outcome_fits(row.outcome));
    Itexd__V1__ServerPacket *packet = decode(wire_decision(buffer, 1, &row, NULL));
    const Itexd__V1__Decision *decision = packet->reply->decision;
    assert_int_equal(decision->facts->n_facts, 2);
    assert_string_equal(decision->facts->facts[0]->name, "keras");
    assert_string_equal(decision->facts->facts[1]->name, "jit");
    assert_int_equal(strlen(decision->outcome->env[0]->value), 40000);
    assert_int_equal(decision->outcome->diagnostics_omitted, 1);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

/* A change is never left out: what cannot be sent whole is not sent, and a list goes on behind it. */
static void test_wire_never_cuts_a_change(void **state)
{
    struct store_decision rows[] = {make_row(9, 10, 1), make_row(8, 10, 0), make_row(7, 10, 1)};
    uint64_t before = 0;

    (void)state;
    free((void *)rows[1].outcome.data);
    rows[1].outcome = make_change(70000);
    assert_false(wire_outcome_fits(rows[1].outcome));
    assert_int_equal(wire_decision(buffer, 1, &rows[1], NULL), 0);
    Itexd__V1__ServerPacket *packet = decode(wire_query_page(buffer, 5, rows, 3, false, &before));
    const Itexd__V1__QueryPage *page = packet->reply->query;
    assert_int_equal(page->n_decisions, 3);
    assert_int_equal(page->decisions[1]->id, 8);
    assert_null(page->decisions[1]->outcome->verdict);
    assert_string_equal(page->decisions[2]->outcome->verdict, "fixed");
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    for (size_t i = 0; i < 3; i++)
        free_row(&rows[i]);
}

static void test_wire_decision_counts_dropped_diagnostics(void **state)
{
    struct store_decision row = make_row(1, 10, 100);
    Itexd__V1__ServerPacket *packet = decode(wire_decision(buffer, 1, &row, NULL));
    const Itexd__V1__Outcome *outcome = packet->reply->decision->outcome;

    (void)state;
    assert_in_range(outcome->n_diagnostics, 50, 99);
    assert_int_equal(outcome->n_diagnostics + outcome->diagnostics_omitted, 100);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

static void test_wire_page_goes_on_where_it_stopped(void **state)
{
    struct store_decision rows[8];
    uint64_t before = 77;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        rows[i] = make_row(100 - i, 10, 15);
    Itexd__V1__ServerPacket *packet = decode(wire_query_page(buffer, 5, rows, 8, false, &before));
    const Itexd__V1__QueryPage *page = packet->reply->query;
    assert_in_range(page->n_decisions, 1, 7);
    assert_true(page->has_before);
    assert_int_equal(page->before, page->decisions[page->n_decisions - 1]->id);
    assert_int_equal(page->decisions[0]->id, 100);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    for (size_t i = 0; i < 8; i++)
        free_row(&rows[i]);
}

static void test_wire_page_at_the_end(void **state)
{
    struct store_decision row = make_row(9, 10, 1);
    uint64_t before = 0;
    Itexd__V1__ServerPacket *packet = decode(wire_query_page(buffer, 5, &row, 1, false, &before));

    (void)state;
    assert_int_equal(packet->reply->query->n_decisions, 1);
    assert_false(packet->reply->query->has_before);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    packet = decode(wire_query_page(buffer, 5, NULL, 0, false, &before));
    assert_int_equal(packet->reply->query->n_decisions, 0);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

static void test_wire_page_with_one_large_row(void **state)
{
    struct store_decision row = make_row(9, 10, 100);
    uint64_t before = 0;
    Itexd__V1__ServerPacket *packet = decode(wire_query_page(buffer, 5, &row, 1, false, &before));

    (void)state;
    assert_int_equal(packet->reply->query->n_decisions, 1);
    assert_true(packet->reply->query->decisions[0]->outcome->diagnostics_omitted > 0);
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    free_row(&row);
}

static void test_wire_every_refusal_has_code_and_text(void **state)
{
    (void)state;
    for (int refusal = 0; refusal <= REFUSED_INTERNAL; refusal++) {
        char text[256];

        assert_int_not_equal(refusal_code(refusal), ITEXD__V1__ERROR__CODE__UNKNOWN);
        refusal_text(refusal, "DETAIL", text, sizeof text);
        assert_true(strstr(text, "DETAIL") != NULL);
        Itexd__V1__ServerPacket *packet = decode(wire_refusal(buffer, 4, refusal, NULL));
        assert_int_equal(packet->reply->error->code, refusal_code(refusal));
        itexd__v1__server_packet__free_unpacked(packet, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_decision_decodes),
        cmocka_unit_test(test_wire_decision_unrecorded_has_no_number),
        cmocka_unit_test(test_wire_decision_sheds_variables_first),
        cmocka_unit_test(test_wire_decision_sheds_the_flags_file_next),
        cmocka_unit_test(test_wire_never_cuts_a_change),
        cmocka_unit_test(test_wire_decision_counts_dropped_diagnostics),
        cmocka_unit_test(test_wire_page_goes_on_where_it_stopped),
        cmocka_unit_test(test_wire_page_at_the_end),
        cmocka_unit_test(test_wire_page_with_one_large_row),
        cmocka_unit_test(test_wire_every_refusal_has_code_and_text),
    };

    return cmocka_run_group_tests_name("daemon-wire", tests, NULL, NULL);
}
