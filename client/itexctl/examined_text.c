/* What was found out about a script: see examined_text.h. */
#include "client/itexctl/examined_text.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/json_parts.h"
#include "daemon/resolver/facts.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <json-c/json_object.h>
#include <stdlib.h>
#include <string.h>

/* ---- For people ---------------------------------------------------------------------------------------- */

static const char *const kinds[] = {
    [SCRIPT_NONE] = "none that is known of",
    [SCRIPT_FILE] = "file",
    [SCRIPT_MODULE] = "module",
    [SCRIPT_CODE] = "code behind -c",
    [SCRIPT_STDIN] = "from standard input",
    [SCRIPT_INTERACTIVE] = "interactive",
    [SCRIPT_NOTHING] = "Python ends at once",
};

static void print_script(const struct printer *printer, const struct examined *examined)
{
    const struct script *script = &examined->script;
    const char *why = script->why ? script->why : "";
    if (examined->file && script->kind != SCRIPT_MODULE)
        print_field(printer, "script", examined->file);
    else if (examined->file)
        print_fieldf(printer, "script", "%s (%s)", script_name(script), examined->file);
    else if (script->kind == SCRIPT_FILE || script->kind == SCRIPT_MODULE)
        print_fieldf(printer, "script", "%s; nothing is known of it: %s", script_name(script), why);
    else
        print_fieldf(printer, "script", "%s%s%s", kinds[script->kind], *why ? ": " : "", why);
    if (examined->interpreter && examined->known)
        print_fieldf(printer, "interpreter", "%s (%s)%s", examined->interpreter, examined->findings.python,
                     examined->kept ? ", analysed earlier" : "");
    else if (examined->interpreter)
        print_field(printer, "interpreter", examined->interpreter);
    if (examined->problem)
        print_field(printer, "not analysed", examined->problem);
}

static const struct found_fact *found_in_script(const struct examined *examined, const Itexd__V1__Fact *fact)
{
    for (size_t i = 0; i < examined->findings.n_facts; i++)
        if (strcmp(examined->findings.facts[i].name, fact->name) == 0)
            return &examined->findings.facts[i];
    return NULL;
}

static void print_fact(const struct printer *printer, const char *label, const struct examined *examined,
                       const Itexd__V1__Fact *fact)
{
    const struct found_fact *found = strcmp(fact->from, "script") == 0 ? found_in_script(examined, fact) : NULL;
    const char *why = found && found->why ? found->why : "";
    CLEANUP(freep) char *where = found ? place_text(&found->place, "the script as a whole") : NULL;
    if (where)
        print_fieldf(printer, label, "%s=%s (%s%s%s)", fact->name, fact->value, where, *why ? ", " : "", why);
    else
        print_fieldf(printer, label, "%s=%s (%s)", fact->name, fact->value,
                     strcmp(fact->from, "node") == 0 ? "installed" : fact->from);
}

/* Those that were told; what follows from the environment is shown where it matters, in the diagnostics. */
static bool is_told(const Itexd__V1__Fact *fact)
{
    int id = fact->name ? fact_by_name(fact->name) : -1;
    bool of_environment = id >= 0 && fact_table[id].origin == FACT_ENVIRONMENT;
    return fact->name && !of_environment && fact->value && fact->from && strcmp(fact->value, "unknown") != 0 &&
           (strcmp(fact->from, "declared") == 0 || strcmp(fact->from, "script") == 0 ||
            strcmp(fact->from, "node") == 0);
}

static void print_facts(const struct printer *printer, const struct examined *examined, const Itexd__V1__Facts *facts,
                        bool all)
{
    const char *label = "facts";
    for (size_t i = 0; facts && i < facts->n_facts; i++) {
        if (!is_told(facts->facts[i]) || (!all && strcmp(facts->facts[i]->value, "false") == 0))
            continue;
        print_fact(printer, label, examined, facts->facts[i]);
        label = "";
    }
}

void print_script_variables(const struct printer *printer, const struct examined *examined)
{
    const struct findings *findings = &examined->findings;
    const char *label = "it sets";
    for (size_t i = 0; i < findings->n_variables; i++, label = "") {
        const struct found_variable *variable = &findings->variables[i];
        const char *value = variable->value;
        print_fieldf(printer, label, "%s%s%s%s (%s:%u%s%s)", value ? "" : "unset ", variable->name, value ? "=" : "",
                     value ? value : "", variable->place.file ? variable->place.file : "script", variable->place.line,
                     variable->unconditional ? "" : ", not in every case",
                     variable->before_import ? "" : ", after the import");
    }
}

static void print_findings(const struct printer *printer, const struct findings *findings)
{
    const char *label = "findings";
    for (size_t i = 0; i < findings->n_items; i++, label = "") {
        const struct finding *finding = &findings->items[i];
        CLEANUP(freep) char *where = place_text(&finding->place, "script");
        print_fieldf(printer, label, "%s: %s: %s [%s]", where ? where : "script", severity_name(finding->severity),
                     finding->message, finding->rule);
    }
}

