/*
 * What the cards measure now.
 *
 * Rates come from two readings of a counter with the driver's own times, so the first sample after an inventory has
 * none, and a counter that ran backwards (a reset) gives none. A value that makes no sense (not a number, negative,
 * beyond anything a card can be) is left out: missing is never zero. Where sysman is missing or does not permit a
 * reading, the kernel's hwmon is asked.
 *
 * Cost: a few readings per sensor, whose handles the inventory found. Events are not listened for: the call needs a
 * socket, which the sandbox refuses, and has no wake-up; the device's state, read here, tells the same.
 */
#include "daemon/worker/worker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Beyond this a reading is no reading. */
static const double most[METRIC_COUNT] = {
    [METRIC_TEMPERATURE] = 1000,
    [METRIC_MEMORY_TEMPERATURE] = 1000,
    [METRIC_POWER] = 1e5,
    [METRIC_ENERGY] = 1e12, /* 30 years at 1 kW; all bits set are 1.8e13 */
    [METRIC_FREQUENCY] = 1e5,
    [METRIC_FREQUENCY_LIMIT] = 1e5,
    [METRIC_THROTTLE] = 0x7fffffff,
    [METRIC_UTILISATION] = 1.5, /* the two clocks are not read at one instant */
    [METRIC_MEMORY_USED] = 1e15,
    [METRIC_MEMORY_READ] = 1e14,
    [METRIC_MEMORY_WRITE] = 1e14,
    [METRIC_RAS_CORRECTABLE] = 1e18,
    [METRIC_RAS_UNCORRECTABLE] = 1e18,
    [METRIC_LINKS] = WORKER_MAX_SENSORS,
    [METRIC_LINKS_UP] = WORKER_MAX_SENSORS,
    [METRIC_RESET_REQUIRED] = 1,
};

static void set(struct worker_card *card, enum metric metric, double value)
{
    Itexd__Child__Metric *to = &card->metrics[metric];

    if (!isfinite(value) || value < 0 || value > most[metric])
        return;
    to->has_value = true;
    to->value = metric == METRIC_UTILISATION ? fmin(value, 1) : value;
    to->has_not_permitted = false;
}

/* Why there is no value, where a value does not come from elsewhere. */
static void refuse(struct worker_card *card, enum metric metric, ze_result_t result)
{
    Itexd__Child__Metric *to = &card->metrics[metric];

    if (result == ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS && !to->has_value)
        to->has_not_permitted = to->not_permitted = true;
}

static bool has(const struct worker_card *card, enum metric metric)
{
    return card->metrics[metric].has_value;
}

static void lose(struct worker_card *card, const char *because)
{
    if (card->sample.lost)
        return;
    snprintf(card->lost_because, sizeof card->lost_because, "%s", because);
    card->sample.has_lost = card->sample.lost = true;
    card->sample.lost_because = card->lost_because;
}

static void lose_in(struct worker_card *card, const char *function)
{
    char because[160], text[64];

    snprintf(because, sizeof because, "%s answers %s", function,
             level_zero_result_text(ZE_RESULT_ERROR_DEVICE_LOST, text));
    lose(card, because);
}

/* Every reading's result passes here. */
static ze_result_t note(struct worker_card *card, const char *function, ze_result_t result)
{
    if (result == ZE_RESULT_ERROR_DEVICE_LOST)
        lose_in(card, function);
    if (result == ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET)
        set(card, METRIC_RESET_REQUIRED, 1);
    return result;
}

#define READ(worker, card, function, ...) note(card, #function, level_zero_call(&(worker)->lz, function, __VA_ARGS__))

/* What happened to a counter per microsecond since it was read last. */
static bool rate(struct counter *last, uint64_t value, uint64_t time, double *per_microsecond)
{
    bool usable = last->known && time > last->time && value >= last->value;

    if (usable)
        *per_microsecond = (double)(value - last->value) / (double)(time - last->time);
    if (!last->known || time != last->time)
        *last = (struct counter){.known = true, .value = value, .time = time};
    return usable;
}

/* ---- Readings ---------------------------------------------------------------------------------------------------- */

