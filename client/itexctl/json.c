/*
 * The JSON of a decision: one object, the same for every command, every key always there. null is "not known", an empty
 * list is "none". The names are promised to scripts: tests compare them.
 */
#include "client/itexctl/output.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <json-c/json_tokener.h>
#include <stdlib.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at text, 0 where there is none. */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool outside = (text[0] == 0xed && text[1] >= 0xa0) || (text[0] == 0xf4 && text[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

struct json_object *json_text(const char *text)
{
    if (!text)
        return NULL;
    CLEANUP(freep) char *clean = malloc(strlen(text) * 3 + 1);
    if (!clean)
        return NULL;
    size_t used = 0;
    while (*text) {
        size_t length = utf8_length((const unsigned char *)text);
        memcpy(clean + used, length ? text : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        text += length ? length : 1;
    }
    return json_object_new_string_len(clean, (int)used);
}

static void add(struct json_object *object, const char *key, struct json_object *value)
{
    json_object_object_add(object, key, value);
}

static struct json_object *number(bool known, uint64_t value)
{
    return known ? json_object_new_uint64(value) : NULL;
}

static struct json_object *boolean(bool value)
{
    return json_object_new_boolean(value);
}

static struct json_object *texts(char *const *items, size_t n)
{
    struct json_object *list = json_object_new_array_ext((int)n);
    for (size_t i = 0; i < n; i++)
        json_object_array_add(list, json_text(items[i]));
    return list;
}

static struct json_object *time_or_null(bool known, uint64_t ms)
{
    char text[TIME_TEXT_SIZE];
    return known ? json_object_new_string(time_text(ms, text)) : NULL;
}

static struct json_object *changes(Itexd__V1__Variable *const *env, size_t n)
{
    struct json_object *object = json_object_new_object(), *set = json_object_new_object(),
                       *unset = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        if (!env[i]->name)
            continue;
        if (env[i]->value)
            add(set, env[i]->name, json_text(env[i]->value));
        else
            json_object_array_add(unset, json_text(env[i]->name));
    }
    add(object, "set", set);
    add(object, "unset", unset);
    return object;
}

static struct json_object *facts(const Itexd__V1__Facts *message)
{
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; message && i < message->n_facts; i++) {
        const Itexd__V1__Fact *fact = message->facts[i];
        bool unknown = !fact->from || strcmp(fact->from, "unknown") == 0;
        struct json_object *entry = json_object_new_object();
        add(entry, "value", unknown ? NULL : json_text(fact->value));
        add(entry, "from", json_text(fact->from ? fact->from : "unknown"));
        add(object, fact->name ? fact->name : "", entry);
    }
    return object;
}

