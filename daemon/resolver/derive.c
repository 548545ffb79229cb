/*
 * What follows from the facts that are given: generation, effective NPD and XLA, jit, ITEX's Keras check, tiles and
 * the mode. Three-valued throughout: an unknown operand makes the result unknown only
 * where it matters.
 */
#include "daemon/resolver/parse.h"
#include "daemon/resolver/state.h"
#include "daemon/resolver/version.h"

#include <string.h>

/* One version to a generation; 0 where the text is no version. */
static uint8_t generation_of(const char *version)
{
    unsigned major;
    unsigned minor;

    if (!version)
        return GENERATION_UNKNOWN;
    if (strcmp(version, VERSION_NEWEST) == 0)
        return GENERATION_NEWEST;
    if (!version_major_minor(version, &major, &minor))
        return GENERATION_UNKNOWN;
    if (major > 2 || (major == 2 && minor >= 16))
        return GENERATION_NEWEST;
    return major == 2 && minor == 15 ? GENERATION_2_15 : GENERATION_2_14;
}

void derive_generation(const struct base *base, uint8_t *numbers)
{
    uint8_t generation = generation_of(base->texts[FACT_ITEX]);

    if (generation == GENERATION_UNKNOWN)
        generation = generation_of(base->texts[FACT_TENSORFLOW]);
    numbers[FACT_GENERATION_ASSUMED] = generation == GENERATION_UNKNOWN ? FACT_TRUE : FACT_FALSE;
    numbers[FACT_GENERATION] = generation == GENERATION_UNKNOWN ? GENERATION_NEWEST : generation;
}

static uint8_t either(uint8_t a, uint8_t b)
{
    if (a == FACT_TRUE || b == FACT_TRUE)
        return FACT_TRUE;
    return a && b ? FACT_FALSE : 0;
}

static uint8_t negate(uint8_t a)
{
    return a ? FACT_TRUE + FACT_FALSE - a : 0;
}

static uint8_t auto_jit_on(const uint8_t *numbers)
{
    if (!numbers[FACT_AUTO_JIT])
        return 0;
    return numbers[FACT_AUTO_JIT] == AUTO_JIT_0 ? FACT_FALSE : FACT_TRUE;
}

static void derive_modes(uint8_t *numbers)
{
    uint8_t on = auto_jit_on(numbers);
    uint8_t kept_off;

    switch (numbers[FACT_GENERATION]) {
    case GENERATION_2_14:
        numbers[FACT_NPD] = numbers[FACT_XLA] = FACT_FALSE;
        break;
    case GENERATION_2_15:
        numbers[FACT_NPD] = either(on, numbers[FACT_NPD_REQUESTED]);
        numbers[FACT_XLA] = on;
        break;
    default:
        kept_off = either(numbers[FACT_LEGACY_NATIVE], numbers[FACT_DISABLE_NATIVE]);
        numbers[FACT_NPD] = numbers[FACT_NPD_REQUESTED];
        numbers[FACT_XLA] = either(on, negate(kept_off));
    }
}

/* Is Keras 3's automatic jit off for a reason that is known? */
static bool automatic_jit_off(const uint8_t *numbers)
{
    return numbers[FACT_OPS_OVERRIDE] == OPS_OVERRIDE_TRUE || numbers[FACT_STRATEGY] == FACT_TRUE ||
           numbers[FACT_UNSUPPORTED_LAYER] == FACT_TRUE || numbers[FACT_DETERMINISM] == FACT_TRUE ||
           numbers[FACT_DEVICE_FILTER] == DEVICE_FILTER_OTHER || numbers[FACT_LIB_FLAVOUR] == LIB_FLAVOUR_CPU ||
           numbers[FACT_LIB_FLAVOUR] == LIB_FLAVOUR_NONE;
}

