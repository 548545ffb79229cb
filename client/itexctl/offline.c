/*
 * Deciding here: with the shipped rules or a given file (--offline), or with the service's own rule set to compute the
 * alternatives, which are too expensive for the service's loop.
 */
#include "client/itexctl/decide.h"
#include "client/itexctl/rule_input.h"
#include "daemon/decision/decision.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A decision made here --------------------------------------------------------------------------- */

struct local {
    struct decision_input input;
    struct resolution resolution;
    const struct alternative *alternatives; /* NULL: not asked */
    size_t n_alternatives;
};

static void local_clear(struct local *local)
{
    decision_input_clear(&local->input);
    resolution_free(&local->resolution);
}

static int resolve_locally(const struct rules *rules, const Itexd__V1__Resolve *request, bool alternatives,
                           struct local *local, struct failure *failure)
{
    static const struct alternative none;
    char error[512] = "";
    const struct rule_set *set = rules_compiled(rules);
    int r = decision_input_read(request, rule_set_advises(set), &local->input, error, sizeof(error));
    if (r >= 0)
        r = resolve(set, &local->input.resolve, &local->resolution, error, sizeof(error));
    if (r == -EINVAL)
        return failure_set(failure, EXIT_USAGE, "%s", error);
    if (r >= 0 && request->inherited_digest && strcmp(request->inherited_digest, rules_digest(rules)) != 0)
        resolution_add(set, &local->resolution, "ruleset-differs", request->inherited_digest);
    if (r >= 0 && alternatives) {
        r = resolve_alternatives(set, &local->input.resolve, &local->resolution, &local->alternatives,
                                 &local->n_alternatives);
        if (!local->alternatives)
            local->alternatives = &none;
    }
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "cannot resolve: %s", strerror(-r)) : 0;
}

static int pack_locally(const struct local *local, const Itexd__V1__Resolve *request, Itexd__V1__Facts **facts,
                        Itexd__V1__Outcome **outcome)
{
    CLEANUP(freep) uint8_t *facts_data = NULL, *outcome_data = NULL;
    size_t facts_size = 0, outcome_size = 0;
    int r = decision_pack_outcome(&local->resolution, local->alternatives, local->n_alternatives, &outcome_data,
                                  &outcome_size);
    if (r >= 0 && facts)
        r = decision_pack_facts(request, NULL, &local->resolution, &facts_data, &facts_size);
    if (r < 0)
        return r;
    *outcome = itexd__v1__outcome__unpack(NULL, outcome_size, outcome_data);
    if (facts)
        *facts = itexd__v1__facts__unpack(NULL, facts_size, facts_data);
    return *outcome && (!facts || *facts) ? 0 : -ENOMEM;
}

