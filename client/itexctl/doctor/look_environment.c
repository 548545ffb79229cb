/*
 * Layer environment: what the variables that choose devices come to, by the rules that jobs are resolved with. What
 * Level Zero has listed is told as facts, so that a mask is read against the real cards, and which ITEX it is: versions
 * read different variables.
 */
#include "client/itexctl/ask.h"
#include "client/itexctl/decide.h"
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/rule_input.h"
#include "daemon/worker/hierarchy.h"
#include "proto/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rules that are about devices; their names are the findings'. */
static const struct {
    const char *id;
} device_rules[] = {
    {.id = "affinity-mask"},         {.id = "affinity-mask-spelling"},
    {.id = "mask-selects-none"},     {.id = "selector"},
    {.id = "selector-selects-none"}, {.id = "selector-under-mask"},
    {.id = "selector-ordinals"},     {.id = "silent-cpu"},
    {.id = "itex-backend"},          {.id = "tile-mismatch"},
};

static const char *const device_variables[] = {
    "ZE_AFFINITY_MASK", "ZE_FLAT_DEVICE_HIERARCHY", "ONEAPI_DEVICE_SELECTOR", "SYCL_DEVICE_FILTER",
    "ITEX_BACKEND",     "ITEX_TILE_AS_DEVICE",      "SYCL_TILE_AS_DEVICE",    "ZE_ENABLE_ALT_DRIVERS",
};

static const char *finding_id(const char *rule)
{
    for (size_t i = 0; rule && i < LENGTH(device_rules); i++)
        if (strcmp(device_rules[i].id, rule) == 0)
            return device_rules[i].id;
    return NULL;
}

/* ---- The question ------------------------------------------------------------------------------------------------ */

/* "cards=2,2" and "driver_hierarchy=flat". */
struct told {
    char cards[LAYERS_MAX_CARDS * 4 + 8], hierarchy[40];
    const char *items[2];
};

static struct text_list tell(const struct machine_gpus *gpus, struct told *told)
{
    if (!gpus->known || gpus->n == 0)
        return (struct text_list){NULL, 0};
    size_t used = (size_t)snprintf(told->cards, sizeof(told->cards), "cards=");
    for (size_t i = 0; i < gpus->n; i++)
        used += (size_t)snprintf(told->cards + used, sizeof(told->cards) - used, "%s%u", i ? "," : "", gpus->tiles[i]);
    const char *hierarchy = hierarchy_of_driver(gpus->api_version, gpus->driver_version, gpus->flat_by_default);
    snprintf(told->hierarchy, sizeof(told->hierarchy), "driver_hierarchy=%s", hierarchy ? hierarchy : "");
    told->items[0] = told->cards;
    told->items[1] = told->hierarchy;
    return (struct text_list){told->items, hierarchy ? 2 : 1};
}

static void decision_freep(Itexd__V1__Decision **decision)
{
    if (*decision)
        itexd__v1__decision__free_unpacked(*decision, NULL);
}

static int resolve_here(const struct doctor *doctor, Itexd__V1__Decision **decision, struct failure *failure)
{
    struct told told;
    const char *installed = doctor_python_itex(doctor);
    struct ask ask = {.itex = doctor->options->itex ? doctor->options->itex : installed,
                      .holder = -1,
                      .wait = -1,
                      .numa = -1,
                      .offline = true};
    Itexd__V1__Resolve *request = NULL;
    CLEANUP(rules_freep) struct rules *rules = NULL;
    ask.facts = tell(&doctor->machine->gpus, &told);
    if (read_rules(shipped_rules_path(), &rules, failure) < 0 ||
        ask_request(&ask, ASK_FOR_NOBODY, NULL, &request, failure) < 0)
        return -1;
    int r = decide_by_rules(rules, false, request, decision, failure);
    itexd__v1__resolve__free_unpacked(request, NULL);
    return r;
}

/* ---- The answer -------------------------------------------------------------------------------------------------- */

static enum doctor_level level_of_severity(const char *severity)
{
    if (!severity || strcmp(severity, "info") == 0)
        return DOCTOR_INFO;
    return strcmp(severity, "warning") == 0 ? DOCTOR_WARNING : DOCTOR_ERROR;
}

/* How many of them are about devices. */
static size_t tell_diagnostics(struct doctor *doctor, const Itexd__V1__Outcome *outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        const char *id = finding_id(diagnostic->rule);
        if (!id)
            continue;
        n++;
        doctor_found(doctor, level_of_severity(diagnostic->severity), id, "%s",
                     diagnostic->message ? diagnostic->message : "?");
        if (diagnostic->solution)
            doctor_fix(doctor, "%s", diagnostic->solution);
    }
    return n;
}

static void tell_nothing_wrong(struct doctor *doctor)
{
    char set[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < LENGTH(device_variables) && used < sizeof(set); i++) {
        const char *value = getenv(device_variables[i]);
        if (value)
            used += (size_t)snprintf(set + used, sizeof(set) - used, "%s%s=%.60s", used ? ", " : "",
                                     device_variables[i], value);
    }
    doctor_found(doctor, DOCTOR_OK, "environment-sound", "%s", used ? set : "none of them is set");
}

void machine_look_environment(struct doctor *doctor)
{
    CLEANUP(decision_freep) Itexd__V1__Decision *decision = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    const char *alternatives = getenv("ZE_ENABLE_ALT_DRIVERS");
    if (doctor->user.other) {
        doctor_found(doctor, DOCTOR_INFO, "environment-other", "those of %s's jobs are not known from here",
                     doctor->user.name);
        return;
    }
    doctor->substitute = doctor->machine->gpus.known ? doctor->machine->substitute : NULL;
    bool crashes = alternatives && !*alternatives;
    if (crashes) {
        doctor_found(doctor, DOCTOR_ERROR, "alt-drivers-empty",
                     "ZE_ENABLE_ALT_DRIVERS is set to nothing, which crashes "
                     "the loader");
        doctor_fix(doctor, "unset ZE_ENABLE_ALT_DRIVERS");
    }
    if (resolve_here(doctor, &decision, &failure) < 0) {
        doctor_found(doctor, DOCTOR_WARNING, "environment-unread", "not judged: %s",
                     failure.text ? failure.text : "out of memory");
        doctor_fix(doctor, "install itexd's rules, or name them by ITEXD_RULES");
    } else if (tell_diagnostics(doctor, decision->outcome) == 0 && !crashes) {
        tell_nothing_wrong(doctor);
    }
}
