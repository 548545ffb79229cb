/*
 * Watching: which clauses a match has to look at. A clause without tests always counts; any other is in the lists of
 * one test only, so that a match meets it once at most.
 */
#include "daemon/resolver/compile.h"

#include <errno.h>

static unsigned numbers_of(size_t dimension)
{
    return dimension < FACT_COUNT ? fact_table[dimension].n_values : 3;
}

/* How often a test is satisfied by the jobs that come, as far as the table of facts tells: least where it asks for a
 * variable to be set, most where it is satisfied by a job that sets and declares nothing. */
static unsigned commonness(const struct test *test)
{
    static const unsigned of_origin[] = {[FACT_ENVIRONMENT] = 0, [FACT_DECLARED] = 1, [FACT_DERIVED] = 2};

    if (test->dimension >= FACT_COUNT)
        return test->mask >> PREDICATE_UNKNOWN & 1 ? 3 : 1;
    if (test->mask >> fact_table[test->dimension].unset & 1)
        return 3;
    return of_origin[fact_table[test->dimension].origin];
}

static const struct test *best_test(const struct clause *clause)
{
    const struct test *best = NULL;

    for (uint32_t i = 0; i < clause->n_tests; i++) {
        const struct test *test = &clause->tests[i];

        if (!best || commonness(test) < commonness(best) ||
            (commonness(test) == commonness(best) && __builtin_popcount(test->mask) < __builtin_popcount(best->mask)))
            best = test;
    }
    return best;
}

/* Counts the clauses of every list in list[], or places them where list[] says. */
static void visit_clauses(struct rule_set *set, uint32_t *list, bool place)
{
    for (uint32_t i = 0; i < set->n_rules; i++) {
        for (uint32_t j = 0; j < set->rules[i].n_any; j++) {
            struct watched watched = {set->rules[i].any[j], i};
            const struct test *test = best_test(&watched.clause);

            for (unsigned number = 0; test && number < numbers_of(test->dimension); number++) {
                uint32_t at = set->first_list[test->dimension] + number;

                if (!(test->mask >> number & 1))
                    continue;
                if (place)
                    set->watched[list[at]++] = watched;
                else
                    list[at]++;
            }
            if (!test && place)
                set->watched[set->n_always++] = watched;
            else if (!test)
                set->n_always++;
        }
    }
}

static int find_dimensions(struct rule_set *set)
{
    set->watch_dimensions = arena_array(&set->arena, set->n_dimensions, sizeof *set->watch_dimensions);
    if (!set->watch_dimensions)
        return -ENOMEM;
    for (size_t i = 0; i < set->n_dimensions; i++) {
        uint32_t first = set->first_list[i];

        if (set->watch_lists[first] != set->watch_lists[first + numbers_of(i)])
            set->watch_dimensions[set->n_watch_dimensions++] = (uint16_t)i;
    }
    return 0;
}

int compile_watch(struct compiler *c)
{
    struct rule_set *set = c->set;
    uint32_t n_lists = 0;
    uint32_t total;
    uint32_t *next;

    set->n_dimensions = FACT_COUNT + set->n_predicates;
    set->first_list = arena_array(&set->arena, set->n_dimensions, sizeof *set->first_list);
    if (!set->first_list)
        return -ENOMEM;
    for (size_t i = 0; i < set->n_dimensions; i++) {
        set->first_list[i] = n_lists;
        n_lists += numbers_of(i);
    }
    set->watch_lists = arena_array(&set->arena, n_lists + 1, sizeof *set->watch_lists);
    next = arena_array(&set->arena, n_lists + 1, sizeof *next);
    if (!set->watch_lists || !next)
        return -ENOMEM;
    visit_clauses(set, next, false);
    total = set->n_always;
    for (uint32_t i = 0; i <= n_lists; i++) {
        uint32_t count = next[i];

        set->watch_lists[i] = next[i] = total;
        total += count;
    }
    set->watched = arena_array(&set->arena, total, sizeof *set->watched);
    if (!set->watched)
        return -ENOMEM;
    set->n_always = 0;
    visit_clauses(set, next, true);
    return find_dimensions(set);
}
