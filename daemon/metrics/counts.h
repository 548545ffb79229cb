/*
 * What the loop counts as it goes: plain numbers that only the loop touches, so that counting costs an addition and no
 * lock. Another thread sees them as a copy (snapshot.h).
 *
 * Decisions are counted when their commit is known to be on disk, as the database has them; those that could not be
 * recorded are counted apart. What the database knows better (states, reports) the store counts itself (store_figures).
 *
 * Rules. A counter for each rule of the set in force, and one for all others: rules of a set that was in force before,
 * whose decisions are still on their way, and those that the set in force does not have any more. So a set of ten
 * thousand rules has ten thousand counters, and loading sets without end adds none. A rule that stays keeps its count,
 * and the sum never falls.
 */
#ifndef ITEXD_METRICS_COUNTS_H
#define ITEXD_METRICS_COUNTS_H

#include "daemon/leases/leases.h"
#include "daemon/outcomes.h"
#include "daemon/refusal.h"
#include "daemon/resolver/resolver.h"
#include "proto/histogram.h"

#include <stdatomic.h>

#define COUNT_MODES (MODE_NPD_XLA + 1)
#define COUNT_VERDICTS (VERDICT_REJECTED + 1)
#define COUNT_OUTCOMES (OUTCOME_NO_DEVICE + 1)
/* By the number of their body in the protocol; the last is for a resolve that asked for devices, and so may wait. */
#define COUNT_REQUESTS 64
#define COUNT_WITH_DEVICES (COUNT_REQUESTS - 1)
/* Of enum lease_answer, and whoever gave up waiting. */
#define COUNT_LEASE_ANSWERS (LEASE_FAILED + 2)
#define COUNT_GAVE_UP (LEASE_FAILED + 1)

/* Ids of a set's rules, sorted; immutable, and shared with snapshots that are read in another thread. */
struct rule_names {
    atomic_uint references;
    size_t n;
    const char **names; /* and their texts behind */
};

struct rule_counts {
    struct rule_names *names; /* NULL: none yet */
    uint32_t generation;      /* of names; 0: none */
    uint64_t *counts;
    uint64_t other;
};

struct counts {
    uint64_t decisions[COUNT_MODES][COUNT_VERDICTS];
    uint64_t predicted[COUNT_OUTCOMES + 1]; /* the last: not known */
    uint64_t unrecorded;
    uint64_t requests[COUNT_REQUESTS];
    uint64_t refusals[REFUSALS];
    uint64_t remembered;                        /* resolved before with the same input */
    struct histogram latencies[COUNT_REQUESTS]; /* us, from the packet to its answer */
    struct histogram resolutions;               /* ns, of those that were not remembered */
    struct histogram lease_waits;               /* ms, of those that were granted */
    uint64_t lease_answers[COUNT_LEASE_ANSWERS];
    struct rule_counts rules;
};

void counts_deinit(struct counts *counts);
/* Another set is in force. Without memory its rules are counted as others. */
void counts_adopt(struct counts *counts, const struct rule_set_def *set);
/* A decision was committed. */
void counts_decision(struct counts *counts, struct outcome_entry *outcome);

struct rule_names *rule_names_get(struct rule_names *names);
void rule_names_put(struct rule_names *names);

static inline void counts_latency(struct counts *counts, unsigned request, uint64_t us)
{
    histogram_add(&counts->latencies[request], histogram_times, us);
}

#endif
