/*
 * Real events of the kernel: root asks for some of a device that every machine has (/dev/null), and a storm of them is
 * told once.
 */
#include "daemon/devices/uevents.h"
#include "proto/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TRIGGER "/sys/class/mem/null/uevent"
#define STORM 20

struct heard {
    struct event_base *base;
    unsigned times, n;
    char what[96];
};

static bool is_null(const struct uevent *event)
{
    return event->name && strcmp(event->name, "null") == 0;
}

static void on_settled(void *context, const char *what, unsigned n)
{
    struct heard *heard = context;

    heard->times++;
    heard->n += n;
    snprintf(heard->what, sizeof heard->what, "%s", what);
    if (heard->n >= STORM)
        event_base_loopbreak(heard->base);
}

static bool trigger(void)
{
    int fd = open(TRIGGER, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "change", 6) == 6;

    if (fd >= 0)
        close(fd);
    return done;
}

static void test_a_storm_is_told_once(void **state)
{
    static const char *const subsystems[] = {"mem", NULL};
    struct timeval limit = {.tv_sec = 10};
    struct heard heard = {.base = event_base_new()};
    struct uevents *uevents;
    uint64_t begin;

    (void)state;
    if (uevents_open(heard.base, subsystems, is_null, on_settled, &heard, &uevents) < 0) {
        event_base_free(heard.base);
        skip();
    }
    begin = clock_steady_ms();
    for (int i = 0; i < STORM; i++)
        if (!trigger()) {
            uevents_free(uevents);
            event_base_free(heard.base);
            skip();
        }
    event_base_loopexit(heard.base, &limit);
    event_base_dispatch(heard.base);
    if (heard.times == 0) { /* a container's network may not hear the kernel */
        print_message("no event was heard\n");
        uevents_free(uevents);
        event_base_free(heard.base);
        skip();
    }
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.n, STORM);
    assert_string_equal(heard.what, "mem change null");
    assert_true(clock_steady_ms() - begin >= UEVENTS_QUIET_MS);
    uevents_free(uevents);
    event_base_free(heard.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_storm_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
