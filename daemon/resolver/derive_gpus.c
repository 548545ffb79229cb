/* What of the node's GPUs the job is left with, from the cards that were told, and the masks and selectors in force. */
#include "daemon/resolver/gpus.h"
#include "daemon/resolver/state.h"

static enum tree tree_of(const uint8_t *numbers)
{
    if (numbers[FACT_DRIVER_HIERARCHY] == DRIVER_HIERARCHY_NONE)
        return TREE_CARDS;
    switch (numbers[FACT_HIERARCHY]) {
    case HIERARCHY_UNKNOWN:
        return TREE_UNKNOWN;
    case HIERARCHY_FLAT:
    case HIERARCHY_COMBINED:
        return TREE_TILES;
    case HIERARCHY_COMPOSITE:
        return TREE_CARDS;
    default:
        break;
    }
    switch (numbers[FACT_DRIVER_HIERARCHY]) {
    case DRIVER_HIERARCHY_FLAT:
        return TREE_TILES;
    case DRIVER_HIERARCHY_COMPOSITE:
        return TREE_CARDS;
    default:
        return TREE_UNKNOWN;
    }
}

/* False where the mask or the selector cannot be told, or is not taken at all. */
static bool readable(const uint8_t *numbers)
{
    return numbers[FACT_AFFINITY_MASK] != AFFINITY_MASK_UNKNOWN && numbers[FACT_SELECTOR] != SELECTOR_UNKNOWN &&
           numbers[FACT_AFFINITY_MASK] != AFFINITY_MASK_INVALID && numbers[FACT_SELECTOR] != SELECTOR_INVALID;
}

static void put_left(const struct gpus *listed, const struct selected *selected, enum tree tree, uint8_t *numbers)
{
    bool none = listed->exact && listed->n == 0; /* the mask is OpenCL's as well */

    if (listed->exact)
        numbers[FACT_MASK_LEAVES] = none ? MASK_LEAVES_NONE : MASK_LEAVES_SOME;
    if (none || selected->level_zero == LEFT_NONE)
        numbers[FACT_GPUS_LEFT] = !none && selected->opencl ? GPUS_LEFT_OPENCL : GPUS_LEFT_NONE;
    else if (selected->level_zero == LEFT_SOME)
        numbers[FACT_GPUS_LEFT] = GPUS_LEFT_SOME;
    if (tree == TREE_TILES || selected->tiles == LEFT_NONE)
        numbers[FACT_TILES_LEFT] = FACT_FALSE;
    else if (selected->tiles == LEFT_SOME)
        numbers[FACT_TILES_LEFT] = FACT_TRUE;
}

static uint8_t selector_under_mask(const uint8_t *numbers)
{
    uint8_t mask = numbers[FACT_AFFINITY_MASK], left = numbers[FACT_GPUS_LEFT];

    if (!mask || !numbers[FACT_SELECTOR])
        return SELECTOR_UNDER_MASK_UNKNOWN;
    if ((mask != AFFINITY_MASK_VALID && mask != AFFINITY_MASK_ODD) || numbers[FACT_SELECTOR] != SELECTOR_ORDINALS ||
        numbers[FACT_MASK_LEAVES] == MASK_LEAVES_NONE)
        return SELECTOR_UNDER_MASK_NO;
    return left == GPUS_LEFT_NONE || left == GPUS_LEFT_OPENCL ? SELECTOR_UNDER_MASK_NONE_LEFT
                                                              : SELECTOR_UNDER_MASK_POSSIBLE;
}

void derive_gpus(const struct base *base, struct state *state)
{
    uint8_t *numbers = state->numbers;
    const char *told = numbers[FACT_CARDS] ? base->texts[FACT_CARDS] : NULL;
    const char *mask = state_value(base, state, VARIABLE_ZE_AFFINITY_MASK);
    const char *selector = state_value(base, state, VARIABLE_ONEAPI_DEVICE_SELECTOR);
    enum tree tree = tree_of(numbers);

    numbers[FACT_MASK_LEAVES] = MASK_LEAVES_UNKNOWN;
    numbers[FACT_GPUS_LEFT] = GPUS_LEFT_UNKNOWN;
    numbers[FACT_TILES_LEFT] = tree == TREE_TILES ? FACT_FALSE : 0;
    if (readable(numbers) && (told || mask || selector)) {
        struct gpus cards = {.exact = false}, listed;
        struct selected selected;

        if (told)
            gpus_read(told, &cards);
        gpus_mask(&cards, tree, mask, &listed);
        gpus_select(&listed, selector, &selected);
        put_left(&listed, &selected, tree, numbers);
    }
    numbers[FACT_SELECTOR_UNDER_MASK] = selector_under_mask(numbers);
}
