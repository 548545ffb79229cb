/* Packets over a real socketpair: sizes at their limits, descriptors, and what a hostile sender may do. */
#include "proto/framing.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t in[ITEXD_MAX_PACKET];
static uint8_t out[ITEXD_MAX_PACKET + 1];

/* pair[0] sends, pair[1] receives. */
static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Sends a byte with n descriptors, as no well-behaved side would. */
static void send_descriptors(int socket, size_t size, int n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } control;
    int fds[32];
    struct iovec part = {.iov_base = out, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};

    memset(&control, 0, sizeof control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    for (int i = 0; i < n; i++)
        fds[i] = STDERR_FILENO;
    memcpy(CMSG_DATA(header), fds, (size_t)n * sizeof(int));
    assert_int_equal(sendmsg(socket, &message, 0), (ssize_t)size);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {1, 2, 4095, 4096, 4097, ITEXD_MAX_PACKET - 1, ITEXD_MAX_PACKET};
    int pair[2], fd = 99;

    (void)state;
    make_pair(pair);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(out, 'a' + (int)i, sizes[i]);
        assert_int_equal(frame_send(pair[0], out, sizes[i], -1), 0);
        assert_int_equal(frame_receive(pair[1], in, &fd), (ssize_t)sizes[i]);
        assert_int_equal(fd, -1);
        assert_memory_equal(in, out, sizes[i]);
    }
    close_pair(pair);
}

static void test_packets_stay_apart(void **state)
{
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_int_equal(frame_send(pair[0], "one", 3, -1), 0);
    assert_int_equal(frame_send(pair[0], "twotwo", 6, -1), 0);
    assert_int_equal(frame_receive(pair[1], in, NULL), 3);
    assert_int_equal(frame_receive(pair[1], in, NULL), 6);
    assert_memory_equal(in, "twotwo", 6);
    close_pair(pair);
}

static void test_what_may_not_be_sent(void **state)
{
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_int_equal(frame_send(pair[0], out, 0, -1), -EMSGSIZE);
    assert_int_equal(frame_send(pair[0], out, ITEXD_MAX_PACKET + 1, -1), -EMSGSIZE);
    assert_int_equal(frame_receive(pair[1], in, NULL), -EAGAIN); /* nothing went out */
    assert_int_equal(frame_send(pair[0], out, 1, 999), -EBADF);
    close_pair(pair);
}

static void test_oversized_is_consumed(void **state)
{
    int pair[2], fd = 99;
    int before = open_descriptors();

    (void)state;
    make_pair(pair);
    assert_int_equal(send(pair[0], out, sizeof out, 0), (ssize_t)sizeof out);
    send_descriptors(pair[0], sizeof out, 1);
    assert_int_equal(frame_send(pair[0], "next", 4, -1), 0);
    assert_int_equal(frame_receive(pair[1], in, &fd), -EMSGSIZE);
    assert_int_equal(frame_receive(pair[1], in, &fd), -EMSGSIZE);
    assert_int_equal(fd, -1);
    assert_int_equal(frame_receive(pair[1], in, &fd), 4);
    close_pair(pair);
    assert_int_equal(open_descriptors(), before);
}

static void test_end_and_empty(void **state)
{
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_int_equal(frame_receive(pair[1], in, NULL), -EAGAIN);
    assert_int_equal(send(pair[0], "", 0, 0), 0); /* looks like an end, which is why it is never sent */
    assert_int_equal(frame_receive(pair[1], in, NULL), 0);
    assert_int_equal(frame_send(pair[0], "last", 4, -1), 0);
    close(pair[0]);
    assert_int_equal(frame_receive(pair[1], in, NULL), 4);
    assert_int_equal(frame_receive(pair[1], in, NULL), 0);
    close(pair[1]);
}

static void test_a_descriptor_travels(void **state)
{
    int pair[2], pipes[2], fd = -1;
    int before = open_descriptors();
    char byte = 0;

    (void)state;
    make_pair(pair);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(frame_send(pair[0], "x", 1, pipes[1]), 0);
    assert_int_equal(frame_receive(pair[1], in, &fd), 1);
    assert_true(fd >= 0 && fd != pipes[1]);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(fd, "y", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(fd);
    assert_int_equal(write(pipes[1], "z", 1), 1); /* the sender's is still its own */
    close(pipes[0]);
    close(pipes[1]);
    close_pair(pair);
    assert_int_equal(open_descriptors(), before);
}

static void test_unwanted_descriptors_are_closed(void **state)
{
    static const int counts[] = {2, 8, 9, 32}; /* 8 is what the receiver has room for */
    int pair[2], fd = 99;
    int before = open_descriptors();

    (void)state;
    make_pair(pair);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        send_descriptors(pair[0], 1, counts[i]);
        assert_int_equal(frame_receive(pair[1], in, &fd), -EPROTO);
        assert_int_equal(fd, -1);
    }
    send_descriptors(pair[0], 1, 1);
    assert_int_equal(frame_receive(pair[1], in, NULL), 1); /* the receiver wants none */
    send_descriptors(pair[0], 1, 32);
    assert_int_equal(frame_receive(pair[1], in, NULL), 1); /* nor any number of them */
    assert_int_equal(frame_send(pair[0], "next", 4, -1), 0);
    assert_int_equal(frame_receive(pair[1], in, &fd), 4);
    close_pair(pair);
    assert_int_equal(open_descriptors(), before);
}

/* It reads as an end, so nobody would look for a descriptor with it. */
static void test_descriptors_of_an_empty_packet_are_closed(void **state)
{
    int pair[2], fd = 99;
    int before = open_descriptors();

    (void)state;
    make_pair(pair);
    for (int n = 1; n <= 2; n++) {
        send_descriptors(pair[0], 0, n);
        assert_int_equal(frame_receive(pair[1], in, &fd), 0);
        assert_int_equal(fd, -1);
    }
    close_pair(pair);
    assert_int_equal(open_descriptors(), before);
}

static void test_full_is_again(void **state)
{
    int pair[2], sent = 0, r;

    (void)state;
    make_pair(pair);
    while ((r = frame_send(pair[0], out, ITEXD_MAX_PACKET, -1)) == 0)
        assert_true(++sent < 1000);
    assert_int_equal(r, -EAGAIN); /* though the socket itself would block */
    assert_true(sent > 0);
    assert_int_equal(frame_receive(pair[1], in, NULL), ITEXD_MAX_PACKET);
    assert_int_equal(frame_send(pair[0], out, ITEXD_MAX_PACKET, -1), 0);
    close_pair(pair);
}

static void test_gone_is_an_error_and_no_signal(void **state)
{
    int pair[2];

    (void)state;
    signal(SIGPIPE, SIG_DFL);
    make_pair(pair);
    close(pair[1]);
    assert_int_equal(frame_send(pair[0], "x", 1, -1), -EPIPE);
    close(pair[0]);
    assert_int_equal(frame_receive(pair[0], in, NULL), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_packets_stay_apart),
        cmocka_unit_test(test_what_may_not_be_sent),
        cmocka_unit_test(test_oversized_is_consumed),
        cmocka_unit_test(test_end_and_empty),
        cmocka_unit_test(test_a_descriptor_travels),
        cmocka_unit_test(test_unwanted_descriptors_are_closed),
        cmocka_unit_test(test_descriptors_of_an_empty_packet_are_closed),
        cmocka_unit_test(test_full_is_again),
        cmocka_unit_test(test_gone_is_an_error_and_no_signal),
    };

    return cmocka_run_group_tests_name("proto-framing", tests, NULL, NULL);
}
