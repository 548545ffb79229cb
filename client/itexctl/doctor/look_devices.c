/*
 * Layer devices: what Level Zero lists, by the device worker's own inventory in a child of this process, with this
 * environment's loader and driver. Masks and the hierarchy are set aside: layer environment says what they leave.
 */
#include "client/itexctl/doctor/child.h"
#include "client/itexctl/doctor/machine.h"
#include "daemon/worker/worker.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MS 15000

/* Written by the child. */
struct listing {
    char call[LEVEL_ZERO_CALL_SIZE]; /* that it is in */
    char error[256];                 /* the answers are not to be believed */
    char none[160];                  /* why there is nothing */
    char names[LAYERS_MAX_CARDS][64];
    char bdfs[LAYERS_MAX_CARDS][LEVEL_ZERO_BDF_SIZE];
    struct machine_gpus gpus;
};

struct enumeration {
    const struct doctor *doctor;
    struct listing *listing; /* shared */
};

/* ---- The child ------------------------------------------------------------------------------------------------- */

static void set_aside(void)
{
    const char *alternative = getenv("ZE_ENABLE_ALT_DRIVERS");
    if (alternative && !*alternative)
        unsetenv("ZE_ENABLE_ALT_DRIVERS"); /* set to nothing it crashes the loader; layer environment tells it */
    unsetenv("ZE_AFFINITY_MASK");
    setenv("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE", 1);
    setenv("ZE_ENABLE_PCI_ID_DEVICE_ORDER", "1", 1);
}

static void note_card(struct listing *listing, const struct worker_card *card)
{
    struct machine_gpus *gpus = &listing->gpus;
    size_t i = gpus->n++;
    gpus->tiles[i] = card->message.n_tiles > 0 ? (unsigned)card->message.n_tiles : 1;
    gpus->flat_by_default |= card->message.flat_by_default;
    snprintf(listing->names[i], sizeof(listing->names[i]), "%.63s", card->name);
    snprintf(listing->bdfs[i], sizeof(listing->bdfs[i]), "%s", card->bdf);
}

static void enumerate(void *context)
{
    const struct enumeration *enumeration = context;
    struct listing *listing = enumeration->listing;
    struct machine_gpus *gpus = &listing->gpus;
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker)
        return;
    set_aside();
    worker->device_root = enumeration->doctor->root;
    worker->substitute = enumeration->doctor->machine->substitute;
    worker->lz.call = listing->call;
    if (inventory_take(worker) < 0) {
        snprintf(listing->error, sizeof(listing->error), "%s", worker->error);
        return;
    }
    for (size_t i = 0; i < worker->n_cards && i < LAYERS_MAX_CARDS; i++)
        note_card(listing, &worker->cards[i]);
    snprintf(listing->none, sizeof(listing->none), "%s", worker->driver_error);
    memcpy(gpus->driver_version, worker->driver_version, sizeof(gpus->driver_version));
    memcpy(gpus->api_version, worker->api_version, sizeof(worker->api_version));
    memcpy(gpus->loader_version, worker->loader_version, sizeof(gpus->loader_version));
    gpus->known = true;
    _exit(0); /* exit handlers of a driver may crash or hang, and nothing of theirs is needed */
}

/* ---- How it ended ----------------------------------------------------------------------------------------------- */

/* The last line that it printed: what a C++ runtime says of an exception, or a driver of its state. */
static const char *last_line(struct child_result *result)
{
    while (result->size > 0 && strchr("\r\n ", result->output[result->size - 1]))
        result->output[--result->size] = '\0';
    const char *end = strrchr(result->output, '\n');
    return end ? end + 1 : result->output;
}

static void tell_end(struct doctor *doctor, const struct listing *listing, struct child_result *result, int timeout)
{
    const char *where = listing->call[0] ? listing->call : "the driver", *said = last_line(result);
    char end[160];
    child_describe(result, timeout, end, sizeof(end));
    if (result->end == CHILD_HUNG || result->end == CHILD_STUCK) {
        doctor_found(doctor, DOCTOR_ERROR, "driver-hangs", "%s in %s", end, where);
        doctor_fix(doctor, "see dmesg for a hung GPU (itexctl devices reset, or start the node again), and whether the "
                           "driver library fits the kernel driver");
        return;
    }
    doctor_found(doctor, DOCTOR_ERROR, "driver-crashes", "%s in %s%s%.200s", end, where,
                 said[0] ? ", having said: " : "", said);
    doctor_fix(doctor, "take driver library, graphics compiler and libigdgmm of one release, and no others by "
                       "LD_LIBRARY_PATH; a job's import of TensorFlow dies in the same way");
}