static struct json_object *diagnostics(const Itexd__V1__Outcome *outcome)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        struct json_object *entry = json_object_new_object();
        add(entry, "rule", json_text(diagnostic->rule));
        add(entry, "severity", json_text(diagnostic->severity));
        add(entry, "message", json_text(diagnostic->message));
        add(entry, "solution", json_text(diagnostic->solution));
        add(entry, "applied", boolean(diagnostic->applied));
        add(entry, "source", json_text(diagnostic->source));
        add(entry, "because", texts(diagnostic->because, diagnostic->n_because));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *alternatives(const Itexd__V1__Outcome *outcome)
{
    if (!outcome->alternatives_asked)
        return NULL;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < outcome->n_alternatives; i++) {
        const Itexd__V1__Alternative *alternative = outcome->alternatives[i];
        struct json_object *entry = json_object_new_object();
        add(entry, "env", changes(alternative->env, alternative->n_env));
        add(entry, "obligations", texts(alternative->obligations, alternative->n_obligations));
        add(entry, "mode", json_text(alternative->mode));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *devices(const Itexd__V1__Decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->n_devices; i++) {
        const Itexd__V1__Device *device = decision->devices[i];
        struct json_object *entry = json_object_new_object();
        add(entry, "uuid", json_text(device->uuid));
        add(entry, "bdf", json_text(device->bdf));
        add(entry, "tile", number(device->has_tile, device->tile));
        add(entry, "name", json_text(device->name));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *peer(const Itexd__V1__Peer *message)
{
    struct json_object *object = json_object_new_object();
    add(object, "uid", number(message && message->has_uid, message ? message->uid : 0));
    add(object, "pid", number(message && message->has_pid, message ? (uint64_t)message->pid : 0));
    add(object, "start", number(message && message->has_start, message ? message->start : 0));
    return object;
}

static struct json_object *lease(const Itexd__V1__Lease *message)
{
    if (!message)
        return NULL;
    struct json_object *object = json_object_new_object();
    add(object, "id", number(message->has_id, message->id));
    add(object, "sharing", json_text(message->sharing));
    add(object, "state", json_text(message->state));
    return object;
}

static struct json_object *observed(const Itexd__V1__Observed *message)
{
    if (!message)
        return NULL;
    struct json_object *object = json_object_new_object();
    add(object, "mode", json_text(message->mode));
    add(object, "devices", number(message->has_devices, message->devices));
    add(object, "match", message->has_match ? boolean(message->match) : NULL);
    return object;
}

static struct json_object *rule_set_name(const Itexd__V1__RuleSetName *message)
{
    struct json_object *object = json_object_new_object();
    add(object, "id", number(message && message->has_id && message->id, message ? message->id : 0));
    add(object, "name", json_text(message ? message->name : NULL));
    add(object, "digest", json_text(message ? message->digest : NULL));
    return object;
}

static void add_outcome(struct json_object *object, const Itexd__V1__Decision *decision)
{
    static const Itexd__V1__Outcome nothing = ITEXD__V1__OUTCOME__INIT;
    const Itexd__V1__Outcome *outcome = decision->outcome ? decision->outcome : &nothing;
    struct json_object *predicted = json_object_new_object();
    add(object, "verdict", json_text(outcome->verdict));
    add(object, "mode", json_text(outcome->mode));
    add(predicted, "mode", json_text(outcome->predicted_mode));
    add(predicted, "outcome", json_text(outcome->predicted_outcome));
    add(object, "predicted", predicted);
    add(object, "facts", facts(decision->facts));
    add(object, "unknown", texts(outcome->unknown, outcome->n_unknown));
    add(object, "env", changes(outcome->env, outcome->n_env));
    add(object, "obligations", texts(outcome->obligations, outcome->n_obligations));
    add(object, "diagnostics", diagnostics(outcome));
    add(object, "diagnostics_omitted", number(true, outcome->diagnostics_omitted));
    add(object, "alternatives", alternatives(outcome));
}

struct json_object *json_decision(const Itexd__V1__Decision *decision)
{
    struct json_object *object = json_object_new_object();
    add(object, "decision", number(decision->has_id && decision->id, decision->id));
    add(object, "recorded", boolean(decision->has_recorded && decision->recorded));
    add(object, "state", json_text(decision->state));
    add(object, "time", time_or_null(decision->has_time_ms, decision->time_ms));
    add(object, "job", json_text(decision->job));
    add(object, "peer", peer(decision->peer));
    add(object, "policy", json_text(decision->policy));
    add_outcome(object, decision);
    add(object, "devices", devices(decision));
    add(object, "lease", lease(decision->lease));
    add(object, "observed", observed(decision->observed));
    add(object, "ruleset", rule_set_name(decision->ruleset));
    add(object, "itex", json_text(decision->itex));
    return object;
}

struct json_object *json_status(const Itexd__V1__Status *status)
{
    struct json_object *object = json_object_new_object();
    add(object, "version", json_text(status->version));
    add(object, "start", time_or_null(status->has_start_ms, status->start_ms));
    add(object, "state", json_text(status->state));
    add(object, "problems", texts(status->problems, status->n_problems));
    add(object, "socket", json_text(status->socket));
    add(object, "database", json_text(status->database));
    add(object, "durability", json_text(status->durability));
    add(object, "recording", status->has_recording ? boolean(status->recording) : NULL);
    add(object, "decisions", number(status->has_decisions, status->decisions));
    add(object, "database_bytes", number(status->has_database_bytes, status->database_bytes));
    add(object, "wal_bytes", number(status->has_wal_bytes, status->wal_bytes));
    add(object, "ruleset", rule_set_name(status->ruleset));
    add(object, "ruleset_waiting", status->ruleset_waiting ? rule_set_name(status->ruleset_waiting) : NULL);
    add(object, "rules", number(status->has_rules, status->rules));
    add(object, "policy", json_text(status->policy));
    add(object, "locked", status->has_locked ? boolean(status->locked) : NULL);
    add(object, "peers", number(status->has_peers, status->peers));
    add(object, "requests", number(status->has_requests, status->requests));
    add(object, "refused", number(status->has_refused, status->refused));
    add(object, "queue", number(status->has_queue, status->queue));
    add(object, "devices", json_text(status->devices));
    add(object, "moved_aside", json_text(status->moved_aside));
    return object;
}

struct json_object *json_rule_set(const Itexd__V1__RuleSetInfo *info)
{
    struct json_object *object = json_object_new_object();
    add(object, "id", number(info->has_id && info->id, info->id));
    add(object, "name", json_text(info->name));
    add(object, "digest", json_text(info->digest));
    add(object, "origin", json_text(info->origin));
    add(object, "created", time_or_null(info->has_created_ms, info->created_ms));
    add(object, "created_uid", number(info->has_created_uid, info->created_uid));
    add(object, "active", boolean(info->has_active && info->active));
    add(object, "rules", number(info->has_rules, info->rules));
    add(object, "activated", time_or_null(info->has_activated_ms, info->activated_ms));
    add(object, "activated_uid", number(info->has_activated_uid, info->activated_uid));
    return object;
}

struct json_object *json_rules(const struct rule_set_def *set)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < set->n_rules; i++) {
        const struct rule_def *rule = &set->rules[i];
        struct json_object *object = json_object_new_object();
        add(object, "rule", json_text(rule->id));
        add(object, "severity", json_text(severity_name(rule->severity)));
        add(object, "outcome", json_text(outcome_name(rule->outcome)));
        add(object, "message", json_text(rule->message));
        add(object, "solution", json_text(rule->solution));
        add(object, "source", json_text(rule->source));
        json_object_array_add(array, object);
    }
    return array;
}

/* JSON lets DEL and U+0080 to U+009F stand for themselves, terminals do not; \u00XX means the same to a reader. */
static void print_escaped(FILE *out, const char *text)
{
    while (*text) {
        size_t length = steering(text);

        if (length == 1 || length == 2) {
            fprintf(out, "\\u00%02x", (unsigned char)text[length - 1]);
            text += length;
        } else {
            fputc(*text++, out);
        }
    }
    fputc('\n', out);
}

int json_print(FILE *out, struct json_object *object)
{
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text)
        print_escaped(out, text);
    json_object_put(object);
    return text ? 0 : -ENOMEM;
}
