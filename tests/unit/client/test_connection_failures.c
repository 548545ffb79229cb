/*
 * The connection against services that are absent, slow, too new, foreign or broken. Time limits are wide; what is
 * asserted of time is that the deadline is kept, not how fast anything is.
 */
#include "client/core/connection.h"
#include "proto/clock.h"
#include "proto/framing.h"
#include "tests/unit/client/calls.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One status call against a script: its result, its text, and that no reply came where none should. */
static void expect_failure(int type, fake_script script, unsigned timeout, int expected, const char *text)
{
    struct fake_service *s = fake_start(type, script);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;
    uint64_t before = clock_steady_ms();

    assert_int_equal(status_call(c, timeout, &reply), expected);
    assert_null(reply);
    assert_non_null(strstr(connection_error(c), text));
    assert_non_null(strstr(connection_error(c), s->path));
    assert_true(clock_steady_ms() - before < timeout + 5000);
    connection_free(c);
    fake_free(s);
}

/* ---- Absent, slow, incompatible, foreign ---------------------------------------------------------- */

static void test_absent(void **state)
{
    struct connection *c = connect_to("/tmp/itexd-client-test-none/s");
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_ABSENT);
    assert_non_null(strstr(connection_error(c), "No such file"));
    connection_free(c);
}

static void test_nobody_listens(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_hold);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    shutdown(s->listening, SHUT_RDWR);
    close(s->listening);
    s->listening = -1;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_ABSENT);
    assert_non_null(strstr(connection_error(c), "refused"));
    connection_free(c);
    fake_free(s);
}

static void test_path_too_long(void **state)
{
    char path[200];
    Itexd__V1__Reply *reply;

    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    struct connection *c = connect_to(path);
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_ABSENT);
    assert_non_null(strstr(connection_error(c), "longer than 107"));
    connection_free(c);
}

static void test_path_of_the_environment(void **state)
{
    (void)state;
    setenv("ITEXD_SOCKET", "/tmp/of-the-environment", 1);
    struct connection *c = connect_to(NULL);
    assert_string_equal(connection_path(c), "/tmp/of-the-environment");
    connection_free(c);
    setenv("ITEXD_SOCKET", "", 1);
    c = connect_to(NULL);
    assert_string_equal(connection_path(c), ITEXD_DEFAULT_SOCKET);
    connection_free(c);
    unsetenv("ITEXD_SOCKET");
}

static void mute_after_hello(struct fake_service *s)
{
    int fd = fake_greet(s);

    fake_hold(s);
    close(fd);
}

/* As many events as the client takes, and never the reply. */
static void flood(struct fake_service *s)
{
    int fd = fake_greet(s);
    struct pollfd fds[2] = {{.fd = s->stop[0], .events = POLLIN}, {.fd = fd, .events = POLLOUT}};

    while (poll(fds, 2, 20000) > 0 && !fds[0].revents && !(fds[1].revents & (POLLERR | POLLHUP)))
        fake_event(fd, "device");
    close(fd);
}

static void test_slow(void **state)
{
    (void)state;
    uint64_t before = clock_steady_ms();
    expect_failure(SOCK_SEQPACKET, fake_mute, SHORT_MS, CALL_SLOW, "no answer");
    assert_true(clock_steady_ms() - before >= SHORT_MS);
    expect_failure(SOCK_SEQPACKET, mute_after_hello, SHORT_MS, CALL_SLOW, "no answer");
    expect_failure(SOCK_SEQPACKET, flood, SHORT_MS, CALL_SLOW, "no answer");
}

static void test_full_queue_is_slow(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_hold);
    struct connection *holders[32];
    struct connection *c = connect_to(s->path);
    size_t n = 0;
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(listen(s->listening, 1), 0);
    for (; n < 4; n++) {
        holders[n] = connect_to(s->path);
        status_call(holders[n], 1, &reply);
    }
    int raw[4];
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&address, &length), 0);
    for (int i = 0; i < 4; i++) {
        raw[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
        connect(raw[i], (struct sockaddr *)&address, length);
    }
    assert_int_equal(status_call(c, SHORT_MS, &reply), CALL_SLOW);
    assert_non_null(strstr(connection_error(c), "overloaded"));
    for (int i = 0; i < 4; i++)
        close(raw[i]);
    while (n-- > 0)
        connection_free(holders[n]);
    connection_free(c);
    fake_free(s);
}

static void newer(struct fake_service *s)
{
    int fd = fake_greet_as(s, "itexd", 3, 2);

    fake_hold(s);
    close(fd);
}

