/*
 * The JSON of a decision: one object, the same for every command, every key always there. null is "not known", an empty
 * list is "none". The names are promised to scripts: tests compare them.
 */
#include "client/itexctl/json_parts.h"
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

void json_add(struct json_object *object, const char *key, struct json_object *value)
{
    json_object_object_add(object, key, value);
}

struct json_object *json_number(bool known, uint64_t value)
{
    return known ? json_object_new_uint64(value) : NULL;
}

struct json_object *json_boolean(bool value)
{
    return json_object_new_boolean(value);
}

struct json_object *json_texts(char *const *items, size_t n)
{
    struct json_object *list = json_object_new_array_ext((int)n);
    for (size_t i = 0; i < n; i++)
        json_object_array_add(list, json_text(items[i]));
    return list;
}

struct json_object *json_time(bool known, uint64_t ms)
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
            json_add(set, env[i]->name, json_text(env[i]->value));
        else
            json_object_array_add(unset, json_text(env[i]->name));
    }
    json_add(object, "set", set);
    json_add(object, "unset", unset);
    return object;
}

static struct json_object *facts(const Itexd__V1__Facts *message)
{
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; message && i < message->n_facts; i++) {
        const Itexd__V1__Fact *fact = message->facts[i];
        bool unknown = !fact->from || strcmp(fact->from, "unknown") == 0;
        struct json_object *entry = json_object_new_object();
        json_add(entry, "value", unknown ? NULL : json_text(fact->value));
        json_add(entry, "from", json_text(fact->from ? fact->from : "unknown"));
        json_add(object, fact->name ? fact->name : "", entry);
    }
    return object;
}

static struct json_object *diagnostics(const Itexd__V1__Outcome *outcome)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        struct json_object *entry = json_object_new_object();
        json_add(entry, "rule", json_text(diagnostic->rule));
        json_add(entry, "severity", json_text(diagnostic->severity));
        json_add(entry, "message", json_text(diagnostic->message));
        json_add(entry, "solution", json_text(diagnostic->solution));
        json_add(entry, "applied", json_boolean(diagnostic->applied));
        json_add(entry, "source", json_text(diagnostic->source));
        json_add(entry, "because", json_texts(diagnostic->because, diagnostic->n_because));
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
        json_add(entry, "env", changes(alternative->env, alternative->n_env));
        json_add(entry, "obligations", json_texts(alternative->obligations, alternative->n_obligations));
        json_add(entry, "mode", json_text(alternative->mode));
        json_object_array_add(list, entry);
    }
    return list;
}

struct json_object *json_device_list(Itexd__V1__Device *const *devices, size_t n)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        const Itexd__V1__Device *device = devices[i];
        struct json_object *entry = json_object_new_object();
        json_add(entry, "uuid", json_text(device->uuid));
        json_add(entry, "bdf", json_text(device->bdf));
        json_add(entry, "tile", json_number(device->has_tile, device->tile));
        json_add(entry, "name", json_text(device->name));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *peer(const Itexd__V1__Peer *message)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "uid", json_number(message && message->has_uid, message ? message->uid : 0));
    json_add(object, "pid", json_number(message && message->has_pid, message ? (uint64_t)message->pid : 0));
    json_add(object, "start", json_number(message && message->has_start, message ? message->start : 0));
    return object;
}

static struct json_object *lease(const Itexd__V1__Lease *message)
{
    if (!message)
        return NULL;
    struct json_object *object = json_object_new_object();
    json_add(object, "id", json_number(message->has_id, message->id));
    json_add(object, "sharing", json_text(message->sharing));
    json_add(object, "state", json_text(message->state));
    return object;
}

static struct json_object *observed(const Itexd__V1__Observed *message)
{
    if (!message)
        return NULL;
    struct json_object *object = json_object_new_object();
    json_add(object, "mode", json_text(message->mode));
    json_add(object, "devices", json_number(message->has_devices, message->devices));
    json_add(object, "match", message->has_match ? json_boolean(message->match) : NULL);
    return object;
}

static struct json_object *rule_set_name(const Itexd__V1__RuleSetName *message)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "id", json_number(message && message->has_id && message->id, message ? message->id : 0));
    json_add(object, "name", json_text(message ? message->name : NULL));
    json_add(object, "digest", json_text(message ? message->digest : NULL));
    return object;
}

