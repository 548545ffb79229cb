/* Who is on the other side, and who descends from whom. */
#include "daemon/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_process_of_a_peer_is_itself(void **state)
{
    struct process who;
    uint64_t start;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(process_of_peer(pair[0], &who), 0);
    assert_int_equal(who.pid, getpid());
    assert_int_equal(who.uid, getuid());
    assert_int_equal(process_read_stat(getpid(), &start, NULL), 0);
    assert_true(who.start == start && start != 0);
    assert_int_equal(process_peer_has_group(pair[0], who.gid, who.gid), 1);
    assert_int_equal(process_peer_has_group(pair[0], who.gid, (gid_t)987654), 0);
    close(pair[0]);
    close(pair[1]);
}

/* A child holds one end and dies: its pid may be anybody's afterwards, so there must be no start time. */
static void test_process_of_a_dead_peer_has_no_start(void **state)
{
    struct process who;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct sockaddr address = {.sa_family = AF_UNIX}; /* autobind: an abstract name */
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    (void)state;
    assert_int_equal(bind(listener, &address, sizeof address.sa_family), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        _exit(connect(fd, (const struct sockaddr *)&name, size) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(process_of_peer(fd, &who), 0);
    assert_int_equal(who.pid, child);
    assert_true(who.start == 0);
    close(fd);
    close(listener);
}

static void test_process_descends(void **state)
{
    uint64_t start;
    pid_t parent, self = getpid();

    (void)state;
    assert_int_equal(process_read_stat(self, &start, &parent), 0);
    assert_int_equal(parent, getppid());
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            bool good = process_descends_from(getpid(), self, start) && process_descends_from(self, self, start) &&
                        !process_descends_from(getpid(), self, start + 1) && !process_descends_from(self, getpid(), 0);
            _exit(good ? 0 : 1);
        }
        int status;
        wait(&status);
        _exit(WEXITSTATUS(status));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(process_descends_from(self, child, 0)); /* it has gone */
}

static void test_process_that_is_not_there(void **state)
{
    uint64_t start, identified;
    uid_t uid;

    (void)state;
    assert_true(process_read_stat(0x3ffffff, &start, NULL) < 0);
    assert_true(process_identify(0x3ffffff, &uid, &identified) < 0);
    assert_int_equal(process_identify(getpid(), &uid, &identified), 0);
    assert_int_equal(process_read_stat(getpid(), &start, NULL), 0);
    assert_true(identified == start);
    assert_int_equal(uid, geteuid());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_of_a_peer_is_itself),
        cmocka_unit_test(test_process_of_a_dead_peer_has_no_start),
        cmocka_unit_test(test_process_descends),
        cmocka_unit_test(test_process_that_is_not_there),
    };

    return cmocka_run_group_tests_name("daemon-process", tests, NULL, NULL);
}