static void sample_temperature(struct worker *worker, struct worker_card *card)
{
    const struct sensors *sensors = &card->handles.temperatures;

    refuse(card, METRIC_TEMPERATURE, sensors->result);
    refuse(card, METRIC_MEMORY_TEMPERATURE, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        uint32_t kind = sensors->items[i].kind;
        enum metric metric = kind == ZES_TEMP_SENSORS_MEMORY ? METRIC_MEMORY_TEMPERATURE : METRIC_TEMPERATURE;
        double celsius = NAN;
        ze_result_t result;

        if (kind != ZES_TEMP_SENSORS_MEMORY && kind != ZES_TEMP_SENSORS_GPU && kind != ZES_TEMP_SENSORS_GLOBAL)
            continue;
        result = READ(worker, card, zesTemperatureGetState, sensors->items[i].handle, &celsius);
        refuse(card, metric, result);
        if (result == ZE_RESULT_SUCCESS && (!has(card, metric) || celsius > card->metrics[metric].value))
            set(card, metric, celsius);
    }
}

/* Watts are joules per second as microjoules per microsecond. */
static void sample_power(struct worker *worker, struct worker_card *card)
{
    struct sensors *sensors = &card->handles.powers;
    double energy = 0, power = 0, one;
    uint32_t read = 0, rated = 0;

    refuse(card, METRIC_POWER, sensors->result);
    refuse(card, METRIC_ENERGY, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        zes_power_energy_counter_t counter = {0};
        ze_result_t result = READ(worker, card, zesPowerGetEnergyCounter, sensors->items[i].handle, &counter);

        refuse(card, METRIC_POWER, result);
        refuse(card, METRIC_ENERGY, result);
        if (result != ZE_RESULT_SUCCESS)
            continue;
        energy += (double)counter.energy / 1e6;
        read++;
        if (rate(&sensors->items[i].counter, counter.energy, counter.timestamp, &one)) {
            power += one;
            rated++;
        }
    }
    /* A sum of some of its parts would be a wrong number. */
    if (read > 0 && read == sensors->n)
        set(card, METRIC_ENERGY, energy);
    if (rated > 0 && rated == sensors->n)
        set(card, METRIC_POWER, power);
}

/* The fastest tile's frequency, the slowest tile's limit, all tiles' reasons. */
static void sample_frequency(struct worker *worker, struct worker_card *card)
{
    const struct sensors *sensors = &card->handles.frequencies;
    uint32_t reasons = 0, read = 0;

    for (int metric = METRIC_FREQUENCY; metric <= METRIC_THROTTLE; metric++)
        refuse(card, metric, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        zes_freq_state_t state = {.stype = ZES_STRUCTURE_TYPE_FREQ_STATE};
        ze_result_t result = READ(worker, card, zesFrequencyGetState, sensors->items[i].handle, &state);

        for (int metric = METRIC_FREQUENCY; metric <= METRIC_THROTTLE; metric++)
            refuse(card, metric, result);
        if (result != ZE_RESULT_SUCCESS)
            continue;
        read++;
        reasons |= state.throttleReasons;
        if (!has(card, METRIC_FREQUENCY) || state.actual > card->metrics[METRIC_FREQUENCY].value)
            set(card, METRIC_FREQUENCY, state.actual);
        if (!has(card, METRIC_FREQUENCY_LIMIT) || state.tdp < card->metrics[METRIC_FREQUENCY_LIMIT].value)
            set(card, METRIC_FREQUENCY_LIMIT, state.tdp);
    }
    if (read > 0)
        set(card, METRIC_THROTTLE, reasons);
}

static void sample_engines(struct worker *worker, struct worker_card *card)
{
    struct sensors *sensors = &card->handles.engines;
    double busy;

    refuse(card, METRIC_UTILISATION, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        zes_engine_stats_t stats = {0};
        ze_result_t result = READ(worker, card, zesEngineGetActivity, sensors->items[i].handle, &stats);

        refuse(card, METRIC_UTILISATION, result);
        if (result == ZE_RESULT_SUCCESS && rate(&sensors->items[i].counter, stats.activeTime, stats.timestamp, &busy) &&
            (!has(card, METRIC_UTILISATION) || busy > card->metrics[METRIC_UTILISATION].value))
            set(card, METRIC_UTILISATION, busy);
    }
}