/* Where nobody has decided, what would have been told. */
static void print_found_facts(const struct printer *printer, const struct examined *examined)
{
    const struct findings *findings = &examined->findings;
    const char *label = "facts";
    for (size_t i = 0; i < findings->n_facts + findings->n_installation; i++, label = "") {
        bool own = i < findings->n_facts;
        const struct found_fact *found = own ? &findings->facts[i] : &findings->installation[i - findings->n_facts];
        const Itexd__V1__Fact fact = {
            .name = (char *)found->name, .value = (char *)found->value, .from = (char *)(own ? "script" : "node")};
        print_fact(printer, label, examined, &fact);
    }
}

void print_told_facts(const struct printer *printer, const struct examined *examined,
                      const Itexd__V1__Decision *decision, bool all)
{
    if (decision)
        print_facts(printer, examined, decision->facts, all);
    else
        print_found_facts(printer, examined);
}

void print_examined(const struct printer *printer, const struct examined *examined, const Itexd__V1__Decision *decision)
{
    print_script(printer, examined);
    print_told_facts(printer, examined, decision, true);
    print_script_variables(printer, examined);
    print_findings(printer, &examined->findings);
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

void json_add_place(struct json_object *object, const struct place *place)
{
    json_add(object, "file", json_text(place->file));
    json_add(object, "line", json_number(place->line > 0, place->line));
    json_add(object, "column", json_number(place->column > 0, place->column));
}

struct json_object *json_finding(const struct finding *finding)
{
    struct json_object *object = json_object_new_object();
    json_add_place(object, &finding->place);
    json_add(object, "rule", json_text(finding->rule));
    json_add(object, "severity", json_text(severity_name(finding->severity)));
    json_add(object, "message", json_text(finding->message));
    json_add(object, "fix", json_text(finding->fix));
    json_add(object, "fixable", json_boolean(finding->fixable));
    return object;
}

static struct json_object *json_found_facts(const struct findings *findings)
{
    struct json_object *all = json_object_new_object();
    for (size_t i = 0; i < findings->n_facts; i++) {
        const struct found_fact *fact = &findings->facts[i];
        struct json_object *object = json_object_new_object();
        json_add(object, "value", json_text(fact->value));
        json_add_place(object, &fact->place);
        json_add(object, "why", json_text(fact->why));
        json_add(all, fact->name, object);
    }
    return all;
}

static struct json_object *json_installation(const struct findings *findings)
{
    struct json_object *all = json_object_new_object();
    for (size_t i = 0; i < findings->n_installation; i++)
        json_add(all, findings->installation[i].name, json_text(findings->installation[i].value));
    return all;
}

static struct json_object *json_found_variables(const struct findings *findings)
{
    struct json_object *all = json_object_new_array();
    for (size_t i = 0; i < findings->n_variables; i++) {
        const struct found_variable *variable = &findings->variables[i];
        struct json_object *object = json_object_new_object();
        json_add(object, "name", json_text(variable->name));
        json_add(object, "value", json_text(variable->value));
        json_add(object, "unconditional", json_boolean(variable->unconditional));
        json_add(object, "before_import", json_boolean(variable->before_import));
        json_add_place(object, &variable->place);
        json_object_array_add(all, object);
    }
    return all;
}

struct json_object *json_examined(const struct examined *examined)
{
    const struct findings *findings = &examined->findings;
    struct json_object *object = json_object_new_object(), *items = json_object_new_array();
    json_add(object, "script", json_text(examined->file));
    json_add(object, "interpreter", json_text(examined->interpreter));
    json_add(object, "python", json_text(examined->known ? findings->python : NULL));
    json_add(object, "kept", json_boolean(examined->kept));
    json_add(object, "problem", json_text(examined->problem));
    json_add(object, "facts", json_found_facts(findings));
    json_add(object, "installation", json_installation(findings));
    json_add(object, "environment", json_found_variables(findings));
    for (size_t i = 0; i < findings->n_items; i++)
        json_object_array_add(items, json_finding(&findings->items[i]));
    json_add(object, "findings", items);
    return object;
}

static const char *hook_word(const struct hook *hook)
{
    static const char *const words[] = {[HOOK_OF_NO_PYTHON] = NULL,
                                        [HOOK_INSTALLED] = "installed",
                                        [HOOK_BUNDLED] = "bundled",
                                        [HOOK_MISSING] = "missing"};
    return words[hook->kind];
}

struct json_object *json_run(const struct examined *examined, const struct hook *hook, const struct apply_plan *plan,
                             char *const *command)
{
    struct json_object *object = json_examined(examined), *changes = json_object_new_object(),
                       *words = json_object_new_array();
    json_add(object, "hook", json_text(hook_word(hook)));
    for (size_t i = 0; i < plan->n_changes; i++)
        json_add(changes, plan->changes[i].name, json_text(plan->changes[i].value));
    json_add(object, "changes", changes);
    for (size_t i = 0; command[i]; i++)
        json_object_array_add(words, json_text(command[i]));
    json_add(object, "command", words);
    return object;
}
