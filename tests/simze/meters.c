/* Energy, activity and traffic: the integral over time of what the control file says. */
#include "tests/simze/simze.h"

#include <time.h>

static struct meters meters[MAX_CARDS];

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double advance(const struct control *control)
{
    static double last;
    double now = seconds_now();
    double passed = last > 0 ? now - last : 0;

    last = now;
    for (unsigned i = 0; i < MAX_CARDS; i++) {
        const struct reading *metrics = control->card[i].metrics;

        meters[i].energy_joules += passed * metrics[POWER].value;
        meters[i].active_seconds += passed * metrics[UTILISATION].value;
        meters[i].read_bytes += passed * metrics[MEMORY_READ].value;
        meters[i].written_bytes += passed * metrics[MEMORY_WRITE].value;
    }
    return now;
}

const struct meters *meters_of(const struct control *control, unsigned card, uint64_t *microseconds)
{
    *microseconds = (uint64_t)(advance(control) * 1e6);
    return &meters[card];
}

void meters_changing(const struct control *before)
{
    advance(before);
}
