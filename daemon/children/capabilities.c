/*
 * Keeping few capabilities, as root too: a program that root executes would get all of the bounding set back, which
 * no_new_privs prevents. The bounding set is a second line only, for it takes CAP_SETPCAP to change it.
 */
#include "daemon/children/capabilities.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    unsigned bit;
    cap_value_t value;
} known[] = {{MAY_FOWNER, CAP_FOWNER}, {MAY_PTRACE, CAP_SYS_PTRACE}, {MAY_PERFMON, CAP_PERFMON}};

static void cap_freep(cap_t *state)
{
    if (*state)
        cap_free(*state);
}
#define CLEANUP_CAP __attribute__((cleanup(cap_freep)))

unsigned capabilities_held(void)
{
    CLEANUP_CAP cap_t state = cap_get_proc();
    unsigned held = 0;

    for (size_t i = 0; state && i < COUNT(known); i++) {
        cap_flag_value_t set = CAP_CLEAR;
        if (cap_get_flag(state, known[i].value, CAP_PERMITTED, &set) == 0 && set == CAP_SET)
            held |= known[i].bit;
    }
    return held;
}

static bool kept(unsigned keep, cap_value_t value)
{
    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].value == value)
            return keep & known[i].bit;
    return false;
}

static void shrink_bounding_set(unsigned keep)
{
    for (cap_value_t value = 0; cap_get_bound(value) >= 0; value++)
        if (!kept(keep, value) && cap_get_bound(value) == 1 && cap_drop_bound(value) < 0)
            return; /* not permitted: nor will the next be */
}

static int set_state(unsigned keep, int handed_on)
{
    CLEANUP_CAP cap_t state = cap_init();

    if (!state)
        return -ENOMEM;
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!(keep & known[i].bit))
            continue;
        cap_set_flag(state, CAP_PERMITTED, 1, &known[i].value, CAP_SET);
        cap_set_flag(state, CAP_EFFECTIVE, 1, &known[i].value, CAP_SET);
        if (handed_on)
            cap_set_flag(state, CAP_INHERITABLE, 1, &known[i].value, CAP_SET);
    }
    return cap_set_proc(state) < 0 ? -errno : 0;
}

/* Where the process had none, a refused capset (a filter's) takes nothing away from the promise. */
static bool has_none(void)
{
    CLEANUP_CAP cap_t state = cap_get_proc();
    CLEANUP_CAP cap_t none = cap_init();

    return state && none && cap_compare(state, none) == 0;
}

int capabilities_keep(unsigned keep, int handed_on)
{
    int error;

    keep &= capabilities_held();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    shrink_bounding_set(keep);
    cap_reset_ambient();
    error = set_state(keep, handed_on);
    if (error < 0)
        return keep == 0 && has_none() ? 0 : error;
    for (size_t i = 0; handed_on && i < COUNT(known); i++)
        if (keep & known[i].bit && cap_set_ambient(known[i].value, CAP_SET) < 0)
            return -errno;
    return 0;
}
