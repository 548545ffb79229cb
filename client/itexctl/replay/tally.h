/*
 * What a replay has found: counts, and examples of each kind of change.
 *
 * A kind is what changed, from what to what, by which rules. There are a few dozen in practice; beyond TALLY_GROUPS
 * they are only counted, so that memory stays the same however many decisions are replayed.
 */
#ifndef ITEXCTL_REPLAY_TALLY_H
#define ITEXCTL_REPLAY_TALLY_H

#include "client/itexctl/replay/result.h"

#include <stdint.h>

#define TALLY_GROUPS 512
#define TALLY_REASONS 32

/* A decision, named; of a row that it outlives. */
struct tally_example {
    uint64_t decision, time_ms;
    uint32_t uid;
    char *job; /* NULL: none */
};

struct tally_group {
    enum change change;
    char *from, *to;
    enum blame_how how;
    char *rules; /* one or more, by ", "; "": none */
    uint64_t decisions;
    struct tally_example *examples;
    size_t n_examples;
};

/* Decisions that could not be replayed, and why. */
struct tally_reason {
    char *why;
    uint64_t decisions;
    struct tally_example *examples;
    size_t n_examples;
};

struct tally {
    size_t examples; /* of each kind, the first that were met */
    uint64_t decisions, replayed, unchanged;
    uint64_t changed[CHANGES];
    uint64_t decides; /* decisions whose mode or verdict changed */
    struct tally_group *groups;
    size_t n_groups;
    uint64_t ungrouped; /* changes of kinds beyond TALLY_GROUPS */
    struct tally_reason *reasons;
    size_t n_reasons;
};

/* Both 0 or -ENOMEM. The example is copied where it is kept. */
int tally_add(struct tally *tally, const struct tally_example *decision, const struct result *from,
              const struct result *to, unsigned changes);
int tally_add_not_replayed(struct tally *tally, const struct tally_example *decision, const char *why);
uint64_t tally_not_replayed(const struct tally *tally);
/* The largest groups first, within the order of changes. */
void tally_sort(struct tally *tally);
void tally_clear(struct tally *tally);

/* "rejected", "no-longer-rejected", "verdict", "mode", ... */
const char *change_name(enum change change);
/* "by", "without", "otherwise", "" */
const char *blame_name(enum blame_how how);
/* The rules, by separator, with "..." for more; from malloc, NULL without memory. */
char *blame_rules(const struct blame *blame, const char *separator);
/* What changed of one kind, from and to; from malloc, NULL without memory. Variables are named without their values. */
char *change_side(enum change change, const struct result *of, const struct result *other);

#endif
