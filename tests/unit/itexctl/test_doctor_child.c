/* Processes of doctor's own: each way to end is told, nothing is waited for beyond its time. */
#include "client/itexctl/doctor/child.h"
#include "proto/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 60000

static struct child_result result;

static void write_seven(void *context)
{
    *(int *)context = 7;
}

static void test_what_it_found_is_there(void **state)
{
    int *shared = child_shared(sizeof(*shared));
    (void)state;
    assert_non_null(shared);
    assert_int_equal(child_run(write_seven, shared, LONG_MS, &result), 0);
    assert_int_equal(result.end, CHILD_EXITED);
    assert_int_equal(result.number, 0);
    assert_int_equal(*shared, 7);
    child_unshare(shared, sizeof(*shared));
}

static void kill_itself(void *context)
{
    raise(*(int *)context);
}

static void test_by_signal(void **state)
{
    int number = SIGKILL;
    char text[128];
    (void)state;
    assert_int_equal(child_run(kill_itself, &number, LONG_MS, &result), 0);
    assert_int_equal(result.end, CHILD_KILLED);
    assert_int_equal(result.number, SIGKILL);
    child_describe(&result, LONG_MS, text, sizeof(text));
    assert_string_equal(text, "killed by SIGKILL (Killed)");
}

static void exit_three(void *context)
{
    (void)context;
    _exit(3);
}

static void test_by_itself(void **state)
{
    char text[128];
    (void)state;
    assert_int_equal(child_run(exit_three, NULL, LONG_MS, &result), 0);
    child_describe(&result, LONG_MS, text, sizeof(text));
    assert_string_equal(text, "ended with status 3");
}

static void sleep_for_ever(void *context)
{
    (void)context;
    printf("before\n");
    fflush(stdout);
    for (;;)
        pause();
}

static void test_at_its_deadline(void **state)
{
    char text[128];
    (void)state;
    assert_int_equal(child_run(sleep_for_ever, NULL, 300, &result), 0);
    assert_int_equal(result.end, CHILD_HUNG);
    assert_string_equal(result.output, "before\n");
    child_describe(&result, 300, text, sizeof(text));
    assert_string_equal(text, "no answer within 0.3 s");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left */
}

static void print_much(void *context)
{
    (void)context;
    for (int i = 0; i < 100000; i++)
        printf("line %d\n", i);
}

static void test_output_that_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(child_run(print_much, NULL, LONG_MS, &result), 0);
    assert_int_equal(result.end, CHILD_EXITED);
    assert_int_equal(result.size, CHILD_OUTPUT_SIZE);
    assert_int_equal(strlen(result.output), CHILD_OUTPUT_SIZE);
    assert_memory_equal(result.output, "line 0\nline 1\n", 14);
}

/* It keeps the output open, and would for ever. */
static void leave_a_grandchild(void *context)
{
    (void)context;
    while (fork() == 0)
        pause();
}

static void test_what_it_started_ends_too(void **state)
{
    int alive[2]; /* whose writing end it has, too */
    uint64_t begun = clock_steady_ms();
    (void)state;
    assert_int_equal(pipe(alive), 0);
    assert_int_equal(child_run(leave_a_grandchild, NULL, LONG_MS, &result), 0);
    assert_int_equal(result.end, CHILD_EXITED);
    close(alive[1]);
    struct pollfd end = {.fd = alive[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, LONG_MS), 1);
    assert_true(clock_steady_ms() - begun < LONG_MS);
    close(alive[0]);
}

static void run_a_program(void *context)
{
    (void)context;
    execlp("sh", "sh", "-c", "echo out; echo err >&2; read line || echo end; exit 5", (char *)NULL);
}

static void test_a_program(void **state)
{
    (void)state;
    assert_int_equal(child_run(run_a_program, NULL, LONG_MS, &result), 0);
    assert_int_equal(result.number, 5);
    assert_string_equal(result.output, "out\nerr\nend\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_found_is_there),
        cmocka_unit_test(test_by_signal),
        cmocka_unit_test(test_by_itself),
        cmocka_unit_test(test_at_its_deadline),
        cmocka_unit_test(test_output_that_does_not_fit),
        cmocka_unit_test(test_what_it_started_ends_too),
        cmocka_unit_test(test_a_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