static uint8_t jit_effective(const uint8_t *numbers)
{
    if (numbers[FACT_JIT] == JIT_UNKNOWN)
        return JIT_EFFECTIVE_UNKNOWN;
    if (numbers[FACT_JIT] == JIT_OFF || numbers[FACT_RUN_EAGERLY] == FACT_TRUE)
        return JIT_EFFECTIVE_OFF;
    if (numbers[FACT_JIT] == JIT_ON)
        return JIT_EFFECTIVE_ON;
    switch (numbers[FACT_KERAS]) {
    case KERAS_2:
        return JIT_EFFECTIVE_OFF;
    case KERAS_3:
        return automatic_jit_off(numbers) ? JIT_EFFECTIVE_OFF : JIT_EFFECTIVE_ON;
    case KERAS_0:
        return JIT_EFFECTIVE_UNKNOWN;
    default:
        return automatic_jit_off(numbers) ? JIT_EFFECTIVE_OFF : JIT_EFFECTIVE_UNKNOWN;
    }
}

/* These releases lack the packaging that ITEX's check imports, so that the check fails and warns only. */
static bool breaks_check(const char *setuptools)
{
    unsigned major;
    unsigned minor;

    if (!setuptools)
        return false;
    if (!version_major_minor(setuptools, &major, &minor))
        return strcmp(setuptools, "none") == 0 || strcmp(setuptools, VERSION_NEWEST) == 0;
    return major >= 82 || (major == 70 && (minor == 0 || minor == 3));
}

static uint8_t keras_check(const struct base *base, const uint8_t *numbers)
{
    uint8_t exempt;

    if (numbers[FACT_KERAS] != KERAS_3 || numbers[FACT_GENERATION] != GENERATION_NEWEST)
        return KERAS_CHECK_UNKNOWN;
    exempt = either(either(numbers[FACT_LEGACY_PYTHON], numbers[FACT_DISABLE_PYTHON]), numbers[FACT_AUTO_JIT_EXEMPT]);
    if (exempt == FACT_TRUE)
        return KERAS_CHECK_EXEMPT;
    if (!exempt)
        return KERAS_CHECK_UNKNOWN;
    return breaks_check(base->texts[FACT_SETUPTOOLS]) ? KERAS_CHECK_BROKEN : KERAS_CHECK_ACTIVE;
}

static uint8_t tile_pair(const uint8_t *numbers)
{
    uint8_t itex = numbers[FACT_TILE_ITEX_OLD];
    uint8_t sycl = numbers[FACT_TILE_SYCL];

    if (itex == TILE_ITEX_OLD_UNSET)
        itex = numbers[FACT_TILE_ITEX];
    if (!itex || !sycl || itex == TILE_ITEX_INVALID || sycl == TILE_SYCL_INVALID)
        return TILE_PAIR_UNKNOWN;
    if ((itex == TILE_ITEX_FALSE) == (sycl == TILE_SYCL_FALSE))
        return TILE_PAIR_EQUAL;
    return itex == TILE_ITEX_FALSE ? TILE_PAIR_ITEX_OFF : TILE_PAIR_SYCL_OFF;
}

void derive_facts(const struct base *base, struct state *state)
{
    uint8_t *numbers = state->numbers;

    derive_modes(numbers);
    numbers[FACT_JIT_EFFECTIVE] = jit_effective(numbers);
    numbers[FACT_KERAS_CHECK] = keras_check(base, numbers);
    numbers[FACT_TILE_PAIR] = tile_pair(numbers);
    derive_gpus(base, state);
}

enum mode derive_mode(const uint8_t *numbers)
{
    if (numbers[FACT_NPD] == 0 || numbers[FACT_XLA] == 0)
        return MODE_UNKNOWN;
    if (numbers[FACT_NPD] == FACT_FALSE)
        return numbers[FACT_XLA] == FACT_TRUE ? MODE_UNKNOWN : MODE_STREAM_EXECUTOR; /* XLA alone is not reached */
    return numbers[FACT_XLA] == FACT_TRUE ? MODE_NPD_XLA : MODE_NPD;
}
