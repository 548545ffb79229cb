/*
 * The control file: what the simulated node consists of, what its cards measure, and which functions misbehave.
 * The grammar is in README.md. Reading it knows nothing of Level Zero.
 */
#ifndef SIMZE_CONTROL_H
#define SIMZE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_CARDS 64
#define MAX_TILES 8
#define MAX_FAULTS 64
#define MAX_LINKS 256

enum metric {
    TEMPERATURE,
    MEMORY_TEMPERATURE,
    POWER,
    ENERGY,
    FREQUENCY,
    FREQUENCY_LIMIT,
    THROTTLE,
    UTILISATION,
    MEMORY_USED,
    MEMORY_READ,
    MEMORY_WRITE,
    RAS_CORRECTABLE,
    RAS_UNCORRECTABLE,
    LINKS,
    LINKS_UP,
    RESET_REQUIRED,
    METRICS
};

enum hierarchy { COMPOSITE, FLAT, COMBINED };

enum fault_kind { FAULT_FAIL, FAULT_HANG, FAULT_CRASH, FAULT_COUNT, FAULT_GARBAGE, FAULT_GARBLE };

struct fault {
    char function[64]; /* the API's name; a '*' at its end stands for any rest */
    enum fault_kind kind;
    uint32_t value; /* the code, or the count */
};

struct reading {
    enum { READING_VALUE, READING_UNSET, READING_DENIED } state;
    double value;
};

struct card_control {
    bool gone, lost, has_uuid;
    uint8_t uuid[16];
    unsigned events; /* zes_event_type_flags_t */
    struct reading metrics[METRICS];
};

struct control {
    unsigned cards, tiles;
    char name[128];
    uint64_t memory_bytes;
    uint32_t driver_version;  /* as the API has it: eight bits, eight bits, sixteen bits */
    enum hierarchy hierarchy; /* where the variable is unset */
    bool old, reversed, nopci;
    struct card_control card[MAX_CARDS];
    struct {
        uint8_t a, b;
    } links[MAX_LINKS];
    unsigned n_links;
    struct fault faults[MAX_FAULTS];
    unsigned n_faults;
};

/*
 * The control as the file says now; reads it only where it has changed. Before a change takes effect, changing (may be
 * NULL) is called with the control of before and that of now. A mistake in the file ends the process with a message:
 * a test that misspells a word must not pass.
 */
const struct control *control_now(void (*changing)(const struct control *before, const struct control *now));

/* The card was reset: a process that starts from now on does not find it lost, nor in need of a reset. */
bool control_write_reset(unsigned card);

#endif
