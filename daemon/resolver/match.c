/* Matching: which rules hold in a state. The cost grows with the clauses watched at the state's own numbers. */
#include "daemon/resolver/compiled.h"

#include <string.h>

static void consider(const struct rule_set *set, const struct watched *watched, const uint8_t *numbers, uint64_t *bits)
{
    const struct set_rule *rule = &set->rules[watched->rule];

    if (bit_test(bits, watched->rule) || !clause_holds(&watched->clause, numbers))
        return;
    for (uint32_t i = 0; i < rule->n_unless; i++)
        if (clause_holds(&rule->unless[i], numbers))
            return;
    bit_set(bits, watched->rule);
}

void rules_match(const struct rule_set *set, const uint8_t *numbers, uint64_t *bits)
{
    memset(bits, 0, rule_words(set) * sizeof *bits);
    for (uint32_t i = 0; i < set->n_always; i++)
        consider(set, &set->watched[i], numbers, bits);
    for (size_t i = 0; i < set->n_watch_dimensions; i++) {
        uint16_t dimension = set->watch_dimensions[i];
        const uint32_t *list = &set->watch_lists[set->first_list[dimension] + numbers[dimension]];

        for (uint32_t at = list[0]; at < list[1]; at++)
            consider(set, &set->watched[at], numbers, bits);
    }
}
