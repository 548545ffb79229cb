/*
 * Matching: which rules hold in a state. A row excludes the clauses that do not permit a number; rows are anded
 * block by block, and a block that is empty ends early, so that most rows of a large set are never read.
 */
#include "compiled.h"

#include <string.h>

/* How many rows are anded before the block is looked at: looking costs as much as two rows. */
#define STRIDE 4u

/* Sixteen bytes: what every machine has a register for. Rows are only as aligned as uint64_t. */
typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));

static pair load(const uint64_t *words)
{
    return *(const pair *)words;
}

static bool and_block(const struct rule_set *set, const uint64_t *const *rows, size_t n_rows, size_t first,
                      uint64_t out[static BLOCK_WORDS])
{
    const uint64_t *all = set->all_clauses + first;
    pair a = load(all), b = load(all + 2), c = load(all + 4), d = load(all + 6);

    for (size_t i = 0; i < n_rows; i++) {
        const uint64_t *row = rows[i] + first;
        pair left;

        a &= load(row);
        b &= load(row + 2);
        c &= load(row + 4);
        d &= load(row + 6);
        left = a | b | c | d;
        if (i % STRIDE == STRIDE - 1 && !(left[0] | left[1]))
            return false;
    }
    memcpy(out, &a, sizeof a);
    memcpy(out + 2, &b, sizeof b);
    memcpy(out + 4, &c, sizeof c);
    memcpy(out + 6, &d, sizeof d);
    return true;
}

static void take(const struct rule_set *set, const uint8_t *numbers, size_t clause, uint64_t *bits)
{
    uint32_t index = set->clause_rule[clause];
    const struct set_rule *rule = &set->rules[index];

    for (uint32_t i = 0; i < rule->n_unless; i++)
        if (clause_holds(&rule->unless[i], numbers))
            return;
    bit_set(bits, index);
}

void rules_match(const struct rule_set *set, const uint8_t *numbers, const uint64_t **rows, uint64_t *bits)
{
    size_t n_rows = 0;
    uint64_t block[BLOCK_WORDS];

    memset(bits, 0, rule_words(set) * sizeof *bits);
    for (size_t i = 0; i < set->n_row_sets; i++) {
        const uint64_t *row = set->row_sets[i].rows[numbers[set->row_sets[i].dimension]];

        if (row)
            rows[n_rows++] = row;
    }
    for (size_t first = 0; first < set->n_words; first += BLOCK_WORDS) {
        if (!and_block(set, rows, n_rows, first, block))
            continue;
        for (size_t word = 0; word < BLOCK_WORDS; word++)
            for (uint64_t left = block[word]; left; left &= left - 1)
                take(set, numbers, (first + word) * 64 + (size_t)__builtin_ctzll(left), bits);
    }
}
