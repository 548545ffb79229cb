/*
 * What sysman adds to the cards: handles of the sensors, firmware versions, fabric links.
 *
 * In the zes way sysman has devices of its own, which are joined to the cards by PCI address, by UUID where there is
 * none. Handles are found here, once per inventory, so that a sample costs only the readings.
 */
#include "daemon/worker/worker.h"

#include <stdio.h>
#include <string.h>

/* Nothing listed is as good as not supported. */
#define FIND(worker, card, function, type, list)                                                                       \
    do {                                                                                                               \
        type items_[WORKER_MAX_SENSORS];                                                                               \
        struct sensors *to_ = (list);                                                                                  \
        uint32_t count_;                                                                                               \
        to_->result = level_zero_list(&(worker)->lz, function, (card)->sysman, items_, WORKER_MAX_SENSORS, &count_);   \
        for (to_->n = 0; to_->n < count_ && to_->n < WORKER_MAX_SENSORS && items_[to_->n]; to_->n++)                   \
            to_->items[to_->n].handle = items_[to_->n];                                                                \
        if (to_->result == ZE_RESULT_SUCCESS && to_->n == 0)                                                           \
            to_->result = ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;                                                         \
    } while (0)

/* Reads each one's properties; keeps those that can be read. */
#define CLASSIFY(worker, function, handle_type, properties_type, structure, list, kind_expression)                     \
    do {                                                                                                               \
        struct sensors *of_ = (list);                                                                                  \
        uint32_t kept_ = 0;                                                                                            \
        for (uint32_t i_ = 0; i_ < of_->n; i_++) {                                                                     \
            properties_type properties = {.stype = structure};                                                         \
            ze_result_t read_ =                                                                                        \
                level_zero_call(&(worker)->lz, function, (handle_type)of_->items[i_].handle, &properties);             \
            if (read_ != ZE_RESULT_SUCCESS) {                                                                          \
                of_->result = read_;                                                                                   \
                continue;                                                                                              \
            }                                                                                                          \
            of_->items[kept_] = of_->items[i_];                                                                        \
            of_->items[kept_].kind = (uint32_t)(kind_expression);                                                      \
            of_->items[kept_++].on_tile = properties.onSubdevice;                                                      \
        }                                                                                                              \
        of_->n = kept_;                                                                                                \
    } while (0)

/* ---- Sensors ------------------------------------------------------------------------------------------------------
 */

static void keep_kind(struct sensors *sensors, uint32_t kind)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < sensors->n; i++)
        if (sensors->items[i].kind == kind)
            sensors->items[kept++] = sensors->items[i];
    sensors->n = kept;
}

static bool has_kind(const struct sensors *sensors, uint32_t kind)
{
    for (uint32_t i = 0; i < sensors->n; i++)
        if (sensors->items[i].kind == kind)
            return true;
    return false;
}

/* The card's own domain, of which the tiles' are parts; the tiles' where it has none. */
static void find_powers(struct worker *worker, struct worker_card *card)
{
    struct sensors *powers = &card->handles.powers;
    zes_pwr_handle_t whole = NULL;

    if (level_zero_call(&worker->lz, zesDeviceGetCardPowerDomain, card->sysman, &whole) == ZE_RESULT_SUCCESS && whole) {
        *powers = (struct sensors){.result = ZE_RESULT_SUCCESS, .n = 1, .items[0].handle = whole};
        return;
    }
    FIND(worker, card, zesDeviceEnumPowerDomains, zes_pwr_handle_t, powers);
    CLASSIFY(worker, zesPowerGetProperties, zes_pwr_handle_t, zes_power_properties_t,
             ZES_STRUCTURE_TYPE_POWER_PROPERTIES, powers, properties.onSubdevice != 0);
    if (has_kind(powers, 0)) {
        keep_kind(powers, 0);
        powers->n = 1;
    }
}

static void find_engines(struct worker *worker, struct worker_card *card)
{
    struct sensors *engines = &card->handles.engines;

    FIND(worker, card, zesDeviceEnumEngineGroups, zes_engine_handle_t, engines);
    CLASSIFY(worker, zesEngineGetProperties, zes_engine_handle_t, zes_engine_properties_t,
             ZES_STRUCTURE_TYPE_ENGINE_PROPERTIES, engines, properties.type);
    if (has_kind(engines, ZES_ENGINE_GROUP_ALL))
        keep_kind(engines, ZES_ENGINE_GROUP_ALL);
    else if (has_kind(engines, ZES_ENGINE_GROUP_COMPUTE_ALL))
        keep_kind(engines, ZES_ENGINE_GROUP_COMPUTE_ALL);
}

