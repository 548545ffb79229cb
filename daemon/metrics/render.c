/* All but the devices. A family is begun even where it has no sample, so that every one can be found in any scrape. */
#include "daemon/metrics/render.h"
#include "daemon/handlers.h"
#include "daemon/resolver/rule_set.h"
#include "proto/clock.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_PER_US 1e-6
#define SECONDS_PER_NS 1e-9
#define SECONDS_PER_MS 1e-3

static void one(struct text *text, enum family_id family, double value)
{
    text_begin(text, family);
    text_sample(text, value, NULL);
}

/* ---- The service ------------------------------------------------------------------------------------------ */

static void render_service(struct text *text, const struct snapshot *snapshot, const struct render_own *own)
{
    const char *substitute = snapshot->substitute[0] ? snapshot->substitute : "none";

    text_begin(text, FAMILY_BUILD);
    text_sample(text, 1, "version", ITEXD_VERSION, NULL);
    one(text, FAMILY_START_TIME, (double)snapshot->start_ms * SECONDS_PER_MS);
    one(text, FAMILY_SNAPSHOT_AGE, (double)(clock_steady_us() - snapshot->taken_us) * SECONDS_PER_US);
    one(text, FAMILY_SCRAPES, (double)own->scrapes);
    one(text, FAMILY_DEGRADED, snapshot->degraded);
    text_begin(text, FAMILY_SETTINGS);
    text_sample(text, 1, "policy", snapshot->policy, "locked", snapshot->locked ? "true" : "false", "durability",
                snapshot->durable ? "full" : "normal", NULL);
    text_begin(text, FAMILY_SUBSTITUTE);
    text_sample(text, 1, "substitute", substitute, NULL);
    one(text, FAMILY_PEERS, (double)snapshot->peers);
    one(text, FAMILY_LOG_DROPPED, (double)snapshot->log_dropped);
}

static void render_rule_set(struct text *text, const struct snapshot *snapshot)
{
    char id[24];

    snprintf(id, sizeof id, "%" PRIu64, snapshot->rules.id);
    text_begin(text, FAMILY_RULE_SET);
    text_sample(text, 1, "id", id, "name", snapshot->rules.name, "digest", snapshot->rules.digest, NULL);
    one(text, FAMILY_RULES, (double)snapshot->rules.n);
    one(text, FAMILY_RULE_SET_WAITING, snapshot->rules.waiting);
}

/* ---- Decisions -------------------------------------------------------------------------------------------- */

static const char *known_mode(enum mode mode)
{
    return mode == MODE_UNKNOWN ? "unknown" : mode_name(mode);
}

static void render_decisions(struct text *text, const struct snapshot *snapshot)
{
    const struct counts *counts = &snapshot->counts;

    text_begin(text, FAMILY_DECISIONS);
    for (unsigned mode = 0; mode < COUNT_MODES; mode++)
        for (unsigned verdict = 0; verdict < COUNT_VERDICTS; verdict++)
            text_sample(text, (double)counts->decisions[mode][verdict], "mode", known_mode((enum mode)mode), "verdict",
                        verdict_name((enum verdict)verdict), NULL);
    text_begin(text, FAMILY_DECISION_RULES);
    for (size_t i = 0; snapshot->rule_names && i < snapshot->rule_names->n; i++)
        text_sample(text, (double)snapshot->rule_counts[i], "rule", snapshot->rule_names->names[i], NULL);
    text_sample(text, (double)snapshot->other_rules, "rule", "other", NULL);
    text_begin(text, FAMILY_PREDICTED);
    for (unsigned i = 0; i <= COUNT_OUTCOMES; i++)
        text_sample(text, (double)counts->predicted[i], "outcome",
                    i < COUNT_OUTCOMES ? outcome_name((enum outcome)i) : "unknown", NULL);
    one(text, FAMILY_UNRECORDED, (double)counts->unrecorded);
    one(text, FAMILY_ACCEPTED, (double)snapshot->store.written.states[STORE_ACCEPTED]);
    one(text, FAMILY_UNDELIVERED, (double)snapshot->store.written.states[STORE_UNDELIVERED]);
    one(text, FAMILY_REPORTS, (double)snapshot->store.written.reports);
    one(text, FAMILY_MISMATCHES, (double)snapshot->store.written.mismatches);
}