static void sample_memory_used(struct worker *worker, struct worker_card *card)
{
    const struct sensors *sensors = &card->handles.memories;
    double used = 0;
    uint32_t read = 0;

    refuse(card, METRIC_MEMORY_USED, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        zes_mem_state_t state = {.stype = ZES_STRUCTURE_TYPE_MEM_STATE};
        ze_result_t result = READ(worker, card, zesMemoryGetState, sensors->items[i].handle, &state);

        refuse(card, METRIC_MEMORY_USED, result);
        if (result != ZE_RESULT_SUCCESS || state.free > state.size || state.size > WORKER_MEMORY_MAX)
            continue;
        used += (double)(state.size - state.free);
        read++;
    }
    if (read > 0 && read == sensors->n)
        set(card, METRIC_MEMORY_USED, used);
}

static void sample_bandwidth(struct worker *worker, struct worker_card *card)
{
    struct sensors *sensors = &card->handles.memories;
    double in = 0, out = 0, one, other;
    uint32_t rated = 0;

    refuse(card, METRIC_MEMORY_READ, sensors->result);
    refuse(card, METRIC_MEMORY_WRITE, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        struct sensor *sensor = &sensors->items[i];
        zes_mem_bandwidth_t bandwidth = {0};
        ze_result_t result = READ(worker, card, zesMemoryGetBandwidth, sensor->handle, &bandwidth);
        bool both;

        refuse(card, METRIC_MEMORY_READ, result);
        refuse(card, METRIC_MEMORY_WRITE, result);
        if (result != ZE_RESULT_SUCCESS)
            continue;
        both = rate(&sensor->counter, bandwidth.readCounter, bandwidth.timestamp, &one);
        both = rate(&sensor->second, bandwidth.writeCounter, bandwidth.timestamp, &other) && both;
        if (!both)
            continue;
        in += one * 1e6;
        out += other * 1e6;
        rated++;
    }
    if (rated > 0 && rated == sensors->n) {
        set(card, METRIC_MEMORY_READ, in);
        set(card, METRIC_MEMORY_WRITE, out);
    }
}

static void sample_errors(struct worker *worker, struct worker_card *card)
{
    const struct sensors *sensors = &card->handles.ras;

    refuse(card, METRIC_RAS_CORRECTABLE, sensors->result);
    refuse(card, METRIC_RAS_UNCORRECTABLE, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        enum metric metric = sensors->items[i].kind == ZES_RAS_ERROR_TYPE_UNCORRECTABLE ? METRIC_RAS_UNCORRECTABLE
                                                                                        : METRIC_RAS_CORRECTABLE;
        zes_ras_state_t state = {.stype = ZES_STRUCTURE_TYPE_RAS_STATE};
        ze_result_t result;
        double sum = has(card, metric) ? card->metrics[metric].value : 0;

        if (sensors->items[i].kind > ZES_RAS_ERROR_TYPE_UNCORRECTABLE)
            continue;
        result = READ(worker, card, zesRasGetState, sensors->items[i].handle, false, &state);
        refuse(card, metric, result);
        if (result != ZE_RESULT_SUCCESS)
            continue;
        for (int k = 0; k < ZES_MAX_RAS_ERROR_CATEGORY_COUNT; k++)
            sum += (double)state.category[k];
        set(card, metric, sum);
    }
}

static void sample_links(struct worker *worker, struct worker_card *card)
{
    const struct sensors *sensors = &card->handles.ports;
    uint32_t read = 0, links = 0, up = 0;

    refuse(card, METRIC_LINKS, sensors->result);
    refuse(card, METRIC_LINKS_UP, sensors->result);
    for (uint32_t i = 0; i < sensors->n && !card->sample.lost; i++) {
        zes_fabric_port_config_t config = {.stype = ZES_STRUCTURE_TYPE_FABRIC_PORT_CONFIG};
        zes_fabric_port_state_t state = {.stype = ZES_STRUCTURE_TYPE_FABRIC_PORT_STATE};
        ze_result_t result = READ(worker, card, zesFabricPortGetConfig, sensors->items[i].handle, &config);

        if (result == ZE_RESULT_SUCCESS)
            result = READ(worker, card, zesFabricPortGetState, sensors->items[i].handle, &state);
        refuse(card, METRIC_LINKS, result);
        refuse(card, METRIC_LINKS_UP, result);
        if (result != ZE_RESULT_SUCCESS || (unsigned)state.status > ZES_FABRIC_PORT_STATUS_DISABLED)
            continue;
        read++;
        /* One that is enabled and unknown leads nowhere. */
        if (!config.enabled || state.status == ZES_FABRIC_PORT_STATUS_UNKNOWN ||
            state.status == ZES_FABRIC_PORT_STATUS_DISABLED)
            continue;
        links++;
        up += state.status != ZES_FABRIC_PORT_STATUS_FAILED;
    }
    if (read > 0) {
        set(card, METRIC_LINKS, links);
        set(card, METRIC_LINKS_UP, up);
    }
}

