/*
 * The device worker's state: what it was started with, the driver, and the cards of its last inventory with the handles
 * that samples are taken from. Everything lies in one block of a fixed size, and messages point into it.
 */
#ifndef ITEXD_WORKER_WORKER_H
#define ITEXD_WORKER_WORKER_H

#include "child.pb-c.h"
#include "daemon/devices/metric.h"
#include "daemon/worker/layers.h"
#include "daemon/worker/level_zero.h"
#include "daemon/worker/sysfs.h"
#include "daemon/worker/text.h"

#define WORKER_MAX_CARDS LEVEL_ZERO_MAX_DEVICES
#define WORKER_MAX_TILES 8
#define WORKER_MAX_SENSORS 64 /* of a kind on a card */
#define WORKER_MAX_FIRMWARE 16
/* No card has more bytes; a module that says so says nothing. */
#define WORKER_MEMORY_MAX (UINT64_C(1) << 50)

/* A counter at the last sample. */
struct counter {
    bool known;
    uint64_t value, time; /* microseconds */
};

/* Handles of one kind on a card, found once per inventory. result is why there are none. */
struct sensors {
    ze_result_t result;
    uint32_t n;
    struct sensor {
        void *handle;
        uint32_t kind; /* in the words of the kind's own enumeration */
        bool on_tile;
        struct counter counter, second; /* second: bytes written */
    } items[WORKER_MAX_SENSORS];
};

struct card_handles {
    struct sensors temperatures, powers, frequencies, engines, memories, ras, ports;
    struct counter hwmon_energy; /* microjoules */
};

struct worker_tile {
    Itexd__Child__Tile message;
    char uuid[TEXT_UUID_SIZE];
};
struct worker_firmware {
    Itexd__Child__Firmware message;
    char name[ZES_STRING_PROPERTY_SIZE], version[ZES_STRING_PROPERTY_SIZE];
};

struct worker_card {
    ze_device_handle_t device;
    zes_device_handle_t sysman; /* NULL: none */
    uint8_t uuid[ZE_MAX_DEVICE_UUID_SIZE];
    bool on_bus;         /* was, at the inventory */
    const char *lost_in; /* which call of the inventory answered DEVICE_LOST; NULL: none */
    bool has_fabric;
    uint32_t fabric; /* by which other cards' ports name this one */
    struct card_handles handles;

    Itexd__Child__Card message;
    char bdf[LEVEL_ZERO_BDF_SIZE], uuid_text[TEXT_UUID_SIZE], name[ZE_MAX_DEVICE_NAME];
    struct sysfs_card kernel;
    struct worker_tile tiles[WORKER_MAX_TILES];
    Itexd__Child__Tile *tile_list[WORKER_MAX_TILES];
    struct worker_firmware firmware[WORKER_MAX_FIRMWARE];
    Itexd__Child__Firmware *firmware_list[WORKER_MAX_FIRMWARE];
    char *link_list[WORKER_MAX_CARDS];

    Itexd__Child__CardSample sample;
    char lost_because[160];
    Itexd__Child__Metric metrics[METRIC_COUNT];
    Itexd__Child__Metric *metric_list[METRIC_COUNT];
};

struct worker {
    const char *device_root; /* "" for the real tree */
    const char *substitute;  /* NULL: real GPUs */
    bool with_sysman;

    struct level_zero lz;
    bool started;
    char loader_error[256]; /* "" where it could be opened */
    char driver_error[160];
    ze_result_t init_result;
    char loader_version[32], driver_version[32], api_version[16];

    size_t n_cards;
    struct worker_card cards[WORKER_MAX_CARDS];
    Itexd__Child__Inventory inventory;
    Itexd__Child__Card *card_list[WORKER_MAX_CARDS];
    struct layer layer;

    Itexd__Child__Samples samples;
    Itexd__Child__CardSample *sample_list[WORKER_MAX_CARDS];
    char error[256];
};

/* Fills worker->inventory; the first time opens the loader and initialises the driver. 0, or -EPROTO where the driver's
 * answers are not to be believed: worker->error says why. */
int inventory_take(struct worker *worker);
/* Of one card: its sysman handles, firmware and ports (inventory_sysman.c). */
void inventory_sysman(struct worker *worker);

/* Fills worker->samples for the last inventory's cards. */
void sample_take(struct worker *worker);

#endif
