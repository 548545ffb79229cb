/* The report on a script: see check_report.h. */
#include "client/itexctl/check_report.h"
#include "client/itexctl/examined_text.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/json_parts.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <json-c/json_object.h>
#include <stdlib.h>
#include <string.h>

/* ---- Its items ------------------------------------------------------------------------------------------- */

static bool found_already(const struct findings *findings, const char *rule)
{
    for (size_t i = 0; i < findings->n_items; i++)
        if (strcmp(findings->items[i].rule, rule) == 0)
            return true;
    return false;
}

static enum severity severity_by_name(const char *name)
{
    static const enum severity severities[] = {SEVERITY_WARNING, SEVERITY_UNSUPPORTED, SEVERITY_ERROR};
    for (size_t i = 0; name && i < LENGTH(severities); i++)
        if (strcmp(severity_name(severities[i]), name) == 0)
            return severities[i];
    return SEVERITY_INFO;
}

static struct check_item of_finding(const struct finding *finding)
{
    return (struct check_item){.place = finding->place,
                               .severity = finding->severity,
                               .rule = finding->rule,
                               .message = finding->message,
                               .fix = finding->fix,
                               .fixable = finding->fixable};
}

static struct check_item of_diagnostic(const struct check_report *report, const Itexd__V1__Diagnostic *diagnostic)
{
    return (struct check_item){.place =
                                   check_rules_place(report->rules, diagnostic, report->examined, report->decision),
                               .severity = severity_by_name(diagnostic->severity),
                               .rule = diagnostic->rule ? diagnostic->rule : "?",
                               .message = diagnostic->message ? diagnostic->message : "",
                               .fix = diagnostic->solution,
                               .of_rules = true,
                               .applied = diagnostic->applied};
}

/* The script itself before what it imports, line by line, the script as a whole last. */
static int compare_items(const void *left, const void *right, void *data)
{
    const struct check_item *a = left, *b = right;
    const char *script = data;
    if (!a->place.file || !b->place.file)
        return (a->place.file == NULL) - (b->place.file == NULL);
    bool a_own = strcmp(a->place.file, script) == 0, b_own = strcmp(b->place.file, script) == 0;
    int order = a_own != b_own ? b_own - a_own : strverscmp(a->place.file, b->place.file); /* cell 2 before cell 10 */
    if (order == 0)
        order = (a->place.line > b->place.line) - (a->place.line < b->place.line);
    if (order == 0)
        order = (a->place.column > b->place.column) - (a->place.column < b->place.column);
    return order ? order : strcmp(a->rule, b->rule);
}

int check_report_make(struct check_report *report)
{
    const struct findings *findings = &report->examined->findings;
    const Itexd__V1__Outcome *outcome = report->decision->outcome;
    report->items = calloc(findings->n_items + outcome->n_diagnostics + 1, sizeof(*report->items));
    if (!report->items)
        return -ENOMEM;
    for (size_t i = 0; i < findings->n_items; i++)
        report->items[report->n_items++] = of_finding(&findings->items[i]);
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        if (!found_already(findings, outcome->diagnostics[i]->rule ? outcome->diagnostics[i]->rule : ""))
            report->items[report->n_items++] = of_diagnostic(report, outcome->diagnostics[i]);
    for (size_t i = 0; i < report->n_items; i++) {
        report->errors += report->items[i].severity >= SEVERITY_UNSUPPORTED;
        report->warnings += report->items[i].severity == SEVERITY_WARNING;
    }
    qsort_r(report->items, report->n_items, sizeof(*report->items), compare_items, (void *)report->file);
    return 0;
}

void check_report_clear(struct check_report *report)
{
    free(report->items);
    report->items = NULL;
    report->n_items = 0;
}

/* ---- For people ------------------------------------------------------------------------------------------ */

/* Not wrapped, as a compiler's: editors read such lines. */
static void print_item(const struct printer *printer, const char *file, const struct check_item *item)
{
    const struct printer wide = {.out = printer->out, .width = 1 << 20};
    CLEANUP(freep) char *where = place_text(&item->place, file);
    fprintf(printer->out, "%s", tone_start(printer, TONE_BOLD));
    print_inline(printer, where ? where : file);
    fputc(':', printer->out);
    fprintf(printer->out, "%s %s%s:%s ", tone_end(printer),
            tone_start(printer, severity_tone(severity_name(item->severity))), severity_name(item->severity),
            tone_end(printer));
    print_inline(printer, item->message);
    fprintf(printer->out, " %s[%s]%s\n", tone_start(printer, TONE_DIM), item->rule, tone_end(printer));
    if (item->fix)
        print_paragraphf(&wide, 4, "fix: %s%s", item->fix,
                         item->fixable   ? " (--fix does it)"
                         : item->applied ? " (itexctl run does it)"
                                         : "");
}