static void sample_state(struct worker *worker, struct worker_card *card)
{
    zes_device_state_t state = {.stype = ZES_STRUCTURE_TYPE_DEVICE_STATE};
    ze_result_t result = READ(worker, card, zesDeviceGetState, card->sysman, &state);

    refuse(card, METRIC_RESET_REQUIRED, result);
    if (result == ZE_RESULT_SUCCESS)
        set(card, METRIC_RESET_REQUIRED, state.reset != 0);
}

/* ---- A card ---------------------------------------------------------------------------------------------------------
 */

static void sample_hwmon(struct worker *worker, struct worker_card *card)
{
    struct sysfs_sensors kernel;
    struct timespec now;
    double watts;

    sysfs_sensors(worker->device_root, card->bdf, &kernel);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (kernel.has_temperature && !has(card, METRIC_TEMPERATURE))
        set(card, METRIC_TEMPERATURE, kernel.temperature);
    if (kernel.has_memory_temperature && !has(card, METRIC_MEMORY_TEMPERATURE))
        set(card, METRIC_MEMORY_TEMPERATURE, kernel.memory_temperature);
    if (!kernel.has_energy || has(card, METRIC_ENERGY))
        return;
    set(card, METRIC_ENERGY, kernel.energy);
    if (rate(&card->handles.hwmon_energy, (uint64_t)(kernel.energy * 1e6),
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, &watts))
        set(card, METRIC_POWER, watts);
}

static bool needs_hwmon(const struct worker_card *card)
{
    return card->bdf[0] && (!has(card, METRIC_TEMPERATURE) || !has(card, METRIC_ENERGY) ||
                            card->metrics[METRIC_MEMORY_TEMPERATURE].not_permitted);
}

static void sample_sysman(struct worker *worker, struct worker_card *card)
{
    static void (*const readings[])(struct worker *, struct worker_card *) = {
        sample_state,       sample_temperature, sample_power,  sample_frequency, sample_engines,
        sample_memory_used, sample_bandwidth,   sample_errors, sample_links,
    };

    for (size_t i = 0; i < sizeof readings / sizeof readings[0] && !card->sample.lost; i++)
        readings[i](worker, card);
}

static void sample_card(struct worker *worker, struct worker_card *card)
{
    itexd__child__card_sample__init(&card->sample);
    for (int i = 0; i < METRIC_COUNT; i++) {
        itexd__child__metric__init(&card->metrics[i]);
        card->metric_list[i] = &card->metrics[i];
    }
    card->sample.n_metrics = METRIC_COUNT;
    card->sample.metrics = card->metric_list;
    if (card->on_bus && !sysfs_on_bus(worker->device_root, card->bdf)) {
        lose(card, "it is no longer on the PCI bus");
        return;
    }
    if (card->lost_in) { /* what the inventory found of it is in pieces: the next one says whether it is back */
        lose_in(card, card->lost_in);
        return;
    }
    READ(worker, card, zeDeviceGetStatus, card->device);
    if (card->sysman)
        sample_sysman(worker, card);
    if (!card->sample.lost && needs_hwmon(card))
        sample_hwmon(worker, card);
}

void sample_take(struct worker *worker)
{
    itexd__child__samples__init(&worker->samples);
    for (size_t i = 0; i < worker->n_cards; i++) {
        struct worker_card *card = &worker->cards[i];

        sample_card(worker, card);
        card->sample.has_card = true;
        card->sample.card = (uint32_t)i;
        worker->sample_list[i] = &card->sample;
    }
    worker->samples.n_cards = worker->n_cards;
    worker->samples.cards = worker->sample_list;
}
