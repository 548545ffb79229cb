/* The socket is taken from nobody who uses it, and nothing that is not ours is removed. */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64], path[96], error[512];

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/itexd-test-listener-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/s", directory);
    error[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    char lock[128];

    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(path);
    unlink(lock);
    return rmdir(directory);
}

static int open_it(struct listener *listener)
{
    return listener_open(listener, path, 0640, SOCK_SEQPACKET, error, sizeof error);
}

static void test_listener_makes_and_removes(void **state)
{
    struct listener listener;
    struct stat info;

    (void)state;
    assert_int_equal(open_it(&listener), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0640);
    listener_close(&listener);
    assert_int_equal(stat(path, &info), -1);
}

static void test_listener_is_alone(void **state)
{
    struct listener first, second;

    (void)state;
    assert_int_equal(open_it(&first), 0);
    assert_int_equal(open_it(&second), -EADDRINUSE);
    assert_non_null(strstr(error, path));
    assert_int_equal(access(path, F_OK), 0);
    listener_close(&first);
}

static void bind_plain(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
}

static void test_listener_replaces_what_nobody_serves(void **state)
{
    struct listener listener;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    (void)state;
    bind_plain(fd);
    close(fd); /* without unlinking, as after a crash */
    assert_int_equal(open_it(&listener), 0);
    listener_close(&listener);
}

static void test_listener_leaves_another_program_alone(void **state)
{
    struct listener listener;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0); /* another type: connecting gives EPROTOTYPE */

    (void)state;
    bind_plain(fd);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(open_it(&listener), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void test_listener_leaves_a_file_alone(void **state)
{
    struct listener listener;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    (void)state;
    close(fd);
    assert_int_equal(open_it(&listener), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_listener_does_not_remove_its_successor(void **state)
{
    struct listener listener;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    (void)state;
    assert_int_equal(open_it(&listener), 0);
    unlink(path);
    bind_plain(fd);
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void test_listener_names_what_is_wrong(void **state)
{
    struct listener listener;
    char longer[200];

    (void)state;
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(listener_open(&listener, longer, 0666, SOCK_SEQPACKET, error, sizeof error), -ENAMETOOLONG);
    assert_int_equal(listener_open(&listener, "relative", 0666, SOCK_SEQPACKET, error, sizeof error), -EINVAL);
    snprintf(longer, sizeof longer, "%s/none/s", directory);
    assert_int_equal(listener_open(&listener, longer, 0666, SOCK_SEQPACKET, error, sizeof error), -ENOENT);
    assert_non_null(strstr(error, longer));
    assert_int_equal(listener.fd, -1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listener_makes_and_removes),           TEST(test_listener_is_alone),
        TEST(test_listener_replaces_what_nobody_serves), TEST(test_listener_leaves_another_program_alone),
        TEST(test_listener_leaves_a_file_alone),         TEST(test_listener_does_not_remove_its_successor),
        TEST(test_listener_names_what_is_wrong),
    };

    return cmocka_run_group_tests_name("daemon-listener", tests, NULL, NULL);
}