static void print_counts(const struct printer *printer, const struct check_report *report)
{
    CLEANUP(freep) char *text = NULL;
    unsigned errors = report->errors, warnings = report->warnings;
    int r = errors + warnings == 0 ? asprintf(&text, "%s: nothing is wrong with it", report->file)
                                   : asprintf(&text, "%s: %u error%s, %u warning%s", report->file, errors,
                                              errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
    if (r < 0)
        text = NULL;
    print_heading(printer, errors ? TONE_BAD : warnings ? TONE_WARN : TONE_GOOD, text ? text : "out of memory");
}

/* "npd; sets ITEX_DISABLE_XLA=1": what becomes of it under itexctl run. */
static void print_under_run(const struct printer *printer, const struct check_report *report)
{
    const Itexd__V1__Outcome *outcome = report->decision->outcome;
    const char *mode = outcome->mode ? outcome->mode : "no mode";
    if (outcome->verdict && strcmp(outcome->verdict, "rejected") == 0)
        print_fieldf(printer, "itexctl run", "would not start it: no valid mode can be reached");
    else
        print_fieldf(printer, "itexctl run", "mode %s", mode);
    print_changes(printer, "", outcome->env, outcome->n_env);
    for (size_t i = 0; i < outcome->n_obligations; i++) {
        const char *token = outcome->obligations[i];
        bool of_script = strncmp(token, "script:", 7) == 0;
        CLEANUP(freep)
        char *words = of_script ? script_obligation_words(token, report->examined) : obligation_words(token);
        print_field(printer, i ? "" : "job's part", words ? words : token);
    }
}

void check_report_print(const struct check_report *report, const struct printer *printer)
{
    const Itexd__V1__Outcome *outcome = report->decision->outcome;
    CLEANUP(freep) char *prediction = prediction_words(outcome);
    CLEANUP(freep) char *unknown = join_words(outcome->unknown, outcome->n_unknown);
    for (size_t i = 0; i < report->n_items; i++)
        print_item(printer, report->file, &report->items[i]);
    print_counts(printer, report);
    print_told_facts(printer, report->examined, report->decision, false);
    print_script_variables(printer, report->examined);
    print_field(printer, "as it is", prediction ? prediction : "?");
    print_under_run(printer, report);
    if (outcome->n_unknown > 0)
        print_fieldf(printer, "not known", "%s - it could change this", unknown ? unknown : "?");
    print_fieldf(printer, "rules", "%s, digest %.12s",
                 report->rules->of_service ? "of the service" : "the shipped ones", rules_digest(report->rules->rules));
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static struct json_object *json_item(const struct check_report *report, const struct check_item *item)
{
    struct json_object *object = json_object_new_object();
    const struct place place = {.file = item->place.file ? item->place.file : report->file,
                                .line = item->place.line,
                                .column = item->place.column};
    json_add_place(object, &place);
    json_add(object, "rule", json_text(item->rule));
    json_add(object, "severity", json_text(severity_name(item->severity)));
    json_add(object, "message", json_text(item->message));
    json_add(object, "fix", json_text(item->fix));
    json_add(object, "fixable", json_boolean(item->fixable));
    json_add(object, "by", json_text(item->of_rules ? "rules" : "script"));
    json_add(object, "applied", json_boolean(item->applied));
    return object;
}

struct json_object *check_report_json(const struct check_report *report)
{
    struct json_object *object = json_examined(report->examined), *items = json_object_new_array();
    for (size_t i = 0; i < report->n_items; i++)
        json_object_array_add(items, json_item(report, &report->items[i]));
    json_add(object, "findings", items);
    json_add(object, "hook", json_boolean(report->examined->findings.hook));
    json_add(object, "errors", json_number(true, report->errors));
    json_add(object, "warnings", json_number(true, report->warnings));
    json_add(object, "decision", json_decision(report->decision));
    return object;
}
