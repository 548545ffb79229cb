/* device_set_health is the only place that writes a device's health. */
#include "daemon/devices/health.h"
#include "daemon/devices/card.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Samples ---------------------------------------------------------------------------------------------- */

void sample_read(const Itexd__Child__CardSample *from, uint64_t time_ms, struct sample *out)
{
    memset(out, 0, sizeof *out);
    out->time_ms = time_ms;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const Itexd__Child__Metric *metric = i < from->n_metrics ? from->metrics[i] : NULL;

        if (metric && metric->has_value && isfinite(metric->value))
            out->values[i] = metric->value;
        else if (metric && metric->has_not_permitted && metric->not_permitted)
            out->missing[i] = METRIC_NOT_PERMITTED;
        else
            out->missing[i] = METRIC_NOT_AVAILABLE;
    }
}

static bool value_of(const struct sample *sample, enum metric metric, double *value)
{
    *value = sample->values[metric];
    return sample->missing[metric] == METRIC_THERE;
}

static void judge_heat(bool *hot, double *heat, const struct sample *sample, enum metric metric, double limit)
{
    double value;

    if (value_of(sample, metric, &value)) {
        *heat = value;
        *hot = *hot ? value > limit - HEALTH_HYSTERESIS : value >= limit;
    }
    if (limit <= 0)
        *hot = false;
}

/* The driver counts from its own start: a count that falls is a new one. */
static void judge_errors(struct device_condition *condition, const struct sample *sample, double limit)
{
    double value;

    if (value_of(sample, METRIC_RAS_UNCORRECTABLE, &value)) {
        if (!condition->has_errors_base || value < condition->errors_base)
            condition->errors_base = value;
        condition->has_errors_base = true;
        condition->new_errors = value - condition->errors_base;
        condition->errors = condition->new_errors >= limit;
    }
    if (limit <= 0)
        condition->errors = false;
}

void health_sampled(struct device *device, const struct sample *sample, const struct health_limits *limits)
{
    struct device_condition *condition = &device->condition;
    double value;

    condition->stale = false;
    condition->lost = false;
    condition->failed = 0;
    judge_heat(&condition->hot, &condition->heat, sample, METRIC_TEMPERATURE, limits->temperature);
    judge_heat(&condition->memory_hot, &condition->memory_heat, sample, METRIC_MEMORY_TEMPERATURE,
               limits->memory_temperature);
    judge_errors(condition, sample, limits->uncorrectable);
    if (value_of(sample, METRIC_RESET_REQUIRED, &value))
        condition->needs_reset = value > 0;
    device->last = *sample;
    device->last_sample_ms = sample->time_ms;
}

void health_sample_failed(struct device *device)
{
    device->condition.stale = false;
    if (device->condition.failed < HEALTH_FAILED_SAMPLES)
        device->condition.failed++;
}

static void set_lost(struct device *device, const char *because)
{
    snprintf(device->condition.lost_because, sizeof device->condition.lost_because, "%s",
             because && *because ? because : "the driver says so");
    text_clean(device->condition.lost_because, sizeof device->condition.lost_because);
}

void health_lost(struct device *device, const char *because)
{
    device->condition.stale = false;
    device->condition.lost = true;
    set_lost(device, because);
}

void health_seen(struct device *device)
{
    device->condition.stale = device->condition.gone = false;
}

void health_gone(struct device *device, const char *because)
{
    device->condition.stale = false;
    device->condition.gone = true;
    set_lost(device, because);
}

void health_away(struct device *device, const char *why)
{
    device->condition.stale = why != NULL;
    if (why)
        snprintf(device->condition.away, sizeof device->condition.away, "%s", why);
}

void health_changed(struct device *device, const char *how)
{
    device->condition.changed = how != NULL;
    if (how)
        snprintf(device->condition.changed_how, sizeof device->condition.changed_how, "%s", how);
}

void health_reset(struct device *device)
{
    struct device_condition *condition = &device->condition;

    condition->has_errors_base = false;
    condition->errors = condition->needs_reset = condition->lost = false;
    condition->failed = 0;
}

/* ---- Judgement -------------------------------------------------------------------------------------------- */

static bool device_set_health(struct device *device, enum device_health health, unsigned reasons, const char *cause)
{
    bool changed = device->health != health || device->reasons != reasons;

    device->health = health;
    device->reasons = reasons;
    snprintf(device->cause, sizeof device->cause, "%s", cause);
    return changed;
}

static unsigned reasons_of(const struct device_condition *condition)
{
    return (condition->hot ? HEALTH_HOT : 0u) | (condition->memory_hot ? HEALTH_MEMORY_HOT : 0u) |
           (condition->errors ? HEALTH_ERRORS : 0u) | (condition->needs_reset ? HEALTH_NEEDS_RESET : 0u) |
           (condition->failed >= HEALTH_FAILED_SAMPLES ? HEALTH_FAILING : 0u);
}

struct words {
    char text[160];
    size_t length;
};

static void say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *words, const char *format, ...)
{
    size_t room = sizeof words->text - words->length;
    va_list arguments;
    int n;

    if (words->length > 0 && room > 2) {
        memcpy(words->text + words->length, "; ", 3);
        words->length += 2;
        room -= 2;
    }
    va_start(arguments, format);
    n = vsnprintf(words->text + words->length, room, format, arguments);
    va_end(arguments);
    words->length += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void say_reasons(const struct device_condition *condition, unsigned reasons, struct words *words)
{
    if (reasons & HEALTH_HOT)
        say(words, "temperature %.0f C", condition->heat);
    if (reasons & HEALTH_MEMORY_HOT)
        say(words, "memory temperature %.0f C", condition->memory_heat);
    if (reasons & HEALTH_ERRORS)
        say(words, "%.0f uncorrectable errors", condition->new_errors);
    if (reasons & HEALTH_NEEDS_RESET)
        say(words, "it needs a reset");
    if (reasons & HEALTH_FAILING)
        say(words, "%d samples in a row failed", HEALTH_FAILED_SAMPLES);
}

bool device_judge(struct device *device)
{
    const struct device_condition *condition = &device->condition;
    unsigned reasons = reasons_of(condition);
    struct words words = {.length = 0};

    if (condition->lost || condition->gone)
        return device_set_health(device, DEVICE_LOST, 0, condition->lost_because);
    if (condition->changed)
        return device_set_health(device, DEVICE_CHANGED, 0, condition->changed_how);
    if (reasons) {
        say_reasons(condition, reasons, &words);
        return device_set_health(device, DEVICE_DEGRADED, reasons, words.text);
    }
    if (condition->stale)
        return device_set_health(device, DEVICE_STALE, 0, condition->away);
    return device_set_health(device, DEVICE_HEALTHY, 0, "");
}