static void decision_freep(Itexd__V1__Decision **decision)
{
    if (*decision)
        itexd__v1__decision__free_unpacked(*decision, NULL);
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* Who, when and by which rules; the id stays absent: it is not recorded. */
static int describe(const struct rules *rules, const struct local *local, const Itexd__V1__Resolve *request,
                    Itexd__V1__Decision *decision)
{
    decision->has_recorded = decision->has_time_ms = 1;
    decision->time_ms = clock_wall_ms();
    decision->state = strdup("asked");
    decision->policy = strdup(local->input.resolve.policy == POLICY_ADVISE ? "advise" : "enforce");
    decision->job = copy(request->job);
    decision->step = copy(request->step);
    decision->itex = copy(local->resolution.itex);
    decision->peer = malloc(sizeof(*decision->peer));
    decision->ruleset = malloc(sizeof(*decision->ruleset));
    if (!decision->state || !decision->policy || !decision->peer || !decision->ruleset)
        return -ENOMEM;
    itexd__v1__peer__init(decision->peer);
    decision->peer->has_uid = decision->peer->has_pid = 1;
    decision->peer->uid = getuid();
    decision->peer->pid = getpid();
    itexd__v1__rule_set_name__init(decision->ruleset);
    decision->ruleset->name = copy(rules_name(rules));
    decision->ruleset->digest = copy(rules_digest(rules));
    return 0;
}

/* Devices are the service's to give: asked for offline, they cannot be had. */
static int refuse_devices(const Itexd__V1__Resolve *request, Itexd__V1__Outcome *outcome)
{
    const Itexd__V1__DeviceRequest *devices = request->devices;
    if (!devices || devices->count == 0 || devices->allow_none)
        return 0;
    free(outcome->mode);
    free(outcome->verdict);
    outcome->mode = strdup("none");
    outcome->verdict = strdup("rejected");
    return outcome->mode && outcome->verdict ? 0 : -ENOMEM;
}

static int build_decision(const struct rules *rules, const struct local *local, const Itexd__V1__Resolve *request,
                          Itexd__V1__Decision **out)
{
    CLEANUP(decision_freep) Itexd__V1__Decision *decision = malloc(sizeof(*decision));
    if (!decision)
        return -ENOMEM;
    itexd__v1__decision__init(decision);
    int r = pack_locally(local, request, &decision->facts, &decision->outcome);
    if (r >= 0)
        r = describe(rules, local, request, decision);
    if (r >= 0)
        r = refuse_devices(request, decision->outcome);
    if (r >= 0)
        *out = TAKE_PTR(decision);
    return r;
}

int decide_by_rules(const struct rules *rules, bool alternatives, const Itexd__V1__Resolve *request,
                    Itexd__V1__Decision **decision, struct failure *failure)
{
    CLEANUP(local_clear) struct local local = {.resolution = RESOLUTION_INIT};
    if (resolve_locally(rules, request, alternatives, &local, failure) < 0)
        return -1;
    int r = build_decision(rules, &local, request, decision);
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "cannot decide: %s", strerror(-r)) : 0;
}

int decide_offline(const struct ask *ask, const Itexd__V1__Resolve *request, Itexd__V1__Decision **decision,
                   struct failure *failure)
{
    CLEANUP(rules_freep) struct rules *rules = NULL;
    const char *path = ask->rules ? ask->rules : shipped_rules_path();
    if (read_rules(path, &rules, failure) < 0)
        return -1;
    return decide_by_rules(rules, ask->alternatives, request, decision, failure);
}

/* ---- Alternatives to a decision of the service -------------------------------------------------------- */

static void request_freep(Itexd__V1__Resolve **request)
{
    if (*request)
        itexd__v1__resolve__free_unpacked(*request, NULL);
}

static int fetch_rules(struct connection *connection, const Itexd__V1__Decision *decision, struct rules **rules,
                       struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    uint64_t id = decision->ruleset && decision->ruleset->has_id ? decision->ruleset->id : 0;
    if (service_rule_files(connection, id, ADMIN_TIMEOUT_MS, &files, NULL, failure) < 0)
        return -1;
    return compile_rules(&files, rules, failure);
}

int decide_alternatives(struct connection *connection, Itexd__V1__Decision *decision, struct failure *failure)
{
    CLEANUP(rules_freep) struct rules *rules = NULL;
    CLEANUP(request_freep) Itexd__V1__Resolve *request = NULL;
    CLEANUP(local_clear) struct local local = {.resolution = RESOLUTION_INIT};
    if (!decision->facts)
        return failure_set(failure, EXIT_UNAVAILABLE, "itexd did not say which facts it decided by: no alternatives");
    if (fetch_rules(connection, decision, &rules, failure) < 0)
        return -1;
    if (decision_request_from_facts(decision->facts, decision->policy, &request) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    if (resolve_locally(rules, request, true, &local, failure) < 0)
        return -1;
    Itexd__V1__Outcome *outcome = NULL, *own = decision->outcome;
    int r = pack_locally(&local, request, NULL, &outcome);
    if (r >= 0) {
        own->has_alternatives_asked = own->alternatives_asked = 1;
        own->n_alternatives = outcome->n_alternatives;
        own->alternatives = TAKE_PTR(outcome->alternatives);
        outcome->n_alternatives = 0;
    }
    if (outcome)
        itexd__v1__outcome__free_unpacked(outcome, NULL);
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "out of memory") : 0;
}
