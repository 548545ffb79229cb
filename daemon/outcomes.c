/* A hash table with a list by use through it. */
#include "daemon/outcomes.h"
#include "daemon/hash.h"

#include <stdlib.h>
#include <string.h>

void outcomes_init(struct outcomes *outcomes, size_t limit)
{
    *outcomes = (struct outcomes){.seed = hash_seed(), .limit = limit};
    TAILQ_INIT(&outcomes->uses);
}

void outcome_put(struct outcome_entry *entry)
{
    if (!entry || --entry->references > 0)
        return;
    free((void *)entry->key.data);
    free((void *)entry->facts.data);
    free((void *)entry->outcome.data);
    free(entry->itex);
    free(entry->rules);
    free(entry->counted.rules);
    free(entry);
}

static void let_go(struct outcomes *outcomes, struct outcome_entry *entry)
{
    struct outcome_entry **at = &outcomes->buckets[entry->hash % OUTCOME_BUCKETS];

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    TAILQ_REMOVE(&outcomes->uses, entry, use);
    outcomes->bytes -= entry->bytes;
    outcome_put(entry);
}

void outcomes_clear(struct outcomes *outcomes)
{
    struct outcome_entry *entry;

    while ((entry = TAILQ_FIRST(&outcomes->uses)))
        let_go(outcomes, entry);
}

struct outcome_entry *outcomes_find(struct outcomes *outcomes, const void *key, size_t size)
{
    uint64_t hash = hash_bytes(outcomes->seed, key, size);
    struct outcome_entry *entry = outcomes->buckets[hash % OUTCOME_BUCKETS];

    while (entry && (entry->hash != hash || entry->key.size != size || memcmp(entry->key.data, key, size) != 0))
        entry = entry->next;
    if (!entry)
        return NULL;
    TAILQ_REMOVE(&outcomes->uses, entry, use);
    TAILQ_INSERT_TAIL(&outcomes->uses, entry, use);
    entry->references++;
    return entry;
}

void outcomes_keep(struct outcomes *outcomes, struct outcome_entry *entry, const void *key, size_t size)
{
    struct outcome_entry **bucket;
    void *copy = malloc(size + 1);

    if (!copy)
        return;
    memcpy(copy, key, size);
    entry->key = (struct store_blob){.data = copy, .size = size};
    entry->hash = hash_bytes(outcomes->seed, key, size);
    entry->bytes = sizeof *entry + size + entry->facts.size + entry->outcome.size +
                   entry->n_rules * (sizeof(char *) + sizeof *entry->counted.rules);
    bucket = &outcomes->buckets[entry->hash % OUTCOME_BUCKETS];
    entry->next = *bucket;
    *bucket = entry;
    entry->references++;
    TAILQ_INSERT_TAIL(&outcomes->uses, entry, use);
    outcomes->bytes += entry->bytes;
    while (outcomes->bytes > outcomes->limit)
        let_go(outcomes, TAILQ_FIRST(&outcomes->uses));
}

/* The ids of the diagnostics' rules: an array of pointers with the texts behind it, in one piece of memory. */
static int copy_rules(struct outcome_entry *entry, const struct resolution *resolution)
{
    size_t n = resolution->n_diagnostics;
    size_t size = n * sizeof(char *);
    char *at;

    for (size_t i = 0; i < n; i++)
        size += strlen(resolution->diagnostics[i].rule) + 1;
    entry->rules = malloc(size + 1);
    if (!entry->rules)
        return -1;
    at = (char *)(entry->rules + n);
    for (size_t i = 0; i < n; i++) {
        entry->rules[i] = at;
        at = stpcpy(at, resolution->diagnostics[i].rule) + 1;
    }
    entry->n_rules = n;
    return 0;
}

static int prepare_counting(struct outcome_entry *entry, const struct resolution *resolution)
{
    entry->counted.mode = resolution->mode;
    entry->counted.verdict = resolution->verdict;
    entry->counted.predicted =
        resolution->predicted_outcome_known ? resolution->predicted_outcome : OUTCOME_NO_DEVICE + 1;
    entry->counted.rules = malloc(entry->n_rules * sizeof *entry->counted.rules + 1);
    return entry->counted.rules ? 0 : -1;
}

static void hash_for_store(struct outcome_entry *entry)
{
    const struct store_decision shared = {.facts = entry->facts,
                                          .outcome = entry->outcome,
                                          .mode = entry->mode,
                                          .verdict = entry->verdict,
                                          .rules = entry->rules,
                                          .n_rules = entry->n_rules};

    store_hash(&shared, &entry->hashes);
}

struct outcome_entry *outcome_new(const struct resolution *resolution, struct store_blob facts,
                                  struct store_blob outcome)
{
    struct outcome_entry *entry = calloc(1, sizeof *entry);

    if (!entry) {
        free((void *)facts.data);
        free((void *)outcome.data);
        return NULL;
    }
    entry->references = 1;
    entry->facts = facts;
    entry->outcome = outcome;
    entry->mode = mode_name(resolution->mode);
    entry->verdict = verdict_name(resolution->verdict);
    entry->rejected = resolution->verdict == VERDICT_REJECTED;
    entry->itex = resolution->itex ? strdup(resolution->itex) : NULL;
    if (copy_rules(entry, resolution) < 0 || prepare_counting(entry, resolution) < 0 ||
        (resolution->itex && !entry->itex)) {
        outcome_put(entry);
        return NULL;
    }
    hash_for_store(entry);
    return entry;
}
