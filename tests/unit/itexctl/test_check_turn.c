/* One process at a time: it ends with the descriptor, with exec and with death, and nobody waits for strangers. */
#include "client/itexctl/check_turn.h"
#include "proto/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 600000

static char key[64];

/* A key of its own for each test, in each run. */
static int begin(void **state)
{
    static unsigned n;
    (void)state;
    snprintf(key, sizeof(key), "test-%d-%u", (int)getpid(), n++);
    return 0;
}

static pid_t child(int *go, int *told)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    *go = pid ? in[1] : in[0];
    *told = pid ? out[0] : out[1];
    close(pid ? in[0] : in[1]);
    close(pid ? out[1] : out[0]);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* A process that has the turn until it is told to end. */
static pid_t holder(int *go)
{
    int told;
    char byte;
    pid_t pid = child(go, &told);
    if (pid == 0) {
        int fd = check_turn_take(key, LONG_MS);
        if (fd < 0 || write(told, "x", 1) != 1 || read(*go, &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(told, &byte, 1), 1);
    close(told);
    return pid;
}

static void let_go(int go)
{
    assert_int_equal(write(go, "x", 1), 1);
    close(go);
}

static void one_at_a_time(void **state)
{
    (void)state;
    int first = check_turn_take(key, LONG_MS);
    assert_true(first >= 0);
    assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(check_turn_take(key, 1), -1);
    close(first);
    int second = check_turn_take(key, LONG_MS);
    assert_true(second >= 0);
    close(second);
}

static void each_question_has_its_own(void **state)
{
    (void)state;
    int first = check_turn_take(key, LONG_MS), other = check_turn_take("another", LONG_MS);
    assert_true(first >= 0 && other >= 0);
    close(first);
    close(other);
}

/* Who waits is told by the end of the other's turn, not by the clock. */
static void waiting_ends_with_the_turn(void **state)
{
    (void)state;
    int go, other_go, told, status;
    char byte;
    pid_t first = holder(&go);
    pid_t waiting = child(&other_go, &told);
    if (waiting == 0) {
        if (write(told, "w", 1) != 1)
            _exit(1);
        uint64_t began = clock_steady_ms();
        int fd = check_turn_take(key, LONG_MS);
        _exit(fd == -1 && clock_steady_ms() - began < LONG_MS ? 0 : 1);
    }
    assert_int_equal(read(told, &byte, 1), 1);
    usleep(20000); /* so that it most likely waits by now; it is right in either case */
    let_go(go);
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(waitpid(waiting, &status, 0), waiting);
    /* It may have come too late to wait, and then has had a turn itself. */
    assert_true(WIFEXITED(status));
    close(told);
    close(other_go);
}

static void a_killed_one_has_no_turn(void **state)
{
    (void)state;
    int go, status;
    pid_t first = holder(&go);
    kill(first, SIGKILL);
    assert_int_equal(waitpid(first, &status, 0), first);
    int fd = check_turn_take(key, LONG_MS);
    assert_true(fd >= 0);
    close(fd);
    close(go);
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    int go, status;
    pid_t first = holder(&go);
    uint64_t began = clock_steady_ms();
    assert_int_equal(check_turn_take(key, 50), -1);
    assert_true(clock_steady_ms() - began >= 50);
    let_go(go);
    assert_int_equal(waitpid(first, &status, 0), first);
}

/* The abstract name as anybody could take it. */
static int take_as_a_stranger(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "itexctl-check/0/%s", key);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return bind(fd, (const struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

/* As root only: a name that another user took is not waited for. */
static void strangers_are_not_waited_for(void **state)
{
    (void)state;
    int go, told, status;
    char byte;
    if (geteuid() != 0)
        skip();
    pid_t stranger = child(&go, &told);
    if (stranger == 0) {
        if (setuid(65534) != 0 || take_as_a_stranger() < 0)
            _exit(1);
        _exit(write(told, "x", 1) == 1 && read(go, &byte, 1) >= 0 ? 0 : 1);
    }
    assert_int_equal(read(told, &byte, 1), 1);
    assert_int_equal(check_turn_take(key, LONG_MS), -1); /* at once: the test has no other end */
    let_go(go);
    assert_int_equal(waitpid(stranger, &status, 0), stranger);
    close(told);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time),
        TEST(each_question_has_its_own),
        TEST(waiting_ends_with_the_turn),
        TEST(a_killed_one_has_no_turn),
        TEST(waiting_has_an_end),
        TEST(strangers_are_not_waited_for),
    };
    return cmocka_run_group_tests_name("check turn", tests, NULL, NULL);
}