/* ---- Requests --------------------------------------------------------------------------------------------- */

static const char *request_name(size_t i)
{
    return i == COUNT_WITH_DEVICES ? "resolve-with-devices" : handlers_name(i);
}

static bool any(const struct histogram *histogram)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        if (histogram->counts[i] > 0)
            return true;
    return false;
}

static void render_requests(struct text *text, const struct snapshot *snapshot)
{
    const struct counts *counts = &snapshot->counts;

    text_begin(text, FAMILY_REQUESTS);
    for (size_t i = 0; i < COUNT_WITH_DEVICES; i++)
        if (handlers_name(i))
            text_sample(text, (double)counts->requests[i], "request", handlers_name(i), NULL);
    text_begin(text, FAMILY_REQUEST_DURATION);
    for (size_t i = 0; i < COUNT_REQUESTS; i++)
        if (any(&counts->latencies[i])) /* twenty lines for each: only of what is used */
            text_histogram(text, &counts->latencies[i], histogram_times, SECONDS_PER_US, "request", request_name(i),
                           NULL);
    text_begin(text, FAMILY_RESOLUTION_DURATION);
    text_histogram(text, &counts->resolutions, histogram_short_times, SECONDS_PER_NS, NULL);
    one(text, FAMILY_REMEMBERED, (double)counts->remembered);
    text_begin(text, FAMILY_REFUSALS);
    for (unsigned i = 0; i < REFUSALS; i++)
        text_sample(text, (double)counts->refusals[i], "reason", refusal_name((enum refusal)i), NULL);
}

/* ---- The store -------------------------------------------------------------------------------------------- */

static void render_size(struct text *text, enum family_id family, const char *path, const char *suffix)
{
    char name[4096];
    struct stat info;

    text_begin(text, family);
    snprintf(name, sizeof name, "%s%s", path, suffix);
    if (stat(name, &info) == 0)
        text_sample(text, (double)info.st_size, NULL);
}

static void render_store(struct text *text, const struct snapshot *snapshot, const struct render_own *own)
{
    const struct store_figures *store = &snapshot->store;

    one(text, FAMILY_RECORDING, store->recording);
    one(text, FAMILY_INTERRUPTIONS, (double)store->interruptions);
    one(text, FAMILY_MOVED_ASIDE, store->moved_aside);
    one(text, FAMILY_QUEUE, (double)store->queued);
    one(text, FAMILY_STORED, (double)store->decisions);
    text_begin(text, FAMILY_COMMIT_DURATION);
    text_histogram(text, &store->commit_us, histogram_times, SECONDS_PER_US, NULL);
    text_begin(text, FAMILY_COMMIT_SIZE);
    text_histogram(text, &store->commit_jobs, histogram_sizes, 1, NULL);
    text_begin(text, FAMILY_CHECKPOINT_DURATION);
    text_histogram(text, &store->checkpoint_us, histogram_times, SECONDS_PER_US, NULL);
    render_size(text, FAMILY_DATABASE_BYTES, own->database, "");
    render_size(text, FAMILY_WAL_BYTES, own->database, "-wal");
}

/* ---- Leases and children ---------------------------------------------------------------------------------- */

static const char *answer_name(unsigned answer)
{
    static const char *const names[COUNT_LEASE_ANSWERS] = {
        [LEASE_GRANTED] = "granted",     [LEASE_BUSY] = "busy",     [LEASE_IMPOSSIBLE] = "impossible",
        [LEASE_NO_DEVICE] = "no-device", [LEASE_UNLIKE] = "unlike", [LEASE_FAILED] = "failed",
        [COUNT_GAVE_UP] = "gave-up",
    };

    return names[answer];
}

static void render_lease_units(struct text *text, const struct snapshot *snapshot)
{
    text_begin(text, FAMILY_LEASE);
    for (size_t i = 0; i < snapshot->n_units; i++) {
        const struct snapshot_unit *unit = &snapshot->units[i];
        char lease[24], tile[16] = "";

        snprintf(lease, sizeof lease, "%" PRIu64, unit->lease);
        if (unit->tile >= 0)
            snprintf(tile, sizeof tile, "%d", unit->tile);
        text_sample(text, 1, "lease", lease, "job_id", unit->job, "pci_bdf", unit->device ? unit->device->bdf : "",
                    "hw_id", unit->device ? render_hw_id(unit->device) : unit->key, "tile", tile, "sharing",
                    lease_sharing_name(unit->sharing), "state", lease_phase_name(unit->phase), NULL);
    }
    one(text, FAMILY_LEASE_LEFT_OUT, (double)snapshot->n_units_left_out);
}