/* ---- What it lists ---------------------------------------------------------------------------------------------- */

static bool lists(const struct listing *listing, const char *bdf)
{
    for (size_t i = 0; i < listing->gpus.n; i++)
        if (strcmp(listing->bdfs[i], bdf) == 0)
            return true;
    return false;
}

/* Cards whose nodes open and that the driver leaves out. */
static void tell_left_out(struct doctor *doctor, const struct listing *listing)
{
    const struct doctor_machine *machine = doctor->machine;
    bool addresses = listing->gpus.n > 0 && listing->bdfs[0][0];
    for (size_t i = 0; i < machine->cards.n && addresses && !machine->substitute; i++) {
        const char *bdf = machine->cards.items[i].bdf;
        if (!machine->nodes[i].opens || lists(listing, bdf))
            continue;
        doctor_found(doctor, DOCTOR_WARNING, "devices-left-out", "the driver does not list %s%s%s", bdf,
                     listing->none[0] ? ": " : "", listing->none);
        doctor_fix(doctor, "see dmesg for this card; a driver library that is older than the card does not know it");
    }
}

static void tell_found(struct doctor *doctor, const struct listing *listing)
{
    const struct machine_gpus *gpus = &listing->gpus;
    unsigned tiles = 0;
    for (size_t i = 0; i < gpus->n; i++)
        tiles += gpus->tiles[i];
    doctor_found(doctor, DOCTOR_OK, "devices-found", "%zu GPU%s with %u tile%s, %s; driver %s, API %s%s%s", gpus->n,
                 gpus->n == 1 ? "" : "s", tiles, tiles == 1 ? "" : "s", listing->names[0][0] ? listing->names[0] : "?",
                 gpus->driver_version[0] ? gpus->driver_version : "?", gpus->api_version[0] ? gpus->api_version : "?",
                 gpus->loader_version[0] ? ", loader " : "", gpus->loader_version);
}

static void tell_listing(struct doctor *doctor, const struct listing *listing)
{
    struct layer layer;
    if (listing->error[0]) {
        doctor_found(doctor, DOCTOR_ERROR, "driver-nonsense", "the driver's answers are not to be believed: %s",
                     listing->error);
        doctor_fix(doctor, "install the driver's package again; see what LD_LIBRARY_PATH puts in its place");
    } else if (listing->gpus.n == 0) {
        layers_driver_failed(listing->none[0] ? listing->none : NULL, &layer);
        doctor_found(doctor, DOCTOR_ERROR, "devices-none", "%s", layer.found);
        doctor_fix(doctor, "%s", layer.fix);
    } else {
        tell_found(doctor, listing);
        tell_left_out(doctor, listing);
    }
}

static bool no_node_opens(const struct doctor_machine *machine)
{
    for (size_t i = 0; i < machine->cards.n; i++)
        if (machine->nodes[i].opens)
            return false;
    return machine->cards.n > 0 && !machine->substitute;
}

void machine_look_devices(struct doctor *doctor)
{
    struct doctor_machine *machine = doctor->machine;
    struct enumeration enumeration = {doctor, NULL};
    CLEANUP(freep) struct child_result *result = malloc(sizeof(*result));
    doctor->substitute = machine->substitute;
    if (no_node_opens(machine)) {
        doctor_found(doctor, DOCTOR_SKIPPED, "not-applicable", "no render node is open to this user");
        return;
    }
    enumeration.listing = child_shared(sizeof(*enumeration.listing));
    if (!enumeration.listing || !result) {
        child_unshare(enumeration.listing, sizeof(*enumeration.listing));
        doctor->out_of_memory = true;
        return;
    }
    int timeout = doctor_left_ms(doctor, DEVICES_MS), r = child_run(enumerate, &enumeration, timeout + 1, result);
    if (r < 0) {
        doctor_found(doctor, DOCTOR_WARNING, "not-looked-at", "no process could be made: %s", strerror(-r));
        doctor_fix(doctor, "see the limits above");
    } else if (!enumeration.listing->gpus.known && !enumeration.listing->error[0]) {
        tell_end(doctor, enumeration.listing, result, timeout);
    } else {
        machine->gpus = enumeration.listing->gpus;
        tell_listing(doctor, enumeration.listing);
    }
    child_unshare(enumeration.listing, sizeof(*enumeration.listing));
}