static void refuses_version(struct fake_service *s)
{
    int fd = fake_accept(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_error(fd, request->id, ITEXD__V1__ERROR__CODE__INCOMPATIBLE, "needs 2");
    itexd__v1__request__free_unpacked(request, NULL);
    close(fd);
    fake_hold(s);
}

/* A newer service that still speaks ours. */
static void newer_but_kind(struct fake_service *s)
{
    int fd = fake_greet_as(s, "itexd", 3, 1);

    fake_serve(s, fd);
    close(fd);
}

static void test_versions(void **state)
{
    Itexd__V1__Reply *reply;

    (void)state;
    expect_failure(SOCK_SEQPACKET, newer, LONG_MS, CALL_INCOMPATIBLE, "versions 2 to 3");
    expect_failure(SOCK_SEQPACKET, refuses_version, LONG_MS, CALL_INCOMPATIBLE, "needs 2");
    struct fake_service *s = fake_start(SOCK_SEQPACKET, newer_but_kind);
    struct connection *c = connect_to(s->path);
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_free(s);
}

static void garbage(struct fake_service *s)
{
    int fd = fake_accept(s);

    frame_send(fd, "\xff\xff\xff\xff\xff\xff\xff", 7, -1);
    fake_hold(s);
    close(fd);
}

static void another_name(struct fake_service *s)
{
    int fd = fake_greet_as(s, "somebody", 1, 1);

    fake_hold(s);
    close(fd);
}

static void done_instead_of_hello(struct fake_service *s)
{
    int fd = fake_accept(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_done(fd, request->id);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void closes(struct fake_service *s)
{
    int fd;

    while ((fd = fake_accept(s)) >= 0)
        close(fd);
}

static void oversized_packet(struct fake_service *s)
{
    static char big[ITEXD_MAX_PACKET + 1];
    int fd = fake_accept(s);

    send(fd, big, sizeof big, MSG_NOSIGNAL);
    fake_hold(s);
    close(fd);
}

static void test_foreign(void **state)
{
    (void)state;
    expect_failure(SOCK_SEQPACKET, garbage, LONG_MS, CALL_FOREIGN, "not itexd");
    expect_failure(SOCK_SEQPACKET, another_name, LONG_MS, CALL_FOREIGN, "not itexd");
    expect_failure(SOCK_SEQPACKET, done_instead_of_hello, LONG_MS, CALL_FOREIGN, "not itexd");
    expect_failure(SOCK_SEQPACKET, closes, LONG_MS, CALL_FOREIGN, "not itexd");
    expect_failure(SOCK_SEQPACKET, oversized_packet, LONG_MS, CALL_FOREIGN, "not itexd");
    expect_failure(SOCK_STREAM, fake_hold, LONG_MS, CALL_FOREIGN, "not itexd");
}

static void garbage_after_hello(struct fake_service *s)
{
    int fd = fake_greet(s);

    itexd__v1__request__free_unpacked(fake_receive(s, fd), NULL);
    frame_send(fd, "\xff\xff\xff", 3, -1);
    fake_hold(s);
    close(fd);
}

/* Full: each connection is told so and closed, before it could say hello. */
static void full(struct fake_service *s)
{
    int fd;

    while ((fd = fake_accept(s)) >= 0) {
        fake_reply_error(fd, 0, ITEXD__V1__ERROR__CODE__LIMIT, "too many connections");
        close(fd);
    }
}

/* The hello can then not be sent; what was said before counts nevertheless. */
static void test_refused_before_hello(void **state)
{
    Itexd__V1__Reply *reply;

    (void)state;
    for (int i = 0; i < 50; i++) { /* whoever is first */
        struct fake_service *s = fake_start(SOCK_SEQPACKET, full);
        struct connection *c = connect_to(s->path);
        assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
        assert_int_equal(reply->error->code, ITEXD__V1__ERROR__CODE__LIMIT);
        itexd__v1__reply__free_unpacked(reply, NULL);
        connection_free(c);
        fake_free(s);
    }
}

/* A done without an id belongs to nobody. */
static void done_without_id(struct fake_service *s)
{
    int fd = fake_greet(s);

    itexd__v1__request__free_unpacked(fake_receive(s, fd), NULL);
    fake_reply_done(fd, 0);
    fake_hold(s);
    close(fd);
}

static void test_protocol_error(void **state)
{
    (void)state;
    expect_failure(SOCK_SEQPACKET, garbage_after_hello, LONG_MS, CALL_PROTOCOL, "cannot be decoded");
    expect_failure(SOCK_SEQPACKET, done_without_id, LONG_MS, CALL_PROTOCOL, "not made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_path_too_long),
        cmocka_unit_test(test_path_of_the_environment),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_full_queue_is_slow),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_refused_before_hello),
        cmocka_unit_test(test_protocol_error),
    };

    return cmocka_run_group_tests_name("client-connection-failures", tests, NULL, NULL);
}
