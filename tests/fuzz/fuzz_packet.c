/*
 * A packet's way through the service without its sockets: protobuf, limits, facts, resolver, and the bytes that are
 * stored and sent. What must hold: no crash; what was packed can be unpacked; equal input packs to equal bytes, for
 * the store keeps equal blobs once; what was stored resolves again.
 */
#include "fuzz.h"

#include "daemon/decision/decision.h"
#include "daemon/rules/rules.h"
#include "proto/cleanup.h"

#include <string.h>

struct packed {
    uint8_t *facts, *outcome;
    size_t facts_size, outcome_size;
};

static bool resolve_and_pack(const Itexd__V1__Resolve *request, struct packed *packed)
{
    static struct resolution resolution = RESOLUTION_INIT;
    struct decision_input input = DECISION_INPUT_INIT;
    char error[512] = "";
    const struct rule_set *rules = rules_compiled(fuzz_shipped_rules());
    int status = decision_input_read(request, rule_set_advises(rules), &input, error, sizeof error);
    if (status == 0)
        status = resolve(rules, &input.resolve, &resolution, error, sizeof error);
    if (status < 0) {
        decision_input_clear(&input);
        if (!*error)
            fuzz_broken("refused without a word");
        return false;
    }
    if (decision_pack_facts(request, NULL, &resolution, &packed->facts, &packed->facts_size) < 0 ||
        decision_pack_outcome(&resolution, NULL, 0, &packed->outcome, &packed->outcome_size) < 0)
        fuzz_broken("a resolution cannot be packed");
    decision_input_clear(&input);
    resolution_reset(&resolution);
    return true;
}

static void check_unpacks(const struct packed *packed, const char *policy)
{
    Itexd__V1__Facts *facts = itexd__v1__facts__unpack(NULL, packed->facts_size, packed->facts);
    Itexd__V1__Outcome *outcome = itexd__v1__outcome__unpack(NULL, packed->outcome_size, packed->outcome);
    Itexd__V1__Resolve *again = NULL;
    struct packed more = {.facts = NULL};
    if (!facts || !outcome)
        fuzz_broken("what was packed cannot be unpacked");
    if (!outcome->verdict || outcome->n_diagnostics > RESOLVER_MAX_DIAGNOSTICS)
        fuzz_broken("an outcome without a verdict, or with too many diagnostics");
    if (decision_request_from_facts(facts, policy, &again) < 0)
        fuzz_broken("stored facts make no request");
    if (!resolve_and_pack(again, &more))
        fuzz_broken("stored facts do not resolve");
    if (more.outcome_size != packed->outcome_size || memcmp(more.outcome, packed->outcome, packed->outcome_size) != 0)
        fuzz_broken("stored facts resolve to something else");
    free(more.facts);
    free(more.outcome);
    itexd__v1__resolve__free_unpacked(again, NULL);
    itexd__v1__facts__free_unpacked(facts, NULL);
    itexd__v1__outcome__free_unpacked(outcome, NULL);
}

static void check_resolve(const Itexd__V1__Resolve *request)
{
    struct packed first = {.facts = NULL}, second = {.facts = NULL};
    if (!resolve_and_pack(request, &first))
        return;
    if (!resolve_and_pack(request, &second))
        fuzz_broken("accepted once, refused once");
    if (first.facts_size != second.facts_size || memcmp(first.facts, second.facts, first.facts_size) != 0 ||
        first.outcome_size != second.outcome_size || memcmp(first.outcome, second.outcome, first.outcome_size) != 0)
        fuzz_broken("equal requests give different bytes");
    check_unpacks(&first, request->policy);
    free(first.facts);
    free(first.outcome);
    free(second.facts);
    free(second.outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Itexd__V1__Request *request = itexd__v1__request__unpack(NULL, size, data);
    if (!request)
        return 0;
    if (request->body_case == ITEXD__V1__REQUEST__BODY_RESOLVE)
        check_resolve(request->resolve);
    itexd__v1__request__free_unpacked(request, NULL);
    return 0;
}