static void find_sensors(struct worker *worker, struct worker_card *card)
{
    struct card_handles *handles = &card->handles;

    FIND(worker, card, zesDeviceEnumTemperatureSensors, zes_temp_handle_t, &handles->temperatures);
    CLASSIFY(worker, zesTemperatureGetProperties, zes_temp_handle_t, zes_temp_properties_t,
             ZES_STRUCTURE_TYPE_TEMP_PROPERTIES, &handles->temperatures, properties.type);
    find_powers(worker, card);
    FIND(worker, card, zesDeviceEnumFrequencyDomains, zes_freq_handle_t, &handles->frequencies);
    CLASSIFY(worker, zesFrequencyGetProperties, zes_freq_handle_t, zes_freq_properties_t,
             ZES_STRUCTURE_TYPE_FREQ_PROPERTIES, &handles->frequencies, properties.type);
    keep_kind(&handles->frequencies, ZES_FREQ_DOMAIN_GPU);
    find_engines(worker, card);
    FIND(worker, card, zesDeviceEnumMemoryModules, zes_mem_handle_t, &handles->memories);
    CLASSIFY(worker, zesMemoryGetProperties, zes_mem_handle_t, zes_mem_properties_t, ZES_STRUCTURE_TYPE_MEM_PROPERTIES,
             &handles->memories, properties.location);
    keep_kind(&handles->memories, ZES_MEM_LOC_DEVICE);
    FIND(worker, card, zesDeviceEnumRasErrorSets, zes_ras_handle_t, &handles->ras);
    CLASSIFY(worker, zesRasGetProperties, zes_ras_handle_t, zes_ras_properties_t, ZES_STRUCTURE_TYPE_RAS_PROPERTIES,
             &handles->ras, properties.type);
    FIND(worker, card, zesDeviceEnumFabricPorts, zes_fabric_port_handle_t, &handles->ports);
}

/* ---- Firmware and links
 * ---------------------------------------------------------------------------------------------- */

static void read_firmware(struct worker *worker, struct worker_card *card)
{
    zes_firmware_handle_t items[WORKER_MAX_FIRMWARE];
    uint32_t n;

    if (level_zero_list(&worker->lz, zesDeviceEnumFirmwares, card->sysman, items, WORKER_MAX_FIRMWARE, &n) !=
        ZE_RESULT_SUCCESS)
        return;
    for (uint32_t i = 0; i < n && i < WORKER_MAX_FIRMWARE && items[i]; i++) {
        zes_firmware_properties_t properties = {.stype = ZES_STRUCTURE_TYPE_FIRMWARE_PROPERTIES};
        struct worker_firmware *firmware = &card->firmware[card->message.n_firmware];

        if (level_zero_call(&worker->lz, zesFirmwareGetProperties, items[i], &properties) != ZE_RESULT_SUCCESS)
            continue;
        text_copy(firmware->name, sizeof firmware->name, properties.name, sizeof properties.name);
        text_copy(firmware->version, sizeof firmware->version, properties.version, sizeof properties.version);
        if (!firmware->name[0])
            continue;
        itexd__child__firmware__init(&firmware->message);
        firmware->message.name = firmware->name;
        firmware->message.version = firmware->version[0] ? firmware->version : NULL;
        card->firmware_list[card->message.n_firmware++] = &firmware->message;
    }
    card->message.firmware = card->firmware_list;
}

static void read_fabric(struct worker *worker, struct worker_card *card)
{
    for (uint32_t i = 0; i < card->handles.ports.n; i++) {
        zes_fabric_port_properties_t properties = {.stype = ZES_STRUCTURE_TYPE_FABRIC_PORT_PROPERTIES};
        zes_fabric_port_handle_t port = card->handles.ports.items[i].handle;

        if (level_zero_call(&worker->lz, zesFabricPortGetProperties, port, &properties) != ZE_RESULT_SUCCESS)
            continue;
        card->has_fabric = true;
        card->fabric = properties.portId.fabricId;
        return;
    }
}

static void add_link(struct worker *worker, struct worker_card *card, uint32_t fabric)
{
    for (size_t i = 0; i < worker->n_cards; i++) {
        struct worker_card *other = &worker->cards[i];

        if (other == card || !other->has_fabric || other->fabric != fabric || !other->bdf[0])
            continue;
        for (size_t k = 0; k < card->message.n_links; k++)
            if (card->link_list[k] == other->bdf)
                return;
        card->link_list[card->message.n_links++] = other->bdf;
        return;
    }
}

static void read_links(struct worker *worker, struct worker_card *card)
{
    for (uint32_t i = 0; i < card->handles.ports.n; i++) {
        zes_fabric_port_state_t state = {.stype = ZES_STRUCTURE_TYPE_FABRIC_PORT_STATE};
        zes_fabric_port_handle_t port = card->handles.ports.items[i].handle;

        if (level_zero_call(&worker->lz, zesFabricPortGetState, port, &state) != ZE_RESULT_SUCCESS)
            continue;
        if (state.status == ZES_FABRIC_PORT_STATUS_HEALTHY || state.status == ZES_FABRIC_PORT_STATUS_DEGRADED)
            add_link(worker, card, state.remotePortId.fabricId);
    }
    card->message.links = card->link_list;
}

