/*
 * Matching: which rules hold in a state. A row excludes the clauses that do not permit a number; rows are anded
 * block by block, and a block that is empty ends early, so that most rows of a large set are never read.
 */
#include "compiled.h"

#include <string.h>

static bool and_block(const struct rule_set *set, const uint64_t *const *rows, size_t n_rows, size_t first,
                      uint64_t block[static BLOCK_WORDS])
{
    memcpy(block, set->all_clauses + first, BLOCK_WORDS * sizeof *block);
    for (size_t i = 0; i < n_rows; i++) {
        uint64_t left = 0;

        for (size_t word = 0; word < BLOCK_WORDS; word++) {
            block[word] &= rows[i][first + word];
            left |= block[word];
        }
        if (!left)
            return false;
    }
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
