/* Going through the layers, and what they find: see doctor.h. */
#include "client/itexctl/doctor/doctor.h"
#include "client/itexctl/doctor/machine.h"
#include "client/itexctl/doctor/user.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000
#define NODE_TIMEOUT_MS 10000 /* a scheduler's own limit for a health check is usually 30 s or more */

const char *doctor_level_name(enum doctor_level level)
{
    static const char *const names[] = {
        [DOCTOR_OK] = "ok",           [DOCTOR_INFO] = "info",   [DOCTOR_SKIPPED] = "skipped",
        [DOCTOR_WARNING] = "warning", [DOCTOR_ERROR] = "error",
    };
    return names[level];
}

/* ---- Findings ------------------------------------------------------------------------------------------------ */

/* From malloc; NULL without memory, which doctor_run tells in the end. */
__attribute__((format(printf, 2, 0))) static char *sentence(struct doctor *doctor, const char *format,
                                                            va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) >= 0)
        return text;
    doctor->out_of_memory = true;
    return NULL;
}

void doctor_found(struct doctor *doctor, enum doctor_level level, const char *id, const char *format, ...)
{
    struct doctor_finding *findings = reallocarray(doctor->findings, doctor->n_findings + 1, sizeof(*doctor->findings));
    va_list arguments;
    if (!findings) {
        doctor->out_of_memory = true;
        return;
    }
    doctor->findings = findings;
    va_start(arguments, format);
    findings[doctor->n_findings++] = (struct doctor_finding){
        .layer = doctor->layer,
        .level = level,
        .id = id,
        .substitute = doctor->substitute,
        .found = sentence(doctor, format, arguments),
    };
    va_end(arguments);
}

void doctor_fix(struct doctor *doctor, const char *format, ...)
{
    va_list arguments;
    if (doctor->n_findings == 0)
        return; /* there was no memory for it */
    struct doctor_finding *finding = &doctor->findings[doctor->n_findings - 1];
    free(finding->fix);
    va_start(arguments, format);
    finding->fix = sentence(doctor, format, arguments);
    va_end(arguments);
}

size_t doctor_count(const struct doctor *doctor, enum doctor_level level)
{
    size_t n = 0;
    for (size_t i = 0; i < doctor->n_findings; i++)
        n += doctor->findings[i].level == level;
    return n;
}

enum doctor_level doctor_level_of(const struct doctor *doctor, const char *layer)
{
    enum doctor_level worst = DOCTOR_OK;
    bool looked = false;
    for (size_t i = 0; i < doctor->n_findings; i++) {
        if (strcmp(doctor->findings[i].layer->name, layer) != 0)
            continue;
        looked = true;
        if (doctor->findings[i].level > worst)
            worst = doctor->findings[i].level;
    }
    return looked ? worst : DOCTOR_SKIPPED;
}

/* ---- What layers share ---------------------------------------------------------------------------------------- */

int doctor_left_ms(const struct doctor *doctor, int most)
{
    uint64_t now = clock_steady_ms();
    if (now >= doctor->deadline_ms)
        return 0;
    return doctor->deadline_ms - now < (uint64_t)most ? (int)(doctor->deadline_ms - now) : most;
}

bool doctor_path(const struct doctor *doctor, char path[PATH_MAX], const char *format, ...)
{
    va_list arguments;
    int start = snprintf(path, PATH_MAX, "%s", doctor->root);
    if (start < 0 || start >= PATH_MAX)
        return false;
    va_start(arguments, format);
    int length = vsnprintf(path + start, (size_t)(PATH_MAX - start), format, arguments);
    va_end(arguments);
    return length >= 0 && length < PATH_MAX - start;
}

/* ---- The layers ---------------------------------------------------------------------------------------------- */

/* The finding for which this layer cannot be looked at: that of the lowest layer that it needs and that failed; one
 * that was skipped leads to the reason for that. */
static const struct doctor_finding *obstacle(const struct doctor *doctor, const struct doctor_layer *layer)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];
        for (const char *const *need = layer->needs; need && *need; need++)
            if (strcmp(finding->layer->name, *need) == 0 &&
                (finding->level == DOCTOR_ERROR || strcmp(finding->id, "skipped") == 0))
                return finding;
    }
    return NULL;
}

static void skip(struct doctor *doctor, const struct doctor_finding *because)
{
    if (because->level == DOCTOR_ERROR)
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "because of %s", because->id);
    else
        doctor_found(doctor, DOCTOR_SKIPPED, "skipped", "%s", because->found);
}

static void look_at(struct doctor *doctor, const struct doctor_layer *layer)
{
    doctor->layer = layer;
    const struct doctor_finding *because = obstacle(doctor, layer);
    if (because) {
        const struct doctor_finding copy = *because; /* the list may move */
        skip(doctor, &copy);
    } else if (doctor_left_ms(doctor, INT_MAX) == 0) {
        doctor_found(doctor, DOCTOR_WARNING, "out-of-time", "not looked at: the time for the whole run was over");
        doctor_fix(doctor, "see which layer took so long, or give more by --timeout");
    } else {
        layer->look(doctor);
    }
    doctor->substitute = NULL;
}

static void look_through(struct doctor *doctor, const struct doctor_layer *layers)
{
    for (; layers->name; layers++)
        if (!doctor->options->node || layers->of_node)
            look_at(doctor, layers);
}

int doctor_run(struct doctor *doctor)
{
    int64_t timeout = doctor->options->timeout;
    if (timeout <= 0)
        timeout = doctor->options->node ? NODE_TIMEOUT_MS : DEFAULT_TIMEOUT_MS;
    doctor->deadline_ms = clock_steady_ms() + (uint64_t)timeout;
    doctor->root = doctor->options->device_root ? doctor->options->device_root : "";
    doctor->machine = calloc(1, sizeof(*doctor->machine));
    if (!doctor->machine)
        return -ENOMEM;
    int r = user_find(doctor);
    if (r < 0)
        return r;
    look_through(doctor, doctor_machine_layers);
    look_through(doctor, doctor_python_layers);
    look_through(doctor, doctor_job_layers);
    look_through(doctor, doctor_service_layers);
    return doctor->out_of_memory ? -ENOMEM : 0;
}

void doctor_clear(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        free(doctor->findings[i].found);
        free(doctor->findings[i].fix);
    }
    free(doctor->findings);
    user_clear(&doctor->user);
    doctor_python_clear(doctor);
    doctor_service_clear(doctor);
    free(doctor->machine);
}