/* ---- Joining
 * --------------------------------------------------------------------------------------------------------- */

/* Between the two: calls about this card. */
static void begin_card(struct worker *worker)
{
    worker->lz.lost_in = NULL;
}

static void end_card(const struct worker *worker, struct worker_card *card)
{
    if (!card->lost_in)
        card->lost_in = worker->lz.lost_in;
}

static struct worker_card *card_by_bdf(struct worker *worker, const char *bdf)
{
    for (size_t i = 0; bdf[0] && i < worker->n_cards; i++)
        if (strcmp(worker->cards[i].bdf, bdf) == 0)
            return &worker->cards[i];
    return NULL;
}

/* Only among cards without an address: one with another address is another card, whatever its UUID. */
static struct worker_card *card_by_uuid(struct worker *worker, zes_device_handle_t device, const char *bdf)
{
    zes_device_properties_t properties = {.stype = ZES_STRUCTURE_TYPE_DEVICE_PROPERTIES};

    if (level_zero_call(&worker->lz, zesDeviceGetProperties, device, &properties) != ZE_RESULT_SUCCESS)
        return NULL;
    for (size_t i = 0; i < worker->n_cards; i++) {
        struct worker_card *card = &worker->cards[i];

        if (!card->sysman && card->uuid_text[0] && (!card->bdf[0] || !bdf[0]) &&
            memcmp(card->uuid, properties.core.uuid.id, sizeof card->uuid) == 0)
            return card;
    }
    return NULL;
}

/* False where there is no list. */
static bool join(struct worker *worker)
{
    zes_device_handle_t devices[LEVEL_ZERO_MAX_DEVICES];
    uint32_t n;
    char text[64];
    ze_result_t result = level_zero_sysman_devices(&worker->lz, devices, &n);

    if (result != ZE_RESULT_SUCCESS)
        snprintf(worker->lz.sysman_text, sizeof worker->lz.sysman_text, "its list of devices: %s",
                 level_zero_result_text(result, text));
    for (uint32_t i = 0; i < n; i++) {
        char bdf[LEVEL_ZERO_BDF_SIZE];
        struct worker_card *card;

        begin_card(worker);
        level_zero_sysman_address(&worker->lz, devices[i], bdf);
        card = card_by_bdf(worker, bdf);
        if (!card)
            card = card_by_uuid(worker, devices[i], bdf);
        if (!card || card->sysman)
            continue;
        card->sysman = devices[i];
        end_card(worker, card);
        if (!card->bdf[0])
            memcpy(card->bdf, bdf, sizeof card->bdf);
    }
    return result == ZE_RESULT_SUCCESS;
}

/* A driver may take part in sysman's start and then answer nothing. joined: without a word about it so far. */
static void tell_whether_any(struct worker *worker, bool joined)
{
    const struct worker_card *card = NULL;
    char text[64];

    for (size_t i = 0; i < worker->n_cards; i++) {
        const struct card_handles *handles = &worker->cards[i].handles;

        if (!worker->cards[i].sysman)
            continue;
        card = &worker->cards[i];
        if (handles->temperatures.n || handles->powers.n || handles->frequencies.n || handles->engines.n ||
            handles->memories.n || handles->ras.n || handles->ports.n)
            return;
    }
    if (card)
        snprintf(worker->lz.sysman_text, sizeof worker->lz.sysman_text, "none: no sensors, %s",
                 level_zero_result_text(card->handles.temperatures.result, text));
    else if (joined && worker->n_cards > 0)
        snprintf(worker->lz.sysman_text, sizeof worker->lz.sysman_text, "none: it lists none of these cards");
}

void inventory_sysman(struct worker *worker)
{
    bool zes = worker->lz.sysman == LEVEL_ZERO_SYSMAN_ZES, joined;

    snprintf(worker->lz.sysman_text, sizeof worker->lz.sysman_text, "%s", zes ? "zes" : "legacy");
    joined = !zes || join(worker);
    for (size_t i = 0; i < worker->n_cards; i++) {
        struct worker_card *card = &worker->cards[i];

        begin_card(worker);
        if (worker->lz.sysman == LEVEL_ZERO_SYSMAN_LEGACY) {
            card->sysman = (zes_device_handle_t)card->device;
            if (!card->bdf[0])
                level_zero_sysman_address(&worker->lz, card->sysman, card->bdf);
        }
        if (!card->sysman)
            continue;
        find_sensors(worker, card);
        read_firmware(worker, card);
        read_fabric(worker, card);
        end_card(worker, card);
    }
    for (size_t i = 0; i < worker->n_cards; i++) {
        if (!worker->cards[i].sysman)
            continue;
        begin_card(worker);
        read_links(worker, &worker->cards[i]);
        end_card(worker, &worker->cards[i]);
    }
    tell_whether_any(worker, joined);
}
