/* A line stays one line, and a reader who sleeps costs lines, not time. */
#include "daemon/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int old_stderr, reading;

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    old_stderr = dup(STDERR_FILENO);
    if (pipe(ends) < 0)
        return -1;
    reading = ends[0];
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    log_set_level(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(reading);
    return 0;
}

static char *read_line(void)
{
    static char text[8192];
    ssize_t size = read(reading, text, sizeof text - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void test_log_escapes_what_clients_say(void **state)
{
    (void)state;
    log_event(LOG_INFO, "test", LOG_NUMBER("uid", 7), LOG_TEXT("job", "a\nevent=forged \"x\"\x1b[31m\xc2\x9b"),
              LOG_TEXT("plain", "a.b-c/d"), LOG_TEXT("none", NULL), LOG_TEXT("empty", ""));
    assert_string_equal(read_line(),
                        "event=test uid=7 job=\"a\\x0aevent=forged \\\"x\\\"\\x1b[31m\\xc2\\x9b\" plain=a.b-c/d "
                        "none=- empty=\"\"\n");
}

static void test_log_cuts_long_lines(void **state)
{
    char *value = malloc(100001);

    (void)state;
    memset(value, 'x', 100000);
    value[100000] = '\0';
    log_event(LOG_INFO, "test", LOG_TEXT("value", value));
    const char *line = read_line();
    assert_in_range(strlen(line), 100, 2048);
    assert_string_equal(line + strlen(line) - 4, "...\n");
    free(value);
}

static void test_log_below_the_level_is_silent(void **state)
{
    (void)state;
    log_event(LOG_DEBUG, "unseen", LOG_NUMBER("n", 1));
    log_event(LOG_ERROR, "seen", LOG_NUMBER("n", 2));
    assert_string_equal(read_line(), "event=seen n=2\n");
}

/* The pipe is never read while 5000 lines are logged: more than it and the queue together hold. */
static void test_log_drops_and_counts_without_waiting(void **state)
{
    (void)state;
    log_start();
    for (int i = 0; i < 5000; i++)
        log_event(LOG_INFO, "flood", LOG_TEXT("filler", "filler-filler-filler-filler-filler-filler"));
    assert_in_range(log_dropped(), 1, 5000);

    FILE *lines = fdopen(dup(reading), "r");
    char line[512];
    do
        assert_non_null(fgets(line, sizeof line, lines));
    while (strncmp(line, "event=log-dropped", strlen("event=log-dropped")) != 0);
    fcntl(reading, F_SETFL, O_NONBLOCK);
    while (fgets(line, sizeof line, lines))
        ;
    fclose(lines);
    log_stop();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_escapes_what_clients_say),
        TEST(test_log_cuts_long_lines),
        TEST(test_log_below_the_level_is_silent),
        TEST(test_log_drops_and_counts_without_waiting),
    };

    return cmocka_run_group_tests_name("daemon-log", tests, NULL, NULL);
}
