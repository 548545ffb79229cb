/* What was found, for people, for programs, and in one line for a scheduler. */
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/json_parts.h"
#include "client/itexctl/output.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <json-c/json_object.h>

#define LEVEL_COLUMN 9

static enum tone level_tone(enum doctor_level level)
{
    static const enum tone tones[] = {
        [DOCTOR_OK] = TONE_GOOD,      [DOCTOR_INFO] = TONE_PLAIN, [DOCTOR_SKIPPED] = TONE_DIM,
        [DOCTOR_WARNING] = TONE_WARN, [DOCTOR_ERROR] = TONE_BAD,
    };
    return tones[level];
}

/* ---- For people ---------------------------------------------------------------------------------------------- */

static void print_finding(const struct printer *printer, const struct doctor_finding *finding)
{
    CLEANUP(freep) char *text = NULL;
    char mark[MARK_SIZE];
    bool told = finding->level >= DOCTOR_WARNING;
    mark_prefix(finding->substitute, mark);
    if (asprintf(&text, "%s%s: %s%s%s%s", mark, finding->layer->title, finding->found, told ? " (" : "",
                 told ? finding->id : "", told ? ")" : "") < 0)
        text = NULL;
    print_worded(printer, LEVEL_COLUMN, level_tone(finding->level), doctor_level_name(finding->level),
                 text ? text : "out of memory");
    if (finding->fix)
        print_paragraphf(printer, LEVEL_COLUMN, "%s: %s", told ? "Fix" : "Hint", finding->fix);
}

static void print_sum(const struct printer *printer, size_t errors, size_t warnings)
{
    if (errors == 0 && warnings == 0)
        print_heading(printer, TONE_GOOD, "Nothing found that would stop a training job.");
    else
        fprintf(printer->out,
                "%s%zu error%s, %zu warning%s%s; docs/doctor.md explains each by the word in parentheses\n",
                tone_start(printer, errors ? TONE_BAD : TONE_WARN), errors, errors == 1 ? "" : "s", warnings,
                warnings == 1 ? "" : "s", tone_end(printer));
}

static void print_all(const struct doctor *doctor)
{
    const struct printer printer = printer_open(doctor->context, stdout);
    for (size_t i = 0; i < doctor->n_findings; i++)
        print_finding(&printer, &doctor->findings[i]);
    fputc('\n', printer.out);
    print_sum(&printer, doctor_count(doctor, DOCTOR_ERROR), doctor_count(doctor, DOCTOR_WARNING));
}

/* ---- For programs -------------------------------------------------------------------------------------------- */

static struct json_object *finding_json(const struct doctor_finding *finding)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "layer", json_text(finding->layer->name));
    json_add(object, "id", json_text(finding->id));
    json_add(object, "level", json_text(doctor_level_name(finding->level)));
    json_add(object, "found", json_text(finding->found));
    json_add(object, "fix", json_text(finding->fix));
    json_add(object, "substitute", json_text(finding->substitute));
    return object;
}

static int print_json(const struct doctor *doctor)
{
    struct json_object *object = json_object_new_object(), *user = json_object_new_object(),
                       *findings = json_object_new_array_ext((int)doctor->n_findings);
    json_add(user, "name", json_text(doctor->user.name));
    json_add(user, "uid", json_number(true, doctor->user.uid));
    json_add(object, "user", doctor->options->node ? NULL : user);
    if (doctor->options->node)
        json_object_put(user);
    json_add(object, "errors", json_number(true, doctor_count(doctor, DOCTOR_ERROR)));
    json_add(object, "warnings", json_number(true, doctor_count(doctor, DOCTOR_WARNING)));
    for (size_t i = 0; i < doctor->n_findings; i++)
        json_object_array_add(findings, finding_json(&doctor->findings[i]));
    json_add(object, "findings", findings);
    return json_print(stdout, object);
}

/* ---- For a scheduler ----------------------------------------------------------------------------------------- */

/* The first of the worst. */
static const struct doctor_finding *worst(const struct doctor *doctor)
{
    const struct doctor_finding *found = NULL;
    for (size_t i = 0; i < doctor->n_findings; i++)
        if (!found || doctor->findings[i].level > found->level)
            found = &doctor->findings[i];
    return found;
}

static void print_fit(const struct doctor *doctor)
{
    const struct doctor_machine *machine = doctor->machine;
    char mark[MARK_SIZE];
    mark_prefix(machine->substitute, mark);
    print_linef("ok: %s%zu GPU%s, itexd %s", mark, machine->gpus.n, machine->gpus.n == 1 ? "" : "s",
                doctor_service_version(doctor));
}

static void print_line(const struct doctor *doctor)
{
    const struct doctor_finding *finding = worst(doctor);
    char mark[MARK_SIZE];
    mark_prefix(finding ? finding->substitute : NULL, mark);
    if (!finding || finding->level < DOCTOR_WARNING)
        print_fit(doctor);
    else
        print_linef("%s%s: %s: %s%s%s", mark, doctor_level_name(finding->level), finding->id, finding->found,
                    finding->fix ? "; " : "", finding->fix ? finding->fix : "");
}

int doctor_show(const struct doctor *doctor)
{
    if (doctor->context->json)
        return print_json(doctor);
    if (doctor->options->node)
        print_line(doctor);
    else
        print_all(doctor);
    return 0;
}