static void add_outcome(struct json_object *object, const Itexd__V1__Decision *decision)
{
    static const Itexd__V1__Outcome nothing = ITEXD__V1__OUTCOME__INIT;
    const Itexd__V1__Outcome *outcome = decision->outcome ? decision->outcome : &nothing;
    struct json_object *predicted = json_object_new_object();
    json_add(object, "verdict", json_text(outcome->verdict));
    json_add(object, "mode", json_text(outcome->mode));
    json_add(predicted, "mode", json_text(outcome->predicted_mode));
    json_add(predicted, "outcome", json_text(outcome->predicted_outcome));
    json_add(object, "predicted", predicted);
    json_add(object, "facts", facts(decision->facts));
    json_add(object, "unknown", json_texts(outcome->unknown, outcome->n_unknown));
    json_add(object, "env", changes(outcome->env, outcome->n_env));
    json_add(object, "obligations", json_texts(outcome->obligations, outcome->n_obligations));
    json_add(object, "diagnostics", diagnostics(outcome));
    json_add(object, "diagnostics_omitted", json_number(true, outcome->diagnostics_omitted));
    json_add(object, "alternatives", alternatives(outcome));
}

struct json_object *json_decision(const Itexd__V1__Decision *decision)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "decision", json_number(decision->has_id && decision->id, decision->id));
    json_add(object, "recorded", json_boolean(decision->has_recorded && decision->recorded));
    json_add(object, "state", json_text(decision->state));
    json_add(object, "time", json_time(decision->has_time_ms, decision->time_ms));
    json_add(object, "job", json_text(decision->job));
    json_add(object, "peer", peer(decision->peer));
    json_add(object, "policy", json_text(decision->policy));
    add_outcome(object, decision);
    json_add(object, "devices", json_device_list(decision->devices, decision->n_devices));
    json_add(object, "lease", lease(decision->lease));
    json_add(object, "observed", observed(decision->observed));
    json_add(object, "ruleset", rule_set_name(decision->ruleset));
    json_add(object, "itex", json_text(decision->itex));
    return object;
}

struct json_object *json_status(const Itexd__V1__Status *status)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "version", json_text(status->version));
    json_add(object, "start", json_time(status->has_start_ms, status->start_ms));
    json_add(object, "state", json_text(status->state));
    json_add(object, "problems", json_texts(status->problems, status->n_problems));
    json_add(object, "socket", json_text(status->socket));
    json_add(object, "database", json_text(status->database));
    json_add(object, "durability", json_text(status->durability));
    json_add(object, "recording", status->has_recording ? json_boolean(status->recording) : NULL);
    json_add(object, "decisions", json_number(status->has_decisions, status->decisions));
    json_add(object, "database_bytes", json_number(status->has_database_bytes, status->database_bytes));
    json_add(object, "wal_bytes", json_number(status->has_wal_bytes, status->wal_bytes));
    json_add(object, "ruleset", rule_set_name(status->ruleset));
    json_add(object, "ruleset_waiting", status->ruleset_waiting ? rule_set_name(status->ruleset_waiting) : NULL);
    json_add(object, "rules", json_number(status->has_rules, status->rules));
    json_add(object, "policy", json_text(status->policy));
    json_add(object, "locked", status->has_locked ? json_boolean(status->locked) : NULL);
    json_add(object, "peers", json_number(status->has_peers, status->peers));
    json_add(object, "requests", json_number(status->has_requests, status->requests));
    json_add(object, "refused", json_number(status->has_refused, status->refused));
    json_add(object, "queue", json_number(status->has_queue, status->queue));
    json_add(object, "devices", json_text(status->devices));
    json_add(object, "moved_aside", json_text(status->moved_aside));
    json_add_device_status(object, status);
    return object;
}

struct json_object *json_rule_set(const Itexd__V1__RuleSetInfo *info)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "id", json_number(info->has_id && info->id, info->id));
    json_add(object, "name", json_text(info->name));
    json_add(object, "digest", json_text(info->digest));
    json_add(object, "origin", json_text(info->origin));
    json_add(object, "created", json_time(info->has_created_ms, info->created_ms));
    json_add(object, "created_uid", json_number(info->has_created_uid, info->created_uid));
    json_add(object, "active", json_boolean(info->has_active && info->active));
    json_add(object, "rules", json_number(info->has_rules, info->rules));
    json_add(object, "activated", json_time(info->has_activated_ms, info->activated_ms));
    json_add(object, "activated_uid", json_number(info->has_activated_uid, info->activated_uid));
    return object;
}

struct json_object *json_rules(const struct rule_set_def *set)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < set->n_rules; i++) {
        const struct rule_def *rule = &set->rules[i];
        struct json_object *object = json_object_new_object();
        json_add(object, "rule", json_text(rule->id));
        json_add(object, "severity", json_text(severity_name(rule->severity)));
        json_add(object, "outcome", json_text(outcome_name(rule->outcome)));
        json_add(object, "message", json_text(rule->message));
        json_add(object, "solution", json_text(rule->solution));
        json_add(object, "source", json_text(rule->source));
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