static void render_leases(struct text *text, const struct snapshot *snapshot)
{
    const struct lease_figures *leases = &snapshot->leases;

    text_begin(text, FAMILY_LEASES);
    for (unsigned phase = 0; phase < LEASE_PHASES; phase++)
        for (unsigned sharing = 0; sharing < LEASE_SHARINGS; sharing++)
            text_sample(text, (double)leases->leases[phase][sharing], "state",
                        lease_phase_name((enum lease_phase)phase), "sharing",
                        lease_sharing_name((enum lease_sharing)sharing), NULL);
    one(text, FAMILY_LEASE_MEMBERS, (double)leases->members);
    one(text, FAMILY_LEASE_QUEUE, (double)leases->queue);
    one(text, FAMILY_LEASE_OLDEST, (double)leases->longest_ms * SECONDS_PER_MS);
    text_begin(text, FAMILY_LEASE_WAITS);
    text_histogram(text, &snapshot->counts.lease_waits, histogram_waits, SECONDS_PER_MS, NULL);
    text_begin(text, FAMILY_LEASE_ANSWERS);
    for (unsigned i = 0; i < COUNT_LEASE_ANSWERS; i++)
        text_sample(text, (double)snapshot->counts.lease_answers[i], "answer", answer_name(i), NULL);
    render_lease_units(text, snapshot);
}

static void render_children(struct text *text, const struct snapshot *snapshot)
{
    const struct {
        const char *name;
        const struct snapshot_child *child;
    } children[] = {{"worker", &snapshot->worker}, {"keeper", &snapshot->keeper}};
    const size_t n = sizeof children / sizeof *children;

    text_begin(text, FAMILY_CHILD_UP);
    for (size_t i = 0; i < n; i++)
        if (children[i].child->wanted)
            text_sample(text, children[i].child->state == CHILD_UP, "child", children[i].name, NULL);
    text_begin(text, FAMILY_CHILD_STATE);
    for (size_t i = 0; i < n; i++)
        for (unsigned state = CHILD_OFF; children[i].child->wanted && state <= CHILD_GIVEN_UP; state++)
            text_sample(text, state == children[i].child->state, "child", children[i].name, "state",
                        child_state_name((enum child_state)state), NULL);
    text_begin(text, FAMILY_CHILD_RESTARTS);
    for (size_t i = 0; i < n; i++)
        if (children[i].child->wanted)
            text_sample(text, children[i].child->restarts, "child", children[i].name, NULL);
}

/* ---- The process ------------------------------------------------------------------------------------------ */

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

/* Pages; -1: not known. */
static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = -1;
    fclose(file);
    return pages;
}

/* -1: not known. */
static long count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    long n = -3; /* the two dots, and the directory's own */

    if (!directory)
        return -1;
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

static void render_process(struct text *text)
{
    struct rusage usage;
    struct rlimit limit;
    long pages = resident(), descriptors = count_descriptors();

    text_begin(text, FAMILY_CPU);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        text_sample(text, seconds(&usage.ru_utime) + seconds(&usage.ru_stime), NULL);
    text_begin(text, FAMILY_MEMORY);
    if (pages >= 0)
        text_sample(text, (double)pages * (double)sysconf(_SC_PAGESIZE), NULL);
    text_begin(text, FAMILY_OPEN_FDS);
    if (descriptors >= 0)
        text_sample(text, (double)descriptors, NULL);
    text_begin(text, FAMILY_MAX_FDS);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        text_sample(text, (double)limit.rlim_cur, NULL);
}

void render(struct text *text, const struct snapshot *snapshot, const struct render_own *own)
{
    render_service(text, snapshot, own);
    render_rule_set(text, snapshot);
    render_decisions(text, snapshot);
    render_requests(text, snapshot);
    render_store(text, snapshot, own);
    render_leases(text, snapshot);
    render_children(text, snapshot);
    render_devices(text, snapshot);
    render_process(text);
    text_end(text);
}
